"""The progress display on a terminal. It needs rich, so it is imported only when it is shown."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from elasticluster.cli.progress import BAD, title, words
from elasticluster.engine.events import (
    Event,
    NodeDone,
    Phase,
    PhaseEnded,
    PhaseStarted,
    TaskDone,
    TaskStarted,
)

_AS_A_WHOLE = (Phase.PREFLIGHT, Phase.RELEASE)  # phases in which nodes do not come through one by one


class _Mark(SpinnerColumn):
    """A spinner; once the phase has ended, whether every node has come through."""

    def render(self, task: Task) -> Text:
        """Return the mark for a phase."""
        if not task.fields["ended"]:
            return Text.from_ansi(str(super().render(task)))
        return Text("✓", "green") if task.finished else Text("✗", "red")


class Live:
    """A line for each phase: a bar of the nodes that have come through, and the present task."""

    def __init__(self) -> None:
        self._progress = Progress(
            _Mark(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[now]}[/]"),
            console=Console(stderr=True),
        )
        self._line: TaskID | None = None
        self._came_through: set[str] = set()
        self._did_task: set[str] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()

    def tell(self, event: Event) -> None:
        """Bring the display up to date."""
        match event:
            case PhaseStarted(_, total) if total:
                self._line = self._progress.add_task(title(event), total=total, now="", ended=False)
                self._came_through = set()
            case NodeDone(_, node, "") if self._line is not None:
                self._came_through.add(node)
                self._progress.update(self._line, completed=len(self._came_through))
            case TaskStarted(_, task):
                self._show_task(task)
            case TaskDone(node, task, status, _) if status not in BAD:
                self._show_task(task, node)
            case PhaseEnded(phase, _) if self._line is not None:
                self._end(phase)
            case _:
                self._print(words(event))

    def _show_task(self, task: str, node: str = "") -> None:
        """Show the present task and on how many nodes it is done."""
        if self._line is None:
            return
        self._did_task = self._did_task | {node} if node else set()
        done = f" ({len(self._did_task)})" if self._did_task else ""
        self._progress.update(self._line, now=f"{task}{done}")

    def _end(self, phase: Phase) -> None:
        if self._line is None:
            return
        total = self._progress.tasks[self._line].total
        completed = total if phase in _AS_A_WHOLE else len(self._came_through)
        self._progress.update(self._line, completed=completed, now="", ended=True)
        self._line = None

    def _print(self, text: str) -> None:
        if text:
            self._progress.console.print(text, markup=False, highlight=False)
