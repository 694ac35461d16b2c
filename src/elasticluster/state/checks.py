"""What every store refuses, and in which words."""

from __future__ import annotations

from collections.abc import Sequence

from elasticluster.exceptions import ClusterConflict, ClusterNotFound, NodeNotFound
from elasticluster.model import ClusterRecord, NodeRecord


def not_found(name: str) -> ClusterNotFound:
    """Return the error for a cluster that is not stored."""
    return ClusterNotFound(f"Cluster `{name}` not found.", hint="`elasticluster list` shows all clusters.")


def check_same(stored: str | None, cluster: ClusterRecord) -> None:
    """Refuse to write over another cluster of the same name: its machines would be forgotten.

    Args:
        stored: UUID of what is stored under the cluster's name; None if nothing is.
        cluster: what is to be stored.

    Raises:
        ClusterConflict: they are two clusters.
    """
    if stored not in (None, cluster.uuid):
        raise ClusterConflict(
            f"Another cluster is stored under the name `{cluster.name}`.",
            hint="Stop that one first, or use another name.",
        )


def changed_nodes(cluster: ClusterRecord, names: Sequence[str]) -> list[NodeRecord]:
    """Return the nodes of these names.

    Raises:
        NodeNotFound: there is no node of one of the names.
    """
    by_name = {node.name: node for node in cluster.nodes}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise NodeNotFound(f"Cluster `{cluster.name}` has no node {', '.join(unknown)}.")
    return [by_name[name] for name in names]
