"""What users and administrators expect of Slurm: accounting, MPI, submit hosts, partitions, GPUs, limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from docker import DockerClient
from tests.e2e.images import slurm_image
from tests.e2e.slurm_template import configure

pytestmark = pytest.mark.e2e

RELEASES = [
    "debian-13",
    pytest.param("debian-12", marks=pytest.mark.full),
]
MOST_STEPS = 20  # of tasks, whatever they do, on the longest path of a start
SETUP = """
big_groups=slurm_worker
later_groups=slurm_worker
submit_groups=slurm_client
submit_var_slurm_mpi_compiler=yes
big_var_slurm_gpus=2
big_var_slurm_gpu_type=pretend
big_var_slurm_gpu_devices=/dev/null,/dev/zero
big_var_slurm_features=fast
global_var_slurm_users=alice
global_var_slurm_jobacctgatherfrequency=1
global_var_slurm_conf={JobAcctGatherParams: OverMemoryKill}
global_var_slurm_partitions={short: {Nodes: 'compute,later', MaxTime: 10, Default: yes}}
"""
NODES_OF_KINDS = """
compute_nodes=2
big_nodes=1
later_nodes=0
submit_nodes=1
ssh_to=submit

[cluster/slurm/big]
flavor=2cpu-2ram
"""
NODES = ("frontend001", "compute001", "compute002", "big001", "submit001")
# Open MPI 5.0 may crash where a message comes in while its receiver is still in MPI_Init.
MPI_PROGRAM = """
#include <mpi.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int rank, sum, length;
    char name[MPI_MAX_PROCESSOR_NAME];
    MPI_Init(&argc, &argv);
    sleep(1);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Get_processor_name(name, &length);
    rank += 1;
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf("%s %d\\n", name, sum);
    return MPI_Finalize();
}
"""
MPI_JOB = """#!/bin/sh
#SBATCH --nodes=2 --ntasks=2 --output=mpi.out
mpirun ./program
"""
GREEDY = "import time; memory = bytearray(b'x') * (300 << 20); time.sleep(60)"


@pytest.fixture(scope="module", params=RELEASES)
def cluster(new_user: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Start a cluster with two kinds of workers and a submit host, which `ssh` goes to."""
    user = new_user(request.param)
    configure(user, request.param, setup=SETUP, cluster=NODES_OF_KINDS)
    user.started = user.run("start", "-v", "slurm", timeout=1200)
    assert user.started.returncode == 0, user.started.stdout + user.started.stderr
    yield user
    user.run("stop", "--yes", "--force", "slurm")


@pytest.fixture(scope="module")
def program(cluster: Any) -> str:
    """Compile a program that uses MPI."""
    cluster.ok("ssh", "slurm", "--", "cat > program.c", stdin=MPI_PROGRAM)
    cluster.ssh("mpicc -o program program.c")
    return "./program"


def on(user: Any, node: str, command: str) -> str:
    return user.ok("ssh", "slurm", "-n", node, "--", command)


def changed(output: str) -> dict[str, int]:
    """Return how many tasks changed something on each node that took part."""
    found = re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+)", output, re.MULTILINE)
    return {node: int(count) for node, count in found}


def test_start_takes_few_task_steps(cluster: Any) -> None:
    steps = re.findall(r"^TASK \[", cluster.started.stdout + cluster.started.stderr, re.MULTILINE)
    assert 0 < len(steps) <= MOST_STEPS


def test_every_node_is_ready_the_submit_host_too(cluster: Any) -> None:
    nodes = json.loads(cluster.ok("list-nodes", "--json", "slurm"))["nodes"]
    assert {node["name"]: node["state"] for node in nodes} == dict.fromkeys(NODES, "ready")


def test_second_setup_changes_nothing(cluster: Any) -> None:
    again = cluster.run("setup", "-v", "slurm")
    assert again.returncode == 0, again.stderr
    assert changed(again.stdout + again.stderr) == dict.fromkeys(NODES, 0)


