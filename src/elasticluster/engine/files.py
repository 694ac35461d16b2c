"""Files that must survive a crash and that nobody else may read."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from elasticluster.exceptions import StateError

_HINTS = {
    errno.ENOSPC: "Free some space on that disk, then run the command again.",
    errno.EDQUOT: "Free some of your disk quota, then run the command again.",
    errno.EROFS: "Choose a place that can be written to with `--storage`.",
    errno.EACCES: "Check owner and permissions, or choose another place with `--storage`.",
    errno.EPERM: "Check owner and permissions, or choose another place with `--storage`.",
}


@contextlib.contextmanager
def file_errors(verb: str, path: Path) -> Iterator[None]:
    """Turn an :class:`OSError` in the ``with`` block into a :class:`StateError` that names `path`.

    Args:
        verb: what was being done: ``read``, ``write``, ``lock`` …
        path: to which file or directory.
    """
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise StateError(f"Cannot {verb} {path}: {reason}.", hint=_HINTS.get(exc.errno or 0, "")) from exc


def write_private(path: Path, data: bytes) -> None:
    """Replace a whole file: after a crash at any moment there is the old one or the new one.

    It is on the disk when this returns, and readable by its owner only (0600).

    Raises:
        StateError: it cannot be written; the old one is untouched.
    """
    new = path.with_name(f".{path.name}.new")
    with file_errors("write", path):
        make_private_directory(path.parent)
        new.unlink(missing_ok=True)
        try:
            with open_private(new, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def open_private(path: Path, mode: str) -> IO[bytes]:
    """Open a file for writing in a binary mode; one that is new is readable by its owner only (0600)."""
    return open(path, mode, opener=_owner_only)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def make_private_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing, for their owner only (0700).

    One that exists keeps its permissions: it was somebody's choice.
    """
    if path.is_dir():
        return
    make_private_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk: a new or renamed file may else be gone after a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
