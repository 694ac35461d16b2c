"""What is found out before the first machine is made, with the exact words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.clouds.ec2.server import Ec2Server
from tests.contract.providers.ec2_boto.clusters import Cluster

from elasticluster.engine.events import ignore
from elasticluster.exceptions import (
    CloudProviderError,
    CredentialsError,
    FlavorError,
    ImageError,
    SecurityGroupError,
    SubnetError,
    UnsupportedError,
    VpcError,
)
from elasticluster.model import NodeSpec

New = Callable[..., Cluster]


def refusal(cluster: Cluster) -> CloudProviderError:
    with pytest.raises(CloudProviderError) as caught:
        cluster.check()
    return caught.value


def vpc_with_subnet(ec2: Ec2Server, name: str = "", cidr: str = "10.1.0.0/16") -> tuple[str, str]:
    """Make a network with a subnet, both called `name`; return their ids."""
    api = ec2.client()
    vpc = api.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    subnet = api.create_subnet(
        VpcId=vpc, CidrBlock=cidr.replace(".0.0/16", ".1.0/28"), AvailabilityZone="us-east-1a"
    )["Subnet"]["SubnetId"]
    if name:
        api.create_tags(Resources=[vpc, subnet], Tags=[{"Key": "Name", "Value": name}])
    return vpc, subnet


def test_few_calls_are_enough_for_any_number_of_machines(new: New, ec2: Ec2Server) -> None:
    new(count=1000).check()
    assert ec2.calls() == ["DescribeInstanceTypes", "DescribeImages"]


def test_nothing_is_asked_where_nothing_is_to_be_made(new: New, ec2: Ec2Server) -> None:
    new(count=0).check()
    assert not ec2.calls()


def test_wrong_credentials_are_told_by_the_first_call(new: New, ec2: Ec2Server) -> None:
    cluster = new(config={"ec2_access_key": "AKIANOBODY"})
    error = refusal(cluster)
    assert isinstance(error, CredentialsError)
    assert error.message.startswith("Cannot look for flavors: AuthFailure: ")
    assert error.hint == (
        "Check ec2_access_key and ec2_secret_key (or EC2_ACCESS_KEY and EC2_SECRET_KEY), else the SDK's own."
    )


def test_missing_permission_is_told(new: New, ec2: Ec2Server) -> None:
    ec2.inject(
        "DescribeKeyPairs",
        "UnauthorizedOperation",
        message="You are not authorized to do this. Encoded authorization failure message: abc",
        status=403,
    )
    error = refusal(new(named="theirs"))
    assert isinstance(error, CredentialsError)
    assert error.message.endswith("': UnauthorizedOperation: You are not authorized to do this.")


def test_unknown_image_is_told(new: New) -> None:
    error = refusal(new().made_of(image_id="ami-0123456789abcdef0"))
    assert isinstance(error, ImageError)
    assert error.message == (
        "There is no image 'ami-0123456789abcdef0' in region 'us-east-1', or you may not use it."
    )


def test_unknown_name_of_an_image_is_told_with_the_nearest_of_ones_own(new: New) -> None:
    error = refusal(new().made_of(image_id="Ubuntu 12.4"))
    assert error.message.startswith("There is no image 'Ubuntu 12.4' in region 'us-east-1'")
    assert error.hint.startswith("Did you mean 'Ubuntu 12.04'?")


@pytest.mark.parametrize("name", ["debian-13-amd64", "debian-1?-amd64", "136693071363/debian-13-amd64"])
def test_images_are_found_by_name(new: New, name: str) -> None:
    cluster = new(count=1).made_of(image_id=name)
    cluster.ids()
    assert {one["ImageId"] for one in cluster.instances()} == {"ami-0debdebdebdeb0013"}


def test_image_of_another_owner_than_the_one_named_is_not_taken(new: New) -> None:
    assert isinstance(refusal(new().made_of(image_id="self/debian-13-amd64")), ImageError)


def test_image_of_another_architecture_than_the_flavor_is_told(new: New) -> None:
    error = refusal(new().made_of(flavor="t4g.small", image_id="debian-13-amd64"))
    assert isinstance(error, FlavorError)
    assert error.message == (
        "The image 'debian-13-amd64' is for x86_64, and the flavor 't4g.small' of kind 'compute' for arm64."
    )


def test_unknown_flavor_is_told_with_the_nearest(new: New) -> None:
    error = refusal(new().made_of(flavor="t3.smal"))
    assert isinstance(error, FlavorError)
    assert error.message == "There is no flavor 't3.smal' in region 'us-east-1'."
    assert error.hint.startswith("Did you mean 't3.small'? These flavors exist: ")


def test_zone_in_which_a_flavor_is_not_offered_is_told_with_those_in_which_it_is(new: New) -> None:
    error = refusal(new().made_of(availability_zone="us-east-1z"))
    assert isinstance(error, FlavorError)
    assert error.message == "The flavor 't3.small' is not offered in us-east-1z."
    assert error.hint.startswith("It is offered in us-east-1a, us-east-1b")


def test_boot_disk_smaller_than_the_image_is_told(new: New) -> None:
    error = refusal(new().made_of(boot_disk_size=1))
    assert isinstance(error, ImageError)
    assert error.message.startswith("A boot disk of 1 GB (`boot_disk_size`) is too small for the image ")


def test_boot_disk_on_another_device_than_the_image_is_told(new: New) -> None:
    error = refusal(new().made_of(boot_disk_size=50, boot_disk_device="/dev/sda1"))
    assert isinstance(error, ImageError)
    assert error.message.endswith("' is /dev/xvda, not /dev/sda1 (`boot_disk_device`).")
    assert error.hint == "Leave `boot_disk_device` out: the image tells it."


def test_user_data_that_is_too_long_is_told(new: New) -> None:
    error = refusal(new().made_of(image_userdata="#!/bin/sh\n" + "#" * 16384))
    assert isinstance(error, UnsupportedError)
    assert error.message == "`image_userdata` of kind 'compute' has 16394 bytes; EC2 takes 16384."


def test_subnet_by_name_is_taken(new: New, ec2: Ec2Server) -> None:
    vpc, subnet = vpc_with_subnet(ec2, "research")
    cluster = new(count=1, config={"vpc": "research"}).made_of(network_ids="research")
    cluster.check()
    cluster.ids()
    assert {(one["VpcId"], one["SubnetId"]) for one in cluster.instances()} == {(vpc, subnet)}


def test_unknown_network_is_told_with_the_nearest(new: New, ec2: Ec2Server) -> None:
    vpc_with_subnet(ec2, "research")
    error = refusal(new(config={"vpc": "reserch"}).made_of(network_ids="research"))
    assert isinstance(error, VpcError)
    assert error.message == "There is no virtual network (`vpc`) 'reserch'."
    assert error.hint.startswith("Did you mean 'research'? There are: ")


def test_unknown_subnet_is_told_with_the_nearest(new: New, ec2: Ec2Server) -> None:
    vpc_with_subnet(ec2, "research")
    error = refusal(new().made_of(network_ids="reserch"))
    assert isinstance(error, SubnetError)
    assert error.message == "There is no subnet (`network_ids`) 'reserch'."
    assert error.hint.startswith("Did you mean 'research'? There are: ")


def test_name_of_several_subnets_is_told_with_their_ids(new: New, ec2: Ec2Server) -> None:
    _, one = vpc_with_subnet(ec2, "research")
    _, two = vpc_with_subnet(ec2, "research", "10.2.0.0/16")
    error = refusal(new().made_of(network_ids="research"))
    listed = ", ".join(sorted([one, two]))
    assert error.message == f"Several of them are called 'research': {listed} (subnet (`network_ids`))."


def test_subnets_of_several_networks_are_told(new: New, ec2: Ec2Server) -> None:
    (a, one), (b, two) = vpc_with_subnet(ec2), vpc_with_subnet(ec2, cidr="10.2.0.0/16")
    error = refusal(new().made_of(network_ids=[one, two]))
    assert isinstance(error, VpcError)
    assert f"{one} in {a}" in error.message
    assert f"{two} in {b}" in error.message


def test_subnet_outside_of_the_network_is_told_with_those_within(
    new: New, ec2: Ec2Server, subnets: dict[str, str]
) -> None:
    vpc, subnet = vpc_with_subnet(ec2)
    outside = subnets["us-east-1a"]
    error = refusal(new(config={"vpc": vpc}).made_of(network_ids=[outside]))
    assert isinstance(error, SubnetError)
    assert (
        error.message
        == f"The subnet '{outside}' (`network_ids`) is not in the virtual network '{vpc}' (`vpc`)."
    )
    assert error.hint == f"Subnets of '{vpc}': {subnet}."


def test_kind_without_a_subnet_in_a_network_is_told(new: New, ec2: Ec2Server) -> None:
    vpc, subnet = vpc_with_subnet(ec2)
    error = refusal(new(config={"vpc": vpc}))
    assert error.message == "With `vpc`, every kind of node needs `network_ids`; kind 'compute' has none."
    assert error.hint == f"Subnets of '{vpc}': {subnet}."


def test_kind_without_a_subnet_beside_others_in_another_network_is_told(new: New, ec2: Ec2Server) -> None:
    vpc, subnet = vpc_with_subnet(ec2)
    cluster = new(count=1).made_of(network_ids=[subnet])
    bare = replace(cluster.spec, kind="frontend", extra={})
    requests = [cluster.request, replace(cluster.request, spec=bare, names=("frontend001",))]
    with pytest.raises(SubnetError) as caught:
        cluster.provider.preflight(cluster.record, requests, ignore)
    assert caught.value.message == (
        f"The subnets of a cluster (`network_ids`) are in the virtual network '{vpc}', and kind 'frontend' "
        "names none: it would be in the account's default one."
    )
    assert caught.value.hint == f"Its machines could not talk to each other. Subnets of '{vpc}': {subnet}."


def test_kind_without_a_subnet_beside_others_in_the_default_network_is_well(
    new: New, subnets: dict[str, str]
) -> None:
    cluster = new(count=1).made_of(network_ids=[subnets["us-east-1a"]])
    bare = replace(cluster.spec, kind="frontend", extra={})
    requests = [cluster.request, replace(cluster.request, spec=bare, names=("frontend001",))]
    cluster.provider.preflight(cluster.record, requests, ignore)


def test_account_without_a_default_network_is_told_what_to_do(new: New, ec2: Ec2Server) -> None:
    ec2.inject("CreateSecurityGroup", "VPCIdNotSpecified", message="No default VPC for this user")
    with pytest.raises(VpcError) as caught:
        new().prepare()
    assert caught.value.hint == ("Name subnets in `network_ids`: the account has no default network there.")


def test_subnet_in_another_zone_is_told(new: New, subnets: dict[str, str]) -> None:
    there = subnets["us-east-1b"]
    error = refusal(new().made_of(network_ids=[there], availability_zone="us-east-1a"))
    assert isinstance(error, SubnetError)
    assert error.message == (
        f"The subnet '{there}' (`network_ids`) is in the zone 'us-east-1b', not in 'us-east-1a' "
        "(`availability_zone`)."
    )


def test_subnet_without_enough_addresses_is_told(new: New, ec2: Ec2Server) -> None:
    _, subnet = vpc_with_subnet(ec2)  # of sixteen addresses AWS keeps five
    error = refusal(new(count=12).made_of(network_ids=[subnet]))
    assert isinstance(error, SubnetError)
    assert error.message == (
        f"Kind 'compute' needs 12 addresses, and there are 11 left in {subnet} (`network_ids`)."
    )


def test_unknown_group_is_told_with_the_nearest(new: New, ec2: Ec2Server) -> None:
    ec2.client().create_security_group(GroupName="web", Description="theirs")
    error = refusal(new().made_of(security_group="wbe"))
    assert isinstance(error, SecurityGroupError)
    assert error.message == "There is no security group 'wbe'."
    assert error.hint.startswith("Did you mean 'web'? These security groups exist: ")


def test_group_that_lets_no_ssh_in_is_told_with_what_to_do(new: New) -> None:
    error = refusal(new().made_of(security_group="default"))
    assert isinstance(error, SecurityGroupError)
    assert error.message == "The security group default of kind 'compute' lets no SSH in."
    assert error.hint.startswith("Add a rule to it that lets TCP port 22 in from your address, or leave ")


def test_group_that_lets_ssh_in_is_taken(new: New, ec2: Ec2Server) -> None:
    api = ec2.client()
    group = api.create_security_group(GroupName="open", Description="theirs")["GroupId"]
    rule: Any = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 1023, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    api.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    new().made_of(security_group="default,open").check()


def test_unknown_placement_group_is_told_with_the_nearest(new: New, ec2: Ec2Server) -> None:
    ec2.client().create_placement_group(GroupName="near", Strategy="cluster")
    new().made_of(placement_group="near").check()
    error = refusal(new().made_of(placement_group="naer"))
    assert error.message == "There is no placement group 'naer' (`placement_group`)."
    assert error.hint == "Did you mean 'near'? These placement groups exist: near."


def as_aws(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Let a cluster be on AWS itself, as far as anybody can tell: the SDK is told where that is."""
    server = cluster.server
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    cluster.config["ec2_url"] = ""
    cluster.provider = cluster.another()
    return cluster


