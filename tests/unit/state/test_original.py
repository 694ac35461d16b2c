"""Clusters that the original ElastiCluster has stored: read, used and written over without a loss."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.exceptions import ClusterConflict, StateError
from elasticluster.model import ClusterRecord, ComponentRef, Login, NodeState
from elasticluster.state import formats
from elasticluster.state.codec import current_version
from elasticluster.state.original import to_record
from elasticluster.state.store import DiskStore

SAMPLES = Path(__file__).parent / "original"
FORMS = tuple(formats.SUFFIXES)
KEY_A, KEY_B = (f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43}" for letter in "AB")
RUNNING, PLANNED, PAUSED = NodeState.RUNNING, NodeState.PLANNED, NodeState.PAUSED


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with pickles as the original wrote them, one for each protocol."""
    folder = tmp_path_factory.mktemp("pickles")
    subprocess.run([sys.executable, SAMPLES / "write_pickles.py", folder], check=True)
    return folder


@pytest.fixture
def store(tmp_path: Path, pickles: Path) -> DiskStore:
    for source in (*SAMPLES.glob("slurm.*"), *SAMPLES.glob("*.json"), *pickles.iterdir()):
        shutil.copy(source, tmp_path)
    return DiskStore(tmp_path, FORMS)


def test_every_sample_is_listed_and_can_be_read(store: DiskStore) -> None:
    names = ["old0", "old1", "old2", "old4", "paused", "slurm"]
    assert store.names() == names
    assert [store.load(name).name for name in names] == names


def test_running_cluster_is_read_with_everything_that_is_needed_to_use_it(store: DiskStore) -> None:
    cluster = store.load("slurm")
    assert (cluster.template, cluster.ssh_to, cluster.start_timeout) == (
        "slurm-on-openstack",
        "frontend",
        900,
    )
    assert cluster.kinds == ("compute", "frontend")
    assert cluster.min_nodes == {"compute": 2}
    assert cluster.cloud == cluster.setup == ComponentRef(type="")
    assert cluster.login == Login(
        user_key_name="elasticluster",
        user_key_public="/home/me/.ssh/id_rsa.pub",
        user_key_private="/home/me/.ssh/id_rsa",
        probe_timeout=7,
    )
    assert cluster.extra["global_var_slurm_selecttype"] == "select/cons_tres"
    assert "login" not in cluster.extra


def test_nodes_have_machine_addresses_and_host_keys(store: DiskStore) -> None:
    found = {
        node.name: (node.state, node.public_ip, node.private_ip, node.ssh_port, node.host_keys)
        for node in store.load("slurm").nodes
    }
    assert found == {
        "compute001": (RUNNING, "198.51.100.11", "10.0.0.11", 22, (KEY_A,)),
        "compute002": (RUNNING, None, "10.0.0.12", 22, ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7",)),
        "compute003": (PLANNED, None, None, 22, ()),
        "frontend001": (RUNNING, "198.51.100.10", "10.0.0.10", 2222, (KEY_B,)),
    }


def test_what_a_node_is_made_of_is_kept(store: DiskStore) -> None:
    first, second = store.load("slurm").nodes[:2]
    assert first.instance_id == "6f1c1a52-5a8f-4c53-8a3f-6d6a6f6d0a01"
    assert (first.spec.image_user, first.spec.flavor) == ("ubuntu", "m1.small")
    assert first.spec.extra == {"boot_disk_size": "20"}
    assert second.spec.extra == {"boot_disk_size": "20", "anti_affinity_group_id": "7d0f"}


def test_paused_cluster_keeps_its_machines(store: DiskStore) -> None:
    cluster = store.load("paused")
    assert Counter(node.state for node in cluster.nodes) == {PAUSED: 3, PLANNED: 1}
    first = cluster.nodes[0]
    assert (first.instance_id, first.address) == ("6f1c1a52-5a8f-4c53-8a3f-6d6a6f6d0a01", None)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_pickled_objects_of_older_versions_are_read(store: DiskStore, protocol: int) -> None:
    cluster = store.load(f"old{protocol}")
    assert [(n.instance_id, n.public_ip, n.private_ip, n.spec.image_id) for n in cluster.nodes] == [
        ("i-0001", "198.51.100.1", "10.1.0.1", "ami-1"),
        ("i-0002", "198.51.100.2", None, "ami-1"),
        (None, None, None, "ami-1"),
    ]
    assert cluster.login.user_key_name == "gc3"
    assert cluster.login.user_key_private == "/home/me/.ssh/id_dsa"
    assert cluster.nodes[0].spec.extra == {"boot_disk_size": 10}
    assert cluster.extra["availability"] == "x"
    assert "SECRET" not in repr(cluster)


def test_identity_is_the_same_at_each_load_and_another_for_other_machines(store: DiskStore) -> None:
    uuid = store.load("slurm").uuid
    assert store.load("slurm").uuid == DiskStore(store.path, FORMS).load("slurm").uuid == uuid
    path = store.path / "slurm.yaml"
    path.write_text(path.read_text().replace("6d6a6f6d0a01", "6d6a6f6d0aff"))
    assert store.load("slurm").uuid != uuid


@pytest.mark.parametrize(
    ("name", "file"), [("slurm", "slurm.yaml"), ("paused", "paused.json"), ("old2", "old2.pickle")]
)
def test_first_write_keeps_the_format_and_a_copy_of_the_old_file(
    store: DiskStore, name: str, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "elasticluster")
    path, cluster = store.path / file, store.load(name)
    old = path.read_bytes()
    changed = cluster.with_nodes(replace(cluster.nodes[0], ssh_port=7))
    store.journal(changed, [cluster.nodes[0].name])
    kept = store.path / f"{file}.original"
    assert kept.read_bytes() == old
    assert kept.stat().st_mode & 0o777 == 0o600
    assert formats.parse(path.read_bytes(), path.suffix[1:], "x")["version"] == current_version()
    assert DiskStore(store.path, FORMS).load(name) == changed
    assert caplog.messages == [f"{path} was written by the original ElastiCluster; it is kept as {kept}."]
    store.save(cluster)
    assert store.load(name) == cluster
    assert kept.read_bytes() == old


def test_deleted_cluster_takes_the_copy_with_it(store: DiskStore) -> None:
    store.save(store.load("slurm"))
    store.delete("slurm")
    assert [path.name for path in store.path.iterdir() if path.name.startswith("slurm")] == []


def test_other_cluster_does_not_write_over_one_of_the_original(store: DiskStore) -> None:
    other = replace(store.load("slurm"), uuid="11111111-2222-3333-4444-555555555555")
    with pytest.raises(ClusterConflict):
        store.save(other)


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([], "`nodes` is not a table of kinds of nodes"),
        ({"compute": [{"name": None}]}, "node 0 of kind compute is not a table with a name"),
        ({"compute": [{"name": "a"}, "b"]}, "node 1 of kind compute is not a table with a name"),
        ({"compute": "x"}, "node 0 of kind compute is not a table with a name"),
        ({"compute": [{"name": "a"}, {"name": "a"}]}, "it holds two nodes called a"),
    ],
)
def test_file_that_makes_no_sense_is_named(tmp_path: Path, nodes: object, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"name": "x", "nodes": nodes}))
    with pytest.raises(StateError) as caught:
        DiskStore(tmp_path).load("x")
    assert caught.value.message == f"{path} is damaged: {problem}."


