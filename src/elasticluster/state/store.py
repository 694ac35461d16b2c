"""Clusters in a directory: ``NAME.json`` (the last whole record) and ``NAME.journal`` (what changed since).

Beside them lie ``NAME.known_hosts``, ``NAME.key``, ``NAME.key.pub`` and, while a command works on the
cluster, ``NAME.lock``. A crash between any two system calls leaves a cluster that can be loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

from elasticluster.engine.files import file_errors, sync_directory, write_private
from elasticluster.exceptions import ClusterLocked
from elasticluster.model import ClusterRecord, Json, KeyPair
from elasticluster.naming import CLUSTER_NAME_RE, check_cluster_name, new_uuid
from elasticluster.state import codec, journal, keys
from elasticluster.state.checks import changed_nodes, check_same, not_found
from elasticluster.state.lock import is_held, process_lock

_SNAPSHOT = ".json"
_JOURNAL = ".journal"
_LOCK = ".lock"
_KNOWN_HOSTS = ".known_hosts"
_KEY = ".key"
_WHOLE = (_KNOWN_HOSTS, _KEY, f"{_KEY}.pub", _SNAPSHOT)  # written as a whole, under a temporary name first

_writing = threading.RLock()
"""Held by the thread that writes; the file lock only keeps processes apart."""

_Identity: TypeAlias = tuple[int, int, int]
"""Tells one file of a name from the next: inode, time of change, size."""


@dataclass(frozen=True, slots=True)
class _Head:
    """What has to be known of a snapshot before something is added to it."""

    file: _Identity
    uuid: str
    generation: str
    version: int


class JsonStore:
    """Remembers clusters in a directory, for this and later processes.

    Args:
        path: the directory, made on first use; ``~`` is expanded.
        migrations: steps that bring documents of older versions up to date.
        patience: seconds that a single write waits for another process' lock. Its single writes take
            milliseconds; its commands last for minutes, and are not waited for.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        migrations: Sequence[codec.Migration] = codec.MIGRATIONS,
        patience: float = 1.0,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self._migrations = migrations
        self._patience = patience
        self._heads: dict[str, _Head] = {}

    def names(self) -> list[str]:
        """Return the names of all stored clusters, sorted; reads no file.

        Raises:
            StateError: the directory cannot be read.
        """
        with file_errors("read", self.path):
            found = os.listdir(self.path) if self.path.exists() else []  # noqa: PTH208 - names, not paths
        names = (name.removesuffix(_SNAPSHOT) for name in found if name.endswith(_SNAPSHOT))
        return sorted(name for name in names if CLUSTER_NAME_RE.fullmatch(name))

    def load(self, name: str) -> ClusterRecord:
        """Return a cluster as last saved or journaled; waits for nobody.

        Raises:
            ClusterNotFound: there is none of that name.
            StateError: what is stored cannot be read, or a newer version wrote it.
        """
        source = str(self._path(name, _SNAPSHOT))
        document, changes = self._read_both(name)
        with _understood(source):
            cluster, generation = document["cluster"], document["generation"]
            cluster["nodes"] = journal.replay(
                changes, generation, cluster["nodes"], str(self._path(name, _JOURNAL))
            )
        record = codec.decode(document, source, self._migrations)
        if record.name != name:
            raise codec.corrupt(source, f"it holds cluster `{record.name}`")
        return record

    def save(self, cluster: ClusterRecord) -> None:
        """Store a cluster; when this returns it survives a power cut.

        Raises:
            ClusterConflict: another cluster of that name is stored.
            ClusterLocked: another process works on the cluster.
            StateError: it cannot be written, or what is stored is damaged and would be lost.
        """
        document = codec.encode(cluster, self._migrations) | {"generation": new_uuid()}
        data = json.dumps(document).encode()
        with self._exclusive(cluster.name):
            head = self._head(cluster.name)
            check_same(head.uuid if head else None, cluster)
            write_private(self._path(cluster.name, _SNAPSHOT), data)
            _remove(self._path(cluster.name, _JOURNAL))

    def journal(self, cluster: ClusterRecord, changed: Sequence[str]) -> None:
        """Store the nodes of these names only; cheap, and as durable as :meth:`save`.

        A cluster that is not stored (any more), or in an older version, is stored as a whole.

        Raises:
            NodeNotFound: the cluster has no node of one of the names.
            ClusterConflict, ClusterLocked, StateError: as for :meth:`save`.
        """
        nodes = [codec.plain(node) for node in changed_nodes(cluster, changed)]
        with self._exclusive(cluster.name):
            head = self._head(cluster.name)
            if head is None or head.version != codec.current_version(self._migrations):
                self.save(cluster)
                return
            check_same(head.uuid, cluster)
            journal.append(self._path(cluster.name, _JOURNAL), head.generation, nodes)

    def delete(self, name: str) -> None:
        """Forget a cluster and everything kept for it; one that is not there is no error.

        The snapshot goes last: whatever happens on the way, what is left can be deleted again.

        Raises:
            ClusterLocked: another process works on the cluster.
            StateError: a file cannot be removed.
        """
        paths = [self._path(name, suffix) for suffix in (_JOURNAL, *_WHOLE)]
        if not self.path.exists():
            return
        with self._exclusive(name):
            for suffix in _WHOLE:
                _remove(self.path / f".{name}{suffix}.new")
            for path in paths:
                _remove(path)
            with file_errors("write", self.path):
                sync_directory(self.path)

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Keep other processes from changing the cluster of that name; ends with the process.

        Within this process it can be taken again, see :mod:`.lock`. Loading needs no lock.

        Raises:
            ClusterLocked: another process holds it; names that process.
            StateError: the lock cannot be taken here.
        """
        return process_lock(self._path(name, _LOCK), name, self._path(name, _SNAPSHOT).exists)

    def known_hosts_path(self, name: str) -> str:
        """Return the path of the cluster's known-hosts file."""
        return str(self._path(name, _KNOWN_HOSTS))

    def key_pair(self, cluster: ClusterRecord) -> KeyPair:
        """Return the key pair of a cluster: the template's, else its own, generated on first use.

        Raises:
            KeypairError: see :mod:`.keys`.
            StateError: a new one cannot be written.
        """
        with _writing:
            return keys.given_pair(cluster) or keys.own_pair(cluster, self._path(cluster.name, _KEY))

    def _path(self, name: str, suffix: str) -> Path:
        return self.path / f"{check_cluster_name(name)}{suffix}"

    @contextlib.contextmanager
    def _exclusive(self, name: str) -> Iterator[None]:
        """Be the only writer of a cluster, in this process and beside others."""
        deadline = time.monotonic() + self._patience
        with _writing, contextlib.ExitStack() as stack:
            if not is_held(self._path(name, _LOCK)):
                self._heads.pop(name, None)
            while True:
                try:
                    stack.enter_context(self.lock(name))
                    break
                except ClusterLocked:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.01)
            yield

    def _head(self, name: str) -> _Head | None:
        """Return what has to be known of the stored snapshot; reads it only if it is not the known one."""
        identity = self._identity(name)
        if identity is None:
            return None
        known = self._heads.get(name)
        if known is None or known.file != identity:
            document = self._read(name)
            with _understood(str(self._path(name, _SNAPSHOT))):
                uuid, generation = document["cluster"]["uuid"], document["generation"]
            known = _Head(identity, uuid, generation, document["version"])
            self._heads[name] = known
        return known

    def _identity(self, name: str) -> _Identity | None:
        path = self._path(name, _SNAPSHOT)
        with file_errors("read", path):
            try:
                status = path.stat()
            except FileNotFoundError:
                return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read_both(self, name: str) -> tuple[dict[str, Json], bytes]:
        """Return a snapshot and the journal that belongs to it, though somebody may be writing them."""
        path = self._path(name, _JOURNAL)
        while True:
            identity = self._identity(name)
            document = self._read(name)
            with file_errors("read", path):
                try:
                    changes = path.read_bytes()
                except FileNotFoundError:
                    changes = b""
            if identity == self._identity(name):
                return document, changes

    def _read(self, name: str) -> dict[str, Json]:
        """Return a snapshot of a version that can be read."""
        path = self._path(name, _SNAPSHOT)
        with file_errors("read", path), _understood(str(path)):
            try:
                document = json.loads(path.read_bytes())
            except FileNotFoundError as exc:
                raise not_found(name) from exc
        codec.version_of(document, str(path), self._migrations)
        return cast("dict[str, Json]", document)


def _remove(path: Path) -> None:
    with file_errors("remove", path):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _understood(source: str) -> Iterator[None]:
    """Turn the errors of taking JSON apart into :class:`StateError`."""
    try:
        yield
    except RecursionError as exc:
        raise codec.corrupt(source, "it is nested too deeply") from exc
    except ValueError as exc:
        empty = isinstance(exc, json.JSONDecodeError) and not exc.doc.strip()
        raise codec.corrupt(source, "it is empty" if empty else f"it is not JSON ({exc})") from exc
    except (KeyError, TypeError) as exc:
        raise codec.corrupt(source, f"it holds no cluster ({exc!r})") from exc
