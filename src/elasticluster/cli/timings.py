"""What `list-nodes --timings` prints: pure functions from a trace to text or data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

from elasticluster.engine.events import Phase
from elasticluster.engine.timeline import Step, Trace
from elasticluster.naming import printable

_MOST_NODES = 20
"""Nodes that get a line of their own: with a thousand, those that took longest are the ones to look at."""

_LEAST_BAR = 10
_AT_ONCE = 0.1  # seconds between the first node and the last in which none is slower than the others
_GAP = "  "

_TITLES: Mapping[str, str] = {
    Phase.CREATE: "created",
    Phase.BOOT: "booted",
    Phase.CONNECT: "reachable",
    Phase.SETUP: "set up",
    Phase.LEAVE: "out of service",
    Phase.PAUSE: "paused",
    Phase.STOP: "destroyed",
}

Arrivals: TypeAlias = dict[str, dict[str, float | None]]


@dataclass(frozen=True, slots=True)
class _Bar:
    """A line of the waterfall."""

    name: str
    start: float
    end: float
    slowest: str


def none(cluster: str) -> str:
    """Return what is printed for a cluster without a trace."""
    return f"No timings of cluster `{cluster}` are recorded: no command has worked on its nodes yet."


def text(trace: Trace, width: int) -> str:
    """Return a trace as tables and a waterfall.

    Args:
        trace: the trace.
        width: characters in a line.
    """
    blocks = (_head(trace), *_nodes(trace), _waterfall(trace, width), *_calls(trace), _totals(trace))
    return "\n\n".join(blocks)


def data(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON-able data, with its sums."""
    return asdict(trace) | {
        "nodes": _came_through(trace),
        "calls_by_verb": {
            verb: {"count": count, "failed": failed, "seconds": round(seconds, 3)}
            for verb, count, failed, seconds in _by_verb(trace)
        },
        "task_steps": len(trace.steps),
        "host_tasks": _host_tasks(trace),
    }


def _head(trace: Trace) -> str:
    when = datetime.fromtimestamp(trace.started).astimezone().isoformat(" ", "seconds")
    head = f"{trace.action} of {when}: {trace.seconds:.1f} s"
    if not trace.complete:
        return f"{head} so far; still running, or killed"
    return f"{head}, broken off by {trace.error}" if trace.error else head


# -- nodes -----------------------------------------------------------------------------------------


def _came_through(trace: Trace) -> Arrivals:
    """Return when each node came through each phase, in seconds; None for one that it failed in.

    Setup as a whole ends for all nodes at once. What tells them apart is the end of their last task.
    """
    nodes: Arrivals = {}
    for arrival in trace.arrivals:
        nodes.setdefault(arrival.node, {})[arrival.phase] = None if arrival.failed else arrival.at
    for step in trace.steps:
        for one in step.hosts:
            if nodes.get(one.host, {}).get(Phase.SETUP) is not None:
                nodes[one.host] |= {Phase.SETUP: one.end}
    return nodes


def _nodes(trace: Trace) -> Iterator[str]:
    nodes = _came_through(trace)
    phases = [phase for phase in _TITLES if any(phase in passed for passed in nodes.values())]
    if not phases:
        return
    slowest = sorted(nodes, key=lambda name: _last(nodes[name]), reverse=True)[:_MOST_NODES]
    rows = [
        [name, *(_cell(nodes[name], phase) for phase in phases)]
        for name in sorted(slowest if len(nodes) > _MOST_NODES else nodes)
    ]
    yield _table(["seconds until", *(_TITLES[phase] for phase in phases)], rows)
    if len(nodes) > _MOST_NODES:
        yield f"These are the {_MOST_NODES} slowest of {len(nodes)} nodes; `--json` has all."


def _last(passed: Mapping[str, float | None]) -> float:
    """Return when a node was last heard of; failed ones count as the slowest."""
    return max(float("inf") if at is None else at for at in passed.values())


def _cell(passed: Mapping[str, float | None], phase: str) -> str:
    if phase not in passed:
        return "-"
    at = passed[phase]
    return "failed" if at is None else f"{at:.1f}"


