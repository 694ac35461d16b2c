"""Commands of installed packages, offered under entry points of the group ``elasticluster.commands``.

One that does not work is left out with a warning that names its package, whatever is wrong with it. Packages
are only looked at when none of our own commands was asked for: those stay quick, and cannot be broken.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand
from elasticluster.naming import COMMAND_GROUP

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_TAKEN_RE = re.compile(r"conflicting subparser(?: alias)?: ")

Mount = Callable[[AbstractCommand], None]
"""Lets a command add its parsers, and finishes them."""


def mount(subparsers: Any, params: argparse.Namespace, add: Mount, warn: Callable[[str], None]) -> None:
    """Add the commands of installed packages.

    Args:
        subparsers: what commands add their parsers to; ours are there already.
        params: handed to the commands.
        add: adds a command's parsers.
        warn: told of each command that is left out, and why.
    """
    for point in _offered():
        before = dict(subparsers.choices), list(subparsers._choices_actions)  # noqa: SLF001 - no public way back
        try:
            command = _load(point)(params)
            add(command)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a third party's code may raise anything
            subparsers.choices.clear()
            subparsers.choices.update(before[0])
            subparsers._choices_actions[:] = before[1]  # noqa: SLF001 - as above
            warn(f"Warning: the command '{point.name}' of {_package(point)} is left out: {_reason(error)}.")


def _offered() -> Iterator[EntryPoint]:
    if any(_may_offer(folder) for folder in sys.path):
        from importlib.metadata import entry_points

        yield from sorted(entry_points(group=COMMAND_GROUP), key=lambda point: (point.name, point.value))


def _may_offer(folder: str) -> bool:
    """Return whether a folder of Python's path may hold a package with commands.

    To find out takes a fiftieth of the time of importing what knows everything about packages.
    """
    folder = folder or "."
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except NotADirectoryError:
        return True  # an archive
    except OSError:
        return False
    return any(_offers(os.path.join(folder, name, "entry_points.txt")) for name in names)  # noqa: PTH118 - quicker


def _offers(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - quicker
            return COMMAND_GROUP.encode() in file.read()
    except OSError:
        return False


def _load(point: EntryPoint) -> type[AbstractCommand]:
    found = point.load()
    if not isinstance(found, type) or not issubclass(found, AbstractCommand):
        raise TypeError(f"{point.value} is no subclass of elasticluster.subcommands.AbstractCommand")
    return found


def _package(point: EntryPoint) -> str:
    package = point.dist
    return f"the package {package.name} {package.version}" if package else "an installed package"


def _reason(error: BaseException) -> str:
    if isinstance(error, argparse.ArgumentError):
        return _TAKEN_RE.sub("there is already a command ", error.message)
    text = str(error).strip().partition("\n")[0].rstrip(".")
    return text if isinstance(error, TypeError) and text else f"{type(error).__name__}: {text}"
