"""Standard streams as they may be: closed, full, a pipe that nobody reads, in a narrow encoding."""

from __future__ import annotations

import errno
import io
import os
import sys

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def prepare() -> None:
    """Open what is closed, as by ``>&-``, and let characters that an encoding lacks be no error."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere(number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def is_full(error: OSError) -> bool:
    """Return whether an error says that a stream takes no more; that of a named file is another thing."""
    return error.filename is None and error.errno in _FULL


def give_up() -> None:
    """Write no more results: Python would try once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nowhere(number: int) -> io.TextIOWrapper:
    """Open a standard stream's own number, which the next file or child's pipe would get otherwise."""
    found = os.open(os.devnull, os.O_RDWR)
    if found != number:
        os.dup2(found, number)
        os.close(found)
    return open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
