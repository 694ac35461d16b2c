"""Clusters that grow and shrink while they are in use."""

from dataclasses import replace

import pytest

from elasticluster.engine.fakes import FakeCloud
from elasticluster.engine.ports import Created
from elasticluster.engine.resize import choose
from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    ClusterError,
    ClusterSizeError,
    ConfigurationError,
    InstanceError,
    NodeNotFound,
)
from elasticluster.model import Failure, InstanceState, Layer, NodeRecord, NodeState, Verdict

NEW = ["compute003", "compute004"]


def with_new(cluster, names=NEW):
    spec = cluster.of_kind("compute")[0].spec
    return replace(cluster, nodes=(*cluster.nodes, *(NodeRecord(name=name, spec=spec) for name in names)))


def names(cluster):
    return [node.name for node in cluster.nodes]


class Clinging(FakeCloud):
    """Does not let go of one machine."""

    cling = ""

    def stop_instances(self, ids):
        failures = {i: InstanceError("It is locked.") for i in ids if i == self.cling}
        super().stop_instances([i for i in ids if i != self.cling])
        return failures


# -- grow ---------------------------------------------------------------------------------------------


def test_grow_makes_and_sets_up_the_new_nodes_only(world, cluster):
    before = world.start(cluster).cluster
    world.cloud.calls.clear()
    report = world.grow(with_new(before), NEW)
    assert report.verdict is Verdict.READY
    assert world.setup.jobs[-1].joining == tuple(NEW)
    assert [node for node in report.cluster.nodes if node.name not in NEW] == list(before.nodes)
    assert all(report.cluster.node(name).state is NodeState.READY for name in NEW)
    assert report.cluster.ready
    assert world.cloud.calls["create_instances"] == 1
    assert world.store.load("slurm") == report.cluster


def test_grow_costs_as_many_calls_on_a_large_cluster_as_on_a_small_one(world, new_cluster):
    counts = []
    for size in (2, 200):
        record = world.start(new_cluster(f"of{size}", compute=size)).cluster
        world.cloud.calls.clear()
        added = [f"compute{size + 1:03d}"]
        world.grow(with_new(record, added), added)
        counts.append(dict(world.cloud.calls))
    assert counts[0] == counts[1]


def test_grow_sets_everything_up_where_the_others_are_not(world, cluster):
    before = world.start(cluster, configure=False).cluster
    report = world.grow(with_new(before), NEW)
    assert report.verdict is Verdict.READY
    assert world.setup.jobs[-1].joining == ()


def test_grow_without_setup_leaves_the_new_nodes_to_the_next_setup(world, cluster):
    before = world.start(cluster).cluster
    report = world.grow(with_new(before), NEW, configure=False)
    assert report.verdict is Verdict.NOT_CONFIGURED
    assert report.cluster.node("compute003").state is NodeState.REACHABLE
    assert world.configure(report.cluster).verdict is Verdict.READY
    assert world.setup.jobs[-1].joining == ()


def test_grow_leaves_lost_nodes_alone_and_names_them(world, cluster):
    world.network.deaf["compute002"] = Failure(layer=Layer.LOGIN, message="denied")
    before = world.start(replace(cluster, min_nodes={"compute": 1})).cluster
    report = world.grow(with_new(before), NEW)
    assert report.verdict is Verdict.PARTLY_READY
    assert list(report.lost) == ["compute002"]
    assert report.cluster.node("compute002") == before.node("compute002")


def test_new_node_that_fails_is_kept_for_the_next_start(world, cluster):
    before = world.start(cluster).cluster
    world.network.deaf["compute004"] = Failure(layer=Layer.LOGIN, message="denied")
    report = world.grow(with_new(before), NEW)
    assert report.verdict is Verdict.NOT_READY
    assert list(report.lost) == ["compute004"]
    assert len(world.cloud.machines) == 5
    world.network.deaf.clear()
    assert world.start(report.cluster).verdict is Verdict.READY
    assert len(world.cloud.machines) == 5


