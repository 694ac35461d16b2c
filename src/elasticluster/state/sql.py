"""Clusters in a database: one row for each cluster, and one for each of its nodes.

Records are stored as JSON texts, so that they are versioned and checked as those on disk are. Private keys
never go into the database: key pairs, known hosts and traces are files in a folder of this computer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from elasticluster.model import ClusterRecord, Json, KeyPair, NodeRecord
from elasticluster.naming import check_cluster_name
from elasticluster.state import codec
from elasticluster.state.checks import changed_nodes, check_same, not_found
from elasticluster.state.database import METADATA, Upgrade, open_database
from elasticluster.state.files import ClusterFiles

UPGRADES: tuple[Upgrade, ...] = ()
"""The first one brings the tables from version 1 to the next; their number says what version is current."""

_CLUSTERS = sa.Table(
    "elasticluster_clusters",
    METADATA,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("uuid", sa.String(36), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
_NODES = sa.Table(
    "elasticluster_nodes",
    METADATA,
    sa.Column("cluster", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
_FILES = Path("~/.elasticluster/databases")


class SqlStore:
    """Remembers clusters in a database, for all processes that use it.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://USER@HOST/DATABASE``.
        path: folder of this computer for keys, known hosts and traces; made on first use. If None it is
            ``~/.elasticluster/databases/…``, a folder for each database.
        migrations: steps that bring records of older versions up to date.
        upgrades: steps that bring tables of older versions up to date.
        patience: seconds that a single write waits for another process' lock.

    Raises:
        ConfigurationError: it is no such URL, or a driver is missing.
    """

    def __init__(
        self,
        url: str,
        path: str | None = None,
        *,
        migrations: Sequence[codec.Migration] = codec.MIGRATIONS,
        upgrades: Sequence[Upgrade] = UPGRADES,
        patience: float = 1.0,
    ) -> None:
        self._database = open_database(url, upgrades)
        self.path = (
            (Path(path) if path else _FILES / _folder(self._database.identity)).expanduser().absolute()
        )
        self._files = ClusterFiles(self.path)
        self._migrations = migrations
        self._patience = patience

    @property
    def place(self) -> str:
        """URL of the database, without a password."""
        return self._database.place

    def names(self) -> list[str]:
        """Return the names of all stored clusters, sorted.

        Raises:
            StateError: the database cannot be read.
        """
        if not self._database.exists():
            return []
        with self._database.reading() as connection:
            return sorted(connection.scalars(sa.select(_CLUSTERS.c.name))) if connection else []

    def load(self, name: str) -> ClusterRecord:
        """Return a cluster as last saved or journaled; waits for nobody.

        Raises:
            ClusterNotFound: there is none of that name.
            StateError: what is stored cannot be read, or a newer version wrote it.
        """
        check_cluster_name(name)
        rows = self._rows(name) if self._database.exists() else []
        if not rows or rows[0].version is None:
            raise not_found(name)
        source = self._source(name)
        cluster = _parsed(rows[0].document, source)
        if not isinstance(cluster, dict):
            raise codec.corrupt(source, "it is not a table")
        cluster["nodes"] = [_parsed(row.document, source) for row in rows[1:]]
        record = codec.decode({"version": rows[0].version, "cluster": cluster}, source, self._migrations)
        if record.name != name:
            raise codec.corrupt(source, f"it holds cluster `{record.name}`")
        return record

    def save(self, cluster: ClusterRecord) -> None:
        """Store a cluster; when this returns it survives a power cut.

        Raises:
            ClusterConflict: another cluster of that name is stored.
            ClusterLocked: another process works on the cluster.
            StateError: it cannot be written, or a newer version wrote what is stored.
        """
        document = codec.encode(cluster, self._migrations)
        with self._database.writing(check_cluster_name(cluster.name), self._patience) as connection:
            self._head(connection, cluster)
            self._write(connection, cluster, document)

    def journal(self, cluster: ClusterRecord, changed: Sequence[str]) -> None:
        """Store the nodes of these names only; cheap, and as durable as :meth:`save`.

        A cluster that is not stored (any more), or in an older version, is stored as a whole.

        Raises:
            NodeNotFound: the cluster has no node of one of the names.
            ClusterConflict, ClusterLocked, StateError: as for :meth:`save`.
        """
        nodes = changed_nodes(cluster, changed)
        with self._database.writing(check_cluster_name(cluster.name), self._patience) as connection:
            if self._head(connection, cluster) != codec.current_version(self._migrations):
                self._write(connection, cluster, codec.encode(cluster, self._migrations))
            elif nodes:
                self._change(connection, cluster.name, nodes)

    def delete(self, name: str) -> None:
        """Forget a cluster and everything kept for it here; one that is not there is no error.

        The row goes last: whatever happens on the way, what is left can be deleted again.

        Raises:
            ClusterLocked: another process works on the cluster.
            StateError: it cannot be removed.
        """
        check_cluster_name(name)
        if not self._database.exists():
            self._files.delete(name)
            return
        with self._database.writing(name, self._patience) as connection:
            self._files.delete(name)
            _remove(connection, name)

    def lock(self, name: str) -> AbstractContextManager[Any]:
        """Keep other processes from changing the cluster of that name; ends with the process.

        Within this process it can be taken again. Loading needs no lock.

        Raises:
            ClusterLocked: another process holds it; names that process.
            StateError: the lock cannot be had.
        """
        return self._database.lock(check_cluster_name(name))

    def known_hosts_path(self, name: str) -> str:
        """Return the path of the cluster's known-hosts file."""
        return self._files.known_hosts_path(name)

    def trace_path(self, name: str) -> str:
        """Return the path of the trace of what was last done with the cluster from this computer."""
        return self._files.trace_path(name)

    def key_pair(self, cluster: ClusterRecord) -> KeyPair:
        """Return the key pair of a cluster: the template's, else its own, generated on first use.

        Raises:
            KeypairError: see :mod:`.keys`; a cluster's own pair is on the computer that started it.
            StateError: a new one cannot be written.
        """
        return self._files.key_pair(cluster)

    def take_key(self, former: str, name: str) -> None:
        """Give a cluster the generated key pair that is kept under its former name, if there is one.

        Raises:
            StateError: it cannot be moved.
        """
        self._files.take_key(former, name)

    # -- inside ------------------------------------------------------------------------------------

    def _source(self, name: str) -> str:
        return f"Cluster `{name}` in {self.place}"

    def _rows(self, name: str) -> Sequence[sa.Row[Any]]:
        """Return the cluster's row and those of its nodes; one statement, so that all are of one moment."""
        whole = sa.select(sa.literal(-1).label("position"), _CLUSTERS.c.version, _CLUSTERS.c.document).where(
            _CLUSTERS.c.name == name
        )
        parts = sa.select(_NODES.c.position, sa.null(), _NODES.c.document).where(_NODES.c.cluster == name)
        with self._database.reading() as connection:
            query = sa.union_all(whole, parts).order_by("position")
            return connection.execute(query).all() if connection else []

    def _head(self, connection: sa.Connection, cluster: ClusterRecord) -> int | None:
        """Return the version of what a cluster is to be written over; None if nothing is stored.

        Raises:
            ClusterConflict: that is another cluster.
            StateError: a newer version wrote it.
        """
        query = sa.select(_CLUSTERS.c.uuid, _CLUSTERS.c.version).where(_CLUSTERS.c.name == cluster.name)
        row = connection.execute(query).one_or_none()
        check_same(row.uuid if row else None, cluster)
        stored = {"version": row.version} if row else None
        return codec.version_of(stored, self._source(cluster.name), self._migrations) if stored else None

    def _write(self, connection: sa.Connection, record: ClusterRecord, document: dict[str, Json]) -> None:
        """Write a whole cluster in place of what is stored."""
        name = record.name
        cluster = dict(document["cluster"])
        nodes = cluster.pop("nodes")
        self._files.make()
        _remove(connection, name)
        row = {"name": name, "uuid": record.uuid, "version": document["version"]}
        connection.execute(sa.insert(_CLUSTERS).values(**row, document=json.dumps(cluster)))
        rows = [
            {"cluster": name, "name": node["name"], "position": position, "document": json.dumps(node)}
            for position, node in enumerate(nodes)
        ]
        if rows:
            connection.execute(sa.insert(_NODES), rows)

    def _change(self, connection: sa.Connection, name: str, nodes: Sequence[NodeRecord]) -> None:
        """Write some nodes; those that are new come last."""
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        last = sa.select(sa.func.coalesce(sa.func.max(_NODES.c.position) + 1, 0))
        statement = insert(_NODES).values(position=last.where(_NODES.c.cluster == name).scalar_subquery())
        statement = statement.on_conflict_do_update(
            index_elements=[_NODES.c.cluster, _NODES.c.name],
            set_={"document": statement.excluded.document},
        )
        rows = [
            {"cluster": name, "name": node.name, "document": json.dumps(codec.plain(node))} for node in nodes
        ]
        connection.execute(statement, rows)


def _remove(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.delete(_NODES).where(_NODES.c.cluster == name))
    connection.execute(sa.delete(_CLUSTERS).where(_CLUSTERS.c.name == name))


def _parsed(text: str, source: str) -> Json:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise codec.corrupt(source, f"it is not JSON ({exc})") from exc


def _folder(identity: str) -> str:
    """Return the name of a database's folder: readable, and another one for each database."""
    import hashlib

    readable = re.sub(r"[^A-Za-z0-9.]+", "-", identity.rpartition("/")[2]).strip("-.")
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
