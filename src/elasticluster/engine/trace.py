"""The trace of one run: what it did when, for finding out where the time goes.

While a :func:`recording` lasts, phases, nodes, task steps and calls of the cloud are noted as lines of JSON
in a file, in seconds since its beginning; :mod:`.timeline` reads it. Whoever calls a cloud says so by
:func:`call`, which is nothing where nobody records. A trace is never a reason to fail: where it cannot be
written there is none.

Tasks run in other processes, whose events are read late. So they carry their own times, by the clock that all
processes of a computer share: :func:`time.monotonic`.
"""

from __future__ import annotations

import contextlib
import json
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from elasticluster.engine.events import (
    Event,
    Listener,
    NodeDone,
    PhaseEnded,
    PhaseStarted,
    TaskDone,
    TaskStarted,
)
from elasticluster.engine.files import open_private
from elasticluster.model import Json

VERSION = 1
"""Of the lines; what another version wrote is not read."""


@contextlib.contextmanager
def recording(path: str, action: str, now: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Record a run for the length of a ``with`` block; within another recording it is a part of that one.

    The file of the run before is replaced when the first phase begins: a run that comes to none leaves it
    as it is.

    Args:
        path: the file.
        action: what is being done, see :class:`.timeline.Trace`.
        now: tells the time, in seconds.
    """
    if _present.get() is not None:
        yield
        return
    recorder = _Recorder(Path(path), action, now)
    token = _present.set(recorder)
    error = ""
    try:
        yield
    except BaseException as exc:
        error = type(exc).__name__
        raise
    finally:
        _present.reset(token)
        recorder.close(error)


@contextlib.contextmanager
def call(verb: str) -> Iterator[None]:
    """Note what a ``with`` block does as a call of the cloud, which has failed if it raises.

    Args:
        verb: what it does (``make container``), without what it does that to: calls are counted by it.
    """
    recorder = _present.get()
    if recorder is None:
        yield
        return
    start, failed = recorder.now(), True
    try:
        yield
        failed = False
    finally:
        recorder.called(verb, start, failed=failed)


def heard(listener: Listener) -> Listener:
    """Return a listener that hands on to `listener` what the present recording, if any, hears too."""
    recorder = _present.get()
    if recorder is None:
        return listener

    def both(event: Event) -> None:
        recorder.hear(event)
        listener(event)

    return both


class _Recorder:
    """Writes down what happens; may be told from any thread.

    Each line is in the file at once, so that a killed run has all that came before: that costs some
    microseconds. What a step did on its hosts is one line for all of them: a thousand would repeat its name.
    """

    def __init__(self, path: Path, action: str, now: Callable[[], float]) -> None:
        self.now = now
        self._path = path
        self._origin = now()
        self._cpu = _cpu_seconds()
        self._guard = threading.Lock()
        self._file: IO[bytes] | None = None
        self._opened = False
        self._lines: list[str] = []
        self._steps: dict[str, tuple[int, float]] = {}
        self._hosts: dict[int, list[Json]] = {}
        self._note(version=VERSION, action=action, started=time.time())

    def hear(self, event: Event) -> None:
        """Note an event."""
        now = self.now()
        with self._guard:
            match event:
                case PhaseStarted(phase, total):
                    self._note(phase=phase, nodes=total, at=self._since(now))
                    self._open()
                    self._flush()
                case PhaseEnded(phase):
                    self._note(ended=phase, at=self._since(now))
                    self._flush()
                case NodeDone(phase, node, message):
                    self._note(node=node, phase=phase, at=self._since(now), failed=bool(message))
                    self._flush()
                case TaskStarted():
                    self._begin_step(event, now)
                case TaskDone():
                    self._note_host(event, now)

    def called(self, verb: str, start: float, *, failed: bool) -> None:
        """Note a call that has just ended."""
        seconds = round(self.now() - start, 3)
        with self._guard:
            self._note(call=verb, at=self._since(start), seconds=seconds, failed=failed)
            self._flush()

    def close(self, error: str) -> None:
        """End the recording."""
        with self._guard:
            self._bundle()
            cpu = round(_cpu_seconds() - self._cpu, 3)
            self._note(seconds=self._since(self.now()), cpu=cpu, error=error)
            self._flush()
            self._shut()

    def _begin_step(self, event: TaskStarted, now: float) -> None:
        """Note that a step begins; some strategies of Ansible say so for each host."""
        key = event.step or event.task
        if key in self._steps:
            return
        start = self._since(event.at or now)
        self._steps[key] = number, _ = len(self._steps) + 1, start
        self._bundle()
        self._note(step=number, play=event.play, task=event.task, at=start)
        self._flush()

    def _note_host(self, event: TaskDone, now: float) -> None:
        known = self._steps.get(event.step or event.task)
        if known:
            number, begun = known
            start = self._since(event.began) if event.began else begun
            done = [event.node, start, self._since(event.ended or now), event.status]
            self._hosts.setdefault(number, []).append(done)

    def _bundle(self) -> None:
        for number, hosts in self._hosts.items():
            self._note(done=number, hosts=hosts)
        self._hosts.clear()

    def _since(self, moment: float) -> float:
        return round(moment - self._origin, 3)

    def _note(self, **line: Json) -> None:
        self._lines.append(json.dumps(line))

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._file = open_private(self._path, "xb")

    def _flush(self) -> None:
        """Write what was noted; before the file is open it is kept, after it could not be written not."""
        if not self._opened:
            return
        data = "".join(f"{line}\n" for line in self._lines).encode()
        self._lines.clear()
        try:
            if self._file:
                self._file.write(data)
                self._file.flush()
        except OSError:
            self._shut()

    def _shut(self) -> None:
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None


_present: ContextVar[_Recorder | None] = ContextVar("trace", default=None)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
