"""What stores refuse, and in which words."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from elasticluster.engine.files import file_errors
from elasticluster.exceptions import ClusterConflict, ClusterNotFound, NodeNotFound, StateError
from elasticluster.model import ClusterRecord, NodeRecord


def not_found(name: str) -> ClusterNotFound:
    """Return the error for a cluster that is not stored."""
    return ClusterNotFound(f"Cluster `{name}` not found.", hint="`elasticluster list` shows all clusters.")


def read_owned(path: Path) -> bytes | None:
    """Return the contents of a file of ours; None if there is none.

    Raises:
        StateError: it cannot be read, or belongs to somebody else.
    """
    with file_errors("read", path):
        try:
            with path.open("rb") as file:
                check_owner(os.fstat(file.fileno()), path)
                return file.read()
        except FileNotFoundError:
            return None


def check_file(path: Path) -> None:
    """Refuse a file of somebody else; one that is not there is fine.

    Raises:
        StateError: it belongs to another user, or cannot be looked at.
    """
    with file_errors("read", path), contextlib.suppress(FileNotFoundError):
        check_owner(path.stat(), path)


def check_owner(status: os.stat_result, path: Path) -> None:
    """Refuse a file that somebody else has written: it names classes to import and keys to trust.

    Raises:
        StateError: it belongs to another user of this computer.
    """
    us = os.geteuid()
    if status.st_uid != us:
        raise StateError(
            f"{path} belongs to {_user(status.st_uid)} and not to {_user(us)}: it is not used, since what "
            "it says can run programs as you.",
            hint=f"If you trust it: `chown {us} {path}`. Else move it away, or run this as its owner.",
        )


def _user(number: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(number).pw_name} ({number})"
    except KeyError:
        return f"user {number}"


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
