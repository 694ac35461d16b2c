"""One process at a time: a lock on a file, which ends with the process that holds it.

The lock keeps processes apart and not threads: within a process it can be taken again, by any thread and
any store, and is given back when the last holder is done. So a command can lock a cluster for its whole
length, and each write within it for its own.

The descriptor is not inherited: neither by programs that are started, nor by a forked child, which would
keep the lock beyond its parent's death.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elasticluster.engine.files import file_errors, make_private_directory
from elasticluster.exceptions import ClusterLocked


@dataclass(slots=True)
class _Held:
    descriptor: int
    holders: int = 0


_guard = threading.Lock()
_held: dict[Path, _Held] = {}


@contextlib.contextmanager
def process_lock(path: Path, cluster: str, needed: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock on a file for the length of a ``with`` block.

    Args:
        path: the lock's file; made if it is missing.
        cluster: name of the cluster that is locked, for the error.
        needed: asked at the end whether the file is to stay.

    Raises:
        ClusterLocked: another process holds it; names that one.
        StateError: the file cannot be made or locked.
    """
    with _guard:
        held = _held.get(path) or _held.setdefault(path, _Held(_acquire(path, cluster)))
        held.holders += 1
    try:
        yield
    finally:
        with _guard:
            held.holders -= 1
            if not held.holders and path in _held:  # a forked child has forgotten it
                del _held[path]
                _release(path, held.descriptor, needed)


def is_held(path: Path) -> bool:
    """Return whether this process holds the lock on a file."""
    return path in _held


def _acquire(path: Path, cluster: str) -> int:
    """Return the descriptor of the locked file.

    The holder before us may have removed the file between our opening and locking it. We would then hold
    a lock that nobody else ever meets, so it is taken again until the locked file is the one at `path`.
    """
    with file_errors("lock", path):
        make_private_directory(path.parent)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise _locked(cluster, descriptor) from exc
            except OSError:
                os.close(descriptor)
                raise
            if _is_at(path, descriptor):
                _write_holder(descriptor)
                return descriptor
            os.close(descriptor)


def _locked(cluster: str, descriptor: int) -> ClusterLocked:
    holder = _read_holder(descriptor)
    os.close(descriptor)
    return ClusterLocked(
        f"Another command is working on cluster `{cluster}`: {holder}.",
        hint="Wait until it has ended, then try again.",
    )


def _release(path: Path, descriptor: int, needed: Callable[[], bool]) -> None:
    with contextlib.suppress(OSError):
        if not needed() and _is_at(path, descriptor):
            path.unlink()
    with contextlib.suppress(OSError):
        # Closing alone is not enough while a forked child has not yet come to close its copy.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write_holder(descriptor: int) -> None:
    """Tell others who we are; a full disk must not keep anybody from stopping a cluster."""
    holder = {"pid": os.getpid(), "host": os.uname().nodename, "command": shlex.join(sys.argv)}
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _read_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 65536, 0))
        where = "" if holder["host"] == os.uname().nodename else f" on {holder['host']}"
        return f"process {holder['pid']}{where} ({holder['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not told its name"


def _forget() -> None:
    """Leave the locks to the parent; closing our copy of a descriptor does not unlock its file."""
    global _guard  # noqa: PLW0603 - another thread of the parent may have held the old one for ever
    _guard = threading.Lock()
    for held in _held.values():
        os.close(held.descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget)
