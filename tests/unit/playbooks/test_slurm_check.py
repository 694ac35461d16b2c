"""The check of the role slurm, with stand-ins for the programs of Slurm."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.unit.playbooks.programs import install, on, told

from elasticluster.setup.settings import PLAYBOOKS

CHECK = str(PLAYBOOKS / "roles/slurm/files/check.py")
SRUN_WORKS = 'for word; do case $word in --nodelist=*) echo "${word#*=}" ;; esac; done'
SRUN_FAILS = "echo 'srun: no' >&2; exit 1"
SBATCH = """
for word; do case $word in --partition=*) echo "sbatch ${word#*=}" >>done ;; esac; done
echo 7
"""
HOME = "/home/nobody at all"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return a folder in which programs are, and work."""
    programs = {"scontrol": "exit 0", "srun": SRUN_WORKS, "squeue": ":", "sbatch": SBATCH}
    for name, script in (programs | {"scancel": 'echo "scancel $*" >>done'}).items():
        install(tmp_path, name, script)
    return tmp_path


def check(node: Path, groups: str = "slurm_master", home: str = "none", seconds: int = 5) -> dict[str, str]:
    """Return what the check says of nodes."""
    arguments = ("here", groups, home, str(seconds), "compute001")
    done = on(node, sys.executable, CHECK, *arguments, home=HOME)
    assert done.returncode == 0, done.stderr
    return {name: wrong for nodes in json.loads(done.stdout).values() for name, wrong in nodes.items()}


def submit(node: Path, seconds: int = 5) -> str:
    """Return what the check says of a submit host."""
    return check(node, "slurm_submit", seconds=seconds)["here"]


@pytest.mark.parametrize("state", ["allocated", "allocated+", "mixed-", "mixed", "planned"])
def test_busy_worker_has_nothing_to_prove(node: Path, state: str) -> None:
    install(node, "srun", SRUN_FAILS)
    install(node, "sinfo", f"echo compute001 {state} up main*")
    assert check(node) == {"here": "", "compute001": ""}


def test_worker_whose_job_ends_is_waited_for(node: Path) -> None:
    later = (
        "test -e ended && echo compute001 idle up main* || echo compute001 completing up main*; touch ended"
    )
    install(node, "sinfo", later)
    assert check(node) == {"here": "", "compute001": ""}


def test_worker_whose_job_does_not_end_is_not_ready(node: Path) -> None:
    install(node, "srun", SRUN_FAILS)
    install(node, "sinfo", "echo compute001 completing up main*")
    assert check(node, seconds=0)["compute001"] == "srun: no (Slurm calls the node 'completing')"


def test_idle_worker_has_to_run_a_job(node: Path) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    assert check(node) == {"here": "", "compute001": ""}
    install(node, "srun", SRUN_FAILS)
    assert check(node)["compute001"] == "srun: no (Slurm calls the node 'idle')"


@pytest.mark.parametrize(
    ("partitions", "chosen"),
    [
        ("big up|main* up|last up", "main"),
        ("big up|last up", "big"),
        ("main* down|last up", "last"),
        ("main* down", ""),
    ],
)
def test_job_goes_to_a_partition_that_the_worker_is_in(node: Path, partitions: str, chosen: str) -> None:
    lines = [f"echo compute001 idle {up} {name}" for name, up in map(str.split, partitions.split("|"))]
    install(node, "sinfo", "; ".join(lines))
    install(node, "srun", f'echo "$*" >>asked; {SRUN_WORKS}')
    assert check(node)["compute001"] == ""
    asked = (node / "asked").read_text()
    assert f"--partition={chosen} " in asked if chosen else "--partition" not in asked


@pytest.mark.parametrize("group", ["slurm_master", "slurm_submit"])
def test_home_that_cannot_be_written_to_is_the_fault_of_the_node(node: Path, group: str) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    assert check(node, group, "volume")["here"] == f"{HOME} cannot be written to: No such file or directory"
    assert check(node, group, "none")["here"] == ""


def test_submit_host_has_to_have_a_job_run(node: Path) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    install(node, "srun", "echo compute001")
    assert submit(node) == ""
    install(node, "srun", SRUN_FAILS)
    assert submit(node) == "srun: no"


def test_submit_host_waits_for_room_that_only_a_check_takes(node: Path) -> None:
    install(node, "sinfo", "echo compute001 allocated up main*")
    install(node, "squeue", "echo main")
    install(node, "srun", SRUN_FAILS)
    assert submit(node) == "srun: no"


def test_submit_host_has_a_job_queued_where_all_workers_are_busy(node: Path) -> None:
    install(node, "sinfo", "echo compute001 allocated up main*")
    install(node, "srun", SRUN_FAILS)
    assert submit(node) == ""
    assert told(node) == ["sbatch main", "scancel 7"]
    install(node, "sbatch", "echo 'sbatch: error: refused' >&2; exit 1")
    assert submit(node) == "sbatch: error: refused"


def test_submit_host_of_a_cluster_without_workers_has_to_reach_the_controller(node: Path) -> None:
    install(node, "sinfo", ":")
    assert submit(node, seconds=0) == ""
    install(node, "scontrol", "echo 'no controller' >&2; exit 1")
    assert submit(node, seconds=0) == "no controller"


def test_node_that_is_both_reports_both(node: Path) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    arguments = ("here", "slurm_master,slurm_submit", "none", "5", "compute001")
    done = on(node, sys.executable, CHECK, *arguments)
    both = {"slurm_master": {"here": ""}, "slurm_worker": {"compute001": ""}, "slurm_submit": {"here": ""}}
    assert json.loads(done.stdout) == both


CONFIG_WITH_ACCOUNTING = "AccountingStorageType = accounting_storage/slurmdbd\nClusterName   = mine\n"


def test_controller_that_slurmdbd_does_not_know_is_not_ready(node: Path) -> None:
    (node / "config").write_text(CONFIG_WITH_ACCOUNTING)
    install(node, "sinfo", "echo compute001 idle up main*")
    install(node, "scontrol", "test $1 != show || cat config")
    install(node, "sacctmgr", 'test "$4" = mine && cat host')
    (node / "host").write_text("\n")
    assert check(node, seconds=0)["here"] == "slurmdbd does not know the controller: it has not registered"
    (node / "host").write_text("10.0.0.1\n")
    assert check(node)["here"] == ""
    install(node, "sacctmgr", "echo 'sacctmgr: error: refused' >&2; exit 1")
    assert check(node, seconds=0)["here"] == "slurmdbd does not know the controller: sacctmgr: error: refused"
    (node / "config").write_text("AccountingStorageType = (null)\nClusterName = mine\n")
    assert check(node, seconds=0)["here"] == ""


def test_controller_is_waited_for_until_slurmdbd_knows_it(node: Path) -> None:
    (node / "config").write_text(CONFIG_WITH_ACCOUNTING)
    install(node, "sinfo", "echo compute001 idle up main*")
    install(node, "scontrol", "test $1 != show || cat config")
    install(node, "sacctmgr", "test -e asked && echo 10.0.0.1; touch asked")
    assert check(node)["here"] == ""