def test_stop_on_failure_takes_back_what_grow_has_made_and_nothing_else(world, cluster):
    before = world.start(cluster).cluster
    world.network.deaf["compute004"] = Failure(layer=Layer.LOGIN, message="denied")
    report = world.grow(with_new(before), NEW, stop_on_failure=True)
    assert report.verdict is Verdict.NOT_READY
    assert report.lost["compute004"].message.startswith("denied")
    assert report.undone == tuple(NEW)
    assert report.cluster == before
    assert world.store.load("slurm") == before
    assert len(world.cloud.machines) == 3


def test_grow_that_is_refused_keeps_the_cluster_as_it_was(world, cluster):
    before = world.start(cluster).cluster
    world.cloud.refused = CapacityError("No room.")
    with pytest.raises(CapacityError):
        world.grow(with_new(before), NEW)
    assert world.store.load("slurm") == before


def test_nodes_are_found_where_they_are_now(world, cluster):
    before = world.start(cluster).cluster
    machine = world.cloud.machines[before.node("frontend001").instance_id]
    machine.instance = replace(machine.instance, ssh_port=4711)
    world.grow(with_new(before, NEW[:1]), NEW[:1])
    assert world.setup.jobs[-1].cluster.node("frontend001").ssh_port == 4711
    machine.instance = replace(machine.instance, ssh_port=4712)
    world.shrink(world.store.load("slurm"), NEW[:1])
    assert world.setup.jobs[-1].cluster.node("frontend001").ssh_port == 4712


def test_grow_of_a_paused_cluster_is_refused(world, cluster):
    before = world.pause(world.start(cluster).cluster)
    with pytest.raises(ClusterError, match=r"is paused .*; it cannot grow now") as caught:
        world.grow(with_new(before), NEW)
    assert "elasticluster resume slurm" in caught.value.hint
    assert world.store.load("slurm") == before


# -- shrink -------------------------------------------------------------------------------------------


def test_shrink_takes_a_node_out_of_service_before_its_machine_goes(world, cluster):
    before = world.start(cluster).cluster
    machines = []
    world.setup.meanwhile = lambda: machines.append(len(world.cloud.machines))
    after = world.shrink(before, ["compute001"])
    assert machines == [3]
    assert world.setup.jobs[-1].leaving == ("compute001",)
    assert world.setup.jobs[-1].wait_for_jobs
    assert names(after) == ["frontend001", "compute002"]
    assert world.store.load("slurm") == after
    assert after.ready
    assert len(world.cloud.machines) == 2
    assert not any(line.startswith("compute001 ") for line in world.known_hosts())


def test_shrink_by_force_does_not_wait_for_jobs(world, cluster):
    world.shrink(world.start(cluster).cluster, ["compute001"], force=True)
    assert not world.setup.jobs[-1].wait_for_jobs


def test_shrink_without_setup_asks_no_service(world, cluster):
    before = world.start(cluster).cluster
    jobs = len(world.setup.jobs)
    world.shrink(before, ["compute001"], configure=False)
    assert len(world.setup.jobs) == jobs
    assert len(world.cloud.machines) == 2


def test_node_that_cannot_be_taken_out_is_kept(world, cluster):
    before = world.start(cluster).cluster
    world.setup.stubborn["compute001"] = "the controller does not answer"
    with pytest.raises(ClusterError) as caught:
        world.shrink(before, ["compute001", "compute002"])
    assert "compute001 could not be taken out of the services: setup: the contr" in caught.value.message
    assert names(world.store.load("slurm")) == ["frontend001", "compute001"]
    assert len(world.cloud.machines) == 2
    world.shrink(world.store.load("slurm"), ["compute001"], force=True)
    assert names(world.store.load("slurm")) == ["frontend001"]


def test_machine_that_cannot_be_destroyed_is_destroyed_by_the_next_start(world, cluster):
    world.cloud = Clinging(clock=world.cloud.clock)
    before = world.start(cluster).cluster
    world.cloud.cling = before.node("compute001").instance_id
    with pytest.raises(ClusterError, match="compute001 could not be destroyed: It is locked"):
        world.shrink(before, ["compute001"])
    stored = world.store.load("slurm")
    assert stored.node("compute001").state is NodeState.LEAVING
    report = world.start(stored)
    assert report.verdict is Verdict.READY
    assert report.cluster.node("compute001").state is NodeState.LEAVING
    assert world.pause(report.cluster).node("compute001").state is NodeState.LEAVING
    world.cloud.cling = ""
    assert names(world.start(world.store.load("slurm")).cluster) == ["frontend001", "compute002"]
    assert len(world.cloud.machines) == 2


