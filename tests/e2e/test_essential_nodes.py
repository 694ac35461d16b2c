"""Nodes that a Slurm cluster cannot do without, and its last worker: what removing them comes to."""

import pytest
from tests.e2e.own_playbook import ids, nodes

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def cluster(new_user):
    """Start the template that every new user gets, with one worker."""
    user = new_user("essential")
    try:
        user.ok("start", "slurm", "--nodes", "1:compute")
        yield user
    finally:
        user.run("stop", "--yes", "--force", "slurm")


@pytest.mark.parametrize(
    "words",
    [["remove-node", "--yes", "slurm", "frontend001"], ["resize", "--yes", "-r", "1:frontend", "slurm"]],
)
def test_master_is_not_removed_and_nothing_happens(cluster, words):
    before = nodes(cluster)
    result = cluster.run(*words)
    assert result.returncode == 1, result.stderr
    assert "Cluster 'slurm' cannot do without frontend001. " in result.stderr
    assert "slurm_master" in result.stderr
    assert "elasticluster stop slurm" in result.stderr
    assert nodes(cluster) == before
    assert cluster.ssh("srun -N1 hostname").strip() == "compute001"


def test_last_worker_is_removed_only_after_a_question_and_the_cluster_works_with_a_new_one(cluster):
    assert cluster.run("remove-node", "slurm", "compute001").returncode == 75
    assert set(nodes(cluster)) == {"frontend001", "compute001"}
    frontend = ids(cluster)["frontend001"]
    cluster.ok("remove-node", "--yes", "slurm", "compute001")
    assert ids(cluster) == {"frontend001": frontend}
    assert cluster.ssh("squeue --noheader") == ""
    result = cluster.run("resize", "--yes", "-a", "1:compute", "slurm")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("Your cluster `slurm` is ready!\n")
    assert len(ids(cluster)) == 2
    assert ids(cluster)["frontend001"] == frontend
    (worker,) = set(ids(cluster)) - {"frontend001"}
    assert cluster.ssh("srun -N1 hostname").strip() == worker
