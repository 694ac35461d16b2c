"""Clusters from one format to another and from old versions to the present one, step by step."""

from __future__ import annotations

import binascii
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.exceptions import ClusterConflict, ClusterLocked, ClusterNotFound, StateError
from elasticluster.model import ClusterRecord, NodeRecord
from elasticluster.state import formats
from elasticluster.state.codec import current_version
from elasticluster.state.store import DiskStore

FORMS = tuple(formats.SUFFIXES)
HERE = Path(__file__).parent


def version1() -> dict[str, object]:
    stored: dict[str, object] = json.loads((HERE / "version1.json").read_text())
    return stored | {"generation": "g1"}


def store_version1(path: Path, form: str) -> DiskStore:
    """Write a cluster of version 1 with a journal of version 1 which changes a port."""
    path.mkdir(exist_ok=True)
    document = version1()
    (path / f"slurm{formats.SUFFIXES[form]}").write_bytes(formats.dump(document, form))
    node = document["cluster"]["nodes"][0] | {"ssh_port": 4711}  # type: ignore[index]
    line = json.dumps({"generation": "g1", "nodes": [node]}).encode()
    (path / "slurm.journal").write_bytes(b"%08x %s\n" % (binascii.crc32(line), line))
    return DiskStore(path, FORMS)


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir() if file.suffix != ".lock")


def node_of(cluster: ClusterRecord) -> NodeRecord:
    return cluster.nodes[0]


@pytest.mark.parametrize("form", FORMS)
def test_version_1_with_its_journal_is_read_and_written_in_the_same_format(tmp_path: Path, form: str) -> None:
    store = store_version1(tmp_path, form)
    cluster = store.load("slurm")
    assert (node_of(cluster).ssh_port, cluster.start_failure) == (4711, "keep")
    store.journal(cluster.with_nodes(replace(node_of(cluster), ssh_port=1)), [node_of(cluster).name])
    assert files(tmp_path) == [f"slurm.{form}"]
    stored = formats.parse((tmp_path / f"slurm.{form}").read_bytes(), form, "x")
    assert stored["version"] == current_version()
    assert node_of(DiskStore(tmp_path, FORMS).load("slurm")).ssh_port == 1


@pytest.mark.parametrize("old", FORMS)
@pytest.mark.parametrize("new", FORMS)
def test_every_format_is_converted_to_every_other(tmp_path: Path, old: str, new: str) -> None:
    store = store_version1(tmp_path, old)
    cluster = store.load("slurm")
    before = files(tmp_path)
    foreseen = store.convert("slurm", new, dry_run=True)
    assert files(tmp_path) == before
    assert store.convert("slurm", new) == foreseen
    assert (foreseen.needed, foreseen.version, foreseen.current) == (True, 1, current_version())
    assert (foreseen.source.name, foreseen.target.name) == (f"slurm.{old}", f"slurm.{new}")
    assert files(tmp_path) == [f"slurm.{new}"]
    assert store.load("slurm") == cluster
    assert not store.convert("slurm", new).needed


def test_journal_that_the_present_version_writes_survives_a_conversion(tmp_path: Path) -> None:
    store = store_version1(tmp_path, "json")
    store.save(store.load("slurm"))
    changed = store.load("slurm").with_nodes(replace(node_of(store.load("slurm")), ssh_port=9))
    store.journal(changed, [node_of(changed).name])
    store.convert("slurm", "yaml")
    assert store.load("slurm") == changed


def test_new_cluster_gets_the_default_format_and_keeps_it(tmp_path: Path) -> None:
    cluster = store_version1(tmp_path / "old", "json").load("slurm")
    asked: list[str] = []

    def default() -> str:
        asked.append("pickle")
        return "pickle"

    store = DiskStore(tmp_path / "new", FORMS, default)
    assert (store.names(), asked) == ([], [])
    store.save(cluster)
    assert (store.load("slurm"), asked) == (cluster, ["pickle"])
    DiskStore(tmp_path / "new", FORMS, "yaml").save(cluster)
    assert files(tmp_path / "new") == ["slurm.pickle"]


def test_conversion_of_what_is_not_stored_is_an_error(tmp_path: Path) -> None:
    for dry_run in (True, False):
        with pytest.raises(ClusterNotFound):
            DiskStore(tmp_path).convert("slurm", dry_run=dry_run)
    assert list(tmp_path.iterdir()) == []


def test_conversion_waits_for_nobody_and_disturbs_nobody(tmp_path: Path) -> None:
    store = store_version1(tmp_path, "json")
    with (tmp_path / "slurm.lock").open("w") as held:
        subprocess.run(["flock", "--nonblock", str(held.fileno())], check=True, pass_fds=[held.fileno()])
        with pytest.raises(ClusterLocked):
            DiskStore(tmp_path, FORMS, patience=0.05).convert("slurm", "yaml")
    assert files(tmp_path) == ["slurm.journal", "slurm.json"]
    assert store.convert("slurm", "yaml").needed


# -- two files of one name ---------------------------------------------------------------------------


@pytest.mark.parametrize("same", [True, False])
def test_two_files_of_one_name_are_both_named(tmp_path: Path, same: bool) -> None:  # noqa: FBT001 - a parameter
    store = store_version1(tmp_path, "json")
    cluster = store.load("slurm")
    other = DiskStore(tmp_path / "other", ["yaml"])
    other.save(cluster if same else replace(cluster, uuid="99999999-2222-3333-4444-555555555555"))
    shutil.copy(other.path / "slurm.yaml", tmp_path)
    for use in (
        lambda: store.load("slurm"),
        lambda: store.save(cluster),
        lambda: store.journal(cluster, ["compute001"]),
        lambda: store.convert("slurm"),
    ):
        with pytest.raises(StateError) as caught:
            use()
        assert str(caught.value) == (
            f"Cluster `slurm` is stored twice: {tmp_path}/slurm.json and {tmp_path}/slurm.yaml.\n"
            "Find out which of them is right, and move the other one out of the folder."
        )
    store.delete("slurm")
    assert files(tmp_path) == ["other"]


def test_store_of_one_format_sees_no_other_and_does_no_harm_to_it(tmp_path: Path) -> None:
    store = store_version1(tmp_path, "yaml")
    cluster, before = store.load("slurm"), files(tmp_path)
    only = DiskStore(tmp_path, ["json"])
    assert only.names() == []
    with pytest.raises(ClusterNotFound) as missing:
        only.load("slurm")
    assert missing.value.message == (
        f"Cluster `slurm` not found; there is one in another format: {tmp_path}/slurm.yaml."
    )
    for write in (lambda: only.save(cluster), lambda: only.journal(cluster, ["compute001"])):
        with pytest.raises(ClusterConflict) as caught:
            write()
        assert caught.value.message == f"Cluster `slurm` is stored in another format: {tmp_path}/slurm.yaml."
    only.delete("slurm")
    assert files(tmp_path) == before
    assert store.load("slurm") == cluster
