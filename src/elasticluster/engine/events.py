"""What the engine and its adapters say while they work.

A progress display, a log or a test listens; nobody is asked anything. Listeners are called from
worker threads too, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class Phase(StrEnum):
    """The way of a `start`, then what else happens to nodes."""

    PREFLIGHT = "preflight"
    CREATE = "create"
    BOOT = "boot"
    CONNECT = "connect"
    SETUP = "setup"
    CAPTURE = "capture"
    LEAVE = "leave"
    PAUSE = "pause"
    STOP = "stop"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase began, for `total` nodes."""

    phase: Phase
    total: int


@dataclass(frozen=True, slots=True)
class NodeDone:
    """A node has come through a phase; `message` says why not, if it has not."""

    phase: Phase
    node: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """A phase ended after `seconds`."""

    phase: Phase
    seconds: float


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The configuration tool began a task step.

    Attributes:
        play: name of the play that it is a part of.
        task: its name.
        step: tells it from others of the same name; empty if nothing does.
        at: when, by the clock of :func:`time.monotonic`; None: now.
    """

    play: str
    task: str
    step: str = field(default="", compare=False)
    at: float | None = field(default=None, compare=False)


class TaskStatus(StrEnum):
    """How a task ended on a node."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class TaskDone:
    """A task step ended on a node.

    Attributes:
        node: name of the node.
        task: the task's name.
        status: how it ended.
        message: its error, if it failed.
        step: as in :class:`TaskStarted`.
        began: when it began on this node, as :attr:`TaskStarted.at`; None: with the step.
        ended: when it ended; None: now.
    """

    node: str
    task: str
    status: TaskStatus
    message: str = ""
    step: str = field(default="", compare=False)
    began: float | None = field(default=None, compare=False)
    ended: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth telling the user: a long step that begins, a default that was taken."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the user should mend or know, though work goes on."""

    text: str


Event: TypeAlias = PhaseStarted | NodeDone | PhaseEnded | TaskStarted | TaskDone | Notice | Warned

Listener: TypeAlias = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Be the listener of those who do not listen."""
