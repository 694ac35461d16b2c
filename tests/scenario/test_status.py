"""`status`: what it finds, what it costs, and that it changes nothing."""

import argparse
import json
import os
from dataclasses import replace

import pytest

from elasticluster.cli.data import status_data
from elasticluster.cli.status import ShowStatus, text
from elasticluster.engine.scheduler import Partition, Scheduler
from elasticluster.engine.status import look
from elasticluster.exceptions import CloudProviderError, KeypairError
from elasticluster.model import ComponentRef, Failure, InstanceState, Layer, NodeState

IDLE = "compute001 idle\ncompute002 idle\n"


@pytest.fixture
def running(world, cluster):
    """Start the cluster; its scheduler says that both workers are idle."""
    world.setup.master = "frontend001"
    world.network.outputs["frontend001"] = IDLE
    started = world.start(cluster).cluster
    world.cloud.calls.clear()
    return started


def problems(status):
    return {one.node.name: one.problem for one in status.nodes if one.problem}


def machine_of(cluster, name):
    return cluster.node(name).instance_id


def test_cluster_that_works_is_healthy(world, running):
    status = look(running, world.tools)
    assert status.healthy
    assert problems(status) == {}
    assert [one.machine for one in status.nodes] == [InstanceState.RUNNING] * 3
    assert [one.reachable for one in status.nodes] == [True] * 3


def test_one_call_of_the_cloud_whatever_the_number_of_nodes(world, new_cluster):
    started = world.start(new_cluster(compute=50)).cluster
    world.cloud.calls.clear()
    assert len(look(started, world.tools).nodes) == 51
    assert world.cloud.calls == {"list_instances": 1}


def test_nothing_is_stored_and_a_lock_keeps_nobody_from_looking(world, running):
    world.cloud.halt(machine_of(running, "compute001"))
    before, known = world.store.load("slurm"), dict(world.network.known_hosts)
    with world.store.lock("slurm"):
        assert not look(running, world.tools).healthy
    assert world.store.load("slurm") == before
    assert world.network.known_hosts == known


def test_machine_that_is_gone_stopped_or_broken_is_named(world, running):
    ids = {node.name: node.instance_id for node in running.nodes}
    world.cloud.stop_instances([ids["frontend001"]])
    world.cloud.halt(ids["compute001"])
    world.cloud.halt(ids["compute002"], InstanceState.ERROR)
    status = look(running, world.tools)
    assert problems(status) == {
        "frontend001": f"boot: its instance {ids['frontend001']} is gone",
        "compute001": f"boot: its instance {ids['compute001']} has stopped",
        "compute002": f"boot: its instance {ids['compute002']} is broken",
    }
    assert [one.reachable for one in status.nodes] == [None] * 3


def test_node_that_lets_nobody_in_is_named_with_the_layer(world, running):
    world.network.deaf["compute001"] = Failure(layer=Layer.REFUSED, message="nobody listens")
    status = look(running, world.tools)
    assert problems(status) == {"compute001": "connection refused: nobody listens"}
    assert [one.reachable for one in status.nodes] == [True, False, True]


def test_node_is_looked_for_at_its_present_address(world, running):
    moved = replace(running.node("compute001"), public_ip="198.51.100.7", ssh_port=1)
    status = look(running.with_nodes(moved), world.tools)
    assert status.healthy
    assert status.nodes[1].node.ssh_port == running.node("compute001").ssh_port


def test_worker_that_gets_no_jobs_is_named(world, running):
    world.network.outputs["frontend001"] = "compute001 drained\ncompute002 idle\n"
    status = look(running, world.tools)
    assert problems(status) == {"compute001": "fake: drained"}


def test_scheduler_that_does_not_answer_makes_a_cluster_ill(world, running):
    world.network.outputs.clear()
    status = look(running, world.tools)
    assert not status.healthy
    assert problems(status) == {}
    assert status.scheduler == Scheduler(name="fake", error="node frontend001: workers: not found")


def test_scheduler_is_not_asked_on_a_node_that_cannot_be_logged_in_to(world, running):
    world.network.deaf["frontend001"] = Failure(layer=Layer.TIMED_OUT, message="silence")
    assert look(running, world.tools).scheduler.error == "node frontend001 cannot be logged in to"


def test_node_that_failed_before_is_down_though_it_can_be_logged_in_to(world, cluster):
    world.setup.failing["compute002"] = "task 'x': no"
    started = world.start(cluster).cluster
    assert problems(look(started, world.tools)) == {
        "compute002": "when it was worked on last: setup: task 'x': no"
    }


def test_what_is_wrong_now_comes_before_what_was_wrong_then(world, cluster):
    world.setup.master = "frontend001"
    world.setup.failing["compute002"] = "task 'x': no"
    started = world.start(cluster).cluster
    world.network.outputs["frontend001"] = "compute001 idle\ncompute002 drained\n"
    assert problems(look(started, world.tools)) == {"compute002": "fake: drained"}


