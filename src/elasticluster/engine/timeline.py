"""A recorded run as it can be read: from the lines that :mod:`.trace` has written, as far as they go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from elasticluster.engine.trace import VERSION
from elasticluster.model import Json


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """A phase, for so many nodes; `end` is None if it was broken off."""

    name: str
    nodes: int
    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The moment at which a node came through a phase, or failed in it."""

    node: str
    phase: str
    at: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the cloud; `verb` says what it did, not to what."""

    verb: str
    start: float
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class HostTask:
    """A task step on one host; `status` is one of :class:`~.events.TaskStatus`."""

    host: str
    start: float
    end: float
    status: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


@dataclass(slots=True)
class Step:
    """A task step of the configuration tool, on all its hosts."""

    play: str
    task: str
    start: float
    hosts: list[HostTask] = field(default_factory=list)

    @property
    def end(self) -> float:
        """When the last host was done with it; its start if none was."""
        return max((one.end for one in self.hosts), default=self.start)


@dataclass(slots=True)
class Trace:
    """A recorded run. All times are seconds since its beginning, but for `started`.

    Attributes:
        action: what was done: ``start``, ``resume``, ``setup``, ``resize``, ``remove`` or ``pause``.
        started: when, in seconds since 1970.
        seconds: how long it took; if it was killed, up to when it is known.
        complete: whether it was recorded to its end.
        error: class of the error that it ended with; empty if none.
        cpu_seconds: processor time that this program and those it ran used meanwhile; None if not known.
        phases: in the order in which they began.
        arrivals: of nodes, in the order of time.
        calls: of the cloud, in the order in which they ended.
        steps: of the configuration tool, in the order in which they began.
    """

    action: str
    started: float
    seconds: float = 0.0
    complete: bool = False
    error: str = ""
    cpu_seconds: float | None = None
    phases: list[PhaseSpan] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def read(path: str) -> Trace | None:
    """Return a recorded trace as far as it was written; None if there is none that can be read."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return _understood(map(_parsed, lines))


def _parsed(line: str) -> Json:
    try:
        return json.loads(line)
    except ValueError:
        return None  # cut short as the program was killed


def _understood(lines: Iterator[Json]) -> Trace | None:
    match next(lines, None):
        case {"version": int(version), "action": str(action), "started": float(started)}:
            trace = Trace(action, started)
        case _:
            return None
    if version != VERSION:
        return None
    steps: dict[int, Step] = {}
    for line in lines:
        _take_in(trace, steps, line)
    trace.steps = list(steps.values())
    trace.seconds = trace.seconds if trace.complete else max(_known_times(trace), default=0.0)
    return trace


def _take_in(trace: Trace, steps: dict[int, Step], line: Json) -> None:
    match line:
        case {"node": str(node), "phase": str(phase), "at": float(at), "failed": bool(failed)}:
            trace.arrivals.append(Arrival(node, phase, at, failed))
        case {"phase": str(phase), "nodes": int(nodes), "at": float(at)}:
            trace.phases.append(PhaseSpan(phase, nodes, at))
        case {"ended": str(phase), "at": float(at)} if trace.phases and trace.phases[-1].name == phase:
            trace.phases[-1] = replace(trace.phases[-1], end=at)
        case {"call": str(verb), "at": float(at), "seconds": float(seconds), "failed": bool(failed)}:
            trace.calls.append(Call(verb, at, seconds, failed))
        case {"step": int(number), "play": str(play), "task": str(task), "at": float(at)}:
            steps[number] = Step(play, task, at)
        case {"done": int(number), "hosts": list(hosts)} if number in steps:
            steps[number].hosts += _host_tasks(hosts)
        case {"seconds": float(seconds), "cpu": float(cpu), "error": str(error)}:
            trace.seconds, trace.cpu_seconds, trace.error, trace.complete = seconds, cpu, error, True


def _host_tasks(hosts: Iterable[Json]) -> Iterator[HostTask]:
    for one in hosts:
        match one:
            case [str(host), float(start), float(end), str(status)]:
                yield HostTask(host, start, end, status)


def _known_times(trace: Trace) -> Iterator[float]:
    yield from (phase.end or phase.start for phase in trace.phases)
    yield from (arrival.at for arrival in trace.arrivals)
    yield from (one.start + one.seconds for one in trace.calls)
    yield from (step.end for step in trace.steps)
