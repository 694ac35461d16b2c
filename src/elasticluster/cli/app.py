"""Put the commands together: arguments in, exit status out."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from elasticluster.cli import exit_codes, plugins, streams
from elasticluster.cli.adopt import Adopt
from elasticluster.cli.bake import Bake
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.completion import PrintCompletion
from elasticluster.cli.config import ShowConfiguration
from elasticluster.cli.export import ExportCluster
from elasticluster.cli.gc import Gc
from elasticluster.cli.gc3pie import GC3PieConfig
from elasticluster.cli.import_ import ImportCluster
from elasticluster.cli.list_clusters import ListClusters
from elasticluster.cli.list_nodes import ListNodes
from elasticluster.cli.list_templates import ListTemplates
from elasticluster.cli.migrate import MigrateClusters
from elasticluster.cli.pause import Pause, Resume
from elasticluster.cli.remote import SftpFrontend, SshFrontend
from elasticluster.cli.remove_node import RemoveNode
from elasticluster.cli.resize import Resize
from elasticluster.cli.setup import SetupCluster
from elasticluster.cli.signals import Interruptions
from elasticluster.cli.ssh_config import PrintSshConfig
from elasticluster.cli.start import Start
from elasticluster.cli.status import ShowStatus
from elasticluster.cli.stop import Stop
from elasticluster.exceptions import ElastiClusterError

COMMANDS: tuple[type[AbstractCommand], ...] = (
    Start,
    Stop,
    ListClusters,
    ListNodes,
    ListTemplates,
    ShowConfiguration,
    ShowStatus,
    SetupCluster,
    Resize,
    RemoveNode,
    Pause,
    Resume,
    SshFrontend,
    SftpFrontend,
    PrintSshConfig,
    Bake,
    Gc,
    Adopt,
    ExportCluster,
    ImportCluster,
    GC3PieConfig,
    MigrateClusters,
    PrintCompletion,
)

_TRACEBACK = 3  # that many `-v` show where an error came from
_EPILOG = f"""\
exit codes:
{exit_codes.table()}

Verbosity: -v also shows Ansible's output and each task, -vv debugging messages, -vvv tracebacks of
errors, -vvvv starts nodes one after another.

New here? Run `elasticluster start slurm`: the configuration file that it writes describes a Slurm cluster
of three containers on this computer."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: arguments without the program's name; those of this process if None.

    Returns:
        the exit status.
    """
    streams.prepare()
    with Interruptions() as interruptions:
        try:
            return _main(sys.argv[1:] if argv is None else argv, interruptions)
        except KeyboardInterrupt:  # before the command began, or after it ended
            return interruptions.status
        except OSError as error:
            return _ended(error, 0)


def _main(argv: Sequence[str], interruptions: Interruptions) -> int:
    ours, rest = _split(list(argv))
    params = argparse.Namespace()
    parser, commands = build_parser(params, ours)
    try:
        parser.parse_args(ours, namespace=params)
    finally:
        sys.stdout.flush()  # what `--help` has printed
    _merge_options(params, rest)
    _log(params.verbose)
    command = commands[params.command]
    if rest and not command.takes_rest:
        parser.error(f"`{params.command}` takes nothing after `--`, but got: {' '.join(rest)}")
    return _run(command, params, interruptions)


def _run(command: AbstractCommand, params: argparse.Namespace, interruptions: Interruptions) -> int:
    try:
        command.pre_run()
        status = getattr(params, "func", command.execute)() or 0
        sys.stdout.flush()
    except ElastiClusterError as error:
        return _failed(error, params.verbose)
    except KeyboardInterrupt:
        say(command.how_to_go_on())
        return interruptions.status
    except OSError as error:
        return _ended(error, params.verbose)
    except Exception as error:  # noqa: BLE001 - whatever it is, users are not shown the inside of the program
        return _failed(_internal(error), params.verbose)
    return int(status)


def _ended(error: OSError, verbosity: int) -> int:
    """Return the exit status after an error of the operating system that no other error names."""
    if isinstance(error, BrokenPipeError):  # who reads it has enough
        streams.give_up()
        return 1
    if streams.is_full(error):
        streams.give_up()
        return _failed(ElastiClusterError(f"The results cannot be written: {error.strerror}."), verbosity)
    return _failed(_internal(error), verbosity)


def _internal(error: Exception) -> ElastiClusterError:
    wrapped = ElastiClusterError(
        f"Something unexpected went wrong: {type(error).__name__}: {error}",
        hint="What exists is recorded. With -vvv you see where it happened; please report that.",
    )
    wrapped.__cause__ = error
    wrapped.exit_code = os.EX_SOFTWARE
    return wrapped


def build_parser(
    params: argparse.Namespace, argv: Sequence[str] = ()
) -> tuple[argparse.ArgumentParser, dict[str, AbstractCommand]]:
    """Return the parser and, by name, the commands, all of which share `params`.

    Args:
        params: filled when a command line is parsed.
        argv: what will be parsed; commands of installed packages are there unless it names one of ours.
    """
    formatter = _formatter()
    parser = _Parser(
        prog="elasticluster",
        description="Start, use and stop compute clusters on clouds or on your own computer.",
        epilog=_EPILOG,
        formatter_class=formatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="Print the version and exit.")
    _add_global_options(parser)
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, title="commands", parser_class=_CommandParser
    )
    commands: dict[str, AbstractCommand] = {}

    def add(command: AbstractCommand) -> None:
        command.setup(subparsers)
        for name in subparsers.choices.keys() - commands.keys():
            commands[name] = command
            subparsers.choices[name].formatter_class = formatter
            with contextlib.suppress(argparse.ArgumentError):  # a third party's command has such an option
                _add_global_options(subparsers.choices[name], suffix="_after")

    for kind in COMMANDS:
        add(kind(params))
    if _command_in(argv) not in commands:
        plugins.mount(subparsers, params, add, say)
    return parser, commands


def _command_in(argv: Sequence[str]) -> str:
    """Return the name of the command in a command line; empty if there is none."""
    options = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    _add_global_options(options)
    options.add_argument("command", nargs="?", default="")
    options.add_argument("rest", nargs=argparse.REMAINDER)
    try:
        return str(options.parse_known_args(argv)[0].command)
    except argparse.ArgumentError:
        return ""


def _formatter() -> Any:
    """Return the colourful help formatter on a terminal; it costs an import elsewhere."""
    if not sys.stdout.isatty():
        return argparse.RawDescriptionHelpFormatter
    from rich_argparse import RawDescriptionRichHelpFormatter

    return RawDescriptionRichHelpFormatter


class _Parser(argparse.ArgumentParser):
    """A parser that does not pass over it when its help cannot be written."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)


