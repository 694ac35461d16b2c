from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from elasticluster.exceptions import StateError
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    Failure,
    Json,
    Layer,
    Login,
    NodeRecord,
    NodeSpec,
    NodeState,
)
from elasticluster.state.codec import current_version, decode, encode

DAMAGED = (
    "\nPut back a good copy of the file. Without one, move it away; the cluster's machines, if there are "
    "any, are then only known to the cloud."
)

LAYERS = f"expected one of {', '.join(Layer)}"

FAILURE = Failure(layer=Layer.HOST_KEY, message="wrong", evidence="e")
SPEC = NodeSpec(
    kind="compute",
    image_id="debian-13",
    image_user="debian",
    flavor="2cpu-4ram",
    security_group="all",
    image_userdata="#!/bin/sh\n",
    extra={"boot_disk_size": 10},
)
NODE = NodeRecord(
    name="compute001",
    spec=SPEC,
    state=NodeState.DOWN,
    instance_id="i-1",
    batch="b",
    public_ip="127.0.0.1",
    private_ip="10.0.0.2",
    ssh_port=32768,
    host_keys=("ssh-ed25519 AAAA",),
    failure=FAILURE,
)
CLUSTER = ClusterRecord(
    uuid="11111111-2222-3333-4444-555555555555",
    name="slurm",
    template="slurm",
    owner="me@here:12345678",
    created=1700000000.0,
    cloud=ComponentRef(type="docker", args={"a": [1, None]}, section="cloud/local"),
    setup=ComponentRef(type="ansible"),
    login=Login(proxy_command="ssh -W %h:%p gate"),
    kinds=("compute",),
    nodes=(NODE,),
    min_nodes={"compute": 1},
    ssh_to="compute",
    secrets={"munge_key": "s3cret"},
    extra={"queue": {"max": 1}},
)


def document() -> Json:
    return json.loads(json.dumps(encode(CLUSTER)))


def with_value(way: str, value: Json) -> Json:
    """Return the document with one value changed, `way` being like ``nodes.0.spec.kind``."""
    changed = document()
    *steps, last = [int(step) if step.isdigit() else step for step in way.split(".")]
    place = changed["cluster"]
    for step in steps:
        place = place[step]
    place[last] = value
    return changed


def test_every_attribute_survives() -> None:
    assert decode(document(), "x.json") == CLUSTER


def test_every_attribute_is_written() -> None:
    written = document()["cluster"]
    assert written.keys() == {field.name for field in fields(ClusterRecord)}
    assert written["nodes"][0].keys() == {field.name for field in fields(NodeRecord)}


@pytest.mark.parametrize("version", range(1, current_version() + 1))
def test_every_version_can_be_read_for_ever(version: int) -> None:
    stored = json.loads((Path(__file__).parent / f"version{version}.json").read_text())
    assert stored["version"] == version
    assert decode(stored, "stored") == CLUSTER


@pytest.mark.parametrize(
    ("way", "value", "problem"),
    [
        ("name", 7, "cluster.name: expected text, found a whole number"),
        ("created", "now", "cluster.created: expected a number, found text"),
        ("ready", 1, "cluster.ready: expected true or false, found a whole number"),
        ("kinds", "compute", "cluster.kinds: expected a list, found text"),
        ("nodes", None, "cluster.nodes: expected a list, found nothing"),
        ("nodes.0", [], "cluster.nodes[0]: expected a table, found a list"),
        ("nodes.0.ssh_port", True, "cluster.nodes[0].ssh_port: expected a whole number, found true or false"),
        ("nodes.0.spec.flavor", None, "cluster.nodes[0].spec.flavor: expected text, found nothing"),
        ("nodes.0.failure.layer", "air", f"cluster.nodes[0].failure.layer: {LAYERS}, found 'air'"),
        ("min_nodes.compute", 1.5, "cluster.min_nodes.compute: expected a whole number, found a number"),
        ("secrets.munge_key", 42, "cluster.secrets.munge_key: expected text, found a whole number"),
        ("colour", "red", "cluster: not known: colour"),
    ],
)  # fmt: skip
def test_wrong_value_is_named_and_not_shown(way: str, value: Json, problem: str) -> None:
    with pytest.raises(StateError) as caught:
        decode(with_value(way, value), "/s/slurm.json")
    assert str(caught.value) == f"/s/slurm.json is damaged: {problem}.{DAMAGED}"


def test_missing_and_unknown_attributes_are_named() -> None:
    changed = with_value("nodes.0.spec.ram", 4)
    del changed["cluster"]["nodes"][0]["spec"]["kind"]
    with pytest.raises(StateError) as caught:
        decode(changed, "/s/slurm.json")
    assert caught.value.message == (
        "/s/slurm.json is damaged: cluster.nodes[0].spec: missing: kind; not known: ram."
    )


