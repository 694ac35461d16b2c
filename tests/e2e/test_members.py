"""A real Slurm cluster in containers grows and shrinks while it runs jobs: one story, told in order."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import DockerClient
from tests.e2e.images import slurm_image
from tests.e2e.own_playbook import ids, nodes
from tests.e2e.slurm_template import configure

pytestmark = pytest.mark.e2e

RELEASES = [
    "debian-13",
    pytest.param("debian-12", marks=pytest.mark.full),
]
UNTIL_TOLD = "sh -c 'until test -e {0}; do sleep 0.2; done; hostname'"


@pytest.fixture(scope="module", params=RELEASES)
def cluster(new_user: Any, engine: DockerClient, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Start a cluster with accounting, of a base that has Slurm's packages."""
    user = new_user(request.param)
    base = slurm_image(engine.api, request.param)
    configure(user, base, setup="global_var_slurm_mpi=no", cluster="compute_nodes=2\nssh_to=frontend")
    user.ok("start", "slurm")
    yield user
    user.run("stop", "--yes", "--force", "slurm")


class Job:
    """A job of `srun` that runs until it is told to end."""

    def __init__(self, user: Any, name: str, *options: str) -> None:
        self.user, self.name = user, name
        command = f"srun --job-name={name} {' '.join(options)} {UNTIL_TOLD.format(name)}"
        self.process = user.begin("ssh", "slurm", "--", command, stdout=subprocess.PIPE)
        wait_for(lambda: name in user.ssh("squeue --noheader --states=RUNNING --format=%j"))

    def end(self) -> tuple[int, list[str]]:
        """Let it end; return its exit status, and the names of the nodes that it ran on."""
        self.user.ssh(f"touch {self.name}")
        return self.finished()

    def finished(self) -> tuple[int, list[str]]:
        """Wait for its end."""
        printed, _ = self.process.communicate(timeout=60)
        return self.process.returncode, sorted(printed.split())


def states(user: Any) -> dict[str, str]:
    """Return what Slurm says of each worker."""
    lines = user.ssh("sinfo --noheader --Node --format='%N %T'").splitlines()
    return dict(line.split() for line in lines)