def one_node(**attributes: object) -> ClusterRecord:
    node = {"name": "compute001", "instance_id": "i", **attributes}
    return to_record({"name": "x", "nodes": {"compute": [node]}}, "", "x.yaml")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ips": ["10.0.0.1", "198.51.100.1"]}, ("198.51.100.1", "10.0.0.1", 22)),
        ({"ips": ["10.0.0.1", "198.51.100.1"], "preferred_ip": "10.0.0.1"}, (None, "10.0.0.1", 22)),
        ({"ips": "198.51.100.1:2200"}, ("198.51.100.1", None, 2200)),
        ({"ips": ["[2001:db8::1]:2200", "fe80::1%eth0"]}, ("2001:db8::1", "fe80::1%eth0", 2200)),
        ({"ips": ["2001:db8::1"]}, ("2001:db8::1", None, 22)),
        ({"ips": ["node.example.org"]}, ("node.example.org", None, 22)),
        ({"ip_public": "198.51.100.1", "ip_private": "192.0.2.7"}, ("198.51.100.1", "192.0.2.7", 22)),
        ({"ips": []}, (None, None, 22)),
        ({"ips": None}, (None, None, 22)),
    ],
)  # fmt: skip
def test_addresses_are_told_apart(attributes: dict[str, object], expected: tuple[object, ...]) -> None:
    (node,) = one_node(**attributes).nodes
    assert (node.public_ip, node.private_ip, node.ssh_port) == expected


def test_machine_with_a_name_of_two_parts_keeps_both() -> None:
    assert one_node(instance_id=["group", "vm"]).nodes[0].instance_id == "group/vm"


class _Exploit:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch exploited",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_that_runs_a_program_is_refused_by_name(
    tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "slurm.pickle"
    path.write_bytes(pickle.dumps({"name": "slurm", "nodes": _Exploit()}, protocol=protocol))
    with pytest.raises(StateError) as caught:
        DiskStore(tmp_path, ["pickle"]).load("slurm")
    assert caught.value.message == (
        f"{path} asks for posix.system, which does not belong into a cluster's file. Nothing of it was used."
    )
    assert not (tmp_path / "exploited").exists()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (b"cbuiltins\neval\n(Vprint()\ntR.", "builtins.eval"),
        (b"c__builtin__\ngetattr\n.", "__builtin__.getattr"),
        (b"csubprocess\nPopen\n.", "subprocess.Popen"),
        (b"celasticlusterx\nCluster\n.", "elasticlusterx.Cluster"),
        (b"(ios\nsystem\n.", "os.system"),
        (b"ccopy_reg\n_reconstructor\n(c__builtin__\nset\nc__builtin__\nobject\nNtR.", "an object of "),
        (b"c_codecs\nencode\n(Vx\nVzip\ntR.", "the encoding zip"),
    ],
)  # fmt: skip
def test_pickle_gets_nothing_that_is_not_harmless(tmp_path: Path, code: bytes, name: str) -> None:
    (tmp_path / "slurm.pickle").write_bytes(code)
    with pytest.raises(StateError) as caught:
        DiskStore(tmp_path, ["pickle"]).load("slurm")
    assert f"slurm.pickle asks for {name}" in caught.value.message


def test_pickled_stand_in_imports_nothing(tmp_path: Path) -> None:
    """What has the name of our own package is made up, never looked up."""
    (tmp_path / "slurm.pickle").write_bytes(b"celasticluster.main\nmain\n(V--version\ntR.")
    with pytest.raises(StateError, match="it has no version, so this program did not write it"):
        DiskStore(tmp_path, ["pickle"]).load("slurm")
