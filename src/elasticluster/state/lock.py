"""One process at a time: a lock on a file, which ends with the process that holds it.

The lock keeps processes apart and not threads: within a process it can be taken again, by any thread and
any store, and is given back when the last holder is done. So a command can lock a cluster for its whole
length, and each write within it for its own.

The descriptor is not inherited by a forked child, which would keep the lock beyond its parent's death. It is
inherited by programs that die with us (:mod:`elasticluster.engine.children`): should this process be killed,
the lock lasts for the moment until they are gone, so that nobody meets them still at work. Whoever finds such
a lock waits for that moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticluster.engine.children import bequeath, keep
from elasticluster.engine.files import file_errors, make_private_directory
from elasticluster.exceptions import ClusterLocked, StateError

LAST_WILL = 30
"""Seconds that a dead command's children may take to die."""


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
        deadline = time.monotonic() + LAST_WILL
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock(descriptor, deadline)
            except BlockingIOError as exc:
                holder = _holder(descriptor)
                os.close(descriptor)
                raise locked(cluster, holder) from exc
            except BaseException:
                os.close(descriptor)
                raise
            if _is_at(path, descriptor):
                _write_holder(descriptor)
                bequeath(descriptor)
                return descriptor
            os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> None:
    """Lock a file; wait while it is held only by children of a command that is dead.

    Raises:
        BlockingIOError: somebody who lives holds it.
    """
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline or not has_died(_holder(descriptor)):
                raise
            time.sleep(0.05)
        else:
            return


def this_process() -> dict[str, Any]:
    """Return what others are told of this process while it holds a lock.

    There may be passwords in URLs, and in what is handed on after ``--``: those are left out.
    """
    ours = itertools.takewhile(lambda word: word != "--", sys.argv)
    words = ("…" if "://" in word else shlex.quote(word) for word in ours)
    return {"pid": os.getpid(), "host": os.uname().nodename, "command": " ".join(words)}


def has_died(holder: Mapping[str, Any]) -> bool:
    """Return whether the command that took a lock is known to be dead.

    Args:
        holder: what it told of itself (:func:`this_process`); empty if that is not known.
    """
    if holder.get("host") != os.uname().nodename or not isinstance(holder.get("pid"), int):
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def locked(cluster: str, holder: Mapping[str, Any]) -> ClusterLocked:
    """Return the error for a cluster on which another process works; see :func:`this_process`."""
    return ClusterLocked(
        f"Another command is working on cluster `{cluster}`: {_described(holder)}.",
        hint="Wait until it has ended, then try again.",
    )


def _release(path: Path, descriptor: int, needed: Callable[[], bool]) -> None:
    with contextlib.suppress(OSError, StateError):
        if not needed() and _is_at(path, descriptor):
            path.unlink()
    keep(descriptor)
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
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(this_process()).encode(), 0)


def _holder(descriptor: int) -> dict[str, Any]:
    """Return who holds a lock, as it told; empty if it did not."""
    try:
        holder = json.loads(os.pread(descriptor, 65536, 0))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _described(holder: Mapping[str, Any]) -> str:
    try:
        where = "" if holder["host"] == os.uname().nodename else f" on {holder['host']}"
        return f"process {holder['pid']}{where} ({holder['command']})"
    except KeyError:
        return "a process that has not told its name"


def _forget() -> None:
    """Leave the locks to the parent; closing our copy of a descriptor does not unlock its file."""
    global _guard  # noqa: PLW0603 - another thread of the parent may have held the old one for ever
    _guard = threading.Lock()
    for held in _held.values():
        os.close(held.descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget)