def test_quorum_does_not_count_nodes_that_are_leaving(world, cluster):
    before = world.start(replace(cluster, min_nodes={"compute": 2})).cluster
    leaving = replace(before.node("compute001"), state=NodeState.LEAVING)
    world.store.save(before.with_nodes(leaving))
    assert world.configure(world.store.load("slurm")).verdict is Verdict.READY


def test_paused_cluster_has_got_rid_of_nodes_that_were_leaving(world, cluster):
    before = world.start(cluster).cluster
    leaving = replace(before.node("compute001"), state=NodeState.LEAVING)
    world.store.save(before.with_nodes(leaving))
    assert names(world.pause(world.store.load("slurm"))) == ["frontend001", "compute002"]
    assert len(world.cloud.machines) == 2


def test_node_that_is_not_there_cannot_be_removed(world, cluster):
    with pytest.raises(NodeNotFound, match="has no node compute007"):
        world.shrink(world.start(cluster).cluster, ["compute007"])


def test_services_are_asked_though_the_last_setup_came_to_nothing(world, cluster):
    before = world.start(cluster).cluster
    world.setup.broken = "the playbook cannot be read"
    failed = world.configure(before)
    assert failed.verdict is Verdict.NOT_READY
    world.setup.working = {"compute002": "job 17"}
    assert choose(failed.cluster, world.tools, {"compute": 1}) == {"compute001": ""}
    world.setup.broken = ""
    world.grow(with_new(failed.cluster, NEW[:1]), NEW[:1])
    assert world.setup.jobs[-1].joining == ()  # all of them, since nobody knows how far it has come


def test_leaving_node_is_neither_lost_nor_wanted(world, cluster):
    before = world.start(cluster).cluster
    leaving = replace(before.node("compute001"), state=NodeState.LEAVING)
    world.store.save(before.with_nodes(leaving))
    report = world.configure(world.store.load("slurm"))
    assert report.verdict is Verdict.READY
    assert report.lost == {}
    assert report.cluster.node("compute001").state is NodeState.LEAVING


def test_node_whose_machine_is_gone_already_can_be_removed(world, cluster):
    before = world.start(cluster).cluster
    world.cloud.machines.clear()
    assert names(world.shrink(before, ["compute001", "compute002"])) == ["frontend001"]


def test_quorum_is_never_more_than_what_is_left(world, cluster):
    before = world.start(replace(cluster, min_nodes={"compute": 2})).cluster
    after = world.shrink(before, ["compute001"])
    assert after.min_nodes == {"compute": 1}
    assert world.configure(after).verdict is Verdict.READY


def test_node_that_the_cluster_cannot_do_without_is_kept(world, cluster):
    before = world.start(cluster).cluster
    world.setup.check = only_with("frontend001")
    with pytest.raises(ClusterError, match=r"cannot do without frontend001\. The master is missing"):
        world.shrink(before, ["frontend001"])
    assert world.store.load("slurm") == before
    assert len(world.cloud.machines) == 3


def only_with(name):
    def check(cluster):
        if cluster.node(name) is None:
            raise ConfigurationError("The master is missing.")

    return check


def test_removed_name_is_given_again_to_a_machine_with_other_host_keys(world, cluster):
    before = world.start(cluster).cluster
    after = world.shrink(before, ["compute001"])
    report = world.grow(with_new(after, ["compute001"]), ["compute001"])
    assert report.verdict is Verdict.READY
    assert report.cluster.node("compute001").host_keys != before.node("compute001").host_keys


# -- which nodes go -----------------------------------------------------------------------------------


def test_newest_idle_nodes_go_first(world, new_cluster):
    record = world.start(new_cluster(compute=4)).cluster
    world.setup.working = {"compute004": "job 17", "compute001": "job 18"}
    assert choose(record, world.tools, {"compute": 1}) == {"compute003": ""}
    assert choose(record, world.tools, {"compute": 3}) == {
        "compute003": "",
        "compute002": "",
        "compute004": "job 17",
    }
    assert choose(record, world.tools, {"compute": 1}, ask=False) == {"compute004": ""}


