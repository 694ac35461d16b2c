"""Servers as instances, as Nova's API reference shows them."""

from __future__ import annotations

from typing import Any

import pytest
from openstack.compute.v2.flavor import Flavor
from openstack.compute.v2.server import Server
from openstack.image.v2.image import Image

from elasticluster.exceptions import FlavorError, UnsupportedError
from elasticluster.model import InstanceRequest, InstanceState, KeyPair, NodeSpec, Tags
from elasticluster.naming import new_uuid
from elasticluster.providers.openstack.create import PER_CALL, _runs
from elasticluster.providers.openstack.images import gpus_of
from elasticluster.providers.openstack.instances import Options, attributes, disk_gb, to_instance, user_data

UUID, TOKEN = new_uuid(), new_uuid()
IMAGE = Image(id="image-1", name="debian", min_disk=2, min_ram=0)
SMALL = Flavor(id="flavor-1", name="m1.small", vcpus=1, ram=512, disk=10)
DISKLESS = Flavor(id="flavor-2", name="b1.small", vcpus=1, ram=512, disk=0)


def server(**said: Any) -> Server:
    metadata = {"elasticluster.uuid": UUID, "elasticluster.first": "20"}
    return Server.existing(
        **{"id": "s", "name": "c-compute-3", "status": "ACTIVE", "metadata": metadata, **said}
    )


def address(text: str, kind: str) -> dict[str, Any]:
    return {"addr": text, "version": 6 if ":" in text else 4, "OS-EXT-IPS:type": kind}


@pytest.mark.parametrize(
    ("status", "task", "state"),
    [
        ("BUILD", "spawning", InstanceState.PENDING),
        ("ACTIVE", None, InstanceState.RUNNING),
        ("ACTIVE", "deleting", InstanceState.TERMINATED),
        ("ACTIVE", "powering-off", InstanceState.PENDING),
        ("SHUTOFF", None, InstanceState.STOPPED),
        ("SHUTOFF", "powering-on", InstanceState.PENDING),
        ("SUSPENDED", None, InstanceState.STOPPED),
        ("PAUSED", None, InstanceState.STOPPED),
        ("SHELVED_OFFLOADED", None, InstanceState.STOPPED),
        ("ERROR", None, InstanceState.ERROR),
        ("SOFT_DELETED", None, InstanceState.TERMINATED),
        ("REBOOT", "rebooting", InstanceState.PENDING),
        ("UNKNOWN", None, InstanceState.PENDING),
    ],
)
def test_states(status: str, task: str | None, state: InstanceState) -> None:
    assert to_instance(server(status=status, task_state=task)).state is state


def test_fault_is_the_reason() -> None:
    broken = server(status="ERROR", fault={"code": 500, "message": "No valid host was found."})
    assert to_instance(broken).reason == "No valid host was found."
    assert not to_instance(server(fault={"message": "an old one"})).reason


def test_addresses_are_sorted_into_public_and_private() -> None:
    fixed = [address("2001:db8::1", "fixed"), address("10.0.0.5", "fixed")]
    both = server(addresses={"private": [*fixed, address("172.24.0.9", "floating")]})
    assert (to_instance(both).public_ip, to_instance(both).private_ip) == ("172.24.0.9", "10.0.0.5")
    inner = server(addresses={"private": fixed})
    assert (to_instance(inner).public_ip, to_instance(inner).private_ip) == (None, "10.0.0.5")
    provider_network = server(addresses={"internet": [address("8.8.4.4", "fixed")]})
    assert to_instance(provider_network).public_ip == "8.8.4.4"


def test_place_in_the_batch_is_told_by_metadata_and_name() -> None:
    assert to_instance(server()).launch_index == 22
    alone = {"elasticluster.uuid": UUID, "elasticluster.first": "7", "elasticluster.node": "node-3"}
    assert to_instance(server(name="c-node-3", metadata=alone)).launch_index == 7
    assert to_instance(server(name="renamed", metadata={"elasticluster.first": "x"})).launch_index == 0


