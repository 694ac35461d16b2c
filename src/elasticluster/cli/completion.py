"""``elasticluster completion``: scripts by which shells complete commands, options and names.

The scripts are made by shtab from the parsers. For names of clusters, nodes and the like they ask this
command again, with its hidden option ``--values``.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand
from elasticluster.exceptions import ElastiClusterError, UsageError

if TYPE_CHECKING:
    from elasticluster.conf import Creator
    from elasticluster.model import ClusterRecord

SHELLS = ("bash", "zsh", "fish")

_VALUES = ("clusters", "templates", "nodes", "targets", "counts", "clouds")

_BY_NAME: Mapping[str, str] = {
    "add": "counts",
    "append": "file",
    "cloud": "clouds",
    "cluster": "clusters",
    "clusters": "clusters",
    "config": "file",
    "file": "file",
    "node": "targets",
    "nodes": "nodes",
    "output": "file",
    "output_file": "file",
    "remove": "counts",
    "storage": "directory",
    "template": "templates",
}
"""What is completed for an argument, by the name of its value, whatever the command …"""

_BY_COMMAND: Mapping[tuple[str, str], str] = {
    ("adopt", "cluster"): "",  # those that are known here are the only ones that it does not want
    ("bake", "cluster"): "templates",
    ("config", "cluster"): "templates",
    ("list-templates", "clusters"): "templates",
    ("remove-node", "node"): "nodes",
    ("start", "cluster"): "templates",
    ("start", "nodes"): "counts",
}
"""… and where a command means something else by it."""

_BASH = """
_elasticluster_values() {
  elasticluster completion --values "$1" -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null
}
"""
_BASH_WORDS = r"""