def test_nodes_that_are_not_usable_go_before_all_others(world, cluster):
    world.network.deaf["compute001"] = Failure(layer=Layer.LOGIN, message="denied")
    record = world.start(replace(cluster, min_nodes={"compute": 1})).cluster
    assert choose(record, world.tools, {"compute": 1}) == {"compute001": ""}


def test_nothing_is_chosen_where_nothing_is_to_go(world, cluster):
    assert choose(world.start(cluster).cluster, world.tools, {"compute": 0}) == {}


def test_more_nodes_than_there_are_cannot_go(world, cluster):
    record = world.start(cluster).cluster
    with pytest.raises(ClusterSizeError, match="has 2 compute nodes; 3 cannot be removed"):
        choose(record, world.tools, {"compute": 3})


# -- start --on-failure=stop --------------------------------------------------------------------------


def test_failed_start_of_a_new_cluster_leaves_nothing_if_so_asked(world, cluster):
    world.network.deaf["compute002"] = Failure(layer=Layer.LOGIN, message="denied")
    report = world.start(cluster, stop_on_failure=True)
    assert report.verdict is Verdict.NOT_READY
    assert report.undone == ("frontend001", "compute001", "compute002")
    assert report.lost["compute002"].evidence == "console of i-0003"
    assert world.cloud.machines == {}
    assert world.cloud.shared == set()
    assert world.store.names() == []


def test_failed_start_touches_only_what_it_made_itself(world, cluster):
    before = world.start(cluster).cluster
    world.cloud.halt(before.node("compute002").instance_id, InstanceState.TERMINATED)
    kept = {before.node(name).instance_id for name in ("frontend001", "compute001")}
    world.network.deaf["compute002"] = Failure(layer=Layer.LOGIN, message="denied")
    report = world.start(before, stop_on_failure=True)
    assert report.undone == ("compute002",)
    alive = {
        name
        for name, machine in world.cloud.machines.items()
        if machine.instance.state is not InstanceState.TERMINATED
    }
    assert alive == kept
    assert world.store.load("slurm").node("compute002").state is NodeState.PLANNED


def test_failed_start_keeps_what_a_cluster_shared_though_all_its_machines_are_made_anew(world, cluster):
    before = world.start(cluster).cluster
    world.cloud.machines.clear()
    world.network.deaf["compute002"] = Failure(layer=Layer.LOGIN, message="denied")
    report = world.start(before, stop_on_failure=True)
    assert set(report.undone) == {node.name for node in cluster.nodes}
    assert world.cloud.machines == {}
    assert world.cloud.shared == {cluster.uuid}
    assert world.store.names() == ["slurm"]
    world.network.deaf.clear()
    assert world.start(world.store.load("slurm")).verdict is Verdict.READY


def test_broken_machine_that_only_its_tags_tell_of_is_undone_too(world, cluster):
    class LosesReplies(FakeCloud):
        def create_instances(self, request):
            super().create_instances(request)
            return Created(failures=dict.fromkeys(request.names, InstanceError("No reply.")))

    before = world.start(cluster).cluster
    world.cloud.__class__ = LosesReplies
    world.cloud.ill["compute003"] = InstanceState.ERROR
    report = world.grow(with_new(before, NEW[:1]), NEW[:1], stop_on_failure=True)
    assert report.undone == ("compute003",)
    assert len(world.cloud.machines) == 3


def test_error_in_the_middle_of_a_start_is_undone_too(world, cluster):
    class Mute(FakeCloud):
        def host_keys(self, ids):
            raise CloudProviderError("The cloud is away.")

    world.cloud = Mute(clock=world.cloud.clock)
    with pytest.raises(CloudProviderError):
        world.start(cluster, stop_on_failure=True)
    assert world.cloud.machines == {}
    assert world.store.names() == []


def test_what_cannot_be_undone_is_kept_and_told(world, cluster):
    world.cloud = Clinging(clock=world.cloud.clock)
    world.cloud.cling = "i-0002"
    world.network.deaf["compute002"] = Failure(layer=Layer.LOGIN, message="denied")
    report = world.start(cluster, stop_on_failure=True)
    assert report.undone == ("frontend001", "compute002")
    assert world.store.names() == ["slurm"]
    world.cloud.cling = ""
    world.stop(world.store.load("slurm"))
    assert world.cloud.machines == {}
