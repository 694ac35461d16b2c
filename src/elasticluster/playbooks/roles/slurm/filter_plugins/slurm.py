# ruff: noqa: INP001 - Ansible loads it by its path
"""Filters that make tables of nodes, partitions and GPUs for the templates of this role."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

Options = Mapping[str, Any]
"""Options of Slurm by name, as in ``{"MaxTime": 60}``; None takes one away."""

_PART_RE = re.compile(r"(?:[^,\[]|\[[^]]*\])+")  # of a list of names: up to a comma that is in no brackets
_PIECE_RE = re.compile(r"\[([^]]*)\]|([^\[]+)")
_RANGE_RE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_ALL = "ALL"


def spelled(given: Mapping[str, Options | None], known: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """Return options by the spelling that the role uses: to Slurm they are the same whatever their case.

    Args:
        given: options by what they are about: a file, a partition.
        known: names of options as the role spells them; others stay as they are.
    """
    names = {name.lower(): name for name in known}
    return {
        about: None if options is None else {names.get(key.lower(), key): options[key] for key in options}
        for about, options in given.items()
    }


def partition_table(
    given: Mapping[str, Options | None],
    first: str,
    kinds: Collection[str],
    workers: Collection[str],
    hostvars: Mapping[str, Options],
) -> dict[str, dict[str, Any]]:
    """Return the options of each partition; ``Nodes`` is a list of what there is, or None.

    Args:
        given: options by partition, in the role's spelling; None takes a partition away.
        first: the partition of all workers.
        kinds: kinds of workers; where there are several, each is a partition too.
        workers: names of the workers.
        hostvars: variables of each worker.
    """
    own = [first, *(kinds if len(kinds) > 1 else ())]
    table = {}
    for name in dict.fromkeys([*own, *given]):
        options = given.get(name, {})
        if options is not None:
            nodes = name if name in kinds and name != first else _ALL
            default = "YES" if name == first and not _has_default(given) else None
            usual = {"Nodes": nodes, "Default": default, "MaxTime": "INFINITE", "State": "UP"}
            table[name] = {**usual, **options}
            table[name]["Nodes"] = _present(table[name]["Nodes"], kinds, workers, hostvars) or None
    return table


def _has_default(given: Mapping[str, Options | None]) -> bool:
    return any(
        str(options.get("Default")).lower() in ("yes", "true") for options in given.values() if options
    )


def _present(
    nodes: str | list[str] | None,
    kinds: Collection[str],
    workers: Collection[str],
    hostvars: Mapping[str, Options],
) -> list[str]:
    """Return which of some nodes, kinds and features there are.

    Names come one by one, each once: Slurm takes a set out of a list but once, and a node of a range may
    be missing.
    """
    texts = [nodes] if isinstance(nodes, str) else nodes or []
    named = list(dict.fromkeys(name for text in texts for name in expanded(text)))
    unknown = [name for name in named if name not in workers and name not in kinds]
    if _ALL.lower() in map(str.lower, unknown):
        return [_ALL]
    # The variables of a thousand workers take their time.
    features = (
        {one for name in workers for one in hostvars[name].get("slurm_features", ())} if unknown else ()
    )
    return [name for name in named if name not in unknown or name in features]


def expanded(text: str) -> Iterator[str]:
    """Give the names in a list of Slurm's, as in ``front,compute[001-003,7]``."""
    for part in _PART_RE.findall(text):
        pieces = [_choices(*piece) for piece in _PIECE_RE.findall(part.strip())]
        yield from map("".join, itertools.product(*pieces) if pieces else ())


def _choices(numbers: str, word: str) -> list[str]:
    if not numbers:
        return [word]
    return [
        f"{number:0{len(low)}d}"
        for low, high in _RANGE_RE.findall(numbers)
        for number in range(int(low), int(high or low) + 1)
    ]


def gpu_table(
    workers: Iterable[str], hostvars: Mapping[str, Options], nodes: Mapping[str, Options]
) -> dict[str, dict[str, str]]:
    """Return the GPUs of each worker that has any: what to ask for, their type, their devices.

    Args:
        workers: names of the workers.
        hostvars: variables of each, which come before what the provider says.
        nodes: what the provider says of each: ``gpus``, a number, where it knows.
    """
    table = {}
    for name in workers:
        own = hostvars[name]
        count = int(own.get("slurm_gpus", nodes[name].get("gpus")) or 0)
        if count:
            kind = own.get("slurm_gpu_type") or ""
            usual = "/dev/nvidia0" if count == 1 else f"/dev/nvidia[0-{count - 1}]"
            gres = ":".join(part for part in ("gpu", kind, str(count)) if part)
            table[name] = {"gres": gres, "type": kind, "devices": own.get("slurm_gpu_devices") or usual}
    return table


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "slurm_spelled": spelled,
            "slurm_partition_table": partition_table,
            "slurm_gpu_table": gpu_table,
        }
