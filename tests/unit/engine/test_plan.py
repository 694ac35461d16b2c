"""What is decided before anything is done."""

from dataclasses import replace

from elasticluster.engine.plan import plan_start, plan_stop
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    Instance,
    InstanceState,
    NodeRecord,
    NodeSpec,
    NodeState,
    Tags,
)

COMPUTE = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="1cpu-1ram")
FRONTEND = replace(COMPUTE, kind="frontend")
TAGS = Tags(uuid="u", name="slurm", template="slurm", owner="me", created="now")


def cluster(*nodes):
    ref = ComponentRef(type="docker")
    return ClusterRecord(uuid="u", name="slurm", template="slurm", cloud=ref, setup=ref, nodes=nodes)


def planned(name, spec=COMPUTE, **fields):
    return NodeRecord(name=name, spec=spec, **fields)


def machine(number, state=InstanceState.RUNNING, node="", batch="", index=0):
    tags = replace(TAGS, node=node, batch=batch)
    return Instance(id=f"i-{number}", state=state, tags=tags, launch_index=index)


def names(plan):
    return [batch.names for batch in plan.create]


def test_plan_creates_one_batch_for_each_kind_of_new_cluster():
    plan = plan_start(cluster(planned("f1", FRONTEND), planned("c1"), planned("c2")), [])
    assert names(plan) == [("f1",), ("c1", "c2")]


def test_plan_keeps_what_runs_and_creates_what_is_gone():
    nodes = planned("c1", instance_id="i-1"), planned("c2", instance_id="i-2")
    plan = plan_start(cluster(*nodes), [machine(1)])
    assert list(plan.present) == ["c1"]
    assert names(plan) == [("c2",)]


def test_plan_finds_machines_of_lost_replies_by_their_names():
    node = planned("c2", state=NodeState.CREATING, batch="b")
    plan = plan_start(cluster(planned("c1"), node), [machine(7, node="c2", batch="b")])
    assert plan.present["c2"].id == "i-7"
    assert names(plan) == [("c1",)]


def test_plan_takes_no_machine_for_a_node_that_another_call_has_made():
    node = planned("c1", state=NodeState.CREATING, batch="b")
    stranger = machine(7, node="c1", batch="forged")
    plan = plan_start(cluster(node), [stranger])
    assert plan.strays == (stranger,)
    assert names(plan) == [("c1",)]


def test_plan_gives_unnamed_machines_of_a_batch_out_in_launch_order():
    nodes = [planned(f"c{n}", state=NodeState.CREATING, batch="b") for n in (1, 2)]
    plan = plan_start(cluster(*nodes), [machine(8, batch="b", index=1), machine(9, batch="b", index=0)])
    assert {name: found.id for name, found in plan.present.items()} == {"c1": "i-9", "c2": "i-8"}
    assert plan.create == ()


def test_plan_replaces_broken_machines_of_its_nodes():
    plan = plan_start(cluster(planned("c1", instance_id="i-1")), [machine(1, InstanceState.ERROR)])
    assert plan.discard == ("i-1",)
    assert names(plan) == [("c1",)]


def test_plan_resumes_stopped_machines():
    plan = plan_start(cluster(planned("c1", instance_id="i-1")), [machine(1, InstanceState.STOPPED)])
    assert plan.resume == ("c1",)
    assert plan.create == ()


def test_plan_ignores_terminated_machines():
    plan = plan_start(
        cluster(planned("c1", instance_id="i-1")),
        [machine(1, InstanceState.TERMINATED), machine(2, node="c1")],
    )
    assert plan.present["c1"].id == "i-2"
    assert plan.discard == ()
    assert plan.strays == ()


def test_plan_makes_nodes_of_a_kind_without_machines_of_what_is_wanted_now():
    wanted = {"compute": replace(COMPUTE, flavor="2cpu-2ram")}
    nodes = planned("f1", FRONTEND, instance_id="i-1"), planned("c1"), planned("c2", batch="b")
    plan = plan_start(cluster(*nodes), [machine(1)], wanted)
    assert [(batch.names, batch.spec.flavor) for batch in plan.create] == [(("c1", "c2"), "2cpu-2ram")]


def test_plan_makes_nodes_like_those_of_their_kind_that_are_there():
    wanted = {"compute": replace(COMPUTE, flavor="2cpu-2ram")}
    found = planned("c1", batch="b")  # known by its tags only
    plan = plan_start(cluster(found, planned("c2")), [machine(1, node="c1", batch="b")], wanted)
    assert [batch.spec for batch in plan.create] == [COMPUTE]


def test_plan_names_machines_that_belong_to_no_node_and_touches_none_of_them():
    plan = plan_start(cluster(planned("c1", instance_id="i-1")), [machine(1), machine(5, node="c9")])
    assert [stray.id for stray in plan.strays] == ["i-5"]
    assert plan.discard == ()


def test_stop_plan_has_every_machine_once_recorded_or_found():
    nodes = planned("c1", instance_id="i-1"), planned("c2", instance_id="i-2"), planned("c3")
    found = [machine(1), machine(5), machine(6, InstanceState.TERMINATED)]
    assert plan_stop(cluster(*nodes), found).instances == ("i-1", "i-2", "i-5")