def test_scheduler_is_asked_although_no_node_has_passed_its_last_setup(world, cluster):
    world.setup.master = "frontend001"
    world.network.outputs["frontend001"] = IDLE
    world.setup.failing = {node.name: "no" for node in cluster.nodes}
    status = look(world.start(cluster).cluster, world.tools)
    assert set(status.scheduler.workers) == {"compute001", "compute002"}


def test_cluster_that_was_not_configured_is_healthy_and_no_scheduler_is_asked(world, cluster):
    world.setup.master = "frontend001"
    status = look(world.start(cluster, configure=False).cluster, world.tools)
    assert (status.healthy, status.scheduler) == (True, None)


def test_node_that_was_not_configured_with_the_others_is_named(world, running):
    late = replace(running.node("compute002"), state=NodeState.REACHABLE)
    assert problems(look(running.with_nodes(late), world.tools)) == {"compute002": "not configured"}


def test_cluster_that_was_never_started_is_not_healthy_and_nobody_is_knocked_at(world, cluster):
    status = look(cluster, world.tools)
    assert set(problems(status)) == {"frontend001", "compute001", "compute002"}
    assert problems(status)["compute001"] == "boot: it has no instance"
    assert [one.reachable for one in status.nodes] == [None] * 3


def test_paused_cluster_is_not_healthy(world, running):
    paused = world.pause(running)
    status = look(paused, world.tools)
    assert set(problems(status).values()) == {"paused"}
    assert status.scheduler.error == "node frontend001 is paused"


def test_cluster_without_nodes_is_not_healthy(world, new_cluster):
    status = look(replace(new_cluster(), nodes=()), world.tools)
    assert (status.healthy, status.problems) == (False, ("it has no nodes",))


def test_partition_that_starts_no_jobs_makes_a_cluster_ill(world, running):
    status = look(running, world.tools)
    shut = (Partition(name="main", state="up"), Partition(name="big", state="down", pending=1))
    shown = replace(status, scheduler=replace(status.scheduler, partitions=shut))
    assert (shown.healthy, shown.problems) == (False, ("partition big: down",))


def test_node_that_is_leaving_is_not_missed(world, running):
    leaving = replace(running.node("compute002"), state=NodeState.LEAVING)
    world.cloud.stop_instances([leaving.instance_id])
    assert look(running.with_nodes(leaving), world.tools).healthy


def test_cloud_that_does_not_answer_leaves_what_is_stored_and_what_ssh_says(world, running):
    world.cloud.outage = CloudProviderError("the engine is away")
    status = look(running, world.tools)
    assert status.silent is world.cloud.outage
    assert not status.healthy
    assert [(one.machine, one.reachable, one.problem) for one in status.nodes] == [(None, True, "")] * 3


def test_key_that_is_gone_is_the_reason_that_nobody_gets_in(world, running):
    class NoKey:
        def __getattr__(self, name):
            return getattr(world.store, name)

        def key_pair(self, cluster):
            raise KeypairError("The private key is gone.")

    status = look(running, replace(world.tools, store=NoKey()))
    assert set(problems(status).values()) == {"login: The private key is gone."}


# -- what is printed -------------------------------------------------------------------------------


def test_printed_form(world, running):
    world.network.outputs["frontend001"] = "compute001 idle\ncompute002 drained\n"
    status = look(running, world.tools)
    queues = (
        Partition(name="main", state="up", running=2, pending=10),
        Partition(name="big", state="down"),
    )
    shown = replace(status, scheduler=replace(status.scheduler, name="slurm", partitions=queues))
    assert text(shown).splitlines() == [
        "",
        "Cluster name:     slurm",
        "Cluster template: slurm",
        "Cluster cloud:    fake",
        "",
        "node         state  instance  ssh  slurm",
        "frontend001  ready  running   yes  -",
        "compute001   ready  running   yes  idle",
        "compute002   ready  running   yes  drained",
        "",
        "partition  state  running  pending",
        "main       up     2        10",
        "big        down   0        0",
        "",
        "Cluster `slurm` is not healthy:",
        "  partition big: down",
        "  compute002: fake: drained",
    ]


def test_printed_form_without_scheduler_and_cloud(world, cluster):
    started = world.start(cluster).cluster
    world.cloud.outage = CloudProviderError("the engine is away")
    assert text(look(started, world.tools)).splitlines()[5:] == [
        "node         state  instance  ssh",
        "frontend001  ready  unknown   yes",
        "compute001   ready  unknown   yes",
        "compute002   ready  unknown   yes",
        "",
        "No scheduler was asked: the cluster has none that this program sets up.",
        "",
        "Cluster `slurm` is not healthy:",
        "  it is not known what the cloud has of it",
    ]