# bash cuts words at colons: `--nodes 2:compute` has to be put together again, and its first part left out
# of the answers. It also cuts at the sign in `--node=x`, which is `--node x` then.
_elasticluster() {
  local whole=() current=0 number glue=
  for ((number = 0; number < ${#COMP_WORDS[@]}; number++)); do
    if [[ ${COMP_WORDS[number]} == = && ${COMP_WORDS[number - 1]} == --* ]]; then
      whole+=("")
      glue=yes
    elif [[ $glue || ${COMP_WORDS[number]} == :* ]] && ((number > 0)); then
      whole[${#whole[@]} - 1]+=${COMP_WORDS[number]}
      [[ ${COMP_WORDS[number]} == *: ]] && glue=yes || glue=
    else
      whole+=("${COMP_WORDS[number]}")
      [[ ${COMP_WORDS[number]} == *: ]] && glue=yes || glue=
    fi
    ((number > COMP_CWORD)) || current=$((${#whole[@]} - 1))
  done
  local COMP_WORDS=("${whole[@]}") COMP_CWORD=$current
  _shtab_elasticluster "$@"
  local word=${COMP_WORDS[COMP_CWORD]}
  if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
  fi
}
complete -o bashdefault -F _elasticluster elasticluster
"""
_ZSH = """
_elasticluster_values() {
  local -a found
  found=(${(f)"$(elasticluster completion --values $1 -- "${(@Q)${(z)LBUFFER}}" "$PREFIX" 2>/dev/null)"})
  (( $#found )) && compadd -a found
}
"""
_FISH = """
function _elasticluster_values
  set -l word (commandline -ct | string replace -r '^--[^=]*=' '')
  elasticluster completion --values $argv[1] -- (commandline -opc) "$word" 2>/dev/null
end
"""
_ONE_EACH = {
    "bash": "_elasticluster_{0}() {{ _elasticluster_values {0}; }}\n",
    "zsh": "_elasticluster_{0}() {{ _elasticluster_values {0} }}\n",
}


class PrintCompletion(AbstractCommand):
    """Print a script by which a shell completes commands, options and names."""

    takes_rest = True

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "completion",
            help="Print a script by which a shell completes commands, options and names.",
            description="Print a script for your shell. It completes commands and options, and names of "
            "clusters, templates, nodes and kinds of nodes.\n\n"
            'For this session: eval "$(elasticluster completion bash)" (or zsh), or in fish: '
            "elasticluster completion fish | source",
            epilog="example: elasticluster completion bash "
            "> ~/.local/share/bash-completion/completions/elasticluster",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("shell", nargs="?", choices=SHELLS, help="Which shell it is for.")
        parser.add_argument("--values", choices=_VALUES, help=argparse.SUPPRESS)

    def pre_run(self) -> None:
        """Make sure that it is clear which shell is meant."""
        if self.params.shell is None and self.params.values is None:
            raise UsageError(f"`completion` needs the name of a shell: {', '.join(SHELLS)}.")

    def execute(self) -> int:
        """Print a script, or for a script what may stand at a place."""
        if self.params.values is None:
            print(script(self.params.shell))
            return 0
        words = self.params.rest
        current = words[-1] if words else ""
        found = Names(words).values(self.params.values, current)
        for name in found:
            if name.startswith(current) and shlex.quote(name) == name:
                print(name)
        return 0


# -- scripts ---------------------------------------------------------------------------------------


def script(shell: str) -> str:
    """Return the script for a shell of :data:`SHELLS`."""
    import shtab

    from elasticluster.cli.app import build_parser

    parser, _ = build_parser(argparse.Namespace())
    _annotate(parser, "")
    ours = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]
    ours += "".join(_ONE_EACH.get(shell, "").format(kind) for kind in _VALUES)
    made: str = shtab.complete(parser, shell=shell, preamble=ours)
    if shell == "bash":
        return made + _BASH_WORDS
    return _for_zsh(made) if shell == "zsh" else made


def _for_zsh(made: str) -> str:
    """Let zsh complete more than the first of several values, and values after ``--option=``."""
    several = made.replace('"(*)::', '"*:').replace('"(*):', '"*:')
    return _ZSH_OPTION.sub(lambda found: f"{found[0].replace(',', '+,')}=", several)


_ZSH_OPTION = re.compile(r"""^  (?:\{-\w,|"\*?)--[\w-]+(?=(?:\}")?\[.*\]:\w+:)""", re.MULTILINE)
"""The names of an option that takes a value, in what shtab makes for zsh."""


def _annotate(parser: argparse.ArgumentParser, command: str) -> None:
    """Tell shtab what is completed for the arguments of a parser and of those below it."""
    parser.formatter_class = argparse.HelpFormatter  # no colours, on a terminal either
    for action in parser._actions:  # noqa: SLF001 - as shtab itself does; argparse offers nothing else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            for choice in action._choices_actions:  # noqa: SLF001 - same
                action.choices[choice.dest].description = choice.help  # one line for each command
            for name, child in action.choices.items():
                _annotate(child, name)
            continue
        action.metavar = None  # some hold signs that mean something to shells
        kind = completed(command, action.dest)
        if kind and action.nargs != 0 and not action.choices:
            anything: Any = action
            anything.complete = _complete(kind)


def completed(command: str, dest: str) -> str:
    """Return what is completed for an argument; empty if nothing is.

    Args:
        command: name of the command.
        dest: name of the argument's value, for a global option with ``_after`` at its end.
    """
    name = dest.removesuffix("_after")
    return _BY_COMMAND.get((command, name), _BY_NAME.get(name, ""))


def _complete(kind: str) -> Mapping[str, Any]:
    import shtab

    if kind in {"file", "directory"}:
        return shtab.FILE if kind == "file" else shtab.DIRECTORY
    function = f"_elasticluster_{kind}"
    return {"bash": function, "zsh": function, "fish": f"(_elasticluster_values {kind})"}


# -- values ----------------------------------------------------------------------------------------


class Names:
    """What there is to be named on a command line that is being written.

    What cannot be read is left out: nothing is printed between what the user writes.

    Args:
        words: the command line so far, with the program's name; the last word may be unfinished.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [_as_meant(word) for word in words[:-1]]

    def values(self, kind: str, current: str) -> Iterable[str]:
        """Return what may stand for one of the kinds of values.

        Args:
            kind: ``clusters``, ``templates``, ``clouds``, ``nodes`` (that the line does not name yet),
                ``targets`` (nodes and kinds of nodes) or ``counts`` (``2:compute``).
            current: what is there of the word; it decides on the counts.
        """
        if kind == "clusters":
            return self._clusters
        if kind == "templates":
            return self._templates
        if kind == "clouds":
            return _found(lambda: list(self._creator.configuration.usable_cloud_names()))
        if kind == "counts":
            return self._counts(current)
        nodes = dict.fromkeys(node.name for record in self._records for node in record.nodes)
        if kind == "nodes":
            return [name for name in nodes if name not in self._words]
        return [*nodes, *self._kinds]

    @cached_property
    def _creator(self) -> Creator:
        from elasticluster.conf import make_creator
        from elasticluster.config.default import DEFAULT_PATH

        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        for names in (("-c", "--config"), ("-s", "--storage")):
            parser.add_argument(*names)
        try:
            given, _ = parser.parse_known_args(self._words)
        except argparse.ArgumentError:  # its value is still to be written
            given = argparse.Namespace(config=None, storage=None)
        return make_creator(given.config or DEFAULT_PATH, given.storage)

    @cached_property
    def _clusters(self) -> list[str]:
        return _found(lambda: self._creator.create_repository().names())

    @cached_property
    def _templates(self) -> list[str]:
        return _found(lambda: list(self._creator.configuration.template_names()))

    def _counts(self, current: str) -> list[str]:
        """Return ``N:KIND`` with the number, and those before it, that are written already."""
        kinds = dict.fromkeys(self._kinds)
        named = [name for name in self._templates if name in self._words] or self._templates
        for summary in _found(lambda: self._creator.list_templates(named) if named else []):
            kinds |= dict.fromkeys(summary.counts)
        head, colon, _ = current.rpartition(":")
        number = head if colon else current or "1"
        return [f"{number}:{kind}" for kind in kinds]

    @property
    def _kinds(self) -> Iterable[str]:
        return dict.fromkeys(kind for record in self._records for kind in record.kinds)

    @cached_property
    def _records(self) -> list[ClusterRecord]:
        """The clusters that are named on the command line; all of them if none is."""
        named = [name for name in self._clusters if name in self._words]
        return [record for name in named or self._clusters for record in _found(partial(self._load, name))]

    def _load(self, name: str) -> list[ClusterRecord]:
        return [self._creator.create_repository().store.load(name)]


def _as_meant(word: str) -> str:
    """Return a word as a shell would hand it over; bash tells it as it was written, with its quotes."""
    try:
        return "".join(shlex.split(os.path.expandvars(word)))
    except ValueError:  # the end of a quotation is still to be written
        return word


def _found(look: Callable[[], list[Any]]) -> list[Any]:
    try:
        return look()
    except ElastiClusterError:
        return []
