"""Show what happens meanwhile: live on a terminal, line by line elsewhere. All of it on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Self

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
    Phase.CHECK: "Checking {total} nodes",
    Phase.STOP: "Destroying {total} nodes",
    Phase.RELEASE: "Removing what they shared",
}
_BAD = (TaskStatus.FAILED, TaskStatus.UNREACHABLE)


@contextlib.contextmanager
def shown(verbosity: int) -> Iterator[Listener]:
    """Show events for the length of a ``with`` block.

    Args:
        verbosity: from 1 on lines are printed even on a terminal, since Ansible prints there too.

    Yields:
        the listener to be told.
    """
    if sys.stderr.isatty() and not verbosity:
        with _Live() as live:
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
        case TaskDone(node, task, status, message) if status in _BAD:
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


class _Live:
    """A spinner with the present phase, how many nodes have come through, and the present task."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            Elapsed(),
            TextColumn("[dim]{task.fields[now]}[/]"),
            console=self._console,
        )
        self._task: Any = None
        self._seen: set[str] = set()
        self._phase: Phase | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()

    def tell(self, event: Event) -> None:
        """Bring the display up to date."""
        match event:
            case PhaseStarted(phase, total) if total:
                self._phase = phase
                self._task = self._progress.add_task(title(event), total=total, now="")
                self._seen = set()
            case NodeDone(_, node, message) if self._task is not None and not message:
                self._count(node)
            case TaskStarted(_, task) if self._task is not None:
                self._progress.update(self._task, now=task)
            case PhaseEnded(phase, _) if phase is self._phase and self._task is not None:
                total = self._progress.tasks[self._task].total
                self._progress.update(self._task, completed=total, now="")
                self._task = None
            case _:
                self._print(words(event))

    def _count(self, node: str) -> None:
        self._seen.add(node)
        self._progress.update(self._task, completed=len(self._seen))

    def _print(self, text: str) -> None:
        if text:
            self._progress.console.print(text, markup=False, highlight=False)
