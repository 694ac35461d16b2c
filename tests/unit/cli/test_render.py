"""The printed layouts that people's scripts read, to the letter."""

from dataclasses import replace

from elasticluster.cli import render
from elasticluster.cli.data import cluster_data
from elasticluster.engine.plan import Batch, StartPlan, StopPlan
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    Failure,
    Instance,
    InstanceState,
    Layer,
    NodeRecord,
    NodeSpec,
    NodeState,
    Report,
    Tags,
    Verdict,
)

FRONTEND = NodeSpec(kind="frontend", image_id="debian-13", image_user="debian", flavor="m1.small")
COMPUTE = replace(FRONTEND, kind="compute")
CLUSTER = ClusterRecord(
    uuid="u",
    name="slurm",
    template="slurm",
    cloud=ComponentRef(type="docker", section="local"),
    setup=ComponentRef(type="ansible"),
    kinds=("frontend", "compute"),
    nodes=(
        NodeRecord(
            name="frontend001",
            spec=FRONTEND,
            instance_id="i-0000299f",
            public_ip="130.60.24.61",
            private_ip="10.10.10.36",
        ),
        NodeRecord(name="compute001", spec=COMPUTE, public_ip="127.0.0.1", ssh_port=32768),
        NodeRecord(name="compute002", spec=COMPUTE),
    ),
)


def test_list():
    assert render.cluster_list([CLUSTER]) == (
        "\n"
        "The following clusters have been started.\n"
        "Please note that there's no guarantee that they are fully configured:\n"
        "\n"
        "slurm\n"
        "-----\n"
        "  name:           slurm\n"
        "  template:       slurm\n"
        "  cloud:          local\n"
        "  - frontend nodes: 1\n"
        "  - compute nodes: 2\n"
    )


def test_summary():
    assert render.summary(CLUSTER, "frontend001") == (
        "\n"
        "Cluster name:     slurm\n"
        "Cluster template: slurm\n"
        "Frontend node: frontend001\n"
        "- frontend nodes: 1\n"
        "- compute nodes: 2\n"
        "\n"
        "To login on the frontend node, run the command:\n"
        "\n"
        "    elasticluster ssh slurm\n"
        "\n"
        "To upload or download files to the cluster, use the command:\n"
        "\n"
        "    elasticluster sftp slurm\n"
    )


def test_list_nodes():
    assert render.node_list(CLUSTER) == (
        "frontend nodes:\n"
        "\n"
        "  - frontend001\n"
        "    public IP:   130.60.24.61\n"
        "    private IP:  10.10.10.36\n"
        "    instance id:   i-0000299f\n"
        "    instance flavor: m1.small\n"
        "\n"
        "compute nodes:\n"
        "\n"
        "  - compute001\n"
        "    public IP:   127.0.0.1:32768\n"
        "    private IP:  None\n"
        "    instance id:   None\n"
        "    instance flavor: m1.small\n"
        "\n"
        "  - compute002\n"
        "    public IP:   None\n"
        "    private IP:  None\n"
        "    instance id:   None\n"
        "    instance flavor: m1.small\n"
    )


def test_list_nodes_marks_nodes_that_are_not_in_use():
    for state in (NodeState.PAUSED, NodeState.LEAVING):
        cluster = CLUSTER.with_nodes(replace(CLUSTER.nodes[0], state=state))
        assert f"    instance flavor: m1.small\n    state: {state}\n\n" in render.node_list(cluster)


def test_list_nodes_is_read_by_the_manuals_shell_idiom():
    lines = [line for line in render.node_list(CLUSTER).splitlines() if "  -" in line]
    assert [line.split("-")[1].strip() for line in lines] == ["frontend001", "compute001", "compute002"]


def test_list_nodes_leaves_kinds_without_nodes_out():
    assert "gpu" not in render.node_list(replace(CLUSTER, kinds=(*CLUSTER.kinds, "gpu")))


def test_list_templates():
    found = [("slurm", "local", {"frontend": 1, "compute": 2})]
    assert render.template_list(found, []) == (
        "1 cluster templates found.\n\n"
        "name:     slurm\ncloud:     local\nfrontend nodes: 1\ncompute nodes: 2\n"
    )
    head = "1 cluster templates found matching pattern(s) '*s*, x'.\n"
    assert render.template_list(found, ["*s*", "x"]).startswith(head)


def report(verdict, **fields):
    return Report(cluster=CLUSTER, verdict=verdict, **fields)


