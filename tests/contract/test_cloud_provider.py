"""What the engine relies on, proved of every cloud provider: the life of machines.

``test_cloud_provider_sharing`` has what they share, and what is refused before anything is made.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.clouds_under_test import (
    CloudOfOthers,
    CloudUnderTest,
    ProcessProvider,
    ThirdParty,
    on,
)
from tests.contract.orders import NAMES, PATIENCE, Order, Orders, Standing, alive

from elasticluster.engine.fakes import FakeCloud
from elasticluster.engine.pool import run_all
from elasticluster.engine.ports import CloudProvider
from elasticluster.exceptions import CloudProviderError, InstanceNotFoundError, UnsupportedError
from elasticluster.model import ImageRequest, Instance, InstanceRequest, InstanceState, NodeRecord
from elasticluster.naming import new_uuid
from elasticluster.providers import AbstractCloudProvider
from elasticluster.providers.docker import DockerProvider
from elasticluster.providers.ec2_boto import BotoCloudProvider
from elasticluster.providers.openstack import OpenStackCloudProvider

WITH_DOCUMENTED_VERBS = ("docker", "ec2", "openstack", "four verbs", "six verbs")
WITH_TAGS = ("docker", "ec2", "openstack")


def ids_by_name(request: InstanceRequest, instances: Sequence[Instance]) -> dict[str, str]:
    """Return which machine is which node: as tagged, else in launch order."""
    ordered = sorted(instances, key=lambda one: (one.tags.node, one.launch_index, one.id))
    tagged = [one.tags.node for one in ordered if one.tags.node]
    assert tagged in ([], list(request.names)), "each machine tells its node, or none does"
    return dict(zip(request.names, (one.id for one in ordered), strict=True))


@pytest.mark.parametrize(
    "provider_class",
    [DockerProvider, BotoCloudProvider, OpenStackCloudProvider, ProcessProvider, FakeCloud],
)
def test_every_method_of_the_port_can_be_called_as_the_port_says(provider_class: type[Any]) -> None:
    assert provider_class.polling_interval > 0
    assert provider_class.delivers_host_keys in {True, False}
    assert provider_class.tags_instances in {True, False}
    assert provider_class.captures_instances in {True, False}
    verbs = {name: verb for name, verb in vars(CloudProvider).items() if inspect.isfunction(verb)}
    for name, verb in verbs.items():
        if not name.startswith("_"):
            wanted = list(inspect.signature(verb).parameters)
            assert list(inspect.signature(getattr(provider_class, name)).parameters) == wanted, name


def test_created_instances_run_and_say_which_node_they_are(standing: Standing) -> None:
    request, running = standing.order.request, standing.instances
    assert ids_by_name(request, standing.created) == ids_by_name(request, running)
    named = {replace(request.tags, node=name) for name in NAMES}
    assert {one.tags for one in running} in ({request.tags}, named)


def test_running_instances_have_an_address(standing: Standing) -> None:
    assert all(one.public_ip or one.private_ip for one in standing.instances)
    assert all(0 < one.ssh_port < 65536 for one in standing.instances)


def test_listing_keeps_clusters_apart(standing: Standing) -> None:
    assert not standing.provider.list_instances(new_uuid())
    assert {one.id for one in standing.instances} <= {one.id for one in standing.provider.list_instances()}


def test_listing_finds_what_another_process_made_where_instances_carry_tags(
    standing: Standing, cloud: CloudUnderTest
) -> None:
    found = alive(cloud.provider(), standing.order.uuid)
    known = alive(standing.provider, standing.order.uuid)
    assert found == (known if standing.provider.tags_instances else [])


def test_stopped_instances_are_gone_and_the_others_are_not(
    provider: CloudProvider, orders: Orders, cloud: CloudUnderTest
) -> None:
    order = orders.new()
    first, second = order.bring_up(provider)
    assert not provider.stop_instances([first.id])
    order.wait_for_ids(provider, [second.id])
    assert not provider.stop_instances([first.id, second.id, *cloud.nothing])
    order.wait_for_ids(provider, [])


@on(*WITH_TAGS)
def test_another_process_makes_nothing_again_and_can_stop_what_it_finds(
    provider: CloudProvider, orders: Orders, cloud: CloudUnderTest
) -> None:
    """As after a crash, or a lost reply: the token of the call tells."""
    order = orders.new()
    made = order.place(provider)
    other = cloud.provider()
    again = order.place(other)
    assert ids_by_name(order.request, again) == ids_by_name(order.request, made)
    found = order.wait_for(other, InstanceState.RUNNING)
    assert ids_by_name(order.request, found) == ids_by_name(order.request, made)
    assert not other.stop_instances([one.id for one in found])
    order.wait_for_ids(provider, [])


def test_paused_instances_are_stopped_and_run_again_when_resumed(standing: Standing) -> None:
    provider, order, ids = standing.provider, standing.order, standing.ids
    order.wait_for_host_keys(provider, ids)
    errors = provider.pause_instances(ids)
    if errors:
        assert {type(error) for error in errors.values()} == {UnsupportedError}
        assert type(provider) is ProcessProvider, "only a third party may be unable to pause"
        assert {type(error) for error in provider.resume_instances(ids).values()} == {UnsupportedError}
        return
    assert [one.id for one in order.wait_for(provider, InstanceState.STOPPED)] == ids
    assert not provider.pause_instances(ids)
    assert [one.id for one in order.wait_for(provider, InstanceState.STOPPED)] == ids
    assert not provider.resume_instances(ids)
    again = order.wait_for(provider, InstanceState.RUNNING)
    assert [one.id for one in again] == ids
    assert all(one.public_ip or one.private_ip for one in again)
    assert not provider.resume_instances(ids)


def test_pausing_and_resuming_what_is_not_there_is_an_error_of_each(
    provider: CloudProvider, cloud: CloudUnderTest
) -> None:
    assert provider.pause_instances(cloud.nothing).keys() == set(cloud.nothing)
    assert provider.resume_instances(cloud.nothing).keys() == set(cloud.nothing)


def test_calls_about_no_instances_do_nothing(provider: CloudProvider) -> None:
    assert not provider.stop_instances([])
    assert not provider.pause_instances([])
    assert not provider.resume_instances([])
    assert not provider.host_keys([])
    assert not provider.capture_instances([])
    assert not provider.remove_images([])


@on("docker", "fake")
def test_captured_instances_become_images_until_these_are_removed(
    provider: CloudProvider, orders: Orders
) -> None:
    order = orders.new()
    ids = [one.id for one in order.bring_up(provider)]
    order.wait_for_host_keys(provider, ids)
    wanted = images_of(order, ids)
    assert provider.captures_instances
    assert not provider.capture_instances(wanted)
    assert provider.image_base(order.request.spec)
    assert len(provider.list_instances(order.uuid)) == len(NAMES), "an image is no member of the cluster"
    found = [image for image in provider.list_images() if image.tags.uuid == order.uuid]
    assert {(image.key, image.tags) for image in found} == {(one.key, one.tags) for one in wanted}
    assert not provider.remove_images([image.id for image in found])
    assert not provider.remove_images([image.id for image in found])
    assert not [image for image in provider.list_images() if image.tags.uuid == order.uuid]


@on("ec2", "openstack", "four verbs", "six verbs")
def test_capturing_where_a_provider_cannot_is_an_error_of_each(standing: Standing) -> None:
    provider = standing.provider
    assert not provider.captures_instances
    errors = provider.capture_instances(images_of(standing.order, standing.ids))
    assert errors.keys() == set(standing.ids)
    assert {type(error) for error in errors.values()} == {UnsupportedError}
    assert not provider.image_base(standing.order.request.spec)
    assert not provider.list_images()


def images_of(order: Order, ids: Sequence[str]) -> list[ImageRequest]:
    tags = replace(order.request.tags, node="", batch="")
    return [ImageRequest(instance_id=one, key=f"key of {one}", tags=tags) for one in ids]


@on("docker", "fake")
def test_prepared_image_that_is_gone_does_not_keep_instances_from_being_made(
    provider: CloudProvider, orders: Orders
) -> None:
    order = orders.new()
    order = replace(order, request=replace(order.request, image="elasticluster/prepared:gone"))
    assert provider.captures_instances
    order.bring_up(provider)


def test_capturing_what_is_not_there_is_an_error_of_its_own(provider: CloudProvider, orders: Orders) -> None:
    order = orders.new()
    wanted = ImageRequest(instance_id="no-such-instance", key="key", tags=order.request.tags)
    assert list(provider.capture_instances([wanted])) == ["no-such-instance"]
    assert not [image for image in provider.list_images() if image.tags.uuid == order.uuid]


def test_questions_about_an_unknown_instance_have_empty_answers(
    provider: CloudProvider, cloud: CloudUnderTest
) -> None:
    assert not provider.host_keys(cloud.nothing)
    assert not any(provider.console_output(one) for one in cloud.nothing)


def test_host_keys_are_delivered_for_every_machine_where_that_is_promised(standing: Standing) -> None:
    ids = [one.id for one in standing.instances]
    standing.order.wait_for_host_keys(standing.provider, ids)
    found = standing.provider.host_keys(ids)
    assert set(found) <= set(ids)
    assert all(keys and all(len(key.split()) == 2 for key in keys) for keys in found.values())


def test_console_of_a_machine_is_text(standing: Standing) -> None:
    assert all(isinstance(standing.provider.console_output(one.id), str) for one in standing.instances)


def test_size_of_a_flavor_is_told_in_full_or_not_at_all(
    provider: CloudProvider, cloud: CloudUnderTest
) -> None:
    told = provider.node_vars(cloud.flavor)
    if isinstance(cloud, ThirdParty):
        assert "cpus" not in told
        assert "memory_mb" not in told
        return
    assert told["cpus"] == cloud.cpus
    assert 0.9 * cloud.memory_mb <= told["memory_mb"] <= cloud.memory_mb, "what a kernel leaves to jobs"


def test_clusters_of_the_same_name_made_by_several_threads_do_not_meet(
    provider: CloudProvider, orders: Orders
) -> None:
    first, second = (orders.new(name="twin", names=names) for names in (NAMES, NAMES[:1]))
    made: dict[str, dict[str, str]] = {}

    def start(order: Order) -> None:
        made[order.uuid] = ids_by_name(order.request, order.bring_up(provider))

    def look(order: Order) -> None:
        for _ in range(3):
            provider.list_instances()
            provider.list_resources(order.uuid)

    tasks: list[tuple[Callable[[Order], None], Order]] = [(start, first), (start, second), (look, first)]
    run_all(lambda task: task[0](task[1]), tasks, len(tasks))
    ids, others = [*made[first.uuid].values()], [*made[second.uuid].values()]
    assert len({*ids, *others}) == len(NAMES) + 1
    kept = provider.list_resources(second.uuid)
    outcomes = run_all(lambda one: provider.stop_instances([one]), [*ids, *ids], 2 * len(ids))
    assert not any(outcomes), "two that stop the same machine do not disturb one another"
    first.wait_for_ids(provider, [])
    provider.release(first.uuid)
    second.wait_for_ids(provider, others)
    assert provider.list_resources(second.uuid) == kept


@on(*WITH_TAGS)
def test_machines_of_another_cluster_are_left_alone_whatever_a_record_says(
    standing: Standing, cloud: CloudUnderTest, orders: Orders
) -> None:
    order, machine = orders.new(), standing.instances[0]
    forged = NodeRecord(
        name="worker001", spec=order.request.spec, instance_id=machine.id, batch=order.request.token
    )
    told = cloud.provider()
    assert isinstance(told, AbstractCloudProvider)
    told.adopt(order.cluster.with_nodes(forged))
    for verb in (told.stop_instances, told.pause_instances, told.resume_instances):
        assert verb([machine.id]).keys() == {machine.id}, verb.__name__
    assert machine.id in {one.id for one in alive(standing.provider, standing.order.uuid)}
    assert next(one for one in standing.provider.list_instances() if one.id == machine.id).state is (
        InstanceState.RUNNING
    )


@on(*WITH_TAGS)
def test_machines_that_are_not_ours_are_left_alone(provider: CloudProvider, cloud: CloudUnderTest) -> None:
    with cloud.stranger() as theirs:
        assert theirs not in {one.id for one in provider.list_instances()}
        for verb in (provider.stop_instances, provider.pause_instances, provider.resume_instances):
            assert verb([theirs]).keys() == {theirs}, verb.__name__


@on("ec2", "openstack")
def test_machine_without_tags_is_stopped_if_a_record_of_the_original_names_it(
    provider: CloudProvider, cloud: CloudUnderTest, orders: Orders
) -> None:
    order = orders.new()
    with cloud.stranger() as machine:
        node = NodeRecord(name="worker001", spec=order.request.spec, instance_id=machine)
        assert node.untagged
        assert isinstance(provider, AbstractCloudProvider)
        provider.adopt(order.cluster.with_nodes(node))
        assert not provider.stop_instances([machine])


@on(*WITH_DOCUMENTED_VERBS)
def test_documented_verbs_start_look_at_and_stop_one_instance(
    provider: CloudProvider, cloud: CloudUnderTest, orders: Orders
) -> None:
    assert isinstance(provider, AbstractCloudProvider)
    public = orders.public_key("documented")
    before = orders.contents()
    machine = provider.start_instance(
        "documented", str(public), str(public.with_suffix("")), "", cloud.flavor, cloud.image, "",
        username="debian", node_name="alone", cluster_name="verbs", **cloud.more,
    )  # fmt: skip
    try:
        assert isinstance(machine, str)
        for found in provider.list_instances():
            if found.id == machine:
                orders.watch(found.tags.uuid)
        wait_until_running(provider, cloud, machine)
        addresses = provider.get_ips(machine)
        assert addresses
        assert all(isinstance(one, str) for one in addresses)
    finally:
        provider.stop_instance(machine)
    assert not running(provider, machine)
    if isinstance(cloud, CloudOfOthers):
        orders.wait_for_only({"documented"}, before)  # a key with a name that the user gave stays
        cloud.remove_key("documented")
    else:
        assert orders.contents() == before


def wait_until_running(provider: AbstractCloudProvider, cloud: CloudUnderTest, machine: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not provider.is_instance_running(machine):
        assert time.monotonic() < deadline
        time.sleep(cloud.pause)


def running(provider: AbstractCloudProvider, machine: str) -> bool:
    """Return whether an instance runs; one that is gone may be an error."""
    try:
        return provider.is_instance_running(machine)
    except InstanceNotFoundError:
        return False


@on(*WITH_DOCUMENTED_VERBS)
def test_addresses_of_an_instance_that_is_not_there_are_an_error(
    provider: CloudProvider, cloud: CloudUnderTest
) -> None:
    assert isinstance(provider, AbstractCloudProvider)
    for one in cloud.nothing:
        with pytest.raises(CloudProviderError):
            provider.get_ips(one)
