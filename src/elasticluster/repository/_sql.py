"""A repository in a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from elasticluster.exceptions import ConfigurationError, UsageError
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
        """Return the cluster of that name; this computer learns its host keys.

        Raises:
            ClusterNotFound: there is none.
            StateError: what is stored cannot be read.
        """
        from elasticluster.ssh.hostkeys import write_known_hosts

        cluster = super().get(name)
        pinned = any(node.host_keys for node in cluster.record.nodes)
        if pinned and not Path(cluster.known_hosts_file).exists():
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


def _open(url: str, storage_path: str | None) -> SqlStore:
    try:
        from elasticluster.state.sql import SqlStore
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"To keep clusters in a database, the Python package {exc.name} is needed.",
            hint="Install it, or ElastiCluster with its extra `sql`.",
        ) from exc
    return SqlStore(url, storage_path)