@pytest.mark.parametrize("node", NODES)
def test_scheduler_can_be_used_from_every_node(cluster: Any, node: str) -> None:
    found = on(
        cluster,
        node,
        "squeue --noheader; sinfo --noheader --partition=main --format=%D; srun -p big hostname",
    )
    assert found.split() == ["3", "big001"]


def test_submit_host_runs_no_daemon_of_slurm(cluster: Any) -> None:
    daemons = "cat /proc/[0-9]*/comm 2>/dev/null | grep -x 'slurm.*d'"
    assert "slurmd" in on(cluster, "compute001", daemons).split()
    found = cluster.run("ssh", "slurm", "--", daemons)
    assert (found.returncode, found.stdout) == (1, "")


def test_mpi_program_runs_over_two_nodes_by_srun(cluster: Any, program: str) -> None:
    said = cluster.ssh(f"srun --mpi=pmix --nodes=2 --ntasks=2 {program}")
    assert sorted(said.splitlines()) == ["compute001 3", "compute002 3"]


def test_mpi_program_runs_over_two_nodes_by_mpirun_in_a_batch_job(cluster: Any, program: str) -> None:
    cluster.ok("ssh", "slurm", "--", "cat > mpi.sh", stdin=MPI_JOB)
    cluster.ssh("sbatch --wait mpi.sh")
    assert sorted(cluster.ssh("cat mpi.out").splitlines()) == ["compute001 3", "compute002 3"]


def test_accounting_knows_whose_jobs_have_ended_how(cluster: Any) -> None:
    job = cluster.ssh("sbatch --parsable --wait --output=/dev/null --wrap='exit 3' || :").strip()
    until = f"until sacct -j {job} -X --noheader --format=state | grep -q FAILED; do sleep 0.2; done"
    fields = f"sacct -j {job} -X --noheader --parsable2 --format=user,account,state,exitcode"
    assert cluster.ssh(f"timeout 30 sh -c '{until}'; {fields}").strip() == "debian|users|FAILED|3:0"


def test_administrator_finds_cluster_account_and_users(cluster: Any) -> None:
    fields = "sacctmgr --noheader --parsable2 list associations account=users format=cluster,account,user"
    assert cluster.ssh(fields).split() == [
        "elasticluster|users|",
        "elasticluster|users|alice",
        "elasticluster|users|debian",
    ]


def test_array_job_runs_each_of_its_tasks(cluster: Any) -> None:
    cluster.ssh("sbatch --wait --array=1-3 --output=array.%a --wrap='echo task $SLURM_ARRAY_TASK_ID'")
    assert cluster.ssh("cat array.*").splitlines() == ["task 1", "task 2", "task 3"]


def test_job_that_exceeds_its_memory_is_killed(cluster: Any) -> None:
    killed = cluster.run("ssh", "slurm", "--", f'srun --mem=50 python3 -c "{GREEDY}"')
    assert killed.returncode != 0
    assert "xceeded job memory limit" in killed.stderr


def test_partitions_are_made_of_kinds_features_and_what_the_user_says(cluster: Any) -> None:
    lines = cluster.ssh("sinfo --noheader --format='%P %l %N'").splitlines()
    assert sorted(" ".join(line.split()) for line in lines) == [
        "big infinite big001",
        "compute infinite compute[001-002]",
        "later infinite",
        "main infinite big001,compute[001-002]",
        "short* 10:00 compute[001-002]",
    ]


def test_jobs_choose_nodes_by_partition_and_feature(cluster: Any) -> None:
    assert cluster.ssh("srun -p big hostname; srun -p main -C fast hostname").split() == ["big001", "big001"]
    assert sorted(cluster.ssh("srun -p main -C compute --nodes=2 hostname").split()) == [
        "compute001",
        "compute002",
    ]


