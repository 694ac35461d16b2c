"""Files of clusters that hold anything whatever: they are read, or refused by name, and nothing else."""

from __future__ import annotations

import binascii
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.state.mutations import JSON, altered, damaged

from elasticluster.exceptions import StateError
from elasticluster.state.formats import SUFFIXES, dump
from elasticluster.state.store import DiskStore

HERE = Path(__file__).parent
STORED: Any = json.loads((HERE / "version2.json").read_text()) | {"generation": "g"}
ORIGINALS: Any = {
    "slurm": yaml.safe_load((HERE / "original" / "slurm.yaml").read_text()),
    "paused": json.loads((HERE / "original" / "paused.json").read_text()),
}
KNOWN_HOSTS = (HERE / "original" / "slurm.known_hosts").read_bytes()
MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


def is_read_or_refused(folder: Path, **files: bytes) -> None:
    """Put files of cluster ``slurm`` into an empty folder, by their suffixes, and load it."""
    for path in folder.iterdir():
        path.unlink()
    for suffix, data in files.items():
        (folder / f"slurm.{suffix}").write_bytes(data)
    refusal = _refusal(DiskStore(folder, tuple(SUFFIXES)))
    if refusal:
        assert f"{folder}/slurm." in refusal.message
        assert refusal.message.isprintable()


def _refusal(store: DiskStore) -> StateError | None:
    try:
        store.load("slurm")
    except StateError as error:
        return error
    return None


def line(record: object) -> bytes:
    payload = json.dumps(record).encode()
    return b"%08x %s\n" % (binascii.crc32(payload), payload)


@pytest.mark.parametrize("form", SUFFIXES)
@MANY
@given(data=st.data())
def test_arbitrary_or_damaged_snapshot_is_read_or_refused(
    form: str, folder: Path, data: st.DataObject
) -> None:
    content = data.draw(st.binary(max_size=200) | damaged(dump(STORED, form)))
    is_read_or_refused(folder, **{form: content})


@pytest.mark.parametrize("form", SUFFIXES)
@MANY
@given(data=st.data())
def test_snapshot_with_a_wrong_value_is_read_or_refused(form: str, folder: Path, data: st.DataObject) -> None:
    document = data.draw(altered(STORED) | JSON)
    is_read_or_refused(folder, **{form: dump(document, form)})


@pytest.mark.parametrize("name", ORIGINALS)
@MANY
@given(data=st.data())
def test_file_of_the_original_with_a_wrong_value_is_read_or_refused(
    name: str, folder: Path, data: st.DataObject
) -> None:
    document = data.draw(altered({**ORIGINALS[name], "name": "slurm"}))
    hosts = data.draw(st.just(KNOWN_HOSTS) | damaged(KNOWN_HOSTS))
    is_read_or_refused(folder, json=dump(document, "json"), known_hosts=hosts)


@MANY
@given(data=st.data())
def test_damaged_pickle_of_the_original_is_read_or_refused(
    folder: Path, pickles: dict[str, bytes], data: st.DataObject
) -> None:
    content = pickles[data.draw(st.sampled_from(sorted(pickles)))]
    is_read_or_refused(folder, pickle=data.draw(damaged(content)))


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return pickles as the original wrote them."""
    folder = tmp_path_factory.mktemp("pickles")
    subprocess.run([sys.executable, HERE / "original" / "write_pickles.py", folder], check=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@MANY
@given(data=st.data())
def test_arbitrary_or_damaged_journal_is_read_or_refused(folder: Path, data: st.DataObject) -> None:
    node = STORED["cluster"]["nodes"][0]
    whole = line({"generation": "g", "nodes": [node]}) * 3
    records = st.lists(JSON | altered({"generation": "g", "nodes": [node]}), min_size=1, max_size=3)
    lines = st.builds(lambda some: b"".join(map(line, some)), records)
    journal = data.draw(st.binary(max_size=200) | damaged(whole) | lines)
    is_read_or_refused(folder, json=dump(STORED, "json"), journal=journal)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"{", "line 1 is not JSON"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (b"\xff", "line 1 is not JSON"),
        (b"{}", "line 1 holds no nodes"),
        (b'{"generation": "g", "nodes": [{}]}', "line 1 holds no nodes"),
        (b'{"generation": "g", "nodes": 1}', "line 1 holds no nodes"),
    ],
)
@pytest.mark.parametrize("use", ["load", "journal"])
def test_journal_line_with_a_right_checksum_and_no_nodes_is_named(
    tmp_path: Path, payload: bytes, problem: str, use: str
) -> None:
    (tmp_path / "slurm.json").write_bytes(dump(STORED, "json"))
    store = DiskStore(tmp_path)
    cluster = store.load("slurm")
    (tmp_path / "slurm.journal").write_bytes(b"%08x %s\n" % (binascii.crc32(payload), payload))
    with pytest.raises(StateError) as caught:
        store.load("slurm") if use == "load" else store.journal(cluster, [cluster.nodes[0].name])
    assert caught.value.message == f"{tmp_path}/slurm.journal is damaged: {problem}."


@pytest.mark.parametrize(
    "document",
    [
        {
            "name": "slurm",
            "nodes": {"compute": [{"name": "\ud800", "instance_id": "i", "ips": ["10.0.0.1"]}]},
        },
        {
            "name": "slurm",
            "nodes": {"compute": [{"name": "c", "ips": ["1:" + "9" * 5000], "instance_id": "i"}]},
        },
    ],
)
def test_original_file_with_impossible_text_is_refused_or_read(tmp_path: Path, document: object) -> None:
    salt = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-rsa AAAA\n"
    is_read_or_refused(tmp_path, json=dump(document, "json"), known_hosts=salt.encode())


def test_pickle_that_would_run_a_program_is_refused_by_name(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (print, ("this must not be printed",))

    (tmp_path / "slurm.pickle").write_bytes(pickle.dumps({"version": 2, "x": Evil()}))
    with pytest.raises(StateError) as caught:
        DiskStore(tmp_path, ["pickle"]).load("slurm")
    assert f"{tmp_path}/slurm.pickle asks for builtins.print" in caught.value.message
