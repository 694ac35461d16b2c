"""Show what happens meanwhile: live on a terminal, line by line elsewhere. All of it on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from elasticluster.cli.command import say
from elasticluster.engine.events import (
    Event,
    Listener,
    NodeDone,
    Notice,
    Phase,
    PhaseEnded,
    PhaseStarted,
    TaskDone,
    TaskStarted,
    TaskStatus,
    Warned,
)

_TITLES = {
    Phase.PREFLIGHT: "Checking",
    Phase.CREATE: "Creating {total} nodes",
    Phase.BOOT: "Waiting for {total} nodes to run",
    Phase.CONNECT: "Connecting to {total} nodes",
    Phase.SETUP: "Configuring {total} nodes",
    Phase.CAPTURE: "Making images of {total} nodes",
    Phase.LEAVE: "Taking {total} nodes out of service",
    Phase.PAUSE: "Stopping {total} nodes",
    Phase.STOP: "Destroying {total} nodes",
    Phase.RELEASE: "Removing what they shared",
}
BAD = (TaskStatus.FAILED, TaskStatus.UNREACHABLE)


@contextlib.contextmanager
def shown(verbosity: int) -> Iterator[Listener]:
    """Show events for the length of a ``with`` block.

    Args:
        verbosity: from 1 on lines are printed even on a terminal, since Ansible prints there too.

    Yields:
        the listener to be told.
    """
    if sys.stderr.isatty() and not verbosity:
        from elasticluster.cli.live import Live

        with Live() as live:
            yield live.tell
    else:
        yield _Lines(verbosity).tell


def title(event: PhaseStarted) -> str:
    """Return the words for a phase."""
    words = _TITLES[event.phase].format(total=event.total)
    return words.replace("1 nodes", "1 node") if event.total == 1 else words


def words(event: Event) -> str:
    """Return the words for what a user must see in any case; empty for other events."""
    match event:
        case Notice(text):
            return text
        case Warned(text):
            return f"WARNING: {text}"
        case NodeDone(_, node, message) if message:
            return f"  {node}: {message}"
        case TaskDone(node, task, status, message) if status in BAD:
            return f"  {node}: {task}: {message or status}"
        case _:
            return ""


class _Lines:
    """One line for each phase, and for each thing that must be seen."""

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity

    def tell(self, event: Event) -> None:
        """Print an event, if it is worth a line."""
        match event:
            case PhaseStarted(_, total) if total:
                say(f"{title(event)} …")
            case TaskStarted(_, task) if self._verbosity:
                say(f"  {task}")
            case PhaseEnded(phase, seconds) if self._verbosity:
                say(f"  ({phase}: {seconds:.1f} s)")
            case _:
                text = words(event)
                if text:
                    say(text)
