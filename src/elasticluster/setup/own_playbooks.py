"""Looks into the user's own playbooks: whether Ansible would take them, and which groups they name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import yaml

_VAULT = "$ANSIBLE_VAULT"  # how an encrypted file begins; only Ansible can look into it
_IMPORTS = ("import_playbook", "ansible.builtin.import_playbook")
_PLAY_KEYS = ("hosts", *_IMPORTS)
_WORD_RE = re.compile(r"\w+")
_LARGEST = 1_000_000  # bytes of a file of a role that is looked into
_MOST_FILES = 1000
_EVERYBODY = frozenset({"all", "*", "ungrouped", "localhost"})
_SUBSCRIPT_RE = re.compile(r"\[[^\]]*\]")
_EXPRESSION_RE = re.compile(
    r"""groups\[\s*['"]([\w-]+)['"]|groups\.(?!get\b)(\w+)|['"]([\w-]+)['"]\s+(?:not\s+)?in\s+group_names"""
)


@dataclass(frozen=True, slots=True)
class NamedGroups:
    """Groups that playbooks name.

    Attributes:
        patterns: names, also with ``*`` and ``?`` in them.
        complete: whether there are no others; False where only Ansible could tell.
    """

    patterns: frozenset[str] = frozenset()
    complete: bool = True

    def __contains__(self, group: str) -> bool:
        return not self.complete or any(fnmatchcase(group, pattern) for pattern in self.patterns)


def playbook_problem(path: Path) -> str:
    """Return what Ansible would refuse before the first play of a playbook; empty if nothing."""
    import yaml

    if not path.is_file():
        return "does not exist"
    try:
        root = _composed(path)
        return "" if root is None else _no_plays(root)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        return f"cannot be read: line {line}: {exc.problem}"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        return f"cannot be read: {str(exc).splitlines()[0]}"


def named_groups(paths: Iterable[Path]) -> NamedGroups:
    """Return the groups that playbooks name, in ``hosts`` or in an expression.

    Playbooks that they import are looked into as well.
    """
    names: set[str] = set()
    complete = True
    for found in _with_imports(paths).values():
        if found is None:
            complete = False
            continue
        complete = complete and not any(map(_needs_ansible, [*found.patterns, *found.imported]))
        names.update(found.patterns)
    return NamedGroups(frozenset(names - _EVERYBODY), complete)


def words_in(paths: Iterable[Path]) -> frozenset[str]:
    """Return all words in the text of playbooks, those that they import, and the roles beside them."""
    playbooks = list(_with_imports(paths))
    folders = dict.fromkeys(path.parent / "roles" for path in playbooks)
    files = (file for folder in folders for file in sorted(folder.glob("*/**/*")))
    words: set[str] = set()
    for path in (*playbooks, *islice(files, _MOST_FILES)):
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_size <= _LARGEST:
                words.update(_WORD_RE.findall(path.read_text(encoding="utf-8", errors="replace")))
    return frozenset(words)


class _Named(NamedTuple):
    patterns: list[str]
    imported: list[str]


def _with_imports(paths: Iterable[Path]) -> dict[Path, _Named | None]:
    """Return what playbooks name, and those that they import; None for one that cannot be looked into."""
    seen: dict[Path, _Named | None] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen[path] = found = _named(path)
            imported = found.imported if found else ()
            waiting += [path.parent / name for name in imported if not _needs_ansible(name)]
    return seen


def _named(path: Path) -> _Named | None:
    """Return patterns of groups and imported playbooks of a playbook; None if it cannot be looked into."""
    import yaml

    try:
        root = _composed(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError, yaml.YAMLError):
        return None
    if root is None:
        return None
    patterns = [name for match in _EXPRESSION_RE.finditer(text) for name in match.groups() if name]
    imported = []
    for key, value in _entries(root):
        if key == "hosts":
            patterns += [part for text in _scalars(value) for part in _parts(text)]
        elif key in _IMPORTS:
            imported += _scalars(value)
    return _Named(patterns, imported)


def _composed(path: Path) -> yaml.Node | None:
    """Return a playbook as YAML; None if it is encrypted.

    Tags that only Ansible knows do no harm, since no values are made.
    """
    import yaml

    text = path.read_text(encoding="utf-8")
    if text.startswith(_VAULT):
        return None
    return yaml.compose(text, Loader=yaml.SafeLoader) or yaml.ScalarNode("", "")


def _no_plays(root: yaml.Node) -> str:
    """Return why this is no list of plays; empty if it is one."""
    import yaml

    entries = root.value if isinstance(root, yaml.SequenceNode) else ()
    for entry in entries:
        keys = [key.value for key, _ in entry.value] if isinstance(entry, yaml.MappingNode) else []
        if not any(key in keys for key in _PLAY_KEYS):
            return f"is no list of plays: line {entry.start_mark.line + 1}: there is no 'hosts'"
    return "" if entries else "is no list of plays"


def _entries(root: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    import yaml

    for play in root.value if isinstance(root, yaml.SequenceNode) else ():
        if isinstance(play, yaml.MappingNode):
            yield from ((str(key.value), value) for key, value in play.value)


def _scalars(node: yaml.Node) -> list[str]:
    import yaml

    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [str(one.value) for one in nodes if isinstance(one, yaml.ScalarNode)]


def _parts(pattern: str) -> list[str]:
    """Return the names in a pattern of hosts: ``a:!b:&c[0]``, or ``a, b``."""
    if _needs_ansible(pattern):
        return [pattern]
    parts = re.split("[,:]", _SUBSCRIPT_RE.sub("", pattern))
    return [name for part in parts if (name := part.strip().lstrip("!&"))]


def _needs_ansible(name: str) -> bool:
    """Whether only Ansible can tell what is meant: a value of a variable, or a regular expression."""
    return "{{" in name or name.startswith(("~", "!~", "&~"))
