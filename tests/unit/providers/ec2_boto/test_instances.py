"""What instances are made with, and what EC2 says of them in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from elasticluster.model import InstanceRequest, InstanceState, KeyPair, NodeSpec, Tags
from elasticluster.providers.ec2_boto.catalog import Image
from elasticluster.providers.ec2_boto.instances import Launch, to_instance
from elasticluster.providers.ec2_boto.options import Options

BATCH = "token"
IMAGE = Image(id="ami-1", device="/dev/xvda", disk_size=8)


def launch(
    names: int = 3, cloud: Mapping[str, Any] | None = None, *, assigns: bool = True, **extra: Any
) -> Launch:
    spec = NodeSpec(kind="compute", image_id="ami-1", image_user="admin", flavor="t3.small", extra=extra)
    tags = Tags(uuid="u", name="slurm", template="t", owner="o", created="c", kind="compute", batch="token")
    key = KeyPair(name="mine", public_path="", private_path="")
    named = tuple(f"compute{number:03}" for number in range(1, names + 1))
    request = InstanceRequest(token=BATCH, spec=spec, names=named, tags=tags, key=key)
    return Launch(
        request=request, options=Options.of(spec, cloud or {}), image=IMAGE, groups=("sg-1",), key="mine",
        assigns_addresses=assigns,
    )  # fmt: skip


def tags_in(parameters: Mapping[str, Any], kind: str) -> dict[str, str]:
    for one in parameters["TagSpecifications"]:
        if one["ResourceType"] == kind:
            return {tag["Key"]: tag["Value"] for tag in one["Tags"]}
    return {}


def test_call_asks_for_at_least_one_and_is_safe_to_repeat() -> None:
    asked = launch().parameters(attempt=2, first=1, count=2)
    assert (asked["MinCount"], asked["MaxCount"]) == (1, 2)
    assert asked["ClientToken"] == "token-2"
    assert asked["SecurityGroupIds"] == ["sg-1"]
    assert not {"InstanceMarketOptions", "Placement", "IamInstanceProfile", "UserData"} & asked.keys()


def test_longest_token_is_within_the_limit_of_the_api() -> None:
    uuid = "1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809"
    assert len(f"{uuid}-{10**9}") <= 64


def test_everything_made_carries_our_tags_and_a_name() -> None:
    asked = launch().parameters(0, 5, 3)
    for kind in ("instance", "volume", "network-interface"):
        tags = tags_in(asked, kind)
        assert tags["Name"] == "slurm-compute"
        assert (tags["elasticluster.uuid"], tags["elasticluster.batch"]) == ("u", "token")
        assert tags["elasticluster.first"] == "5"
        assert "elasticluster.node" not in tags


def test_only_machine_of_a_call_carries_the_name_of_its_node() -> None:
    assert tags_in(launch(names=1).parameters(0, 0, 1), "instance")["elasticluster.node"] == "compute001"


def test_spot_machines_end_when_they_are_taken_away() -> None:
    asked = launch(price=0.08).parameters(0, 0, 1)
    assert asked["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {
            "MaxPrice": "0.08",
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
        },
    }
    assert tags_in(asked, "spot-instances-request")


@pytest.mark.parametrize(("price", "text"), [(1, "1"), (0.5, "0.5"), (10, "10"), (0.0625, "0.0625")])
def test_price_is_written_as_a_number(price: float, text: str) -> None:
    options = launch(price=price).parameters(0, 0, 1)["InstanceMarketOptions"]["SpotOptions"]
    assert options["MaxPrice"] == text


def test_node_wins_over_the_cloud() -> None:
    asked = launch(cloud={"price": 1.0, "instance_profile": "slurm"}, price=0).parameters(0, 0, 1)
    assert "InstanceMarketOptions" not in asked
    assert asked["IamInstanceProfile"] == {"Name": "slurm"}


def test_profile_may_be_an_arn() -> None:
    arn = "arn:aws:iam::123456789012:instance-profile/slurm"
    assert launch(instance_profile=arn).parameters(0, 0, 1)["IamInstanceProfile"] == {"Arn": arn}


def test_boot_disk_goes_with_its_machine() -> None:
    assert launch().parameters(0, 0, 1)["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True}}
    ]
    given = launch(boot_disk_size=50, boot_disk_type="io2", boot_disk_iops=500, boot_disk_device="/dev/sda1")
    disk = {"VolumeSize": 50, "VolumeType": "io2", "Iops": 500, "DeleteOnTermination": True}
    assert given.parameters(0, 0, 1)["BlockDeviceMappings"] == [{"DeviceName": "/dev/sda1", "Ebs": disk}]


def test_disks_that_the_image_would_keep_go_with_their_machine_too() -> None:
    kept = replace(launch(), image=replace(IMAGE, kept_devices=("/dev/xvda", "/dev/sdf")))
    root, data = kept.parameters(0, 0, 1)["BlockDeviceMappings"]
    assert root == {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True}}
    assert data == {"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}


def test_place_is_as_configured() -> None:
    asked = launch(availability_zone="us-east-1b", placement_group="near").parameters(0, 0, 1, "subnet-1")
    assert asked["Placement"] == {"AvailabilityZone": "us-east-1b", "GroupName": "near"}
    assert asked["SubnetId"] == "subnet-1"


def test_public_address_is_asked_for_only_where_it_is_wanted() -> None:
    (interface,) = launch(request_floating_ip=True).parameters(0, 0, 1, "subnet-1")["NetworkInterfaces"]
    assert interface == {
        "DeviceIndex": 0,
        "AssociatePublicIpAddress": True,
        "DeleteOnTermination": True,
        "Groups": ["sg-1"],
        "SubnetId": "subnet-1",
    }
    later = launch(assigns=False, request_floating_ip=True).parameters(0, 0, 1)
    assert "NetworkInterfaces" not in later
    assert tags_in(later, "instance")["elasticluster.public"] == "yes"


def described(state: str, **more: Any) -> Any:
    tags = [{"Key": "elasticluster.uuid", "Value": "u"}, {"Key": "elasticluster.first", "Value": "500"}]
    return {"InstanceId": "i-1", "State": {"Name": state}, "Tags": tags, "AmiLaunchIndex": 3, **more}


@pytest.mark.parametrize(
    ("state", "ours"),
    [
        ("pending", InstanceState.PENDING),
        ("running", InstanceState.RUNNING),
        ("stopping", InstanceState.STOPPED),
        ("stopped", InstanceState.STOPPED),
        ("shutting-down", InstanceState.TERMINATED),
        ("terminated", InstanceState.TERMINATED),
        ("on fire", InstanceState.ERROR),
    ],
)
def test_states_are_in_our_words(state: str, ours: InstanceState) -> None:
    assert to_instance(described(state)).state is ours


def test_place_in_the_request_is_that_in_the_call_behind_its_first() -> None:
    assert to_instance(described("running")).launch_index == 503


def test_reason_is_told_only_of_what_does_not_run() -> None:
    why = {"Code": "Server.InternalError", "Message": "Server.InternalError: Internal error on launch"}
    assert to_instance(described("terminated", StateReason=why)).reason == why["Message"]
    assert not to_instance(described("pending", StateReason={"Code": "pending", "Message": "pending"})).reason
