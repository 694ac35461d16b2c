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
from collections.abc import Iterator, Sequence
from typing import Any

_WATCHDOG = 'read -r _; kill -s KILL -- "-$1" 2>/dev/null'
_GRACE = 10  # seconds between SIGTERM and SIGKILL when we end a child ourselves


@contextlib.contextmanager
def child(args: Sequence[str], **popen: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program for the length of a ``with`` block.

    The program's whole process group is ended (SIGTERM, then SIGKILL) if the block is left early.

    Args:
        args: program and arguments; no shell takes part.
        **popen: further arguments of :class:`subprocess.Popen`.

    Yields:
        the running program; wait for it inside the block.

    Raises:
        OSError: it cannot be started.
    """
    with subprocess.Popen(args, process_group=0, **popen) as process:
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
