"""Programs that we start, and that must not outlive us.

A child gets a process group of its own, and a watchdog: a shell that waits on a pipe of which only this
process holds the other end. However this process ends, SIGKILL included, the pipe closes and the
watchdog kills the whole group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Any

_WATCHDOG = 'read -r _; kill -s KILL -- "-$1" 2>/dev/null'
_GRACE = 10  # seconds between SIGTERM and SIGKILL when we end a child ourselves

_guard = threading.Lock()
_bequeathed: set[int] = set()


def bequeath(descriptor: int) -> None:
    """Let every child from now on hold this descriptor too.

    A file lock on it then lasts until the last child is gone, should we be killed before them.
    """
    with _guard:
        _bequeathed.add(descriptor)


def keep(descriptor: int) -> None:
    """Take back :func:`bequeath`; to be called before the descriptor is closed."""
    with _guard:
        _bequeathed.discard(descriptor)


@contextlib.contextmanager
def child(args: Sequence[str], pass_fds: Sequence[int] = (), **popen: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program for the length of a ``with`` block.

    The program's whole process group is ended (SIGTERM, then SIGKILL) if the block is left early.

    Args:
        args: program and arguments; no shell takes part.
        pass_fds: descriptors that it is to hold besides the bequeathed ones.
        **popen: further arguments of :class:`subprocess.Popen`.

    Yields:
        the running program; wait for it inside the block.

    Raises:
        OSError: it cannot be started.
    """
    with _guard:
        descriptors = (*pass_fds, *_bequeathed)
        started = subprocess.Popen(args, process_group=0, pass_fds=descriptors, **popen)
    with started as process:
        reader, writer = os.pipe()
        try:
            watchdog = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(process.pid)],
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        finally:
            os.close(reader)
        try:
            yield process
        finally:
            _end(process)
            watchdog.kill()
            watchdog.wait()
            os.close(writer)


def _end(process: subprocess.Popen[Any]) -> None:
    """End what is left of a process group."""
    for number, grace in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _forget() -> None:
    """Begin anew in a forked child: another thread of the parent may have held the lock for ever."""
    global _guard  # noqa: PLW0603 - as said
    _guard = threading.Lock()
    _bequeathed.clear()


os.register_at_fork(after_in_child=_forget)