def test_two_nodes_of_one_name_are_refused() -> None:
    changed = document()
    changed["cluster"]["nodes"] *= 2
    with pytest.raises(StateError) as caught:
        decode(changed, "/s/slurm.json")
    assert caught.value.message == "/s/slurm.json is damaged: it holds two nodes called compute001."


def test_whole_number_is_read_where_seconds_are_expected() -> None:
    assert decode(with_value("start_timeout", 60), "x").start_timeout == 60.0


@pytest.mark.parametrize("stored", [[], None, {}, {"version": "1"}, {"version": True}, {"version": 0}])
def test_document_without_version_is_not_ours(stored: Json) -> None:
    with pytest.raises(StateError) as caught:
        decode(stored, "/s/slurm.json")
    problem = "it has no version, so this program did not write it"
    assert str(caught.value) == f"/s/slurm.json is damaged: {problem}.{DAMAGED}"


def test_document_without_cluster_is_damaged() -> None:
    with pytest.raises(StateError) as caught:
        decode({"version": 1}, "/s/slurm.json")
    assert caught.value.message == "/s/slurm.json is damaged: cluster: expected a table, found nothing."


def test_newer_version_says_so() -> None:
    with pytest.raises(StateError) as caught:
        decode(document() | {"version": 7}, "/s/slurm.json")
    assert str(caught.value) == (
        "/s/slurm.json was written by a newer version of ElastiCluster (state version 7, this one knows up "
        "to 2).\nUse that version for this cluster, or install it here."
    )


def rename_owner(cluster: dict[str, Json]) -> dict[str, Json]:
    new = copy.deepcopy(cluster)
    new["owner"] = new.pop("maker")
    return new


def make_text(cluster: dict[str, Json]) -> dict[str, Json]:
    return cluster | {"maker": str(cluster["maker_number"])} | {"maker_number": ...}


def drop_number(cluster: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in cluster.items() if key != "maker_number"}


STEPS = (make_text, drop_number, rename_owner)


def test_migrations_run_from_the_stored_version_on() -> None:
    old = document()["cluster"]
    del old["owner"]
    first = decode({"version": 1, "cluster": old | {"maker_number": 5}}, "x", STEPS)
    third = decode({"version": 3, "cluster": old | {"maker": "5"}}, "x", STEPS)
    assert first == third == replace(CLUSTER, owner="5")


def test_what_is_written_has_the_version_after_the_last_migration() -> None:
    assert encode(CLUSTER, STEPS)["version"] == 4
    assert decode(encode(CLUSTER, STEPS), "x", STEPS) == CLUSTER


def test_failing_migration_is_damage() -> None:
    with pytest.raises(StateError) as caught:
        decode({"version": 3, "cluster": document()["cluster"]}, "/s/slurm.json", STEPS)
    assert caught.value.message == (
        "/s/slurm.json is damaged: version 3 could not be brought up to date (KeyError('maker'))."
    )


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (
            {"path": Path("/x")},
            "cluster.extra.path: something of type 'PosixPath' cannot be written as JSON",
        ),
        ({"ports": {22: "ssh"}}, "cluster.extra.ports: the key 22 is not a text"),
        ({"ratio": [1.5, float("nan")]}, "cluster.extra.ratio[1]: nan cannot be written as JSON"),
    ],
)
def test_what_json_cannot_hold_is_refused(extra: dict[str, Json], problem: str) -> None:
    with pytest.raises(StateError) as caught:
        encode(replace(CLUSTER, extra=extra))
    assert caught.value.message == f"Cluster `slurm` cannot be stored: {problem}."


def test_node_with_what_json_cannot_hold_is_named() -> None:
    node = CLUSTER.nodes[0]
    wrong = replace(node, spec=replace(node.spec, extra={"thing": object()}))
    with pytest.raises(StateError) as caught:
        encode(CLUSTER.with_nodes(wrong))
    assert f"cluster.nodes[{node.name}].spec.extra.thing: " in caught.value.message


def test_thousand_nodes_are_decoded_within_the_budget_of_list() -> None:
    nodes = tuple(replace(NODE, name=f"compute{number:04d}") for number in range(1000))
    text = json.dumps(encode(replace(CLUSTER, nodes=nodes)))
    decode(document(), "warm-up")
    began = time.process_time()
    assert len(decode(json.loads(text), "x").nodes) == 1000
    assert time.process_time() - began < 0.15  # about 0.02 on an idle machine


def test_reading_imports_nothing_heavy() -> None:
    code = "import sys, elasticluster.state.store, elasticluster.ssh.client; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert not {"paramiko", "cryptography", "yaml", "ansible", "asyncio"} & set(found.split())
