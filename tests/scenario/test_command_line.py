"""The command line as a user meets it: arguments in, text and exit status out; no cloud is needed."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from elasticluster.cluster import Cluster
from elasticluster.model import ComponentRef, NodeState
from elasticluster.repository import JsonRepository

pytestmark = pytest.mark.usefixtures("source_tree")

PLAIN_CLOUD = """
from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider

class Cloud(AbstractCloudProvider):
    def start_instance(self, *given, **named):
        raise AssertionError("nothing is to be started")

    def stop_instance(self, instance_id):
        pass

    def get_ips(self, instance_id):
        return ["192.0.2.1"]

    def is_instance_running(self, instance_id):
        return True

class Setup(AbstractSetupProvider):
    def setup(self, job, tell):
        raise AssertionError("nothing is to be configured")

    make_secrets = leave = setup_cluster = setup

    def cleanup(self, cluster=None):
        pass

    def check(self, cluster):
        pass

    def busy(self, job, tell):
        return {"compute002": "job 17"}
"""


def test_first_command_writes_the_configuration_and_says_so(run, home):
    result = run("list-templates")
    assert result.returncode == 0
    assert result.stderr == f"Deploying default configuration file to {home}/.elasticluster/config\n"
    assert result.stdout.startswith("1 cluster templates found.\n\nname:     slurm\ncloud:     local\n")
    assert run("list-templates").stderr == ""


def test_list_of_nothing(run):
    result = run("list")
    assert (result.returncode, result.stdout) == (0, "No clusters found.\n")


def test_no_command_is_a_usage_error(run):
    result = run()
    assert result.returncode == 2
    assert "usage: elasticluster" in result.stderr


@pytest.mark.parametrize("where", ["before", "after"])
def test_global_options_are_understood_before_and_after_the_command(run, tmp_path, where):
    options = ["-s", str(tmp_path / "other"), "-v"]
    result = run(*options, "list") if where == "before" else run("list", *options)
    assert (result.returncode, result.stdout) == (0, "No clusters found.\n")


def test_relative_storage_path_is_understood(run, stored, home):
    stored()
    result = run("-s", os.path.relpath(home / ".elasticluster/storage"), "list")
    assert "  name:           slurm\n" in result.stdout


def test_missing_configuration_file_is_named(run, tmp_path):
    result = run("-c", str(tmp_path / "none"), "list-templates")
    assert result.returncode == os.EX_CONFIG
    assert str(tmp_path / "none") in result.stderr


def test_unknown_template_is_an_error_with_a_guess(run):
    result = run("start", "slrum")
    assert result.returncode == os.EX_NOINPUT
    assert "There is no template 'slrum'" in result.stderr
    assert "'slurm'" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["stop", "--yes", "x"],
        ["list-nodes", "x"],
        ["setup", "x"],
        ["ssh", "x"],
        ["sftp", "x"],
        ["resize", "-a", "1:compute", "x"],
        ["remove-node", "--yes", "x", "compute001"],
        ["pause", "--yes", "x"],
        ["resume", "x"],
    ],
)
def test_unknown_cluster_is_an_error_everywhere(run, stored, command):
    stored("slurm")
    result = run(*command)
    assert result.returncode == os.EX_NOINPUT
    assert result.stderr.endswith("Error: There is no cluster 'x'.\nClusters: slurm.\n")


def test_cluster_of_another_template_is_not_touched(run, stored):
    stored("mine", template="other")
    result = run("start", "slurm", "--name", "mine")
    assert result.returncode == os.EX_CANTCREAT
    assert "There is a cluster 'mine' already, of template 'other'." in result.stderr


@pytest.mark.parametrize(
    "nodes", ["2compute", "x:compute", "-1:compute", "2:cmopute", "1:compute,2:compute", ""]
)
def test_wrong_node_counts_are_usage_errors(run, home, nodes):
    result = run("start", "slurm", f"--nodes={nodes}")
    assert result.returncode == 2, result.stderr
    assert not (home / ".elasticluster/storage/slurm.json").exists()


def test_words_after_two_hyphens_are_refused_where_they_mean_nothing(run, stored):
    stored()
    result = run("stop", "slurm", "--", "--yes")
    assert result.returncode == 2
    assert "`stop` takes nothing after `--`, but got: --yes" in result.stderr


def test_cluster_without_nodes_can_be_listed(run, home):
    repository = JsonRepository(str(home / ".elasticluster/storage"))
    repository.save_or_update(Cluster("empty", repository=repository))
    assert "Frontend node: None\n" in run("list-nodes", "empty").stdout


def test_other_node_counts_of_an_existing_cluster_are_refused(run, stored):
    stored()
    result = run("start", "slurm", "--nodes", "5:compute")
    assert result.returncode == 2
    assert "Cluster 'slurm' has 2 compute nodes; `start` does not change that." in result.stderr


def test_resize_needs_something_to_do(run, stored):
    stored()
    result = run("resize", "slurm")
    assert result.returncode == 2
    assert result.stderr.endswith(
        "Error: `resize` needs `--add` or `--remove`, or both.\nAs in: --add 2:compute\n"
    )


def test_resize_by_nothing_changes_nothing(run, stored):
    stored()
    result = run("resize", "-a", "0:compute", "-r", "0:compute", "slurm")
    assert result.returncode == 0
    assert result.stderr.endswith("There is nothing to add or remove.\n")
    assert "- compute nodes: 2\n" in result.stdout


def test_resize_by_wrong_numbers_or_kinds_is_refused(run, stored):
    stored()
    result = run("resize", "-r", "1:cmopute", "--yes", "slurm")
    assert result.returncode == 2
    assert "--remove: there is no kind of node 'cmopute'; did you mean 'compute'?" in result.stderr
    assert run("resize", "-a", "compute", "slurm").returncode == 2
    result = run("resize", "-a", "1:gpu", "slurm")
    assert result.returncode == 2
    assert "its template 'slurm' says nothing of such nodes" in result.stderr


@pytest.mark.parametrize(
    "command",
    [["resize", "-r", "1:compute", "slurm"], ["remove-node", "slurm", "compute001"], ["pause", "slurm"]],
)
def test_removing_or_pausing_without_a_terminal_refuses_instead_of_waiting(run, stored, command):
    stored()
    result = run(*command)
    assert result.returncode == os.EX_TEMPFAIL
    assert "Add `--yes` if you are sure." in result.stderr
    assert "- compute nodes: 2\n" in run("list").stdout


def test_cloud_that_cannot_pause_says_so(run, stored, home, monkeypatch):
    folder = home / "modules"
    folder.mkdir()
    (folder / "plain_cloud.py").write_text(PLAIN_CLOUD)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}")
    cluster = stored()
    cluster._base = replace(cluster.record, cloud=ComponentRef(type="plain_cloud:Cloud"))
    node = cluster.nodes["frontend"][0]
    node.record = replace(node.record, instance_id="m-1", state=NodeState.READY)
    cluster.repository.save_or_update(cluster)
    result = run("pause", "--yes", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE, result.stderr
    assert "Some instances of cluster 'slurm' could not be paused: m-1: " in result.stderr
    assert "is paused" not in result.stdout
    assert "state: paused" not in run("list-nodes", "slurm").stdout


def test_cluster_without_machines_cannot_be_paused(run, stored, home, monkeypatch):
    (home / "plain_cloud.py").write_text(PLAIN_CLOUD)
    monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{os.environ['PYTHONPATH']}")
    cluster = stored()
    cluster._base = replace(cluster.record, cloud=ComponentRef(type="plain_cloud:Cloud"))
    cluster.repository.save_or_update(cluster)
    result = run("pause", "--yes", "slurm")
    assert result.returncode == 1
    assert "Cluster 'slurm' has no machines that could be paused." in result.stderr


def test_nodes_to_be_removed_are_chosen_and_named_by_what_they_are_at_work_on(run, stored, home, monkeypatch):
    (home / "plain_cloud.py").write_text(PLAIN_CLOUD)
    monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{os.environ['PYTHONPATH']}")
    cluster = stored()
    cluster.key_pair()
    cloud, setup = (ComponentRef(type=f"plain_cloud:{name}") for name in ("Cloud", "Setup"))
    cluster._base = replace(cluster.record, cloud=cloud, setup=setup)
    for node in cluster.get_all_nodes():
        node.record = replace(node.record, instance_id=f"m-{node.name}", state=NodeState.READY)
    cluster.repository.save_or_update(cluster)
    plan = run("resize", "-r", "1:compute", "--dry-run", "slurm")
    assert "\n  - compute001 (instance m-compute001)\n" in plan.stdout, plan.stderr
    plan = run("resize", "-r", "2:compute", "--dry-run", "slurm")
    assert "\n  - compute002 (instance m-compute002, at work on job 17)\n" in plan.stdout
    plan = run("remove-node", "--dry-run", "slurm", "compute002")
    assert "\n  - compute002 (instance m-compute002, at work on job 17)\n" in plan.stdout
    unasked = run("remove-node", "--dry-run", "--force", "slurm", "compute002")
    assert "\n  - compute002 (instance m-compute002)\n" in unasked.stdout
    too_many = run("resize", "-r", "3:compute", "--yes", "slurm")
    assert too_many.returncode == 4
    assert "Cluster 'slurm' has 2 compute nodes; 3 cannot be removed." in too_many.stderr


def test_node_that_is_not_there_cannot_be_removed(run, stored):
    stored()
    result = run("remove-node", "--yes", "slurm", "compute001", "compute009")
    assert result.returncode == os.EX_NOINPUT
    assert result.stderr.endswith(
        "Error: Cluster 'slurm' has no node 'compute009'.\nIts nodes: frontend001, compute001, compute002.\n"
    )


def test_growing_where_the_engine_is_not_there_adds_nothing(run, stored):
    stored()
    result = run("resize", "-a", "1:compute", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE
    assert "- compute nodes: 2\n" in run("list").stdout


def test_clouds_that_cannot_be_asked_are_named(run, stored):
    stored()
    result = run("gc", "--yes")
    assert result.returncode == os.EX_UNAVAILABLE
    assert result.stdout == "Nothing was found on the clouds that answered that no stored cluster owns.\n"
    assert "WARNING: Cloud 'local' could not be asked: " in result.stderr
    assert "/nonexistent/docker.sock" in result.stderr
    result = run("adopt", "slurm")
    assert result.returncode == os.EX_NOINPUT
    assert "No cloud has a cluster 'slurm' that is not remembered here." in result.stderr
    assert "/nonexistent/docker.sock" in result.stderr


def test_start_that_is_to_adopt_makes_nothing_where_the_cloud_cannot_be_asked(run, home):
    result = run("start", "--adopt", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE
    assert run("list").stdout == "No clusters found.\n"


def test_unknown_cloud_is_refused(run):
    result = run("gc", "--cloud", "loacl")
    assert result.returncode == os.EX_CONFIG
    assert "There is no section [cloud/loacl]" in result.stderr


def test_commands_that_are_named_as_the_next_step_work_on_the_same_storage(run, stored, tmp_path):
    stored()
    result = run("-s", str(tmp_path / "else where"), "start", "slurm", "--on-failure", "stop")
    assert result.stderr.endswith("Nothing is left of the cluster.\n")
    result = run("start", "slurm")
    assert result.stderr.endswith(
        "To carry on: elasticluster start slurm\nTo remove it: elasticluster stop slurm\n"
    )


def test_stop_without_a_terminal_refuses_instead_of_waiting(run, stored):
    stored()
    result = run("stop", "slurm")
    assert result.returncode == os.EX_TEMPFAIL
    assert "Add `--yes` if you are sure." in result.stderr
    assert "slurm" in run("list").stdout


def test_engine_that_is_not_there_is_an_error_and_loses_nothing(run, stored):
    stored()
    result = run("stop", "--yes", "slurm")
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert "  name:           slurm\n" in run("list").stdout


def test_listing_asks_no_engine(run, stored):
    stored()
    assert run("list").returncode == 0
    result = run("list-nodes", "slurm")
    assert result.returncode == 0
    assert "  - compute002\n    public IP:   None\n" in result.stdout


def test_json_listings(run, stored):
    stored()
    assert json.loads(run("list", "--json").stdout)[0]["nodes"] == {"frontend": 1, "compute": 2}
    nodes = json.loads(run("list-nodes", "--json", "slurm").stdout)["nodes"]
    assert [node["name"] for node in nodes] == ["frontend001", "compute001", "compute002"]
    assert json.loads(run("list-templates", "--json").stdout)[0]["name"] == "slurm"


def test_list_templates_takes_any_of_several_patterns(run):
    assert run("list-templates", "x*", "*lur*").stdout.startswith(
        "1 cluster templates found matching pattern(s) 'x*, *lur*'."
    )
    assert run("list-templates", "x*").stdout.startswith("0 cluster templates found")


def test_list_templates_shows_the_others_beside_a_broken_one(run, home):
    run("list")
    config = home / ".elasticluster/config"
    config.write_text(config.read_text() + "\n[cluster/broken]\ncloud=local\ncompute_nodes=many\n")
    result = run("list-templates")
    assert "name:     slurm" in result.stdout
    assert f"{config}:" in result.stderr


def test_corrupt_state_stops_its_commands_but_not_the_list(run, stored, home):
    stored("good")
    stored("bad")
    (home / ".elasticluster/storage/bad.json").write_text('{"version": 1, "clu')
    listing = run("list")
    assert listing.returncode == 0
    assert "  name:           good\n" in listing.stdout
    assert "bad.json" in listing.stderr
    for command in (
        ["list-nodes", "bad"],
        ["stop", "--yes", "bad"],
        ["ssh", "bad"],
        ["start", "slurm", "-n", "bad"],
    ):
        result = run(*command)
        assert result.returncode == os.EX_DATAERR, command
        assert "bad.json" in result.stderr


def test_state_of_a_newer_version_is_said_to_be_so(run, stored, home):
    stored()
    path = home / ".elasticluster/storage/slurm.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 999}))
    result = run("list-nodes", "slurm")
    assert result.returncode == os.EX_DATAERR
    assert "newer version" in result.stderr


def test_two_commands_at_once_are_kept_apart(run, stored, home):
    cluster = stored()
    with cluster.repository.store.lock("slurm"):
        result = run("stop", "--yes", "slurm")
    assert result.returncode == os.EX_TEMPFAIL
    assert "slurm" in result.stderr


def test_output_into_a_closed_pipe_is_no_traceback(home, stored):
    stored()
    command = ["sh", "-c", f"{sys.executable} -m elasticluster list-nodes slurm | true"]
    environment = os.environ | {"HOME": str(home)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr


def test_error_shows_no_traceback_unless_asked_for(run):
    assert "Traceback" not in run("stop", "--yes", "x").stderr
    assert "Traceback" in run("-vvv", "stop", "--yes", "x").stderr


def test_version(run):
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("elasticluster version ")


def test_help_of_a_command_has_an_example(run):
    result = run("list-nodes", "-h")
    assert (result.returncode, result.stderr) == (0, "")
    assert "example: elasticluster list-nodes" in result.stdout


def test_start_up_is_quick_enough_to_be_used_in_loops(run):
    run("list")
    modules = subprocess.run(
        [sys.executable, "-c", "import sys; from elasticluster.cli import app; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    heavy = {"docker", "paramiko", "yaml", "voluptuous", "rich", "ansible", "requests", "asyncio"}
    assert heavy.isdisjoint(modules)
