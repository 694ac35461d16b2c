"""The snapshots in a directory: one for each cluster, in any format, for a moment in two.

While a cluster changes its format, the new file is there before the old one goes. The new one names the
generation that it replaces, so whatever a crash leaves, one of the two is known to be the cluster. Two files
that say nothing of one another were put there by somebody, who has to choose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from elasticluster.engine.files import file_errors
from elasticluster.exceptions import StateError
from elasticluster.model import Json
from elasticluster.naming import check_cluster_name
from elasticluster.state import codec, formats
from elasticluster.state.checks import read_owned
from elasticluster.state.files import KNOWN_HOSTS

ORIGINAL = 0
"""Version of what the original ElastiCluster wrote; ours begin at 1."""

Present: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Which files there are of a cluster: format, inode, time of change and size of each."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was read.

    Attributes:
        path: its file.
        form: its format.
        version: version of what is in the file, :data:`ORIGINAL` or ours.
        generation: tells it from those before and after it.
        replaces: generation of the snapshot in another format that this one was made of; else empty.
        uuid: the cluster's.
        document: what can be decoded: of `version`, or of the current one if the original wrote it.
        stale: files in other formats that it has replaced and a crash has left.
    """

    path: Path
    form: str
    version: int
    generation: str
    replaces: str
    uuid: str
    document: dict[str, Json]
    stale: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Finds and reads the snapshots in a directory.

    Attributes:
        directory: where they are.
        migrations: steps that bring documents of older versions up to date.
    """

    directory: Path
    migrations: Sequence[codec.Migration]

    def path(self, name: str, form: str) -> Path:
        """Return where a cluster's snapshot of a format is."""
        return self.directory / f"{check_cluster_name(name)}{formats.SUFFIXES[form]}"

    def present(self, name: str) -> Present:
        """Return which files there are of a cluster; reads none.

        A cluster may change its format while it is looked at, so nothing is only said at the second look.
        """
        return self._look(name) or self._look(name)

    def _look(self, name: str) -> Present:
        found = []
        for form in formats.SUFFIXES:
            path = self.path(name, form)
            with file_errors("read", path):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
            found.append((form, status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def chosen(self, name: str, forms: Collection[str]) -> Snapshot:
        """Return the cluster's snapshot of those in some formats.

        Raises:
            FileNotFoundError: one of them is gone meanwhile.
            StateError: one cannot be read, or it cannot be told which of them is the cluster.
        """
        found = [self._read(name, form) for form in forms]
        for one in found:
            others = [other for other in found if other is not one]
            if all(other.generation == one.replaces for other in others):
                return replace(one, stale=tuple(other.path for other in others))
        raise StateError(
            f"Cluster `{name}` is stored twice: {' and '.join(str(one.path) for one in found)}.",
            hint="Find out which of them is right, and move the other one out of the folder.",
        )

    def _read(self, name: str, form: str) -> Snapshot:
        path = self.path(name, form)
        data = read_owned(path)
        if data is None:
            raise FileNotFoundError(path)
        document = formats.parse(data, form, str(path))
        if isinstance(document, dict) and "version" not in document:
            from elasticluster.state.original import is_original

            if is_original(document):
                return self._original(name, form, data, document)
        version = codec.version_of(document, str(path), self.migrations)
        try:
            generation, uuid = document["generation"], document["cluster"]["uuid"]
        except (KeyError, TypeError) as exc:
            raise codec.corrupt(str(path), f"it holds no cluster ({exc!r})") from exc
        replaces = document.get("replaces", "")
        return Snapshot(path, form, version, generation, replaces, uuid, document)

    def _original(self, name: str, form: str, data: bytes, document: dict[str, Json]) -> Snapshot:
        from elasticluster.state.original import to_record

        path = self.path(name, form)
        known_hosts = read_owned(self.directory / f"{name}{KNOWN_HOSTS}") or b""
        record = to_record(document, known_hosts.decode("utf-8", "replace"), str(path))
        generation = f"original-{hashlib.sha256(data).hexdigest()}"
        converted = codec.encode(record, self.migrations) | {"generation": generation}
        return Snapshot(path, form, ORIGINAL, generation, "", record.uuid, converted)
