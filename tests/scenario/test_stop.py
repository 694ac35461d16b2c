"""The whole way of a `stop`."""

from elasticluster.engine import execute
from elasticluster.engine.fakes import FakeCloud
from elasticluster.exceptions import InstanceError, SubnetError


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
    plan = execute.plan_to_stop(record, world.tools)
    assert len(plan.instances) == 3
    assert len(world.cloud.machines) == 3
