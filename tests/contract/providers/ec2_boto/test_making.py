"""Machines: where, how many at once, at what price, and what is said when they cannot be had."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.clouds.ec2.server import Ec2Server
from tests.contract.providers.ec2_boto.clusters import Cluster

from elasticluster.engine.create import tags_of
from elasticluster.engine.fakes import FakeClock
from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    InstanceError,
    InstanceNotFoundError,
    QuotaError,
    UnsupportedError,
)
from elasticluster.model import Instance, InstanceState

New = Callable[..., Cluster]


def test_machines_of_a_kind_are_made_by_one_call_in_the_order_of_their_names(
    new: New, ec2: Ec2Server
) -> None:
    cluster = new(count=20)
    created = cluster.create()
    assert ec2.calls().count("RunInstances") == 1
    assert [one.launch_index for one in created.instances] == [*range(20)]
    listed = {one.id: one.launch_index for one in cluster.provider.list_instances(cluster.uuid)}
    assert listed == {one.id: one.launch_index for one in created.instances}


@pytest.mark.parametrize(
    ("count", "calls"),
    [
        (501, {"RunInstances": 2, "DescribeInstances": 1, "TerminateInstances": 1}),
        pytest.param(
            1001,
            {"RunInstances": 3, "DescribeInstances": 2, "TerminateInstances": 2},
            marks=pytest.mark.full,
        ),
    ],
)
def test_many_machines_cost_as_many_calls_as_batches_and_pages(
    new: New, ec2: Ec2Server, count: int, calls: dict[str, int]
) -> None:
    cluster = new(count=count)
    cluster.check()
    cluster.prepare()
    ec2.forget_calls()
    ids = [one.id for one in cluster.provider.create_instances(cluster.request).instances]
    listed = cluster.provider.list_instances(cluster.uuid)
    assert sorted(one.launch_index for one in listed) == [*range(count)]
    assert not cluster.provider.stop_instances(ids)
    assert Counter(ec2.calls()) == calls


def test_limit_reached_after_some_leaves_these_and_names_the_reason_for_the_others(
    new: New, ec2: Ec2Server
) -> None:
    ec2.set(vcpu_limit=4)
    cluster = new(count=3)
    created = cluster.create()
    assert len(created.instances) == 2
    assert list(created.failures) == ["compute003"]
    error = created.failures["compute003"]
    assert isinstance(error, QuotaError)
    assert error.message.startswith(
        "Cannot make 1 machine of kind 'compute': VcpuLimitExceeded: You have requested more vCPU capacity "
        "than your current vCPU limit of 4 allows"
    )


def test_zone_without_capacity_is_named(new: New, ec2: Ec2Server) -> None:
    ec2.set(capacity={"us-east-1b": 1})
    created = new().made_of(availability_zone="us-east-1b").create()
    assert len(created.instances) == 1
    error = created.failures["compute002"]
    assert isinstance(error, CapacityError)
    assert error.message == (
        "Cannot make 1 machine of kind 'compute': InsufficientInstanceCapacity: We currently do not have "
        "sufficient t3.small capacity in the Availability Zone you requested (us-east-1b)."
    )
    assert error.hint == "Choose another availability_zone or flavor, or several network_ids in other zones."


def test_machines_are_spread_over_the_subnets(new: New, subnets: dict[str, str]) -> None:
    three = [subnets[f"us-east-1{letter}"] for letter in "abc"]
    cluster = new(count=10).made_of(network_ids=three)
    cluster.ids()
    assert Counter(one["SubnetId"] for one in cluster.instances()) == dict(zip(three, [4, 3, 3], strict=True))


def test_subnet_whose_zone_has_no_capacity_is_made_up_for_by_the_others(
    new: New, ec2: Ec2Server, subnets: dict[str, str]
) -> None:
    ec2.set(capacity={"us-east-1a": 1})
    cluster = new(count=6).made_of(network_ids=[subnets["us-east-1a"], subnets["us-east-1b"]])
    created = cluster.create()
    assert [one.launch_index for one in created.instances] == [*range(6)]
    assert Counter(one["Placement"]["AvailabilityZone"] for one in cluster.instances()) == {
        "us-east-1a": 1,
        "us-east-1b": 5,
    }


def test_call_whose_reply_is_lost_makes_its_machines_once(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=3)
    cluster.prepare()
    ec2.inject("RunInstances", drop_reply=True)
    created = cluster.provider.create_instances(cluster.request)
    assert not created.failures
    assert len(cluster.instances()) == 3


def test_token_that_was_used_for_something_else_is_an_error_and_makes_nothing(
    new: New, ec2: Ec2Server
) -> None:
    cluster = new(count=1)
    cluster.prepare()
    request = cluster.request
    assert cluster.provider.create_instances(request).instances
    other = replace(request, spec=replace(request.spec, flavor="t3.micro"))
    error = cluster.provider.create_instances(other).failures["compute001"]
    assert isinstance(error, InstanceError)
    assert "IdempotentParameterMismatch" in error.message
    assert len(cluster.instances()) == 1


def test_one_request_made_twice_has_its_machines_once(new: New) -> None:
    cluster = new(count=2)
    cluster.prepare()
    request = cluster.request
    first, again = (cluster.provider.create_instances(request).instances for _ in range(2))
    assert [one.id for one in first] == [one.id for one in again]


def test_failure_of_the_service_while_machines_are_made_is_survived(new: New, ec2: Ec2Server) -> None:
    cluster = new()
    cluster.prepare()
    ec2.inject("RunInstances", "InternalError", status=500, times=4)
    assert not cluster.provider.create_instances(cluster.request).failures


def test_spot_machines_are_asked_for_by_the_same_call(new: New) -> None:
    cluster = new().made_of(price=0.08)
    cluster.ids()
    assert {one["InstanceLifecycle"] for one in cluster.instances()} == {"spot"}


def test_spot_machines_are_waited_for_until_the_time_is_over(new: New, ec2: Ec2Server) -> None:
    said = "Your Spot request price of 0.01 is lower than the minimum required Spot request fulfillment price"
    ec2.inject("RunInstances", "SpotMaxPriceTooLow", message=said, times=3)
    patient = new(count=1, clock=FakeClock()).made_of(price=0.01, timeout=30)
    assert not patient.create().failures
    ec2.inject("RunInstances", "SpotMaxPriceTooLow", message=said, every=True)
    ec2.forget_calls()
    error = new(count=1, clock=FakeClock()).made_of(price=0.01, timeout=30).create().failures["compute001"]
    assert ec2.calls().count("RunInstances") == 4
    assert isinstance(error, CapacityError)
    assert error.message == f"Cannot make 1 machine of kind 'compute': SpotMaxPriceTooLow: {said}"
    assert error.hint == "Raise `price`, or wait longer with `timeout`."


def test_without_a_time_spot_machines_are_waited_for_as_long_as_a_start_may_take(
    new: New, ec2: Ec2Server
) -> None:
    ec2.inject("RunInstances", "InsufficientInstanceCapacity", status=500, every=True)
    clock = FakeClock()
    begun = clock.now()
    assert new(count=1, clock=clock).made_of(price=0.01).create().failures
    assert clock.now() - begun == pytest.approx(600, abs=20)


def test_spot_machines_cannot_be_paused_and_the_others_are(new: New) -> None:
    spot, other = new(count=1).made_of(price=0.08), new(count=1)
    (bid,), (kept,) = spot.ids(), other.ids()
    errors = other.another().pause_instances([bid, kept])
    assert list(errors) == [bid]
    assert isinstance(errors[bid], UnsupportedError)
    assert errors[bid].message == f"The machine '{bid}' cannot be stopped and kept: it is a spot machine."
    assert [one["State"]["Name"] for one in other.instances()] == ["stopped"]


def test_pausing_spot_machines_costs_no_call_for_each(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=5).made_of(price=0.08)
    ids = cluster.ids()
    ec2.forget_calls()
    assert set(cluster.another().pause_instances(ids)) == {*ids}
    assert ec2.calls() == ["DescribeInstances"]


def test_machine_that_stops_is_started_when_it_has(new: New, ec2: Ec2Server) -> None:
    ec2.set(shutdown_seconds=2)
    cluster = new(count=1)
    ids = cluster.ids()
    assert not cluster.provider.pause_instances(ids)
    ec2.inject(
        "StartInstances",
        "IncorrectInstanceState",
        message=f"The instance '{ids[0]}' is not in a state from which it can be started.",
        times=1,
    )
    assert not cluster.provider.resume_instances(ids)


def test_machines_of_others_are_left_alone_and_the_rest_is_destroyed(new: New, ec2: Ec2Server) -> None:
    cluster, other = new(count=1), new(count=1)
    stranger = ec2.client().run_instances(
        ImageId=cluster.spec.image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]
    (mine,), (theirs,) = cluster.ids(), other.ids()
    later = cluster.another()
    nodes = zip(("a", "b", "c"), (mine, theirs, stranger), strict=True)
    record = cluster.record
    spec = record.nodes[0]
    later.adopt(
        replace(record, nodes=tuple(replace(spec, name=n, instance_id=i, batch="token") for n, i in nodes))
    )
    errors = later.stop_instances([mine, theirs, stranger, "i-0123456789abcdef0", "nonsense"])
    assert {one: error.message for one, error in errors.items()} == {
        one: f"The machine '{one}' is left alone: it is no node of this cluster."
        for one in (theirs, stranger)
    }
    assert [one["State"]["Name"] for one in cluster.instances()] == ["terminated"]
    assert [one["State"]["Name"] for one in other.instances()] == ["running"]


def test_machine_that_the_original_made_without_tags_is_stopped_by_its_id(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=1)
    machine = ec2.client().run_instances(
        ImageId=cluster.spec.image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]
    (node,) = cluster.record.nodes
    cluster.provider.adopt(replace(cluster.record, nodes=(replace(node, instance_id=machine),)))
    assert cluster.provider.is_instance_running(machine)
    assert not cluster.provider.stop_instances([machine])
    assert not cluster.provider.is_instance_running(machine)


def test_machine_that_listings_do_not_show_yet_can_be_destroyed(new: New, ec2: Ec2Server) -> None:
    ec2.set(consistency_seconds=3600)
    cluster = new(count=1)
    ids = cluster.ids()
    assert not cluster.provider.list_instances(cluster.uuid)
    ec2.inject(
        "TerminateInstances",
        "InvalidInstanceID.NotFound",
        message=f"The instance ID '{ids[0]}' does not exist",
        times=1,
    )
    assert not cluster.provider.stop_instances(ids)
    ec2.skip(4000)
    assert [one["State"]["Name"] for one in cluster.instances()] == ["terminated"]


def test_machine_that_was_just_listed_is_destroyed_although_the_cloud_says_once_that_it_does_not_exist(
    new: New, ec2: Ec2Server
) -> None:
    cluster = new(count=1)
    (machine,) = cluster.ids()
    later = cluster.another()
    assert later.list_instances(cluster.uuid)
    ec2.inject(
        "TerminateInstances",
        "InvalidInstanceID.NotFound",
        message=f"The instance ID '{machine}' does not exist",
    )
    assert not later.stop_instances([machine])
    assert [one["State"]["Name"] for one in cluster.instances()] == ["terminated"]


def test_machine_that_has_ended_and_lost_its_tags_counts_as_destroyed(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=1)
    (machine,) = cluster.ids()
    tags = [{"Key": one["Key"]} for one in cluster.instances()[0]["Tags"]]
    ec2.client().terminate_instances(InstanceIds=[machine])
    ec2.client().delete_tags(Resources=[machine], Tags=tags)
    later = cluster.another()
    (node,) = cluster.record.nodes
    later.adopt(replace(cluster.record, nodes=(replace(node, instance_id=machine, batch="token"),)))
    assert not later.stop_instances([machine])
    assert isinstance(later.pause_instances([machine])[machine], InstanceNotFoundError)


def test_disk_that_the_image_would_keep_goes_with_its_machine(new: New, ec2: Ec2Server) -> None:
    (image,) = ec2.client().describe_images(ImageIds=[new().spec.image_id])["Images"]
    assert [one["Ebs"]["DeleteOnTermination"] for one in image["BlockDeviceMappings"]] == [False]
    cluster = new(count=1)
    assert cluster.provider._catalog.image(image["ImageId"]).kept_devices == (image["RootDeviceName"],)
    ids = cluster.ids()
    assert len(ec2.client().describe_volumes()["Volumes"]) == 1
    assert not cluster.provider.stop_instances(ids)
    assert not ec2.client().describe_volumes()["Volumes"]


def test_machine_of_a_killed_command_is_destroyed_although_listings_do_not_show_it_yet(
    new: New, ec2: Ec2Server
) -> None:
    ec2.set(consistency_seconds=3)
    cluster = new(count=1, begun=True)
    (machine,) = cluster.ids()
    later = cluster.another()
    (node,) = cluster.record.nodes
    later.adopt(replace(cluster.record, nodes=(replace(node, instance_id=machine),)))
    assert not later.stop_instances([machine])
    ec2.skip(10)
    assert [one["State"]["Name"] for one in cluster.instances()] == ["terminated"]


def test_reason_of_a_machine_that_ended_by_itself_is_told(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=1)
    ids = cluster.ids()
    ec2.client().terminate_instances(InstanceIds=ids)
    (found,) = cluster.provider.list_instances(cluster.uuid)
    assert found.state is InstanceState.TERMINATED
    assert found.reason


def test_machine_of_a_forged_cluster_without_uuid_is_not_ours(new: New, ec2: Ec2Server) -> None:
    ec2.client().run_instances(
        ImageId=new().spec.image_id,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "elasticluster.uuid", "Value": ""}]}
        ],
    )
    assert not new().provider.list_instances()


def test_threads_share_one_provider(new: New) -> None:
    cluster = new(count=3)
    cluster.prepare()
    made: list[Instance] = []
    errors: list[CloudProviderError] = []

    def work() -> None:
        created = cluster.provider.create_instances(cluster.request)
        made.extend(created.instances)
        errors.extend(created.failures.values())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len({one.id for one in made}) == 12 == len(cluster.provider.list_instances(cluster.uuid))
    assert {one.tags.uuid for one in made} == {tags_of(cluster.record).uuid}
