"""What a cluster's scheduler says of itself: its nodes, its partitions and their queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Ask: TypeAlias = Callable[[str, str], str]
"""Runs a shell command (2nd argument) on a node of that name (1st); returns its standard output.

It raises :class:`~elasticluster.exceptions.ReadinessError` if the node does not answer in time, or the
command fails.
"""

UP = "up"
"""State of a partition that takes and starts jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A part of the cluster with a queue of its own.

    Attributes:
        name: as the scheduler calls it.
        state: :data:`UP`, else in the scheduler's words.
        running: how many jobs run.
        pending: how many jobs wait.
    """

    name: str
    state: str
    running: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A node that executes jobs, as the scheduler sees it.

    Attributes:
        state: in the scheduler's words: ``idle``, ``allocated``, ``drained`` …
        usable: whether jobs are started there, now or as soon as it is free.
        reason: why not; empty if nothing is said.
    """

    state: str
    usable: bool
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}" if self.reason else self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """A scheduler.

    Attributes:
        name: which one it is: ``slurm``.
        workers: the nodes that should execute jobs, by name.
        partitions: in its own order.
        error: why it does not answer; empty if it does.
    """

    name: str
    workers: Mapping[str, Worker] = field(default_factory=dict)
    partitions: tuple[Partition, ...] = ()
    error: str = ""
