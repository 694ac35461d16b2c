"""What ``start`` says of a cluster that is not as its template says, and what becomes of it."""

import os
from dataclasses import replace

import pytest

from elasticluster.conf import make_creator


@pytest.fixture
def config(run, home):
    """Return the path of the configuration that a new user gets."""
    run("list-templates")
    return home / ".elasticluster/config"


@pytest.fixture
def cluster(config, home):
    """Store a cluster of that configuration, as after a start in which no node came into being."""
    cluster = make_creator(str(config), str(home / ".elasticluster/storage")).create_cluster("slurm")
    cluster.repository.save_or_update(cluster)
    return cluster


@pytest.fixture
def edit(config):
    """Return a function that changes lines of the configuration, or adds some to its end."""

    def edit(*changes):
        text = config.read_text()
        for old, new in changes:
            assert text.count(f"\n{old}\n") == 1
            text = text.replace(f"\n{old}\n", f"\n{new}\n")
        config.write_text(text)

    return edit


def test_start_of_a_cluster_that_is_as_its_template_says_tells_nothing(run, cluster):
    result = run("start", "slurm", "--dry-run")
    assert result.returncode == os.EX_UNAVAILABLE  # no engine answers here
    assert "template" not in result.stderr


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_start_tells_differences_before_it_does_anything(run, cluster, edit, options):
    edit(
        ("ssh_to=frontend", "ssh_to=compute\nstart_timeout=900\ncompute_nodes_min=1"),
        ("compute_nodes=2", "compute_nodes=4"),
        ("flavor=1cpu-2ram", "flavor=2cpu-4ram"),
        ("image_user=debian", "image_user=debian\nuser_key_name=other"),
        ("compute_groups=slurm_worker", "compute_groups=slurm_worker\nglobal_var_slurm_mpi=no"),
    )
    result = run("start", "slurm", *options)
    assert result.returncode == os.EX_UNAVAILABLE  # no engine answers here
    told, _, error = result.stderr.partition("Error: ")
    assert "docker" in error.lower()
    assert told.splitlines()[:13] == [
        "Cluster `slurm` is not as its template `slurm` says.",
        "Taken over by `start`:",
        "  ssh_to: compute (was frontend)",
        "  start_timeout: 900 (was 600)",
        "  compute_nodes_min: 1 (was nothing)",
        "  flavor of frontend nodes: 2cpu-4ram (was 1cpu-2ram)",
        "  flavor of compute nodes: 2cpu-4ram (was 1cpu-2ram)",
        "Taken over when the cluster is set up:",
        "  frontend_var_slurm_mpi: no (was nothing)",
        "  compute_var_slurm_mpi: no (was nothing)",
        "Left as it is:",
        "  user_key_name: elasticluster-key, the template says other",
        "  compute nodes: 2, the template says 4; to change that: elasticluster resize --add 2:compute slurm",
    ]


def test_command_that_makes_the_numbers_equal_works_on_the_same_storage(run, cluster, edit, home, tmp_path):
    edit(("compute_nodes=2", "compute_nodes=1"))
    storage = tmp_path / "elsewhere"
    (home / ".elasticluster/storage").rename(storage)
    result = run("-s", str(storage), "start", "slurm")
    assert f"elasticluster -s {storage} resize --remove 1:compute slurm" in result.stderr


def test_cluster_whose_template_is_gone_is_started_as_it_is_stored(run, cluster, edit):
    edit(("[cluster/slurm]", "[cluster/other]"))
    result = run("start", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE  # no engine answers here
    assert "template" not in result.stderr.partition("Error: ")[0]


PROVIDER = """
from elasticluster.exceptions import InstanceNotFoundError
from elasticluster.providers import AbstractCloudProvider

class Shelf(AbstractCloudProvider):
    def __init__(self): pass
    def start_instance(self, **arguments): raise AssertionError("nothing is to be made")
    def stop_instance(self, instance_id): pass
    def get_ips(self, instance_id): return []
    def is_instance_running(self, instance_id):
        if instance_id == "gone":
            raise InstanceNotFoundError("gone")
        return True
"""


def test_start_says_of_new_nodes_what_the_plan_makes_of_them(run, config, edit, home, monkeypatch):
    (home / "shelf.py").write_text(PROVIDER)
    monkeypatch.syspath_prepend(home)
    monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{os.environ['PYTHONPATH']}")
    edit(("provider=docker", "provider=shelf:Shelf"))
    cluster = make_creator(str(config), str(home / ".elasticluster/storage")).create_cluster("slurm")
    for node in cluster.get_all_nodes():
        node.record = replace(node.record, instance_id="there" if node.kind == "frontend" else "gone")
    cluster.repository.save_or_update(cluster)
    edit(("flavor=1cpu-2ram", "flavor=2cpu-4ram"))
    result = run("start", "slurm", "--dry-run")
    assert result.stderr.splitlines() == [
        "Cluster `slurm` is not as its template `slurm` says.",
        "Left as it is:",
        "  flavor of frontend nodes: 1cpu-2ram, the template says 2cpu-4ram",
        "Taken over by `start`:",
        "  flavor of compute nodes: 2cpu-4ram (was 1cpu-2ram)",
        "New nodes are as the template says with: elasticluster resize --template slurm --add N:KIND slurm",
        "The whole cluster is so when it was stopped and started again.",
    ]
    assert "  + compute001 (debian-13, 2cpu-4ram)" in result.stdout