def test_last_lines():
    lost = {"compute002": Failure(layer=Layer.REFUSED, message="10.0.0.2:22 refused")}
    assert render.verdict(report(Verdict.READY)) == "Your cluster `slurm` is ready!"
    assert render.verdict(report(Verdict.PARTLY_READY, lost=lost)) == (
        "Your cluster `slurm` is ready, without:\n  compute002: connection refused: 10.0.0.2:22 refused"
    )
    assert render.verdict(report(Verdict.NOT_VERIFIED, unverified=("a", "b"))) == (
        "Your cluster `slurm` is set up, not verified: a, b"
    )
    assert render.verdict(report(Verdict.NOT_CONFIGURED)) == "Your cluster `slurm` is not configured."
    assert render.verdict(report(Verdict.NOT_READY, lost=lost, error="too few")) == (
        "Your cluster `slurm` is not ready:\n  compute002: connection refused: 10.0.0.2:22 refused\n  too few"
    )


def test_evidence_is_shown_for_nodes_that_have_some():
    lost = {
        "compute001": Failure(layer=Layer.BOOT, message="died", evidence="kernel panic\nbye\n"),
        "compute002": Failure(layer=Layer.LOGIN, message="no"),
    }
    assert render.evidence(report(Verdict.NOT_READY, lost=lost)) == (
        "compute001, boot:\n    kernel panic\n    bye"
    )


def test_dry_run_of_start():
    machine = Instance(
        id="i-1",
        state=InstanceState.RUNNING,
        tags=Tags(uuid="u", name="slurm", template="slurm", owner="", created=""),
    )
    plan = StartPlan(present={"frontend001": machine}, create=(Batch(spec=COMPUTE, names=("compute001",)),))
    assert render.start_plan(CLUSTER, plan) == (
        "Cluster `slurm` on local:\n"
        "  + compute001 (debian-13, m1.small)\n"
        "  = frontend001 (instance i-1)\n"
        "Nothing was changed."
    )


def test_dry_run_of_stop():
    assert render.stop_plan(CLUSTER, StopPlan(instances=("i-0000299f", "i-7"))) == (
        "Cluster `slurm` on local:\n"
        "  - frontend001 (instance i-0000299f)\n"
        "  - no node (instance i-7)\n"
        "  - what its instances share: network, volumes, keys made for it\n"
        "  - what is stored of it here\n"
        "Nothing was changed."
    )


def test_dry_run_of_resize():
    plan = render.resize_plan(
        CLUSTER, {"compute": COMPUTE}, {"compute": 1}, {"frontend001": "job 17", "compute002": ""}
    )
    assert plan == (
        "Cluster `slurm` on local:\n"
        "  + 1 compute node (debian-13, m1.small)\n"
        "  - frontend001 (instance i-0000299f, at work on job 17)\n"
        "  - compute002 (no instance)\n"
        "Nothing was changed."
    )


def test_nodes_about_to_be_removed_are_named_with_their_work():
    assert render.leaving(CLUSTER, {"compute002": "", "compute001": "job 17"}, waited_for=True) == (
        "To be removed from cluster `slurm`, with all data on them:\n"
        "  compute002\n"
        "  compute001: at work on job 17\n"
        "No new work is given to them, and what they are at work on is waited for.\n"
        "No compute node is left then: this removes the last one."
    )
    assert render.leaving(CLUSTER, {"compute002": ""}, waited_for=False) == (
        "To be removed from cluster `slurm`, with all data on them:\n"
        "  compute002\n"
        "Jobs on them are not waited for: they are lost."
    )


def test_what_is_left_after_a_failure():
    kept = report(Verdict.NOT_READY)
    assert render.what_is_left(kept, "To carry on: …") == "What there is was kept.\nTo carry on: …"
    undone = report(Verdict.NOT_READY, undone=("compute001",))
    gone = "Destroyed again, as `--on-failure` or `start_failure` says: compute001.\n"
    assert render.what_is_left(undone, "") == f"{gone}Nothing is left of the cluster."
    assert render.what_is_left(undone, "To carry on: …") == f"{gone}Still there: frontend001.\nTo carry on: …"


def test_json_of_a_cluster_holds_no_secret():
    data = cluster_data(replace(CLUSTER, secrets={"munge_key": "hidden"}))
    assert data["nodes"] == {"frontend": 1, "compute": 2}
    assert "hidden" not in str(data)
