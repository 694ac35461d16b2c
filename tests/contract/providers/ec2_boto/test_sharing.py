"""What the machines of a cluster share: groups, keys and addresses; what is made, kept and removed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clouds.ec2.server import Ec2Server
from tests.contract.providers.ec2_boto.clusters import Cluster, public_key

from elasticluster.engine.fakes import FakeClock
from elasticluster.exceptions import KeypairError, QuotaError, SecurityGroupError
from elasticluster.model import InstanceState
from elasticluster.providers.common.names import shared_name
from elasticluster.providers.common.rules import sources
from elasticluster.providers.ec2_boto.shared import rules_of

New = Callable[..., Cluster]


def groups(ec2: Ec2Server, cluster: Cluster) -> list[Any]:
    filters: Any = [{"Name": "tag:elasticluster.uuid", "Values": [cluster.uuid]}]
    return list(ec2.client().describe_security_groups(Filters=filters)["SecurityGroups"])


def key_names(ec2: Ec2Server) -> set[str]:
    return {one["KeyName"] for one in ec2.client().describe_key_pairs()["KeyPairs"]}


def addresses(ec2: Ec2Server) -> list[Any]:
    return list(ec2.client().describe_addresses()["Addresses"])


def test_own_group_lets_in_ssh_from_here_and_everything_among_the_members(new: New, ec2: Ec2Server) -> None:
    cluster = new()
    cluster.prepare()
    (group,) = groups(ec2, cluster)
    assert group["GroupName"].startswith("elasticluster-contract-")
    ssh, members = sorted(group["IpPermissions"], key=lambda one: one["IpProtocol"], reverse=True)
    assert (ssh["IpProtocol"], ssh["FromPort"], ssh["ToPort"]) == ("tcp", 22, 22)
    assert [one["CidrIp"] for one in ssh["IpRanges"]] == ["127.0.0.1/32"]
    assert (members["IpProtocol"], members["IpRanges"]) == ("-1", [])
    assert [one["GroupId"] for one in members["UserIdGroupPairs"]] == [group["GroupId"]]


def test_own_group_lets_in_ssh_from_the_networks_that_are_configured(new: New, ec2: Ec2Server) -> None:
    cluster = new(config={"ssh_from": ["203.0.113.0/24", "2001:db8::/48"]})
    cluster.prepare()
    (group,) = groups(ec2, cluster)
    (ssh,) = [one for one in group["IpPermissions"] if one["IpProtocol"] == "tcp"]
    assert [one["CidrIp"] for one in ssh["IpRanges"]] == ["203.0.113.0/24"]
    assert [one["CidrIpv6"] for one in ssh["Ipv6Ranges"]] == ["2001:db8::/48"]


def test_preparing_again_adds_what_is_missing_and_nothing_else(new: New, ec2: Ec2Server) -> None:
    cluster = new()
    cluster.prepare()
    (before,) = groups(ec2, cluster)
    ec2.client().revoke_security_group_ingress(
        GroupId=before["GroupId"], IpPermissions=[before["IpPermissions"][0]]
    )
    cluster.begun = True
    ec2.forget_calls()
    for _ in range(2):
        cluster.another().prepare(cluster.record, cluster.key)
    (after,) = groups(ec2, cluster)
    assert len(after["IpPermissions"]) == 2
    assert ec2.calls().count("AuthorizeSecurityGroupIngress") == 1
    assert not {"CreateSecurityGroup", "ImportKeyPair"} & {*ec2.calls()}


def test_group_whose_reply_was_lost_is_found_again(new: New, ec2: Ec2Server) -> None:
    for action in ("CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "ImportKeyPair"):
        ec2.inject(action, drop_reply=True)
    cluster = new()
    cluster.prepare()
    (group,) = groups(ec2, cluster)
    assert len(group["IpPermissions"]) == 2


def test_two_threads_prepare_one_cluster_once(new: New, ec2: Ec2Server) -> None:
    cluster = new()
    errors: list[Exception] = []

    def work() -> None:
        try:
            cluster.another().prepare(cluster.record, cluster.key)
        except Exception as exc:  # noqa: BLE001 - told below
            errors.append(exc)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(groups(ec2, cluster)) == 1
    assert len(cluster.provider.list_resources(cluster.uuid)) == 2


def test_own_group_is_in_the_network_of_the_subnets(new: New, ec2: Ec2Server) -> None:
    api = ec2.client()
    vpc = api.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = api.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    cluster = new().made_of(network_ids=[subnet])
    cluster.ids()
    assert {one["VpcId"] for one in (*groups(ec2, cluster), *cluster.instances())} == {vpc}


def test_own_group_and_key_are_removed_and_those_of_others_stay(new: New, ec2: Ec2Server) -> None:
    cluster, other = new(), new(named="theirs")
    cluster.prepare()
    other.prepare()
    before = {one.id for one in other.provider.list_resources()}
    assert shared_name(cluster.request.tags) in key_names(ec2)
    cluster.another().release(cluster.uuid)
    assert not cluster.provider.list_resources(cluster.uuid)
    assert {one.id for one in other.provider.list_resources(other.uuid)} < before
    other.provider.release(other.uuid)
    assert key_names(ec2) == {"theirs"}, "a key under a name that the user gave stays"
    assert not other.provider.list_resources()


def test_release_waits_for_machines_that_end(new: New, ec2: Ec2Server) -> None:
    ec2.set(shutdown_seconds=2)
    cluster = new(count=1)
    ids = cluster.ids()
    assert not cluster.provider.stop_instances(ids)
    cluster.provider.release(cluster.uuid)
    assert not groups(ec2, cluster)


def test_group_that_somebody_else_uses_is_told_with_who_does(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=1, clock=FakeClock())
    cluster.prepare()
    (group,) = groups(ec2, cluster)
    machine = ec2.client().run_instances(
        ImageId=cluster.spec.image_id,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[group["GroupId"]],
    )["Instances"][0]["InstanceId"]
    with pytest.raises(SecurityGroupError) as caught:
        cluster.provider.release(cluster.uuid)
    assert caught.value.message == (
        f"The security group '{group['GroupId']}' is still in use by machine {machine}."
    )
    assert caught.value.hint == "Take it away there, then run the same command again."


def test_group_that_hundreds_of_machines_use_is_told_with_the_first_of_them(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=201, clock=FakeClock())
    ids = sorted(cluster.ids())
    with pytest.raises(SecurityGroupError) as caught:
        cluster.provider.release(cluster.uuid)
    assert caught.value.message.endswith(
        f"' is still in use by machine {ids[0]}, machine {ids[1]}, machine {ids[2]} and 198 more."
    )


def test_group_that_the_rules_of_another_one_name_is_told_with_that(new: New, ec2: Ec2Server) -> None:
    cluster = new(clock=FakeClock())
    cluster.prepare()
    (group,) = groups(ec2, cluster)
    other = ec2.client().create_security_group(GroupName="theirs", Description="theirs")["GroupId"]
    rule: Any = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]}
    ec2.client().authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    ec2.inject("DeleteSecurityGroup", "DependencyViolation", every=True)
    with pytest.raises(SecurityGroupError) as caught:
        cluster.provider.release(cluster.uuid)
    assert caught.value.message == (
        f"The security group '{group['GroupId']}' is still in use by a rule of the security group {other}."
    )


def test_group_whose_machines_have_just_ended_is_tried_again(new: New, ec2: Ec2Server) -> None:
    cluster = new(clock=FakeClock())
    cluster.prepare()
    ec2.inject("DeleteSecurityGroup", "DependencyViolation", times=8)  # more than the first half minute
    cluster.provider.release(cluster.uuid)
    assert "DescribeNetworkInterfaces" in ec2.calls()
    assert not groups(ec2, cluster)


def test_network_that_another_run_lets_in_at_the_same_time_does_not_keep_the_others_out(
    new: New, ec2: Ec2Server
) -> None:
    cluster = new(config={"ssh_from": ["192.0.2.0/24", "198.51.100.0/24"]})
    ec2.inject("AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", times=2)
    cluster.prepare()  # the call for all, and the one for the first network, are refused
    (group,) = groups(ec2, cluster)
    assert sources(rules_of([group])) == ("198.51.100.0/24",)


def test_instance_that_cannot_be_started_leaves_nothing_that_it_would_have_shared(
    new: New, ec2: Ec2Server
) -> None:
    cluster = new()
    provider, spec = cluster.provider, cluster.spec

    def start() -> str:
        return provider.start_instance(
            "theirs", str(cluster.public), "", "", spec.flavor, spec.image_id, "", cluster_name="alone"
        )

    ec2.inject("RunInstances", "VcpuLimitExceeded", message="No more.")
    with pytest.raises(QuotaError):
        start()
    assert not provider.list_resources()
    assert key_names(ec2) == {"theirs"}, "a key under a name that the user gave stays"
    running = start()
    ec2.inject("RunInstances", "VcpuLimitExceeded", message="No more.")
    with pytest.raises(QuotaError):
        start()
    assert [one.type for one in provider.list_resources()] == ["security group"], "one instance still has it"
    provider.stop_instance(running)
    assert not provider.list_resources()


def test_named_groups_are_used_by_id_and_by_name_and_stay(new: New, ec2: Ec2Server) -> None:
    api = ec2.client()
    made = {name: api.create_security_group(GroupName=name, Description="theirs")["GroupId"] for name in "ab"}
    cluster = new(count=1).made_of(security_group=f"a,{made['b']}")
    ids = cluster.ids()
    (instance,) = cluster.instances()
    assert {one["GroupId"] for one in instance["SecurityGroups"]} == {*made.values()}
    assert [one.type for one in cluster.provider.list_resources(cluster.uuid)] == ["key pair"]
    assert not cluster.provider.stop_instances(ids)
    cluster.provider.release(cluster.uuid)
    assert len(api.describe_security_groups(GroupIds=[*made.values()])["SecurityGroups"]) == 2


def test_group_of_the_default_network_is_meant_where_several_have_its_name(new: New, ec2: Ec2Server) -> None:
    api = ec2.client()
    api.create_vpc(CidrBlock="10.1.0.0/16")  # it has a group called default, too
    cluster = new(count=1).made_of(security_group="default")
    cluster.ids()
    default = api.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    assert {one["VpcId"] for one in cluster.instances()} == {default}


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_keys_of_each_type_are_known_again(new: New, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / kind
    folder.mkdir()
    cluster = new(public=public_key(folder, kind), named="theirs")
    cluster.prepare()
    cluster.check()
    cluster.another().prepare(cluster.record, cluster.key)


def test_key_that_is_another_one_on_the_cloud_is_told_with_both_fingerprints(
    new: New, tmp_path: Path
) -> None:
    new(named="theirs").prepare()
    (tmp_path / "other").mkdir()
    other = new(named="theirs", public=public_key(tmp_path / "other"))
    for attempt in (other.check, other.prepare):
        with pytest.raises(KeypairError) as caught:
            attempt()
        assert caught.value.message.startswith("The key pair 'theirs' on the cloud (SHA256:")
        assert f") is not the one in '{other.public}' (SHA256:" in caught.value.message
        assert caught.value.message.count("SHA256:") == 2


def test_key_of_a_type_that_the_cloud_does_not_take_is_told(new: New, tmp_path: Path) -> None:
    cluster = new(public=public_key(tmp_path, "ecdsa"), named="theirs")
    with pytest.raises(KeypairError) as caught:
        cluster.check()
    assert caught.value.message == (
        f"EC2 takes no keys of the type ecdsa-sha2-nistp256 ({cluster.public}), only RSA and ed25519."
    )


def private_cluster(new: New, ec2: Ec2Server, **options: Any) -> Cluster:
    """Return a cluster whose machines get no public address by themselves, on a cloud that is not AWS."""
    api = ec2.client()
    for subnet in api.describe_subnets()["Subnets"]:
        api.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": False})
    config = {"request_floating_ip": True}
    return new(config=config, **options)


def test_address_is_allocated_associated_and_released_with_its_machine(new: New, ec2: Ec2Server) -> None:
    cluster = private_cluster(new, ec2)
    ids = cluster.ids()
    listed = cluster.provider.list_instances(cluster.uuid)
    given = {one["InstanceId"]: one["PublicIp"] for one in addresses(ec2)}
    assert {one.id: one.public_ip for one in listed} == given
    assert {one.type for one in cluster.provider.list_resources(cluster.uuid)} == {
        "elastic IP", "key pair", "security group",
    }  # fmt: skip
    assert cluster.provider.list_instances(cluster.uuid) == listed
    assert len(addresses(ec2)) == 2, "one for each, however often it is looked"
    assert not cluster.another().stop_instances(ids[:1])
    assert [one["InstanceId"] for one in addresses(ec2)] == ids[1:]
    ec2.client().terminate_instances(InstanceIds=ids[1:])
    cluster.another().release(cluster.uuid)
    assert not addresses(ec2)


def test_address_that_a_killed_run_allocated_is_used_first(new: New, ec2: Ec2Server) -> None:
    cluster = private_cluster(new, ec2, count=1)
    cluster.ids()
    ec2.inject("AssociateAddress", "UnauthorizedOperation", status=403)
    (waiting,) = cluster.provider.list_instances(cluster.uuid)
    assert waiting.state is InstanceState.PENDING
    assert waiting.reason.startswith("Cannot give the address ")
    later = cluster.another()
    later.prepare(cluster.record, cluster.key)
    (found,) = later.list_instances(cluster.uuid)
    assert [one["PublicIp"] for one in addresses(ec2)] == [found.public_ip]


def test_free_address_of_the_users_is_never_taken(new: New, ec2: Ec2Server) -> None:
    free = ec2.client().allocate_address(Domain="vpc")["AllocationId"]
    cluster = private_cluster(new, ec2, count=1)
    ids = cluster.ids()
    cluster.provider.list_instances(cluster.uuid)
    assert not cluster.provider.stop_instances(ids)
    cluster.provider.release(cluster.uuid)
    assert [one["AllocationId"] for one in addresses(ec2)] == [free]


def test_public_address_is_there_only_where_it_was_asked_for(new: New, ec2: Ec2Server) -> None:
    api = ec2.client()
    vpc = api.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = api.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    for wanted in (True, False):
        cluster = new(count=1).made_of(network_ids=[subnet], request_floating_ip=wanted)
        cluster.ids()
        (instance,) = cluster.provider.list_instances(cluster.uuid)
        assert bool(instance.public_ip) is wanted
    assert not addresses(ec2)
