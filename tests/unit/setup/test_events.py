"""What is made of the lines that the callback plugin writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from elasticluster.engine.events import Event, Listener, TaskDone, TaskStarted, TaskStatus, ignore
from elasticluster.model import Failure, Json, Layer
from elasticluster.setup.events import Run
from elasticluster.setup.services import SERVICES

GROUPS = {"slurm_master": ["frontend001"], "slurm_clients": ["compute001", "compute002"]}
GOOD = {"slurm_master": {"frontend001": ""}, "slurm_worker": {"compute001": "", "compute002": ""}}
SHAPE = '{node: ""} or {node: "what is wrong"}'
PLAY = {"event": "play", "play": "Slurm"}


def sums(**nodes: Any) -> dict[str, Any]:
    quiet = {"changed": 0, "failures": 0, "unreachable": 0}
    return {name: quiet | nodes.get(name, {}) for name in ("frontend001", "compute001", "compute002")}


def end(checks: Json, **nodes: Any) -> dict[str, Any]:
    return {"event": "end", "nodes": sums(**nodes), "checks": checks, "left": []}


def done(node: str, status: str, task: str = "Work", **said: Any) -> dict[str, Any]:
    return {"event": "done", "node": node, "task": task, "status": status, **said}


def read(*events: Any, tell: Listener = ignore) -> Run:
    run = Run()
    for event in events:
        run.read(json.dumps(event) + "\n", tell)
    return run


def test_events_are_told_as_they_come() -> None:
    told: list[Event] = []
    task = {"event": "task", "play": "Slurm", "task": "Work"}
    read(PLAY, task, done("compute001", "changed"), tell=told.append)
    assert told == [TaskStarted("Slurm", "Work"), TaskDone("compute001", "Work", TaskStatus.CHANGED)]


def test_nodes_whose_checks_passed_are_checked() -> None:
    result = read(PLAY, end(GOOD, compute001={"changed": 3})).result(GROUPS)
    assert result.checked == {"frontend001", "compute001", "compute002"}
    assert result.failures == {}
    assert result.unverified == ()
    assert result.changed == {"frontend001": 0, "compute001": 3, "compute002": 0}


def test_failed_check_is_the_failure_of_its_node_only() -> None:
    checks = GOOD | {"slurm_worker": {"compute001": "no answer in 60 seconds", "compute002": ""}}
    result = read(PLAY, end(checks)).result(GROUPS)
    assert result.failures == {
        "compute001": Failure(layer=Layer.CHECK, message="slurm_worker: no answer in 60 seconds")
    }
    assert result.checked == {"frontend001", "compute002"}


def test_group_without_a_check_is_not_verified() -> None:
    result = read(PLAY, end(GOOD)).result({**GROUPS, "mine": ["compute001"], "empty": []})
    assert result.unverified == ("mine",)
    assert result.failures == {}


def test_group_of_which_a_node_was_not_checked_is_not_verified() -> None:
    result = read(PLAY, end(GOOD | {"slurm_worker": {"compute001": ""}})).result(GROUPS, SERVICES)
    assert result.unverified == ("slurm_clients",)
    assert result.checked == {"frontend001", "compute001"}
    assert result.failures == {}


def test_group_of_which_only_a_failed_node_was_not_checked_is_verified() -> None:
    checks = GOOD | {"slurm_worker": {"compute001": ""}}
    run = read(PLAY, done("compute002", "failed", msg="broken"), end(checks, compute002={"failures": 1}))
    result = run.result(GROUPS, SERVICES)
    assert result.unverified == ()
    assert result.checked == {"frontend001", "compute001"}


def test_failed_node_drags_down_no_group_that_has_no_check() -> None:
    run = read(PLAY, done("compute002", "failed", msg="broken"), end({}, compute002={"failures": 1}))
    result = run.result({"front": ["frontend001"], "work": ["compute001", "compute002"]}, SERVICES)
    assert result.failures.keys() == {"compute002"}
    assert result.unverified == ("front", "work")


def test_node_that_took_no_part_is_not_dragged_down() -> None:
    failed = {"changed": 0, "failures": 1, "unreachable": 0}
    limited = {"event": "end", "nodes": {"compute001": failed}, "checks": {}, "left": []}
    run = read(PLAY, done("compute001", "failed", msg="broken"), limited)
    result = run.result(GROUPS, SERVICES)
    assert result.failures.keys() == {"compute001"}
    assert result.unverified == ("slurm_master", "slurm_clients")


@pytest.mark.parametrize(
    ("checks", "error"),
    [
        ({"slurm_master": "fine"}, f"the check of group 'slurm_master': expected {SHAPE}, not \"fine\""),
        (
            {"slurm_worker": {"compute001": False}},
            f"the check of group 'slurm_worker': expected {SHAPE}, not {{\"compute001\": false}}",
        ),
        (["my_group"], f'elasticluster_checks: expected {{group: {SHAPE}}}, not ["my_group"]'),
    ],
)
def test_check_that_makes_no_sense_is_an_error_that_names_it(checks: Json, error: str) -> None:
    result = read(PLAY, end(checks)).result(GROUPS, SERVICES)
    assert result.error == error
    assert not result.checked


def test_check_that_says_nothing_of_a_node_passes_it() -> None:
    checks = {"slurm_clients": {"compute001": None}, "slurm_worker": {"compute002": ""}}
    assert read(PLAY, end(checks)).result(GROUPS).checked == {"compute001", "compute002"}


def test_failed_task_is_the_failure_of_its_node_with_evidence() -> None:
    said: dict[str, Any] = {"msg": "non-zero return code", "stderr": "first\nE: no space left\n", "rc": 1}
    checks = GOOD | {"slurm_worker": {"compute002": ""}}
    run = read(PLAY, done("compute001", "failed", **said), end(checks, compute001={"failures": 1}))
    result = run.result(GROUPS, SERVICES)
    assert result.failures == {
        "compute001": Failure(
            layer=Layer.SETUP,
            message="task 'Work': E: no space left",
            evidence="non-zero return code\nfirst\nE: no space left",
        )
    }
    assert result.checked == {"frontend001", "compute002"}


def test_failure_that_a_playbook_rescued_does_not_count() -> None:
    run = read(PLAY, done("compute001", "failed", msg="not at first"), end(GOOD))
    assert run.result(GROUPS).failures == {}


def test_nodes_left_unchecked_by_the_failure_of_another_say_so() -> None:
    run = read(PLAY, done("frontend001", "failed", msg="broken"), end({}, frontend001={"failures": 1}))
    result = run.result(GROUPS, SERVICES)
    assert result.failures["frontend001"].message == "task 'Work': broken"
    assert result.failures["compute001"].message == "not checked, because the setup of frontend001 failed"
    assert result.unverified == ()


def test_plays_that_were_left_out_leave_no_node_configured() -> None:
    cut = end({}, compute001={"failures": 1}) | {"left": ["Set up Slurm", "Check Slurm"]}
    result = read(PLAY, done("compute001", "failed", msg="broken"), cut).result(GROUPS, SERVICES)
    assert result.error == (
        "not run, because a play before failed on all its nodes: Set up Slurm, Check Slurm"
    )
    assert result.failures.keys() == {"frontend001", "compute001", "compute002"}


def test_plays_that_were_left_out_for_want_of_nodes_are_no_further_error() -> None:
    failed = {node: {"failures": 1} for node in sums()}
    events = [done(node, "failed", msg="broken") for node in failed]
    result = read(PLAY, *events, end({}, **failed) | {"left": ["Check Slurm"]}).result(GROUPS, SERVICES)
    assert result.error == ""


def test_run_that_ended_early_leaves_no_node_in_doubt() -> None:
    result = read(PLAY).result(GROUPS, error="Ansible ended early: killed")
    assert result.error == "Ansible ended early: killed"
    assert result.failures.keys() == {"frontend001", "compute001", "compute002"}
    assert not result.checked


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"msg": "No package matching 'x'"}, "No package matching 'x'"),
        ({"msg": "Task failed: Failed to connect\r\nmore"}, "Failed to connect"),
        ({"msg": "non-zero return code", "stdout": "a\nb", "rc": 2}, "b"),
        (
            {"msg": "non-zero return code", "stderr": "Shared connection to h closed.\r\n", "stdout": "why"},
            "why",
        ),
        ({"msg": "non-zero return code", "rc": 3}, "non-zero return code"),
        ({"rc": 3}, "exit status 3"),
    ],
)
def test_message_is_the_line_that_says_why(said: dict[str, Any], message: str) -> None:
    told: list[Event] = []
    read(PLAY, done("compute001", "failed", **said), tell=told.append)
    assert told == [TaskDone("compute001", "Work", TaskStatus.FAILED, message)]


def test_failed_task_whose_result_is_hidden_says_so_until_a_rescue_says_more() -> None:
    told: list[Event] = []
    hidden = done("compute001", "failed", "Write", censored="the output has been hidden due to ...", rc=1)
    run = read(PLAY, hidden, tell=told.append)
    why = "what it says is not shown, as it may hold a secret (no_log)"
    assert told == [TaskDone("compute001", "Write", TaskStatus.FAILED, why)]
    assert run.failures["compute001"].message == f"task 'Write': {why}"
    run.read(json.dumps(done("compute001", "failed", "Say why", msg="the disk is full")), ignore)
    assert run.failures["compute001"].message == "task 'Say why': the disk is full"
