"""The whole way of a `stop`."""

from dataclasses import replace

import pytest

from elasticluster.engine import stop as ending
from elasticluster.engine.fakes import FakeCloud
from elasticluster.exceptions import InstanceError, SubnetError
from elasticluster.model import NodeState


class Clinging(FakeCloud):
    """Does not let go of one machine."""

    cling = ""

    def stop_instances(self, ids):
        failures = {i: InstanceError("It is locked.") for i in ids if i == self.cling}
        super().stop_instances([i for i in ids if i != self.cling])
        return failures


def test_stop_leaves_nothing(world, cluster):
    report = world.stop(world.start(cluster).cluster)
    assert report.failures == {}
    assert world.cloud.machines == {}
    assert world.cloud.shared == set()
    assert world.store.names() == []


def test_stop_finds_machines_that_are_in_no_record(world, cluster):
    world.start(cluster)
    world.stop(cluster)
    assert world.cloud.machines == {}


def test_stop_touches_no_other_cluster(world, cluster, new_cluster):
    other = world.start(new_cluster("other")).cluster
    world.stop(world.start(cluster).cluster)
    assert {machine.instance.tags.uuid for machine in world.cloud.machines.values()} == {other.uuid}
    assert world.cloud.shared == {other.uuid}
    assert world.store.names() == ["other"]


def test_stop_keeps_the_cluster_while_something_may_be_left(world, cluster):
    world.cloud = Clinging(clock=world.cloud.clock)
    record = world.start(cluster).cluster
    world.cloud.cling = record.node("compute001").instance_id
    report = world.stop(record)
    assert report.failures == {"compute001": "It is locked."}
    assert world.store.names() == ["slurm"]
    world.cloud.cling = ""
    assert world.stop(world.store.load("slurm")).failures == {}
    assert world.cloud.machines == {}


def test_stop_by_force_forgets_the_cluster_and_says_what_is_left(world, cluster):
    world.cloud = Clinging(clock=world.cloud.clock)
    record = world.start(cluster).cluster
    world.cloud.cling = record.node("compute001").instance_id
    report = world.stop(record, force=True)
    assert report.failures == {"compute001": "It is locked."}
    assert world.store.names() == []
    assert len(world.cloud.machines) == 1


def test_stop_keeps_the_cluster_while_shared_resources_are_left(world, cluster):
    class Stubborn(FakeCloud):
        def release(self, cluster):
            raise SubnetError("The network is in use.")

    record = world.start(cluster).cluster
    stubborn = Stubborn(clock=world.cloud.clock)
    stubborn.machines = world.cloud.machines
    world.cloud = stubborn
    assert world.stop(record).failures == {"shared resources": "The network is in use."}
    assert world.store.names() == ["slurm"]


def test_stop_of_a_stopped_cluster_is_no_error(world, cluster):
    record = world.start(cluster).cluster
    world.stop(record)
    assert world.stop(record).failures == {}


def test_dry_run_of_stop_changes_nothing(world, cluster):
    record = world.start(cluster).cluster
    plan = ending.plan_to_stop(record, world.tools)
    assert len(plan.instances) == 3
    assert len(world.cloud.machines) == 3


def test_stop_that_waits_comes_back_when_no_machine_is_listed_any_more(world, cluster):
    class Slow(FakeCloud):
        going, gone_at = (), 0.0

        def stop_instances(self, ids):
            self.going, self.gone_at = ids, self.clock.now() + 30
            return {}

        def list_instances(self, cluster=None):
            if self.going and self.clock.now() >= self.gone_at:
                super().stop_instances(self.going)
            return super().list_instances(cluster)

    world.cloud = Slow(clock=world.cloud.clock)
    record = world.start(cluster).cluster
    assert world.stop(record, wait=True).failures == {}
    assert world.cloud.gone_at <= world.cloud.clock.now() < world.cloud.gone_at + 30
    assert (world.cloud.machines, world.store.names()) == ({}, [])


def test_stop_that_waits_in_vain_keeps_the_cluster(world, cluster):
    class Slow(FakeCloud):
        def stop_instances(self, ids):
            return {}

    world.cloud = Slow(clock=world.cloud.clock)
    record = world.start(cluster).cluster
    report = world.stop(record, wait=True)
    assert report.failures["compute001"] == "still listed after 600 s"
    assert world.store.names() == ["slurm"]


def test_stop_by_force_goes_on_by_record_when_the_cloud_lists_nothing(world, cluster):
    class Mute(FakeCloud):
        mute = False

        def list_instances(self, cluster=None):
            if self.mute:
                raise InstanceError("No listing today.")
            return super().list_instances(cluster)

    world.cloud = Mute(clock=world.cloud.clock)
    record = world.start(cluster).cluster
    world.cloud.mute = True
    with pytest.raises(InstanceError):
        world.stop(record)
    assert world.store.names() == ["slurm"]
    assert world.stop(record, force=True).failures == {"machines in no record": "No listing today."}
    assert world.cloud.machines == {}
    assert world.store.names() == []


def test_destroying_one_node_waits_for_that_one_only(world, cluster):
    record = world.start(cluster).cluster
    began = world.cloud.clock.seconds
    left = ending.destroy(record, world.tools, ["compute001"], wait=True)
    assert left.node("compute001").instance_id is None
    assert len(world.cloud.machines) == 2
    assert world.cloud.clock.seconds == began


def test_stop_looks_again_for_machines_of_a_call_that_a_crash_cut_short(world, cluster):
    """Their ids were never learnt, and the cloud lists them only after some seconds."""

    class Late(FakeCloud):
        listed_at = 0.0

        def list_instances(self, cluster=None):
            return super().list_instances(cluster) if self.clock.now() >= self.listed_at else []

    world.cloud = Late(clock=world.cloud.clock)
    record = world.start(cluster).cluster
    worker = record.node("compute001")
    cut = replace(worker, instance_id=None, public_ip=None, private_ip=None, state=NodeState.CREATING)
    world.cloud.listed_at = world.cloud.clock.now() + world.cloud.polling_interval
    assert world.stop(record.with_nodes(cut)).failures == {}
    assert (world.cloud.machines, world.store.names()) == ({}, [])


def test_stop_waits_for_no_machine_that_the_cloud_refused_to_make(world, cluster):
    world.cloud.broken["compute001"] = InstanceError("There is no room.")
    record = world.start(cluster).cluster
    began = world.cloud.clock.now()
    assert world.stop(record).failures == {}
    assert world.cloud.clock.now() == began