class _CommandParser(_Parser):
    """Takes options anywhere, also before a name that may be left out.

    argparse itself, before Python 3.13, takes such a name as left out as soon as an option comes before it.
    """

    _parsing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the values and what is not understood, as in every parser."""
        if self._parsing or all(action.nargs != "?" for action in self._get_positional_actions()):
            return super().parse_known_args(args, namespace)
        self._parsing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)  # which calls this method again
        finally:
            self._parsing = False


class _Version(argparse.Action):
    """Print the version; it is looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_unused: Any) -> None:
        from importlib.metadata import version

        print(f"elasticluster version {version('elasticluster')}")
        parser.exit()


def _add_global_options(parser: argparse.ArgumentParser, suffix: str = "") -> None:
    """Add the options that are understood before and after the name of a command."""
    group = parser.add_argument_group("global options")
    group.add_argument(
        "-v", "--verbose", action="count", default=0, dest=f"verbose{suffix}", help="Say more; repeatable."
    )
    group.add_argument(
        "-s",
        "--storage",
        metavar="PATH",
        dest=f"storage{suffix}",
        help="Folder or database in which clusters are remembered (default: ~/.elasticluster/storage).",
    )
    group.add_argument(
        "-c",
        "--config",
        metavar="PATH",
        dest=f"config{suffix}",
        help="Configuration file (default: ~/.elasticluster/config).",
    )


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return our own arguments, and those after the first ``--``, which are handed on."""
    if "--" not in argv:
        return argv, []
    cut = argv.index("--")
    return argv[:cut], argv[cut + 1 :]


def _merge_options(params: argparse.Namespace, rest: list[str]) -> None:
    params.verbose += getattr(params, "verbose_after", 0)
    params.storage = getattr(params, "storage_after", None) or params.storage
    params.config = getattr(params, "config_after", None) or params.config
    params.rest = rest


def _log(verbosity: int) -> None:
    """Show the library's log messages, all the more the more is asked for."""
    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("elasticluster").setLevel(levels[min(verbosity, len(levels) - 1)])


def _failed(error: ElastiClusterError, verbosity: int) -> int:
    if verbosity >= _TRACEBACK:
        import traceback

        traceback.print_exception(error)
    say(f"Error: {error}")
    for note in getattr(error, "__notes__", ()):
        say(note)
    return error.exit_code
