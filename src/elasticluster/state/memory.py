"""Clusters in memory: the contract of the store on disk, gone with the process."""

from __future__ import annotations

import contextlib
import shutil
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from elasticluster.model import ClusterRecord, KeyPair
from elasticluster.naming import check_cluster_name
from elasticluster.state import keys
from elasticluster.state.checks import changed_nodes, check_same, not_found


class MemoryStore:
    """Remembers clusters as long as it lives.

    Known hosts, generated keys and traces have to be files, since programs read or write them. They lie in a
    private temporary directory that is made when first asked for, and removed by :meth:`close` or, at the
    latest, when the process ends.
    """

    def __init__(self) -> None:
        self._records: dict[str, ClusterRecord] = {}
        self._directory: Path | None = None
        self._finalizer: weakref.finalize[..., MemoryStore] | None = None

    def names(self) -> list[str]:
        """Return the names of all stored clusters, sorted."""
        return sorted(self._records)

    def load(self, name: str) -> ClusterRecord:
        """Return a cluster as last saved or journaled.

        Raises:
            ClusterNotFound: there is none of that name.
        """
        try:
            return self._records[check_cluster_name(name)]
        except KeyError as exc:
            raise not_found(name) from exc

    def save(self, cluster: ClusterRecord) -> None:
        """Store a cluster.

        Raises:
            ClusterConflict: another cluster of that name is stored.
        """
        stored = self._records.get(check_cluster_name(cluster.name))
        check_same(stored.uuid if stored else None, cluster)
        self._records[cluster.name] = cluster

    def journal(self, cluster: ClusterRecord, changed: Sequence[str]) -> None:
        """Store the nodes of these names only; a cluster that is not stored (any more) as a whole.

        Raises:
            NodeNotFound: the cluster has no node of one of the names.
            ClusterConflict: another cluster of that name is stored.
        """
        nodes = changed_nodes(cluster, changed)
        stored = self._records.get(cluster.name, cluster)
        self.save(stored.with_nodes(*nodes) if stored.uuid == cluster.uuid else cluster)

    def delete(self, name: str) -> None:
        """Forget a cluster and everything kept for it; one that is not there is no error."""
        self._records.pop(check_cluster_name(name), None)
        if self._directory:
            shutil.rmtree(self._directory / name, ignore_errors=True)

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Do nothing: no other process can see these clusters."""
        check_cluster_name(name)
        return contextlib.nullcontext()

    def known_hosts_path(self, name: str) -> str:
        """Return the path of the cluster's known-hosts file."""
        return str(self._home(name) / "known_hosts")

    def trace_path(self, name: str) -> str:
        """Return the path of the trace of what was last done with the cluster."""
        return str(self._home(name) / "trace.jsonl")

    def key_pair(self, cluster: ClusterRecord) -> KeyPair:
        """Return the key pair of a cluster: the template's, else its own, generated on first use.

        Raises:
            KeypairError: see :mod:`.keys`.
        """
        return keys.given_pair(cluster) or keys.own_pair(cluster, self._home(cluster.name) / "key")

    def close(self) -> None:
        """Remove the files; the records stay."""
        if self._finalizer:
            self._finalizer()
        self._directory = None

    def _home(self, name: str) -> Path:
        if self._directory is None:
            import tempfile

            self._directory = Path(tempfile.mkdtemp(prefix="elasticluster-"))
            self._finalizer = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        home = self._directory / check_cluster_name(name)
        home.mkdir(mode=0o700, exist_ok=True)
        return home
