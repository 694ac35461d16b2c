"""The journal of a snapshot: changed nodes, one line for each call, appended and synced.

A line is ``CHECKSUM {"generation": "…", "nodes": [{…}, …]}``. A crash can only tear the last line; that one
is left out. Lines name the snapshot that they change, so that a journal left behind by a crash between the
writing of a newer snapshot and the removal of the journal changes nothing.
"""

from __future__ import annotations

import binascii
import io
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path

from elasticluster.engine.files import file_errors, open_private, sync_directory
from elasticluster.model import Json
from elasticluster.state.checks import check_owner
from elasticluster.state.codec import corrupt


def append(path: Path, generation: str, nodes: Sequence[Json]) -> None:
    """Add a line; it is on the disk when this returns.

    The caller sees to it that nobody else appends at the same time.

    Args:
        path: the journal; made if it is missing.
        generation: the snapshot that is changed.
        nodes: the nodes' new records.

    Raises:
        StateError: it cannot be written, or the journal is damaged or belongs to somebody else.
    """
    new = not path.exists()
    with file_errors("write", path), open_private(path, "ab+") as file:
        check_owner(os.fstat(file.fileno()), path)
        whole = _whole(file.fileno(), path)
        file.truncate(whole)
        file.write(_line({"generation": generation, "nodes": list(nodes)}))
        file.flush()
        os.fsync(file.fileno())
        if new:
            sync_directory(path.parent)


def replay(data: bytes, generation: str, nodes: list[Json], source: str) -> list[Json]:
    """Return the nodes of a snapshot with the changes of its journal.

    Args:
        data: the journal's contents.
        generation: the snapshot; lines of others are left out.
        nodes: the nodes in the snapshot.
        source: name of the journal, for errors.

    Returns:
        the nodes in the same order; those that only the journal knows come last.

    Raises:
        StateError: a line other than the last is damaged.
    """
    changes = [line["nodes"] for line in _records(data, source)[0] if line["generation"] == generation]
    if not changes:
        return nodes
    by_name = {node["name"]: node for node in itertools.chain(nodes, *changes)}
    return list(by_name.values())


def _whole(descriptor: int, path: Path) -> int:
    """Return how many bytes of a journal are whole lines."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    return _records(data, str(path))[1]


def _line(record: Json) -> bytes:
    payload = json.dumps(record).encode()
    return b"%08x %s\n" % (binascii.crc32(payload), payload)


def _records(data: bytes, source: str) -> tuple[list[Json], int]:
    """Return the records in the whole lines of a journal, and how many bytes these lines take."""
    records: list[Json] = []
    size = 0
    lines = list(io.BytesIO(data))
    for number, line in enumerate(lines, start=1):
        checksum, _, payload = line.partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % binascii.crc32(payload[:-1]):
            if number < len(lines):
                raise corrupt(source, f"the checksum of line {number} is wrong")
            break
        records.append(_record(payload, f"line {number}", source))
        size += len(line)
    return records, size


def _record(payload: bytes, where: str, source: str) -> Json:
    """Return what a line holds; its checksum was right, but anybody can make one."""
    try:
        record = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise corrupt(source, f"{where} is not JSON") from exc
    match record:
        case {"generation": str(), "nodes": [*nodes]} if all(_is_node(node) for node in nodes):
            return record
    raise corrupt(source, f"{where} holds no nodes")


def _is_node(node: Json) -> bool:
    return isinstance(node, dict) and isinstance(node.get("name"), str)
