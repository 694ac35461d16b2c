"""Repositories over the stores of :mod:`elasticluster.state`, and over a third party's four methods."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.exceptions import ClusterNotFound, StateError

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.engine.ports import ClusterStore
    from elasticluster.model import ClusterRecord, KeyPair
    from elasticluster.state.store import Conversion


class AbstractClusterRepository(ABC):
    """The contract of a repository: four methods, to be written by a third party too.

    Such a repository is called often while a cluster is being started; each call must be durable when
    it returns. Keeping two programs off the same cluster is its own business. :meth:`to_document` and
    :meth:`from_document` turn a cluster into what JSON, YAML and databases can hold, and back.

    Generated keys, known hosts and traces are files. They are in the folder that an attribute `storage_path`
    names; without one they live as long as the process.
    """

    @abstractmethod
    def save_or_update(self, cluster: Cluster) -> None:
        """Store a cluster, whether it is there already or not."""

    @abstractmethod
    def get(self, name: str) -> Cluster:
        """Return the cluster of that name.

        Raises:
            ClusterNotFound: there is none.
        """

    @abstractmethod
    def get_all(self) -> list[Cluster]:
        """Return all stored clusters."""

    @abstractmethod
    def delete(self, cluster: Cluster) -> None:
        """Forget a cluster."""

    def to_document(self, cluster: Cluster) -> dict[str, Any]:
        """Return everything known of a cluster, in texts, numbers, lists and tables; secrets are in it, too.

        Raises:
            StateError: there is something in it that JSON does not hold.
        """
        from elasticluster.state.codec import encode

        return encode(cluster.record)

    def from_document(self, document: Any, source: str = "") -> Cluster:
        """Return the cluster that :meth:`to_document` has described, in this or an older version.

        Args:
            document: what was stored.
            source: where it was read; named in errors.

        Raises:
            StateError: it is no such document, or a newer version wrote it.
        """
        from elasticluster.cluster import Cluster
        from elasticluster.state.codec import decode

        return Cluster.from_record(decode(document, source or f"What {self.place} holds"), self)

    @cached_property
    def store(self) -> ClusterStore:
        """What the engine writes to."""
        return _Bridge(self)

    def storage_file(self, name: str) -> str | None:
        """Return the path of the file that a cluster is in; None if there is no such file."""
        return None

    @property
    def owner(self) -> str:
        """Who makes clusters here: ``user@host`` and a short hash of machine and place of the records."""
        place = hashlib.sha256(f"{_machine()}{self.place}".encode()).hexdigest()[:8]
        return f"{_user()}@{socket.gethostname()}/{place}"

    @property
    def place(self) -> str:
        """Where clusters are remembered, in words."""
        return f"{type(self).__module__}.{type(self).__qualname__}"


class _StoreRepository(AbstractClusterRepository):
    """A repository over one of our own stores."""

    def __init__(self, store: ClusterStore) -> None:
        self.__dict__["store"] = store

    def save_or_update(self, cluster: Cluster) -> None:
        """Store a cluster, whether it is there already or not."""
        self.store.save(cluster.record)
        cluster.saved()

    def get(self, name: str) -> Cluster:
        """Return the cluster of that name.

        Raises:
            ClusterNotFound: there is none.
            StateError: what is stored cannot be read.
        """
        from elasticluster.cluster import Cluster

        return Cluster.from_record(self.store.load(name), self)

    def get_all(self) -> list[Cluster]:
        """Return all stored clusters that can be read; a warning is logged for each other one."""
        found = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except StateError as error:
                _log_unreadable(error)
            except ClusterNotFound:
                continue  # stopped by another command since it was listed
        return found

    def names(self) -> list[str]:
        """Return the names of all stored clusters, readable or not, sorted."""
        return self.store.names()

    def delete(self, cluster: Cluster) -> None:
        """Forget a cluster; its machines go on running."""
        self.store.delete(cluster.name)


class MemRepository(_StoreRepository):
    """Remembers clusters in memory: when the program ends they are forgotten, but may go on running."""

    def __init__(self) -> None:
        from elasticluster.state.memory import MemoryStore

        super().__init__(MemoryStore())
        weakref.finalize(self, warn_of_machines, self.store)

    @property
    def place(self) -> str:
        """Where clusters are remembered: in this process."""
        return f"memory of process {os.getpid()}"


class DiskRepository(_StoreRepository):
    """Remembers clusters in files in a folder, durably, for one user.

    This is what the repositories of each format have in common; use one of those.

    Args:
        storage_path: folder to keep them in; made (0700) if it does not exist.
        default: format of new clusters, or what tells it when it is needed; the first of :attr:`forms`
            if None.

    Attributes:
        forms: formats that are read.

    Raises:
        ConfigurationError: there is no such format.
    """

    forms: tuple[str, ...] = ("yaml", "json", "pickle")

    def __init__(self, storage_path: str, default: str | Callable[[], str] | None = None) -> None:
        from elasticluster.state.store import DiskStore

        self.storage_path = os.path.abspath(os.path.expanduser(storage_path))  # noqa: PTH100, PTH111 - a string is documented
        self._disk = DiskStore(self.storage_path, self.forms, default)
        super().__init__(self._disk)

    @property
    def place(self) -> str:
        """Where clusters are remembered: the folder's path."""
        return self.storage_path

    def storage_file(self, name: str) -> str | None:
        """Return the path of the file that a cluster is in; None if it is not stored here."""
        from elasticluster.state.formats import SUFFIXES

        paths = (Path(self.storage_path, f"{name}{SUFFIXES[form]}") for form in self.forms)
        return next((str(path) for path in paths if path.exists()), None)

    def take_key(self, former: str, name: str) -> None:
        """Give a cluster the generated key pair that is kept under its former name, if there is one.

        Raises:
            StateError: it cannot be moved.
        """
        self._disk.take_key(former, name)

    def migrate_cluster(
        self, cluster: Cluster | str, to: str | None = None, *, dry_run: bool = False
    ) -> Conversion:
        """Bring the file of a cluster to the current version, and to a format.

        A crash at any moment leaves the cluster as it was or as it is to be. A file of the original
        ElastiCluster is kept beside the new one.

        Args:
            cluster: the cluster, or its name.
            to: ``json``, ``yaml`` or ``pickle``; the format of new clusters if None.
            dry_run: change nothing.

        Returns:
            what was done, or would be.

        Raises:
            ClusterNotFound: it is not stored here.
            ConfigurationError: this repository has no such format.
            ClusterLocked: another command works on the cluster.
            StateError: it cannot be read or written.
        """
        name = cluster if isinstance(cluster, str) else cluster.name
        return self._disk.convert(name, to, dry_run=dry_run)


