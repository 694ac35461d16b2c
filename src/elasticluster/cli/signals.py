"""Ctrl-C, and being asked to end: for the time that a command runs, and never in a library's use.

The first signal lets calls that are under way come to their end, so that what they made is recorded by name.
The second ends the program at once. That loses nothing either: what is made is announced on disk before, and
programs that we have started die with us.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Self

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STATUS = 128  # a program that a signal has ended exits with this and the signal's number, shells say
_FIRST = "\nInterrupted: what is under way is being recorded; press Ctrl-C again to end at once.\n"
_SHOW_CURSOR = "\x1b[?25h"
_STDOUT, _STDERR = 1, 2


class Interruptions:
    """Makes signals into :class:`KeyboardInterrupt` for the length of a ``with`` block.

    Signals that whoever has started us wants to be ignored (as ``nohup`` does) are left alone; outside of the
    main thread all are.
    """

    def __init__(self) -> None:
        self._first = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _HANDLED:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @property
    def status(self) -> int:
        """Exit status of a command that was interrupted."""
        return _STATUS + (self._first or signal.SIGINT)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if not self._first:
            self._first = number
            _write(_FIRST)
            raise KeyboardInterrupt
        if number != signal.SIGHUP:  # a terminal that is closed sends several
            _write(_SHOW_CURSOR if os.isatty(_STDERR) else "")
            os._exit(_STATUS + number)


def _write(text: str) -> None:
    """Write to standard error, past any buffer; a terminal that is gone takes no text any more."""
    try:
        os.write(_STDERR, text.encode())
    except OSError:
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR)
            os.dup2(nowhere, _STDOUT)
