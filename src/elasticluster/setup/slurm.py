"""What Slurm would not start with, found in the values of the role's variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from elasticluster.model import Json

_RESERVED = frozenset({"all", "default"})  # words that mean something else to Slurm, in any case
_PARTITION_RE = re.compile(r"[A-Za-z0-9_.-]+")
_RANGES = r"\[[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*\]"
_NODES_RE = re.compile(rf"[A-Za-z0-9_.-]+(?:{_RANGES}|[A-Za-z0-9_.-])*")
_SEPARATOR_RE = re.compile(r",(?![^\[]*\])")  # but not within brackets
_RANGE_RE = re.compile(r"([0-9]+)-([0-9]+)")
_LARGEST_RANGE = 10_000  # the role writes a line for each node that is not there


def problem_of(name: str, value: Json) -> str:
    """Return what is wrong with the value of a variable of the role ``slurm``; empty if nothing.

    Args:
        name: present name of the variable; any other is let through.
        value: what the role gets.
    """
    return _CHECKS[name](value) if name in _CHECKS else ""


def reserved(name: str) -> bool:
    """Return whether a partition, or a kind of workers, cannot have this name."""
    return name.lower() in _RESERVED


def _partition_name(name: Any) -> str:
    if reserved(str(name)):
        return f"Slurm means something else by '{name}': choose another name for the partition"
    return "" if _PARTITION_RE.fullmatch(str(name)) else f"'{name}' cannot be the name of a partition"


def _partitions(partitions: Any) -> str:
    found = (_partition_name(name) or _partition(name, options) for name, options in partitions.items())
    return next(filter(None, found), "")


def _partition(name: str, options: Json) -> str:
    if options is None:
        return ""
    if not isinstance(options, dict):
        return f"partition '{name}': expected {{option: value, …}} or null, not '{options}'"
    found = (_nodes(value) for option, value in options.items() if str(option).lower() == "nodes")
    wrong = next(filter(None, found), "")
    return f"partition '{name}': {wrong}" if wrong else ""


def _nodes(value: Json) -> str:
    texts = value if isinstance(value, list) else [] if value is None else [value]
    for text in texts:
        for part in _SEPARATOR_RE.split(str(text)):
            if not _NODES_RE.fullmatch(part.strip()):
                return f"expected names of nodes, as node[001-004,7],other001, not '{text}'"
            for first, last in _RANGE_RE.findall("".join(re.findall(_RANGES, part))):
                if not 0 <= int(last) - int(first) < _LARGEST_RANGE:
                    return f"'{first}-{last}' is no range of at most {_LARGEST_RANGE} nodes"
    return ""


def _database(settings: Any) -> str:
    given = {str(name).lower(): value for name, value in settings.items()}
    if not given.get("storageloc", "any"):
        return "the database needs a name: leave StorageLoc out for the usual one"
    host = given.get("storagehost")
    if host not in (None, "localhost"):
        return f"StorageHost '{host}': only the controller's own database is supported"
    return ""


_CHECKS: Mapping[str, Callable[[Json], str]] = {
    "slurm_partition": _partition_name,
    "slurm_partitions": _partitions,
    "slurm_dbd_conf": _database,
}