def request(count: int, **spec: Any) -> InstanceRequest:
    return InstanceRequest(
        token=TOKEN,
        spec=NodeSpec(kind="compute", image_id="debian", image_user="u", flavor="m1.small", **spec),
        names=tuple(f"compute{number:03d}" for number in range(1, count + 1)),
        tags=Tags(uuid=UUID, name="c", template="t", owner="o", created="0", kind="compute", batch=TOKEN),
        key=KeyPair(name="k", public_path="", private_path=""),
    )


def options(**said: Any) -> Options:
    return Options(
        **{"image": IMAGE, "flavor": SMALL, "networks": ["n"], "groups": ["g"], "key": "k", **said}
    )


def test_call_for_many_carries_what_finds_them_again() -> None:
    asked = attributes(request(3), options(zone="az", spread="group"), 1, 2)
    assert (asked["min_count"], asked["max_count"]) == (1, 2)
    assert asked["name"] == "c-compute"
    assert asked["metadata"]["elasticluster.first"] == "1"
    assert "elasticluster.node" not in asked["metadata"]
    assert asked["tags"] == ["elasticluster", f"elasticluster.uuid={UUID}", f"elasticluster.batch={TOKEN}"]
    assert all(len(tag) <= 60 for tag in asked["tags"])
    assert asked["scheduler_hints"] == {"group": "group"}
    assert asked["availability_zone"] == "az"
    assert "user_data" not in asked


def test_call_for_one_says_which_node_it_is() -> None:
    asked = attributes(request(3), options(tagged=False), 2, 1)
    assert (asked["name"], asked["metadata"]["elasticluster.node"]) == ("c-compute003", "compute003")
    assert "tags" not in asked, "an old cloud refuses what it does not know"


def test_boot_volume_is_made_of_the_image_and_goes_with_the_machine() -> None:
    asked = attributes(request(1, extra={"boot_disk_size": 30, "boot_disk_type": "ssd"}), options(), 0, 1)
    assert "image_id" not in asked
    (volume,) = asked["block_device_mapping"]
    assert volume["delete_on_termination"] is True
    assert (volume["uuid"], volume["volume_size"], volume["volume_type"]) == ("image-1", 30, "ssd")


def test_disk_too_small_for_the_image_is_refused() -> None:
    spec = request(1, extra={"boot_disk_size": 1}).spec
    with pytest.raises(FlavorError) as raised:
        disk_gb(spec, SMALL, IMAGE)
    assert raised.value.message == "Image 'debian' needs a disk of 2 GB; `boot_disk_size` says 1."
    assert disk_gb(request(1).spec, DISKLESS, IMAGE) == 0
    assert disk_gb(request(1, extra={"boot_disk_type": "ssd"}).spec, DISKLESS, IMAGE) == 2


def test_user_data_has_a_limit() -> None:
    assert user_data("x" * 49149)
    with pytest.raises(UnsupportedError):
        user_data("x" * 49152)


def test_runs_have_no_gaps_and_are_not_too_long() -> None:
    assert _runs([0, 1, 2, 5, 6, 9]) == [[0, 1, 2], [5, 6], [9]]
    assert [len(run) for run in _runs(range(2 * PER_CALL + 1))] == [PER_CALL, PER_CALL, 1]
    assert _runs([]) == []


@pytest.mark.parametrize(
    ("specs", "gpus"),
    [
        ({}, 0),
        ({"resources:VGPU": "1"}, 1),
        ({"pci_passthrough:alias": "a100:2"}, 2),
        ({"pci_passthrough:alias": "gpu-v100:1, nic-mlx5:4"}, 1),
        ({"hw:cpu_policy": "dedicated"}, 0),
    ],
)
def test_gpus_are_those_that_the_operator_has_named_so(specs: dict[str, str], gpus: int) -> None:
    assert gpus_of(specs) == gpus
