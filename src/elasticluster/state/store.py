"""Clusters in a directory: a snapshot (the last whole record) and ``NAME.journal`` (what changed since).

The snapshot is ``NAME.json``, ``NAME.yaml`` or ``NAME.pickle``; the journal is the same for all. Beside them
lie ``NAME.known_hosts``, ``NAME.trace.jsonl``, ``NAME.key``, ``NAME.key.pub`` and, while a command works on
the cluster, ``NAME.lock``. A crash between any two system calls leaves a cluster that can be loaded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from elasticluster.engine.files import file_errors, sync_directory, write_private
from elasticluster.exceptions import ClusterConflict, ClusterLocked, ClusterNotFound, ConfigurationError
from elasticluster.model import ClusterRecord, Json, KeyPair
from elasticluster.naming import CLUSTER_NAME_RE, new_uuid
from elasticluster.state import codec, formats, journal
from elasticluster.state.checks import changed_nodes, check_same, not_found, read_owned
from elasticluster.state.files import ClusterFiles
from elasticluster.state.lock import is_held, process_lock
from elasticluster.state.snapshot import ORIGINAL, Present, Snapshot, Snapshots

_JOURNAL = ".journal"
_LOCK = ".lock"
_KEPT = tuple(f"{suffix}.original" for suffix in formats.SUFFIXES.values())
# What is written as a whole, under a temporary name first; the snapshots are the last to be deleted.
_WHOLE = (*_KEPT, *formats.SUFFIXES.values())

_writing = threading.RLock()
"""Held by the thread that writes; the file lock only keeps processes apart."""

_log = logging.getLogger("elasticluster")


@dataclass(frozen=True, slots=True)
class _Head:
    """What has to be known of a snapshot before something is written: all but its document."""

    path: Path
    form: str
    version: int
    generation: str
    uuid: str
    stale: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What it takes to bring a stored cluster up to date.

    Attributes:
        name: the cluster.
        source: the file that it is in.
        target: the file that it is to be in.
        version: version of what is in `source`; 0 if the original ElastiCluster wrote it.
        current: the version that is written now.
        stale: files that an interrupted conversion has left.
    """

    name: str
    source: Path
    target: Path
    version: int
    current: int
    stale: tuple[Path, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.source != self.target or self.version != self.current or bool(self.stale)

    @property
    def kept(self) -> Path | None:
        """Where the original's file is kept; None if the original did not write it."""
        return _kept(self.source) if self.version == ORIGINAL else None


class DiskStore:
    """Remembers clusters in a directory, for this and later processes.

    Args:
        path: the directory, made on first use; ``~`` is expanded.
        forms: formats to read: ``json``, ``yaml``, ``pickle``. A cluster in another one is not seen, and
            never written over.
        default: the format of new clusters, or what tells it when it is needed; the first of `forms` if
            None. A stored cluster keeps its own.
        migrations: steps that bring documents of older versions up to date.
        patience: seconds that a single write waits for another process' lock. Its single writes take
            milliseconds; its commands last for minutes, and are not waited for.

    Raises:
        ConfigurationError: there is no such format.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        forms: Sequence[str] = ("json",),
        default: str | Callable[[], str] | None = None,
        *,
        migrations: Sequence[codec.Migration] = codec.MIGRATIONS,
        patience: float = 1.0,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self._forms = tuple(formats.check_format(form) for form in forms)
        self._default = default or self._forms[0]
        if isinstance(self._default, str):
            self._writable(self._default)
        self._migrations = migrations
        self._snapshots = Snapshots(self.path, migrations)
        self._files = ClusterFiles(self.path)
        self._patience = patience
        self._heads: dict[str, tuple[Present, _Head]] = {}

    def names(self) -> list[str]:
        """Return the names of all stored clusters, sorted; reads no file.

        Raises:
            StateError: the directory cannot be read.
        """
        with file_errors("read", self.path):
            found = os.listdir(self.path) if self.path.exists() else []  # noqa: PTH208 - names, not paths
        suffixes = [formats.SUFFIXES[form] for form in self._forms]
        names = {file.removesuffix(end) for file in found for end in suffixes if file.endswith(end)}
        return sorted(name for name in names if CLUSTER_NAME_RE.fullmatch(name))

    def load(self, name: str) -> ClusterRecord:
        """Return a cluster as last saved or journaled; waits for nobody.

        Raises:
            ClusterNotFound: there is none of that name.
            StateError: what is stored cannot be read, or a newer version wrote it, or another user.
        """
        snapshot, changes = self._read_both(name)
        return self._decoded(name, snapshot, changes)

    def save(self, cluster: ClusterRecord) -> None:
        """Store a cluster; when this returns it survives a power cut.

        Raises:
            ClusterConflict: another cluster of that name is stored, or this one in another format.
            ClusterLocked: another process works on the cluster.
            StateError: it cannot be written, or what is stored is damaged and would be lost.
        """
        with self._exclusive(cluster.name):
            head = self._head(cluster.name)
            check_same(head.uuid if head else None, cluster)
            self._write(cluster, head, head.form if head else self.default_format)

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

    def convert(self, name: str, to: str | None = None, *, dry_run: bool = False) -> Conversion:
        """Bring a stored cluster to the current version, and to a format.

        A crash at any moment leaves the cluster as it was or as it is to be. A file of the original
        ElastiCluster is kept under another name.

        Args:
            name: the cluster.
            to: the format; that of new clusters if None.
            dry_run: only say what it would take.

        Returns:
            what it took.

        Raises:
            ClusterNotFound: there is none of that name.
            ConfigurationError: there is no such format, or this store does not read it.
            ClusterLocked, StateError: as for :meth:`save`.
        """
        form = self._writable(to) if to else self.default_format
        if dry_run:
            snapshot, changes = self._read_both(name)
            self._decoded(name, snapshot, changes)
            return self._conversion(name, _head_of(snapshot), form)
        if not self._snapshots.present(name):
            raise not_found(name)
        with self._exclusive(name):
            cluster, head = self.load(name), self._head(name)
            if head is None:
                raise not_found(name)
            work = self._conversion(name, head, form)
            if work.needed:
                self._write(cluster, head, form)
            return work

    def delete(self, name: str) -> None:
        """Forget a cluster and everything kept for it; one that is not there is no error.

        The snapshot goes last: whatever happens on the way, what is left can be deleted again.

        Raises:
            ClusterLocked: another process works on the cluster.
            ClusterConflict: it is also stored in a format that is not read here.
            StateError: a file cannot be removed.
        """
        paths = [self._path(name, suffix) for suffix in (_JOURNAL, *_WHOLE)]
        if not self.path.exists():
            return
        with self._exclusive(name):
            if self._foreign(name) and not self._ours(name):
                return
            self._refuse_foreign(name)
            self._files.delete(name)
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
        return process_lock(self._path(name, _LOCK), name, lambda: bool(self._snapshots.present(name)))

    def known_hosts_path(self, name: str) -> str:
        """Return the path of the cluster's known-hosts file."""
        return self._files.known_hosts_path(name)

    def trace_path(self, name: str) -> str:
        """Return the path of the trace of what was last done with the cluster."""
        return self._files.trace_path(name)

    def key_pair(self, cluster: ClusterRecord) -> KeyPair:
        """Return the key pair of a cluster: the template's, else its own, generated on first use.

        Raises:
            KeypairError: see :mod:`.keys`.
            StateError: a new one cannot be written, or it belongs to somebody else.
        """
        return self._files.key_pair(cluster)

    def take_key(self, former: str, name: str) -> None:
        """Give a cluster the generated key pair that is kept under its former name, if there is one.

        Raises:
            StateError: it cannot be moved.
        """
        self._files.take_key(former, name)

    @property
    def default_format(self) -> str:
        """Format of new clusters."""
        return self._default if isinstance(self._default, str) else self._writable(self._default())

    # -- writing -----------------------------------------------------------------------------------

    def _write(self, cluster: ClusterRecord, head: _Head | None, form: str) -> None:
        """Write a snapshot in place of the one that is stored, if any; the caller has the lock."""
        path = self._snapshots.path(cluster.name, form)
        moved = head is not None and head.path != path
        document = codec.encode(cluster, self._migrations) | {"generation": new_uuid()}
        if head and moved:
            document |= {"replaces": head.generation}
        data = formats.dump(document, form)
        for stale in head.stale if head else ():
            _remove(stale)
        if head and head.version == ORIGINAL:
            _keep_original(head.path)
        write_private(path, data)
        if head and moved:
            _remove(head.path)
        _remove(self._path(cluster.name, _JOURNAL))

    def _conversion(self, name: str, head: _Head, form: str) -> Conversion:
        current = codec.current_version(self._migrations)
        target = self._snapshots.path(name, form)
        return Conversion(name, head.path, target, head.version, current, head.stale)

    def _writable(self, form: str) -> str:
        if formats.check_format(form) not in self._forms:
            raise ConfigurationError(
                f"Clusters in {self.path} are not stored as '{form}' here, but as {', '.join(self._forms)}.",
                hint="MultiDiskRepository stores them in all formats.",
            )
        return form

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

    # -- reading -----------------------------------------------------------------------------------

    def _path(self, name: str, suffix: str) -> Path:
        return self._files.place(name, suffix)

    def _ours(self, name: str) -> list[str]:
        return [form for form, *_ in self._snapshots.present(name) if form in self._forms]

    def _foreign(self, name: str) -> list[Path]:
        present = self._snapshots.present(name)
        return [self._snapshots.path(name, form) for form, *_ in present if form not in self._forms]

    def _refuse_foreign(self, name: str) -> None:
        for path in self._foreign(name):
            raise ClusterConflict(
                f"Cluster `{name}` is stored in another format: {path}.",
                hint="MultiDiskRepository reads all formats; `elasticluster migrate` converts.",
            )

    def _head(self, name: str) -> _Head | None:
        """Return what has to be known of the stored snapshot; reads it only if it is not the known one."""
        self._refuse_foreign(name)
        present = self._snapshots.present(name)
        if not present:
            return None
        known = self._heads.get(name)
        if known is None or known[0] != present:
            with file_errors("read", self.path):
                known = present, _head_of(self._snapshots.chosen(name, [form for form, *_ in present]))
            self._heads[name] = known
        return known[1]

    def _read_both(self, name: str) -> tuple[Snapshot, bytes]:
        """Return a snapshot and the journal that belongs to it, though somebody may be writing them."""
        while True:
            present = self._snapshots.present(name)
            forms = [form for form, *_ in present]
            if not set(forms) & set(self._forms):
                raise self._not_found(name)
            self._refuse_foreign(name)
            with contextlib.suppress(FileNotFoundError):
                snapshot = self._snapshots.chosen(name, forms)
                changes = read_owned(self._path(name, _JOURNAL)) or b""
                if present == self._snapshots.present(name):
                    return snapshot, changes

    def _not_found(self, name: str) -> ClusterNotFound:
        for path in self._foreign(name):
            return ClusterNotFound(
                f"Cluster `{name}` not found; there is one in another format: {path}.",
                hint="MultiDiskRepository reads all formats.",
            )
        return not_found(name)

    def _decoded(self, name: str, snapshot: Snapshot, changes: bytes) -> ClusterRecord:
        source = str(snapshot.path)
        cluster: dict[str, Json] = snapshot.document["cluster"]
        try:
            nodes = journal.replay(
                changes, snapshot.generation, cluster["nodes"], str(self._path(name, _JOURNAL))
            )
        except (KeyError, TypeError) as exc:
            raise codec.corrupt(source, f"it holds no cluster ({exc!r})") from exc
        document = snapshot.document | {"cluster": {**cluster, "nodes": nodes}}
        record = codec.decode(document, source, self._migrations)
        if record.name != name:
            raise codec.corrupt(source, f"it holds cluster `{record.name}`")
        return record


def _head_of(snapshot: Snapshot) -> _Head:
    return _Head(
        snapshot.path,
        snapshot.form,
        snapshot.version,
        snapshot.generation,
        snapshot.uuid,
        snapshot.stale,
    )


def _keep_original(path: Path) -> None:
    """Copy a file of the original ElastiCluster before it is replaced."""
    data = read_owned(path)
    if data is not None:
        write_private(_kept(path), data)
        _log.info("%s was written by the original ElastiCluster; it is kept as %s.", path, _kept(path))


def _kept(path: Path) -> Path:
    return path.with_name(f"{path.name}.original")


def _remove(path: Path) -> None:
    with file_errors("remove", path):
        path.unlink(missing_ok=True)