def test_unknown_instance_profile_is_told_with_the_nearest(
    new: New, ec2: Ec2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2.client("iam").create_instance_profile(InstanceProfileName="slurm")
    as_aws(new().made_of(instance_profile="slurm"), monkeypatch).check()
    error = refusal(as_aws(new().made_of(instance_profile="slrum"), monkeypatch))
    assert error.message == "There is no instance profile 'slrum' (`instance_profile`)."
    assert error.hint == "Did you mean 'slurm'? These instance profiles exist: slurm."


def test_machines_on_aws_get_public_addresses_as_they_are_made(
    new: New, ec2: Ec2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = new(count=1, config={"request_floating_ip": True})
    as_aws(cluster, monkeypatch).ids()
    (instance,) = cluster.provider.list_instances(cluster.uuid)
    assert instance.public_ip
    assert "AllocateAddress" not in ec2.calls()


@pytest.mark.parametrize(
    "action", ["DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "DescribePlacementGroups"]
)
def test_call_that_another_cloud_with_the_same_api_has_not_is_skipped(
    new: New, ec2: Ec2Server, action: str
) -> None:
    ec2.client().create_placement_group(GroupName="near", Strategy="cluster")
    ec2.inject(action, "InvalidAction", message=f"The action {action} is not valid", every=True)
    cluster = new(count=1).made_of(placement_group="near", availability_zone="us-east-1a")
    cluster.check()
    cluster.ids()


def test_size_that_the_cloud_does_not_tell_is_left_out(new: New, ec2: Ec2Server) -> None:
    ec2.inject("DescribeInstanceTypes", "InvalidAction", message="no", every=True)
    assert not new().provider.node_vars("m1.small")


def test_gpus_of_a_flavor_are_told(new: New) -> None:
    told = new().provider.node_vars("g4dn.12xlarge")
    assert told == {"cpus": 48, "memory_mb": 196608 * 95 // 100, "gpus": 4}


def test_documented_verb_names_what_is_wrong(new: New) -> None:
    cluster = new()
    spec: NodeSpec = cluster.spec
    with pytest.raises(SecurityGroupError, match="There is no security group 'wbe'"):
        cluster.provider.start_instance(
            "theirs", str(cluster.public), "", "wbe", spec.flavor, spec.image_id, ""
        )