def test_each_gpu_is_one_job_s_at_a_time(cluster: Any) -> None:
    script = """
        rm -f first second told
        for name in first second; do
          srun -p big --gres=gpu:pretend:1 sh -c \
            'echo $CUDA_VISIBLE_DEVICES; until test -e told; do sleep 0.1; done' > $name &
        done
        timeout 60 sh -c 'until test -s first && test -s second; do sleep 0.1; done'
        srun -p big --gres=gpu:1 --immediate=2 true || echo none is left
        touch told
        wait
        cat first second
    """
    left, *devices = cluster.ok(
        "ssh", "slurm", "--", "sh -s", stdin=script.replace("srun", "srun </dev/null")
    ).splitlines()
    assert (left, sorted(devices)) == ("none is left", ["0", "1"])


def test_submit_host_learns_of_a_new_worker_and_no_database_is_restarted(cluster: Any) -> None:
    since = "systemctl show --property=ActiveEnterTimestamp mariadb slurmdbd"
    before = on(cluster, "frontend001", since)
    grown = cluster.run("resize", "-v", "--add", "1:later", "slurm")
    assert grown.returncode == 0, grown.stdout + grown.stderr
    assert sorted(changed(grown.stdout + grown.stderr)) == ["frontend001", "later001", "submit001"]
    assert cluster.ssh("srun -p later hostname; srun -w later001 hostname").split() == ["later001"] * 2
    assert on(cluster, "frontend001", since) == before


PLAIN = """
global_var_slurm_mpi=no
global_var_slurm_accounting=no
"""
NUMBER = "cut -d'|' -f2 /var/lib/slurm/slurmctld/clustername"


@pytest.fixture(scope="module")
def plain(new_user: Any, engine: DockerClient) -> Iterator[Any]:
    """Start a cluster without accounting, of a base that has the packages, and a job in it."""
    user = new_user("plain")
    user.base = slurm_image(engine.api)
    configure(user, user.base, setup=PLAIN, cluster="compute_nodes=1")
    user.ok("start", "slurm", timeout=1200)
    user.job = user.ssh("sbatch --parsable --output=/dev/null --wrap='sleep 3600'").strip()
    user.ssh(
        f"timeout 30 sh -c 'until squeue --noheader --states=R | grep -q {user.job}; do sleep 0.2; done'"
    )
    yield user
    user.run("stop", "--yes", "--force", "slurm")


def set_up(user: Any, setup: str) -> Any:
    """Set the cluster up with other variables."""
    configure(user, user.base, setup=setup, cluster="compute_nodes=1")
    return user.run("setup", "slurm")


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        ("slurm_cluster_name=other", "the cluster is called 'elasticluster' in Slurm since its first start"),
        ("slurm_partition=other", "jobs would be lost with their partition: partition main with job {job};"),
    ],
)
def test_change_that_would_end_jobs_or_the_controller_is_refused(plain: Any, variable: str, why: str) -> None:
    look = "cat /etc/slurm/slurm.conf; squeue --noheader --states=R --format=%i"
    before = plain.ssh(look)
    refused = set_up(plain, f"{PLAIN}global_var_{variable}\n")
    assert refused.returncode != 0
    assert why.format(job=plain.job) in refused.stderr
    assert plain.ssh(look) == before


def test_accounting_is_turned_on_and_off_while_a_job_runs(plain: Any) -> None:
    """Without accounting the controller has given its cluster a number, and slurmdbd gives it another."""
    own = plain.ssh(f"sudo {NUMBER}").strip()
    turned_on = set_up(plain, PLAIN.replace("accounting=no", "accounting=yes"))
    assert turned_on.returncode == 0, turned_on.stderr
    assert plain.ssh(f"sudo {NUMBER}").strip() != own
    fields = f"sacct -j {plain.job} -X --noheader --parsable2 --format=state"
    assert plain.ssh(fields).strip() == "RUNNING"
    turned_off = set_up(plain, PLAIN)
    assert turned_off.returncode == 0, turned_off.stderr
    assert plain.ssh("squeue --noheader --states=R --format=%i").strip() == plain.job
