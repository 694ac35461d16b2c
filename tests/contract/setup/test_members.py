"""Who is at work, who joins and who leaves: what Ansible is asked, and what is made of its answers."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.engine.events import Event, Notice, Warned, ignore
from elasticluster.engine.fakes import FakeClock
from elasticluster.engine.ports import SetupJob
from elasticluster.exceptions import SetupProviderError
from elasticluster.model import NodeState
from elasticluster.setup.members import busy, leave
from elasticluster.setup.runner import run
from elasticluster.setup.settings import BUSY, LEAVE, SITE, Settings

STAND_IN = f"""#!{sys.executable}
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
number = len(list(folder.glob("call*")))
files = [pathlib.Path(arg.removeprefix("--inventory=")) for arg in (sys.argv[-1], sys.argv[-2])]
play, particulars = [json.loads(path.read_text()) for path in files]
call = {{"args": sys.argv[1:], "play": play, "run": particulars["all"]}}
(folder / f"call{{number}}").write_text(json.dumps(call))
answers = json.loads((folder / "answers").read_text())
for event in answers[number]:
    os.write(int(os.environ["ELASTICLUSTER_EVENTS_FD"]), (json.dumps(event) + "\\n").encode())
"""
PLAY = {"event": "play", "play": "Slurm"}
FAILED = {"event": "done", "node": "frontend001", "task": "Ask", "status": "unreachable", "msg": "no route"}


def end(*lines: str, failed: bool = False, checks: Any = None) -> dict[str, Any]:
    sums = {"changed": 0, "failures": int(failed), "unreachable": 0}
    said = {"busy": {"slurm": lines}, "checks": checks or {}}
    return {"event": "end", "nodes": {"frontend001": sums}, "left": [], **said}


def answer(*lines: str) -> list[dict[str, Any]]:
    return [PLAY, end(*lines)]


NO_ANSWER = [PLAY, FAILED, end(failed=True)]


@dataclass
class Ansible:
    """A program that stands in for Ansible: notes how it is called, and answers as it is told to."""

    folder: Path

    def answers(self, *answers: list[dict[str, Any]]) -> Settings:
        """Return settings that run it."""
        program = self.folder / "ansible"
        program.write_text(STAND_IN)
        program.chmod(0o755)
        (self.folder / "answers").write_text(json.dumps(answers))
        groups = {"frontend": ("slurm_master",), "compute": ("slurm_worker",)}
        return Settings(groups=groups, command=(str(program),))

    def calls(self) -> list[dict[str, Any]]:
        """Return how it was called."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("call*"))]

    def playbooks(self) -> list[str]:
        """Return which playbooks it was called for."""
        return [play["ansible.builtin.import_playbook"] for call in self.calls() for play in call["play"]]


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    return Ansible(tmp_path)


def limit(call: dict[str, Any]) -> list[str]:
    (given,) = [arg for arg in call["args"] if arg.startswith("--limit=")]
    return given.removeprefix("--limit=").split(",")


def down(job: SetupJob, name: str) -> SetupJob:
    nodes = [replace(node, state=NodeState.DOWN) for node in job.cluster.nodes if node.name == name]
    return replace(job, cluster=job.cluster.with_nodes(*nodes))


# -- joining ------------------------------------------------------------------------------------------


def test_joining_concerns_the_new_nodes_and_the_masters_only(job: SetupJob, ansible: Ansible) -> None:
    checks = {"slurm_master": {"frontend001": ""}, "slurm_worker": {"compute002": "", "compute001": "old"}}
    settings = ansible.answers([PLAY, end(checks=checks)])
    result = run(settings, replace(job, joining=("compute002",)), ignore)
    assert result.checked == {"frontend001", "compute002"}
    assert result.failures == {}
    assert result.unverified == ()
    (call,) = ansible.calls()
    assert limit(call) == ["compute002", "frontend001"]
    assert list(call["run"]["children"]["elasticluster_set_up"]["hosts"]) == ["frontend001", "compute001"]
    assert call["run"]["vars"]["elasticluster_joining"] == ["compute002"]


def test_joining_takes_a_master_that_failed_for_a_failure_of_the_new_nodes(
    job: SetupJob, ansible: Ansible
) -> None:
    new = {"changed": 1, "failures": 0, "unreachable": 0}
    broken = end(failed=True)
    settings = ansible.answers([PLAY, FAILED, broken | {"nodes": broken["nodes"] | {"compute002": new}}])
    result = run(settings, replace(job, joining=("compute002",)), ignore)
    assert {name: why.message for name, why in result.failures.items()} == {
        "frontend001": "task 'Ask': no route",
        "compute002": "not checked, because the setup of frontend001 failed",
    }


def test_joining_of_nodes_that_did_not_come_up_asks_nobody(job: SetupJob, ansible: Ansible) -> None:
    job = down(replace(job, joining=("compute002",)), "compute002")
    result = run(ansible.answers(), job, ignore)
    assert (result.error, result.failures, ansible.calls()) == ("", {}, [])


