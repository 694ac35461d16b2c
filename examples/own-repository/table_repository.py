"""A repository of one's own: clusters in a table of an SQLite database."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from elasticluster import AbstractClusterRepository, Cluster
from elasticluster.exceptions import ClusterNotFound


class TableRepository(AbstractClusterRepository):
    """Remembers each cluster in a row.

    Args:
        storage_path: folder of the database. ElastiCluster keeps the files there that a repository has no
            place for: generated keys and known hosts.
    """

    def __init__(self, storage_path: str) -> None:
        self.storage_path = storage_path

    def save_or_update(self, cluster: Cluster) -> None:
        """Store a cluster."""
        row = (cluster.name, json.dumps(self.to_document(cluster)))
        with self._table() as table:
            table.execute("INSERT OR REPLACE INTO clusters VALUES (?, ?)", row)

    def get(self, name: str) -> Cluster:
        """Return a cluster."""
        with self._table() as table:
            row = table.execute("SELECT document FROM clusters WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ClusterNotFound(f"There is no cluster '{name}' in {self.storage_path}.")
        return self.from_document(json.loads(row[0]))

    def get_all(self) -> list[Cluster]:
        """Return all clusters."""
        with self._table() as table:
            rows = table.execute("SELECT document FROM clusters ORDER BY name").fetchall()
        return [self.from_document(json.loads(row[0])) for row in rows]

    def delete(self, cluster: Cluster) -> None:
        """Forget a cluster."""
        with self._table() as table:
            table.execute("DELETE FROM clusters WHERE name = ?", (cluster.name,))

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        folder = Path(self.storage_path).expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(folder / "clusters.db", os.O_CREAT, 0o600))  # for your eyes only
        with closing(sqlite3.connect(folder / "clusters.db")) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS clusters (name TEXT PRIMARY KEY, document TEXT)")
            yield database
