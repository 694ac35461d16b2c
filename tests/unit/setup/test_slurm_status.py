"""What Slurm says of itself: the lines of one command, and what is made of them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.engine.ports import SetupJob
from elasticluster.engine.scheduler import Partition, Scheduler, Worker
from elasticluster.exceptions import ReadinessError
from elasticluster.model import NodeState
from elasticluster.setup.scheduler import scheduler
from elasticluster.setup.settings import Settings
from elasticluster.setup.slurm_status import COMMAND, parsed, status

SAID = """\
node|compute001|idle|none
node|compute002|drained|disk is full | see /var
node|compute003|down*|Not responding
node|compute004|idle*|none
node|compute005|mixed-|none
partition|main|up
partition|big|down
      3 jobs|main|RUNNING
      1 jobs|main|COMPLETING
     12 jobs|main|PENDING
      2 jobs|gone|PENDING
      5 jobs|main,big|PENDING
      9 jobs|main|COMPLETED
something else
""".splitlines()
SETTINGS = Settings(groups={"frontend": ("slurm_master",), "compute": ("slurm_workers",)})
SINFO = """case $* in
*--Node*) printf 'node|c1|idle|none\\nnode|c1|idle|none\\n' ;;
*) echo 'partition|main|up' ;;
esac"""


def test_lines_of_slurm_are_understood() -> None:
    workers = [f"compute00{number}" for number in range(1, 7)]
    said = parsed(SAID, workers)
    assert said.workers == {
        "compute001": Worker(state="idle", usable=True),
        "compute002": Worker(state="drained", usable=False, reason="disk is full | see /var"),
        "compute003": Worker(state="down", usable=False, reason="Not responding"),
        "compute004": Worker(state="idle", usable=False, reason="does not answer the controller"),
        "compute005": Worker(state="mixed", usable=True),
        "compute006": Worker(state="missing", usable=False, reason="the controller does not know it"),
    }
    assert said.partitions == (
        Partition(name="main", state="up", running=4, pending=17),
        Partition(name="big", state="down", pending=5),
        Partition(name="gone", state="unknown", pending=2),
    )


@pytest.mark.parametrize("state", ["idle", "allocated", "mixed", "completing", "planned", "reserved"])
def test_worker_is_of_use_while_jobs_are_started_there(state: str) -> None:
    assert parsed([f"node|c1|{state}|none"], []).workers["c1"].usable


@pytest.mark.parametrize("state", ["down", "drained", "draining", "fail", "unknown", "inval", "maint"])
def test_worker_is_of_no_use_while_no_jobs_are_started_there(state: str) -> None:
    assert not parsed([f"node|c1|{state}|none"], []).workers["c1"].usable


def run(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run the command with programs that stand in for Slurm's."""
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(["sh", "-c", COMMAND], env=env, capture_output=True, text=True, check=False)


def test_command_counts_jobs_and_names_each_node_once(tmp_path: Path) -> None:
    squeue = "printf 'jobs|main|RUNNING\\njobs|main|PENDING\\njobs|main|RUNNING\\n'"
    done = run(tmp_path, sinfo=SINFO, squeue=squeue)
    assert done.stdout.splitlines()[:2] == ["node|c1|idle|none", "partition|main|up"]
    assert parsed(done.stdout.splitlines(), ["c1"]).partitions == (
        Partition(name="main", state="up", running=2, pending=1),
    )


@pytest.mark.parametrize("silent", ["sinfo", "squeue"])
def test_command_fails_with_the_words_of_slurm_where_the_controller_is_away(
    silent: str, tmp_path: Path
) -> None:
    programs = {"sinfo": SINFO, "squeue": ":"} | {
        silent: "echo 'Unable to contact slurm controller' >&2; exit 1"
    }
    done = run(tmp_path, **programs)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Unable to contact slurm controller\n")


def test_scheduler_that_does_not_answer_is_said_to_be_so(job: SetupJob) -> None:
    def ask(node: str, command: str) -> str:
        raise ReadinessError(f"node {node}: no route")

    assert status("frontend001", ["compute001"], ask) == Scheduler(
        name="slurm", error="node frontend001: no route"
    )
    assert status("", [], ask).error == "no node is its controller"


def test_controller_is_asked_once_for_all_workers(job: SetupJob) -> None:
    asked: list[tuple[str, str]] = []

    def ask(node: str, command: str) -> str:
        asked.append((node, command))
        return "node|compute001|idle|none\n"

    said = scheduler(SETTINGS, job.cluster, ask)
    assert said is not None
    assert asked == [("frontend001", COMMAND)]
    assert {name: worker.state for name, worker in said.workers.items()} == {
        "compute001": "idle",
        "compute002": "missing",
    }


def test_node_that_leaves_is_not_missed(job: SetupJob) -> None:
    leaving = [
        replace(node, state=NodeState.LEAVING) for node in job.cluster.nodes if node.name == "compute002"
    ]
    said = scheduler(SETTINGS, job.cluster.with_nodes(*leaving), lambda _node, _command: "")
    assert said is not None
    assert list(said.workers) == ["compute001"]


def test_cluster_without_a_scheduler_of_ours_has_none(job: SetupJob) -> None:
    def ask(node: str, command: str) -> str:
        raise AssertionError

    assert scheduler(Settings(groups={"frontend": ("common",)}), job.cluster, ask) is None
    own = Settings(groups=SETTINGS.groups, playbook="/mine.yml")
    assert scheduler(own, job.cluster, ask) is None