# -- busy ---------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings that run the real Ansible, with this computer as every node."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    groups = {"frontend": ("slurm_master",), "compute": ("slurm_clients",)}
    local = {"ansible_connection": "local", "ansible_become": "false"}
    return Settings(groups=groups, kind_vars=dict.fromkeys(groups, local), become=False)


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_busy_names_the_jobs_of_each_node(job: SetupJob, here: Settings, tmp_path: Path) -> None:
    install(tmp_path, "squeue", "printf '17 compute[001-002]\\n18_3 compute001\\n19 \\n'")
    install(tmp_path, "scontrol", "printf 'compute001\\ncompute002\\n'")
    assert busy(here, job) == {"compute001": "jobs 17, 18_3", "compute002": "job 17"}


def test_busy_names_nobody_where_there_is_no_job(job: SetupJob, here: Settings, tmp_path: Path) -> None:
    install(tmp_path, "squeue", "exit 0")
    assert busy(here, job) == {}


def test_busy_that_the_scheduler_does_not_answer_is_an_error(
    job: SetupJob, here: Settings, tmp_path: Path
) -> None:
    install(tmp_path, "squeue", "echo 'slurm_load_jobs error: Unable to contact' >&2; exit 1")
    with pytest.raises(SetupProviderError) as caught:
        busy(here, job)
    assert caught.value.message == (
        "The master of a service cannot be asked which nodes are at work: frontend001: setup: "
        "task 'slurm : Ask which workers run jobs': slurm_load_jobs error: Unable to contact."
    )
    assert caught.value.hint == "`elasticluster setup slurm` mends the services."


NARROWED = [
    ["--tags", "mine"],
    ["-tmine"],
    ["--skip-tags=tagged", "--tag=mine"],
    ["--check"],
    ["-C", "-D"],
    ["--limit", "compute001"],
    ["--start-at-task", "No such"],
    ["--list-tasks"],
]


@pytest.mark.parametrize("arguments", NARROWED, ids=" ".join)
def test_arguments_that_leave_tasks_out_do_not_keep_the_scheduler_from_being_asked(
    job: SetupJob, here: Settings, tmp_path: Path, arguments: list[str]
) -> None:
    install(tmp_path, "squeue", "echo 17 compute001")
    here = replace(here, extra_args=("-e", "a=b", *arguments))
    assert busy(here, replace(job, extra_args=tuple(arguments))) == {"compute001": "job 17"}


def test_variables_that_leave_tasks_out_do_not_keep_the_scheduler_from_being_asked(
    job: SetupJob, here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "squeue", "echo 17 compute001")
    monkeypatch.setenv("ANSIBLE_RUN_TAGS", "mine")
    assert busy(here, job) == {"compute001": "job 17"}
    monkeypatch.delenv("ANSIBLE_RUN_TAGS")
    monkeypatch.setenv("ANSIBLE_SKIP_TAGS", "all")
    assert busy(here, job) == {"compute001": "job 17"}


def test_service_that_says_nothing_is_not_idle(job: SetupJob, ansible: Ansible) -> None:
    settings = ansible.answers([PLAY, end() | {"busy": {}}])
    with pytest.raises(SetupProviderError, match=r"at work: there is no answer of slurm\."):
        busy(settings, job)


def test_busy_asks_the_master_only(job: SetupJob, ansible: Ansible) -> None:
    assert busy(ansible.answers(answer("noise", "busy compute001 4")), job) == {"compute001": "job 4"}
    (call,) = ansible.calls()
    assert limit(call) == ["frontend001"]
    assert ansible.playbooks() == [str(BUSY)]


def test_busy_without_a_master_is_an_error(job: SetupJob, ansible: Ansible) -> None:
    with pytest.raises(SetupProviderError, match="its node cannot be logged in to"):
        busy(ansible.answers(), down(job, "frontend001"))


def test_nobody_is_asked_where_no_shipped_service_is_in_use(job: SetupJob, ansible: Ansible) -> None:
    leaving = replace(job, leaving=("compute001",))
    for change in ({"groups": {"compute": ("mine",)}}, {"playbook": "/mine.yml"}):
        settings = replace(ansible.answers(), **change)
        assert busy(settings, job) == {}
        assert leave(settings, leaving, ignore, FakeClock()).error == ""
    assert ansible.calls() == []


# -- leaving ------------------------------------------------------------------------------------------


def left(
    job: SetupJob, settings: Settings, clock: FakeClock | None = None, **changes: Any
) -> tuple[str, list[str]]:
    """Let compute001 leave; return the error, and what was told."""
    told: list[Event] = []
    leaving = replace(job, leaving=("compute001",), **changes)
    result = leave(settings, leaving, told.append, clock or FakeClock())
    assert result.failures == {}
    return result.error, [event.text for event in told if isinstance(event, Notice)]