def wait_for(look: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def container(engine: DockerClient, user: Any, node: str) -> Any:
    labels = [f"elasticluster.uuid={user.uuids()[0]}", f"elasticluster.node={node}"]
    (found,) = engine.containers.list(all=True, filters={"label": labels})
    return found


def test_job_lives_while_a_node_joins_and_no_other_worker_is_touched(cluster: Any) -> None:
    job = Job(cluster, "old", "--nodes=2")
    grown = cluster.run("resize", "-v", "--add", "1:compute", "slurm")
    assert grown.returncode == 0, grown.stdout + grown.stderr
    taking_part = re.findall(r"^(\w+) +: ok=", grown.stdout + grown.stderr, re.MULTILINE)
    assert taking_part == ["compute003", "frontend001"]
    assert states(cluster)["compute003"] == "idle"
    assert job.end() == (0, ["compute001", "compute002"])
    assert cluster.ssh("systemctl is-active slurmctld").strip() == "active"
    nodes = ["compute001", "compute002", "compute003"]
    assert sorted(cluster.ssh("srun --nodes=3 hostname").split()) == nodes


def test_idle_node_goes_while_a_job_runs_on_another(cluster: Any) -> None:
    job = Job(cluster, "elsewhere", "--nodelist=compute001,compute003")
    cluster.ok("resize", "--remove", "1:compute", "--yes", "slurm")
    assert states(cluster) == {"compute001": "allocated", "compute003": "allocated"}
    assert "compute002" not in cluster.ok("list-nodes", "slurm")
    assert job.end() == (0, ["compute001", "compute003"])


def test_node_at_work_goes_when_its_job_has_ended(cluster: Any) -> None:
    staying = Job(cluster, "staying", "--nodelist=compute001")
    going = Job(cluster, "going", "--nodelist=compute003")
    command = ["resize", "--remove", "1:compute", "--yes", "slurm"]
    shrinking = cluster.begin(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in shrinking.stdout:
        if "Waiting for job" in line:
            break
    assert "compute003" in line
    assert states(cluster) == {"compute001": "allocated", "compute003": "draining"}
    assert going.end() == (0, ["compute003"])
    shrinking.communicate(timeout=90)
    assert shrinking.returncode == 0
    assert states(cluster) == {"compute001": "allocated"}
    assert staying.end() == (0, ["compute001"])


def test_node_that_is_dead_already_goes(cluster: Any, engine: DockerClient) -> None:
    cluster.ok("resize", "--add", "2:compute", "slurm")
    container(engine, cluster, "compute003").remove(force=True, v=True)
    cluster.ok("remove-node", "slurm", "compute003", "--yes")
    assert sorted(states(cluster)) == ["compute001", "compute002"]


def test_forced_removal_waits_for_nobody_and_loses_no_batch_job(cluster: Any) -> None:
    staying = Job(cluster, "beside", "--nodelist=compute001")
    batch = cluster.ssh("sbatch --parsable --output=/dev/null --wrap='sleep 600'").strip()
    wait_for(lambda: "compute002" in cluster.ssh(f"squeue --noheader --format=%N --jobs={batch}"))
    began = time.monotonic()
    cluster.ok("remove-node", "slurm", "compute002", "--yes", "--force")
    assert time.monotonic() - began < 60
    assert states(cluster) == {"compute001": "allocated"}
    assert cluster.ssh(f"squeue --noheader --format=%T --jobs={batch}").strip() == "PENDING"
    cluster.ssh(f"scancel {batch}")
    assert staying.end() == (0, ["compute001"])


def test_removal_that_was_killed_is_undone_by_the_next_setup(cluster: Any) -> None:
    job = Job(cluster, "last", "--nodelist=compute001")
    removing = cluster.begin("remove-node", "slurm", "compute001", "--yes", stderr=subprocess.DEVNULL)
    wait_for(lambda: states(cluster) == {"compute001": "draining"})
    removing.send_signal(signal.SIGKILL)
    removing.wait()
    wait_for(lambda: cluster.run("setup", "slurm").returncode == 0)
    assert states(cluster) == {"compute001": "allocated"}
    assert job.end() == (0, ["compute001"])


@pytest.mark.parametrize(
    "words",
    [["remove-node", "--yes", "slurm", "frontend001"], ["resize", "--yes", "-r", "1:frontend", "slurm"]],
)
def test_master_is_not_removed_and_nothing_happens(cluster: Any, words: list[str]) -> None:
    before = nodes(cluster)
    refused = cluster.run(*words)
    assert refused.returncode == 1
    assert "Cluster 'slurm' cannot do without frontend001. " in refused.stderr
    assert "group 'slurm_master' must have exactly one node, not 0" in refused.stderr
    assert "elasticluster stop slurm" in refused.stderr
    assert nodes(cluster) == before
    assert cluster.ssh("srun hostname").split() == ["compute001"]


def test_last_worker_is_removed_only_after_a_question_and_the_next_of_its_name_runs_jobs(
    cluster: Any,
) -> None:
    assert cluster.run("remove-node", "slurm", "compute001").returncode == 75
    before = ids(cluster)
    assert sorted(before) == ["compute001", "frontend001"]
    cluster.ok("remove-node", "slurm", "compute001", "--yes")
    assert states(cluster) == {}
    assert cluster.ssh("squeue --noheader") == ""
    assert ids(cluster) == {"frontend001": before["frontend001"]}
    grown = cluster.ok("resize", "--add", "1:compute", "--yes", "slurm")
    assert grown.endswith("Your cluster `slurm` is ready!\n")
    after = ids(cluster)
    assert after.keys() == before.keys()
    assert after["frontend001"] == before["frontend001"]
    assert after["compute001"] != before["compute001"]
    assert cluster.ssh("srun hostname").split() == ["compute001"]


@contextlib.contextmanager
def addresses_taken(engine: DockerClient, user: Any, image: Any, count: int) -> Iterator[None]:
    """Give the lowest free addresses of a cluster's network, which nodes had before, to somebody else."""
    (network,) = engine.networks.list(filters={"label": f"elasticluster.uuid={user.uuids()[0]}"})
    guests: list[Any] = []
    try:
        guests.extend(
            engine.containers.run(image, "600", entrypoint="sleep", network=network.name, detach=True)
            for _ in range(count)
        )
        yield
    finally:
        for guest in guests:
            guest.remove(force=True, v=True)


def test_node_that_is_made_again_runs_jobs_under_another_address(cluster: Any, engine: DockerClient) -> None:
    node = container(engine, cluster, "compute001")
    image = node.image
    node.remove(force=True, v=True)
    with addresses_taken(engine, cluster, image, 3):
        cluster.ok("start", "slurm")
        assert cluster.ssh("srun hostname; srun hostname").split() == ["compute001", "compute001"]


def test_paused_cluster_keeps_its_files_and_runs_jobs_again_under_other_addresses(
    cluster: Any, engine: DockerClient
) -> None:
    cluster.ok("ssh", "slurm", "-n", "compute001", "--", "echo kept | sudo tee /root/mark; echo home > mark")
    image = container(engine, cluster, "compute001").image
    cluster.ok("pause", "--yes", "slurm")
    with addresses_taken(engine, cluster, image, 4):
        assert cluster.ok("resume", "slurm").endswith("Your cluster `slurm` is ready!\n")
        assert cluster.ssh("srun hostname; srun cat mark").split() == ["compute001", "home"]
        marks = cluster.ok("ssh", "slurm", "-n", "compute001", "--", "sudo cat /root/mark")
        assert marks == "kept\n"


def test_setup_changes_nothing_after_all_that(cluster: Any) -> None:
    again = cluster.run("setup", "-v", "slurm")
    assert again.returncode == 0, again.stderr
    recap = re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+)", again.stdout + again.stderr, re.MULTILINE)
    assert dict(recap) == {"frontend001": "0", "compute001": "0"}
