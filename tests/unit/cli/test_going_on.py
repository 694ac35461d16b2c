"""What users are told who have interrupted a command: the exact commands for what is stored by then."""

import io
from argparse import Namespace
from dataclasses import replace

import pytest

from elasticluster.cli.bake import Bake
from elasticluster.cli.pause import Pause, Resume
from elasticluster.cli.remove_node import RemoveNode
from elasticluster.cli.resize import Resize
from elasticluster.cli.start import Start
from elasticluster.cli.stop import Stop
from elasticluster.cluster import Cluster
from elasticluster.exceptions import ConfirmationRefused
from elasticluster.model import NodeState
from elasticluster.repository import JsonRepository


@pytest.fixture
def storage(tmp_path):
    return str(tmp_path / "my storage")


@pytest.fixture
def cluster(storage):
    repository = JsonRepository(storage)
    made = Cluster("mine", repository=repository, template="slurm")
    made.add_nodes("compute", 2, "debian-13", "debian", "1cpu-1ram", "default")
    repository.save_or_update(made)
    return made


def test_password_of_a_database_is_not_in_a_proposed_command_line():
    url = "postgresql://me:s3cret@db/x?password=s3cret"
    line = Stop(Namespace(config=None, storage=url)).line("stop", "mine")
    assert line == "elasticluster -s 'postgresql://me:********@db/x?password=********' stop mine"


def test_command_without_an_option_yes_asks(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(ConfirmationRefused):
        Stop(Namespace()).confirm("Really?")


@pytest.fixture
def going_on(storage):
    def going_on(kind, **attributes):
        command = kind(Namespace(cluster="mine", cluster_name=None, config=None, storage=storage))
        for name, value in attributes.items():
            setattr(command, name, value)
        return command.how_to_go_on().replace(f"-s '{storage}' ", "")

    return going_on


def test_start(going_on, cluster):
    assert going_on(Start) == (
        "To carry on: elasticluster start slurm --name mine\nTo remove it: elasticluster stop mine"
    )
    cluster.repository.delete(cluster)
    assert going_on(Start) == "Nothing was made."


def test_stop(going_on, cluster):
    assert going_on(Stop) == "Nothing was changed."
    assert going_on(Stop, _began=True).endswith("To remove it: elasticluster stop mine")
    cluster.repository.delete(cluster)
    assert going_on(Stop, _began=True) == "Nothing is left of cluster `mine`."


@pytest.mark.parametrize(
    ("given", "options"),
    [((), ""), (("force",), " --force"), (("list", "json"), " --list --json"), (("remove",), " --remove")],
)
def test_bake(storage, given, options):
    chosen = {name: name in given for name in ("force", "list", "remove", "json")}
    command = Bake(Namespace(cluster="slurm", config=None, storage=storage, **chosen))
    assert command.how_to_go_on() == f"To try again: elasticluster -s '{storage}' bake slurm{options}"


def test_removal(going_on, cluster):
    leaving = {"compute001": "", "compute002": ""}
    assert going_on(RemoveNode) == "Nothing was changed."
    assert going_on(RemoveNode, _leaving=leaving) == (
        "To carry on: elasticluster remove-node mine compute001 compute002\n"
        "To put those that have not left yet back into service: elasticluster start slurm --name mine"
    )
    node = cluster.nodes["compute"][0]
    node.record = replace(node.record, state=NodeState.LEAVING)
    cluster.repository.save_or_update(cluster)
    assert going_on(RemoveNode, _leaving={"compute001": ""}) == (
        "To carry on: elasticluster remove-node mine compute001"
    )
    assert going_on(RemoveNode, _leaving={"compute009": ""}) == "Removed: compute009."


def test_resize(going_on, cluster):
    assert going_on(Resize) == "Nothing was changed."
    assert going_on(Resize, _growing=["compute002"]).startswith("To carry on: elasticluster start slurm")
    assert going_on(Resize, _growing=["compute003"]) == ("No node was added; run the same command again.")
    both = going_on(Resize, _growing=["compute002"], _leaving={"compute001": ""})
    assert "start slurm --name mine\n" in both
    assert "remove-node mine compute001\n" in both
    cluster.repository.delete(cluster)
    assert going_on(Resize, _growing=["compute002"]) == "No node was added; run the same command again."


def test_pause_and_resume(going_on, cluster):
    assert going_on(Pause) == "Nothing was changed."
    assert going_on(Pause, _began=True) == (
        "To pause the rest: elasticluster pause mine\nTo start all again: elasticluster resume mine"
    )
    assert going_on(Resume) == "To carry on: elasticluster resume mine"