def test_printed_form_of_a_cluster_that_was_never_set_up(world, cluster):
    lines = text(look(world.start(cluster, configure=False).cluster, world.tools)).splitlines()
    assert "No scheduler was asked: the cluster was never set up." in lines


@pytest.mark.parametrize(
    ("said", "failing", "remedy"),
    [
        (IDLE, {"compute002": "no"}, "To set it up again: elasticluster setup slurm\n"),
        ("", {}, "To set it up again: elasticluster setup slurm\n"),
        ("compute001 drained\n", {}, ""),  # that is for the administrator of the scheduler
    ],
)
def test_command_that_may_mend_it_is_named(world, cluster, capsys, said, failing, remedy):
    world.setup.master, world.setup.failing = "frontend001", failing
    world.network.outputs |= {"frontend001": said} if said else {}
    status = look(world.start(cluster).cluster, world.tools)
    assert not status.healthy
    ShowStatus(argparse.Namespace(config=None, storage=None)).say_what_to_do(status)
    assert capsys.readouterr().err == remedy


def test_healthy_cluster_is_said_to_be_so_in_the_last_line(world, running):
    assert text(look(running, world.tools)).splitlines()[-1] == "Cluster `slurm` is healthy."


def test_data_names_what_the_text_names(world, running):
    data = status_data(look(running, world.tools))
    assert data["healthy"] is True
    assert data["nodes"][0]["scheduler"] is None
    assert data["nodes"][1]["scheduler"] == {"state": "idle", "reason": None}
    assert data["scheduler"] == {"name": "fake", "error": None, "partitions": []}


# -- the command line ------------------------------------------------------------------------------


def test_unknown_cluster_is_an_error(run, stored):
    stored()
    result = run("status", "x")
    assert result.returncode == os.EX_NOINPUT
    assert result.stderr.endswith("Error: There is no cluster 'x'.\nClusters: slurm.\n")


def test_cloud_that_is_away_is_named_and_what_is_stored_is_shown(run, stored):
    cluster = stored()
    with cluster.repository.store.lock("slurm"):
        result = run("status", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE
    assert "compute002   planned  unknown   -\n" in result.stdout
    assert "WARNING: The cloud could not be asked: " in result.stderr
    assert json.loads(run("status", "slurm", "--json").stdout)["cloud_error"]


CLOUD = """
from elasticluster.providers import AbstractCloudProvider

class Cloud(AbstractCloudProvider):
    def start_instance(self, *given, **named):
        raise AssertionError

    stop_instance = start_instance

    def get_ips(self, instance_id):
        return ["127.0.0.1:1"]

    def is_instance_running(self, instance_id):
        return True
"""


def test_node_that_lets_nobody_in_ends_with_4(run, stored, home, monkeypatch):
    (home / "some_cloud.py").write_text(CLOUD)
    monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{os.environ['PYTHONPATH']}")
    cluster = stored()
    cluster.key_pair()
    cluster._base = replace(cluster.record, cloud=ComponentRef(type="some_cloud:Cloud"))
    for node in cluster.get_all_nodes():
        node.record = replace(node.record, instance_id=f"m-{node.name}", state=NodeState.REACHABLE)
    cluster.repository.save_or_update(cluster)
    result = run("status", "slurm")
    assert result.returncode == 4, result.stderr
    assert (
        "\nCluster `slurm` is not healthy:\n  frontend001: connection refused: 127.0.0.1:1 " in result.stdout
    )
    assert result.stderr.endswith("To bring it up: elasticluster start slurm\n")
    assert "private IP:  None" in run("list-nodes", "slurm").stdout  # the address was not stored


def test_setup_provider_of_a_third_party_need_not_know_of_schedulers(run, stored, home, monkeypatch):
    (home / "some_cloud.py").write_text(
        CLOUD + "\n\nfrom elasticluster.providers import AbstractSetupProvider\n\n"
        "class Setup(AbstractSetupProvider):\n    setup_cluster = cleanup = print\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{os.environ['PYTHONPATH']}")
    cluster = stored()
    cluster.key_pair()
    refs = {part: ComponentRef(type=f"some_cloud:{part.title()}") for part in ("cloud", "setup")}
    cluster._base = replace(cluster.record, **refs)
    for node in cluster.get_all_nodes():
        node.record = replace(node.record, instance_id=f"m-{node.name}", state=NodeState.READY)
    cluster.repository.save_or_update(cluster)
    result = run("status", "slurm", "--json")
    assert result.returncode == 4, result.stderr
    assert "To bring it up: " in result.stderr
    assert json.loads(result.stdout)["scheduler"] is None