class JsonRepository(DiskRepository):
    """Remembers each cluster in a JSON file and a journal.

    Args:
        storage_path: folder to keep them in; made (0700) if it does not exist.
    """

    forms = ("json",)

    def __init__(self, storage_path: str) -> None:
        super().__init__(storage_path)


class YamlRepository(DiskRepository):
    """Remembers each cluster in a YAML file and a journal.

    Args:
        storage_path: folder to keep them in; made (0700) if it does not exist.
    """

    forms = ("yaml",)

    def __init__(self, storage_path: str) -> None:
        super().__init__(storage_path)


class PickleRepository(DiskRepository):
    """Remembers each cluster in a pickle and a journal.

    The pickle holds texts, numbers, lists and tables, and no object is made when it is read.

    Args:
        storage_path: folder to keep them in; made (0700) if it does not exist.
    """

    forms = ("pickle",)

    def __init__(self, storage_path: str) -> None:
        super().__init__(storage_path)


ClusterRepository = PickleRepository
"""The name of :class:`PickleRepository` in 2016."""


class MultiDiskRepository(DiskRepository):
    """Reads clusters in all formats; a stored cluster keeps its own.

    Args:
        storage_path: folder to keep them in; made (0700) if it does not exist.
        default_store: format of new clusters, ``yaml``, ``json`` or ``pickle``, or what tells it when it
            is needed.

    Raises:
        ConfigurationError: there is no such format.
    """

    def __init__(self, storage_path: str, default_store: str | Callable[[], str] = "yaml") -> None:
        super().__init__(storage_path, default_store)


class _Bridge:
    """Lets the engine write to a third party's repository, which keeps no files."""

    def __init__(self, repository: AbstractClusterRepository) -> None:
        from elasticluster.state.files import ClusterFiles
        from elasticluster.state.memory import MemoryStore

        self._repository = repository
        path = getattr(repository, "storage_path", None)
        self._files = ClusterFiles(Path(path).expanduser().absolute()) if path else MemoryStore()
        if isinstance(self._files, ClusterFiles):
            self._files.make()

    def names(self) -> list[str]:
        return sorted(cluster.name for cluster in self._repository.get_all())

    def load(self, name: str) -> ClusterRecord:
        return self._repository.get(name).record

    def save(self, cluster: ClusterRecord) -> None:
        from elasticluster.cluster import Cluster

        self._repository.save_or_update(Cluster.from_record(cluster, self._repository))

    def journal(self, cluster: ClusterRecord, changed: Sequence[str]) -> None:
        self.save(cluster)

    def delete(self, name: str) -> None:
        self._files.delete(name)
        try:
            self._repository.delete(self._repository.get(name))
        except (ClusterNotFound, KeyError):
            return  # forgotten already

    def lock(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def known_hosts_path(self, name: str) -> str:
        return self._files.known_hosts_path(name)

    def trace_path(self, name: str) -> str:
        return self._files.trace_path(name)

    def key_pair(self, cluster: ClusterRecord) -> KeyPair:
        return self._files.key_pair(cluster)


def warn_of_machines(store: ClusterStore) -> None:
    """Say what is being forgotten although it goes on running."""
    import logging

    for name in store.names():
        count = sum(node.instance_id is not None for node in store.load(name).nodes)
        if count:
            logging.getLogger("elasticluster").warning(
                "Cluster '%s' was only in memory and is forgotten now, but %d instances go on running.",
                name,
                count,
            )


def _machine() -> str:
    """Return what tells this machine from others of its name, as systemd keeps it; empty elsewhere."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the user database, as in some containers
        return str(os.getuid())


def _log_unreadable(error: StateError) -> None:
    import logging

    logging.getLogger("elasticluster").warning("%s", error)