# -- waterfall -------------------------------------------------------------------------------------


def _waterfall(trace: Trace, width: int) -> str:
    bars = sorted([*_phases(trace), *_steps(trace)], key=lambda bar: bar.start)
    slowest = max((len(bar.slowest) for bar in bars), default=0)
    longest = max((len(bar.name) for bar in bars), default=0)
    room = width - slowest - len("seconds") - 3 * len(_GAP)
    name = min(longest, max(room - _LEAST_BAR, _LEAST_BAR), width * 2 // 5)
    length = max(room - name, _LEAST_BAR)
    head = _GAP.join(["".ljust(name), _scale(trace.seconds, length), "seconds", "slowest" if slowest else ""])
    lines = [
        _GAP.join(
            [
                _shortened(bar.name, name),
                _drawn(bar, trace.seconds, length),
                f"{bar.end - bar.start:7.1f}",
                bar.slowest,
            ]
        )
        for bar in bars
    ]
    return "\n".join(line.rstrip() for line in (head, *lines))


def _phases(trace: Trace) -> Iterator[_Bar]:
    for phase in trace.phases:
        came = [one for one in trace.arrivals if one.phase == phase.name and not one.failed]
        at_once = not came or came[-1].at - came[0].at < _AT_ONCE
        slowest = "" if at_once else came[-1].node
        yield _Bar(phase.name, phase.start, trace.seconds if phase.end is None else phase.end, slowest)


def _steps(trace: Trace) -> Iterator[_Bar]:
    broken_off = any(phase.end is None for phase in trace.phases)
    for step in trace.steps:
        hung = broken_off and step is trace.steps[-1] and not step.hosts
        end = trace.seconds if hung else step.end
        yield _Bar(f"  {printable(step.task)}", step.start, end, _slowest_host(step))


def _slowest_host(step: Step) -> str:
    if not step.hosts:
        return ""
    slowest = max(step.hosts, key=lambda one: one.seconds)
    return f"{slowest.host} {slowest.seconds:.1f}"


def _drawn(bar: _Bar, seconds: float, length: int) -> str:
    """Return a bar on a line for so many seconds; the shortest is one character wide."""
    scale = length / seconds if seconds else 0.0
    left = min(round(bar.start * scale), length - 1)
    right = min(max(round(bar.end * scale), left + 1), length)
    return ("#" * (right - left)).rjust(right).ljust(length)


def _scale(seconds: float, length: int) -> str:
    end = f"{seconds:.1f} s"
    return "0" + end.rjust(length - 1)


def _shortened(name: str, length: int) -> str:
    return name.ljust(length) if len(name) <= length else f"{name[: length - 1]}…"


# -- sums ------------------------------------------------------------------------------------------


def _by_verb(trace: Trace) -> list[tuple[str, int, int, float]]:
    """Return for each verb how often it was called, how often in vain, and for how long in all."""
    sums: dict[str, tuple[int, int, float]] = {}
    for one in trace.calls:
        count, failed, seconds = sums.get(one.verb, (0, 0, 0.0))
        sums[one.verb] = count + 1, failed + one.failed, seconds + one.seconds
    return sorted(((verb, *rest) for verb, rest in sums.items()), key=lambda row: row[3], reverse=True)


def _calls(trace: Trace) -> Iterator[str]:
    if trace.calls:
        rows = [
            [printable(verb), str(count), str(failed), f"{seconds:.1f}"]
            for verb, count, failed, seconds in _by_verb(trace)
        ]
        yield _table(["calls of the cloud", "count", "failed", "seconds"], rows)


def _totals(trace: Trace) -> str:
    cpu = "" if trace.cpu_seconds is None else f"; {trace.cpu_seconds:.1f} s of CPU here"
    steps = f"{len(trace.steps)} task steps, {_host_tasks(trace)} host-tasks"
    return f"total: {trace.seconds:.1f} s; {len(trace.calls)} calls; {steps}{cpu}"


def _host_tasks(trace: Trace) -> int:
    return sum(len(step.hosts) for step in trace.steps)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a head, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        _GAP.join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in (head, *rows)
    )
