"""A repository in a database."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from elasticluster.exceptions import ClusterLocked, ConfigurationError, UsageError
from elasticluster.repository._repository import _StoreRepository

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.state.sql import SqlStore


class SqlRepository(_StoreRepository):
    """Remembers clusters in a database, for all programs that use it; needs the extra ``sql``.

    SQLite keeps them in a file, for one user. PostgreSQL shares them: two commands, wherever they run, never
    work on the same cluster at the same time. Generated private keys stay out of the database, in
    `storage_path`; from another computer such a cluster can be listed and stopped, but not logged in to.
    What the record of a cluster holds is in it: passwords of its services and the arguments of providers.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://USER@HOST/DATABASE``, as SQLAlchemy writes them.
        storage_path: folder of this computer for keys, known hosts and traces; made (0700) on first use.
            If None it is ``~/.elasticluster/databases/…``, a folder for each database.

    Attributes:
        storage_path: the same.

    Raises:
        ConfigurationError: it is no such URL, or SQLAlchemy or a driver is missing.
    """

    def __init__(self, url: str, storage_path: str | None = None) -> None:
        self._sql = _open(url, storage_path)
        self.storage_path = str(self._sql.path)
        super().__init__(self._sql)

    @property
    def place(self) -> str:
        """Where clusters are remembered: the database's URL, without a password."""
        return self._sql.place

    def get(self, name: str) -> Cluster:
        """Return the cluster of that name; this computer learns its present host keys and addresses.

        While a command works on the cluster, the known hosts are left to that: it may know more than what it
        has stored so far.

        Raises:
            ClusterNotFound: there is none.
            StateError: what is stored cannot be read.
        """
        from elasticluster.ssh.hostkeys import write_known_hosts

        cluster = super().get(name)
        if not _knows_less(cluster):
            return cluster
        if not Path(cluster.known_hosts_file).exists():
            write_known_hosts(cluster.record, cluster.known_hosts_file)
            return cluster
        with contextlib.suppress(ClusterLocked), self._sql.lock(name):
            cluster = super().get(name)
            write_known_hosts(cluster.record, cluster.known_hosts_file)
        return cluster

    def take_key(self, former: str, name: str) -> None:
        """Give a cluster the generated key pair that is kept under its former name, if there is one.

        Raises:
            StateError: it cannot be moved.
        """
        self._sql.take_key(former, name)

    def migrate_cluster(
        self, cluster: Cluster | str, to: str | None = None, *, dry_run: bool = False
    ) -> NoReturn:
        """Refuse: there are no files to convert.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"Clusters in {self.place} have no files that could be converted.",
            hint="They are brought to the present version when they are next written.",
        )


def _knows_less(cluster: Cluster) -> bool:
    """Return whether the known hosts are not those of the record: another computer may have changed that."""
    from elasticluster.ssh.hostkeys import known_hosts

    path, wanted = Path(cluster.known_hosts_file), known_hosts(cluster.record)
    return wanted != (path.read_bytes() if path.exists() else b"")


def _open(url: str, storage_path: str | None) -> SqlStore:
    try:
        from elasticluster.state.sql import SqlStore
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"To keep clusters in a database, the Python package {exc.name} is needed.",
            hint="Install it, or ElastiCluster with its extra `sql`.",
        ) from exc
    return SqlStore(url, storage_path)
