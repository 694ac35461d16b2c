"""The files beside stored clusters: key pairs, known hosts, traces. Programs read them, so they are files."""

from __future__ import annotations

import threading
from pathlib import Path

from elasticluster.engine.files import file_errors, make_private_directory, sync_directory
from elasticluster.model import ClusterRecord, KeyPair
from elasticluster.naming import check_cluster_name
from elasticluster.state import keys
from elasticluster.state.checks import check_file

KNOWN_HOSTS = ".known_hosts"
TRACE = ".trace.jsonl"
KEY = ".key"
IMPORTED = ".import"  # holds the UUID of the cluster whose files are being imported

_making = threading.RLock()
"""Held by the thread that makes or moves a key pair."""


class ClusterFiles:
    """Names and makes the files of clusters in a folder.

    Attributes:
        path: the folder; made when something is first written to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def place(self, name: str, suffix: str) -> Path:
        """Return where a file of a cluster is, whether or not it exists.

        Raises:
            ConfigurationError: no cluster can be called that.
        """
        return self.path / f"{check_cluster_name(name)}{suffix}"

    def make(self) -> None:
        """Make the folder if it is missing.

        Raises:
            StateError: it cannot be made.
        """
        with file_errors("write", self.path):
            make_private_directory(self.path)

    def known_hosts_path(self, name: str) -> str:
        """Return the path of a cluster's known-hosts file."""
        return str(self.place(name, KNOWN_HOSTS))

    def trace_path(self, name: str) -> str:
        """Return the path of the trace of what was last done with a cluster."""
        return str(self.place(name, TRACE))

    def key_pair(self, cluster: ClusterRecord) -> KeyPair:
        """Return the key pair of a cluster: the template's, else its own, generated on first use.

        A key that a killed import of another cluster has left is not this one's: it is removed.

        Raises:
            KeypairError: see :mod:`.keys`.
            StateError: a new one cannot be written, or it belongs to somebody else.
        """
        with _making:
            given = keys.given_pair(cluster)
            if given:
                return given
            path = self.place(cluster.name, KEY)
            for half in (path, path.with_name(f"{path.name}.pub")):
                check_file(half)
            marker = self.place(cluster.name, IMPORTED)
            if marker.exists() and _text(marker) != cluster.uuid:
                self._discard(cluster.name, KEY, f"{KEY}.pub", IMPORTED)
            return keys.own_pair(cluster, path)

    def take_key(self, former: str, name: str) -> None:
        """Give a cluster the generated key pair that is kept under its former name, if there is one.

        Raises:
            StateError: it cannot be moved.
        """
        with _making:
            for suffix in (KEY, f"{KEY}.pub"):
                old, new = self.place(former, suffix), self.place(name, suffix)
                if old.exists() and not new.exists():
                    with file_errors("move", old):
                        old.rename(new)
                        sync_directory(self.path)

    def delete(self, name: str) -> None:
        """Remove the files of a cluster, and what an interrupted writing has left of them.

        Raises:
            StateError: one cannot be removed.
        """
        self._discard(name, TRACE, KNOWN_HOSTS, KEY, f"{KEY}.pub", IMPORTED)

    def _discard(self, name: str, *suffixes: str) -> None:
        for suffix in suffixes:
            for path in (self.path / f".{name}{suffix}.new", self.place(name, suffix)):
                with file_errors("remove", path):
                    path.unlink(missing_ok=True)


def _text(path: Path) -> str:
    with file_errors("read", path):
        return path.read_text(encoding="utf-8", errors="replace")