def test_leaving_waits_for_jobs_and_says_so_once(job: SetupJob, ansible: Ansible) -> None:
    working = answer("busy compute001 17")
    settings = ansible.answers(working, working, answer(), answer())
    settings = replace(settings, extra_args=("-e", "a=b", "--tags=x"))
    assert left(job, settings) == ("", ["Waiting for job 17 on compute001 to end."])
    assert ansible.playbooks() == [str(LEAVE)] * 3 + [str(SITE)]
    first, second, _, last = ansible.calls()
    asked = [call["run"]["vars"]["elasticluster_leave"] for call in (first, second)]
    assert asked == [{"nodes": ["compute001"], "wait": True, "seconds": wait} for wait in (0, 45)]
    assert limit(last) == ["frontend001"]
    assert all(
        call["args"][2:4] == ["-e", "a=b"] and "--tags=x" not in call["args"] for call in ansible.calls()
    )
    assert list(last["run"]["children"]["elasticluster_set_up"]["hosts"]) == ["frontend001", "compute002"]


def test_leaving_by_force_does_not_wait(job: SetupJob, ansible: Ansible) -> None:
    settings = ansible.answers(answer("busy compute001 17"), answer())
    assert left(job, settings, wait_for_jobs=False) == ("", [])
    assert ansible.calls()[0]["run"]["vars"]["elasticluster_leave"]["wait"] is False


def test_leaving_outlives_a_connection_that_breaks(job: SetupJob, ansible: Ansible) -> None:
    settings = ansible.answers(answer("busy compute001 17"), NO_ANSWER, NO_ANSWER, answer(), answer())
    clock = FakeClock()
    error, told = left(job, settings, clock)
    assert error == ""
    assert [text.endswith("no route. Trying again.") for text in told] == [False, True, True]
    assert clock.now() == 20


class Hasty(FakeClock):
    """Lets time pass faster."""

    def sleep(self, seconds: float) -> None:
        super().sleep(30 * seconds)


def test_leaving_gives_up_where_the_master_is_gone(job: SetupJob, ansible: Ansible) -> None:
    settings = ansible.answers(answer("busy compute001 17"), *[NO_ANSWER] * 9)
    error, _ = left(job, settings, Hasty())
    assert error.endswith(
        "frontend001: setup: task 'Ask': no route. `elasticluster setup slurm` mends the services."
    )
    assert len(ansible.calls()) == 5


def test_leaving_that_cannot_begin_fails_at_once(job: SetupJob, ansible: Ansible) -> None:
    error, told = left(job, ansible.answers(NO_ANSWER))
    assert "no route" in error
    assert told == []
    assert len(ansible.calls()) == 1


def test_master_that_cannot_be_set_up_without_the_nodes_is_an_error(job: SetupJob, ansible: Ansible) -> None:
    error, _ = left(job, ansible.answers(answer(), NO_ANSWER))
    assert (
        error == "frontend001: setup: task 'Ask': no route. `elasticluster setup slurm` mends the services."
    )


def test_submit_host_that_cannot_be_set_up_keeps_nobody(job: SetupJob, ansible: Ansible) -> None:
    told: list[Event] = []
    done = end(checks={"slurm_master": {"frontend001": ""}})
    done["nodes"]["submit001"] = {"changed": 0, "failures": 0, "unreachable": 1}
    settings = ansible.answers(answer(), [PLAY, FAILED | {"node": "submit001"}, done])
    settings = replace(settings, groups={**settings.groups, "submit": ("slurm_submit",)})
    nodes = job.cluster.nodes
    submit = replace(nodes[-1], name="submit001", spec=replace(nodes[-1].spec, kind="submit"))
    cluster = replace(job.cluster, nodes=(*nodes, submit))
    leaving = replace(job, cluster=cluster, leaving=("compute001",))
    assert leave(settings, leaving, told.append, FakeClock()).error == ""
    (warning,) = [event.text for event in told if isinstance(event, Warned)]
    assert warning == (
        "submit001 does not know yet who has left: setup: task 'Ask': no route. "
        "`elasticluster setup slurm` mends the services."
    )


def test_check_that_finds_fault_with_the_master_keeps_nobody(job: SetupJob, ansible: Ansible) -> None:
    found = end(checks={"slurm_master": {"frontend001": "/home/debian cannot be written to"}})
    assert left(job, ansible.answers(answer(), [PLAY, found])) == ("", [])


def test_notice_of_many_nodes_names_some(job: SetupJob, ansible: Ansible) -> None:
    working = answer(*(f"busy compute00{number} {number}" for number in range(1, 9)))
    _, (told,) = left(job, ansible.answers(working, answer(), answer()))
    assert told.endswith("; job 5 on compute005 and 3 others to end.")
