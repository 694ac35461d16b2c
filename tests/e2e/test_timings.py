"""Where the time of a real start went, as `list-nodes --timings` tells it."""

import json

import pytest
from tests.e2e.own_playbook import write

pytestmark = pytest.mark.e2e

PLAYBOOK = """
- name: A play of mine
  hosts: all
  gather_facts: false
  tasks:
    - name: Take a while
      ansible.builtin.raw: sleep 1
      changed_when: false
    - name: Take longer on one
      ansible.builtin.raw: sleep 2
      changed_when: false
      when: inventory_hostname == "compute001"
"""
COLUMNS = 80


@pytest.fixture(scope="module")
def started(user):
    write(user, PLAYBOOK)
    user.ok("start", "slurm")
    yield user
    user.ok("stop", "--yes", "slurm")
    assert list((user.home / ".elasticluster/storage").iterdir()) == []


@pytest.fixture(scope="module")
def timings(started):
    return json.loads(started.ok("list-nodes", "slurm", "--timings", "--json"))["timings"]


def test_phases_fill_no_more_than_the_whole(timings):
    phases = timings["phases"]
    assert [one["name"] for one in phases] == ["preflight", "create", "boot", "connect", "setup"]
    assert 0 < sum(one["end"] - one["start"] for one in phases) <= timings["seconds"]
    assert timings["complete"]
    assert timings["cpu_seconds"] > 0


def test_nodes_come_through_the_phases_in_their_order(timings):
    assert timings["nodes"].keys() == {"frontend001", "compute001"}
    for passed in timings["nodes"].values():
        moments = [passed[phase] for phase in ("create", "boot", "connect", "setup")]
        assert moments == sorted(moments)


def test_calls_of_the_engine_are_counted_by_verb(timings):
    assert timings["calls_by_verb"]["make container"]["count"] == 2
    assert timings["calls_by_verb"]["make network"]["count"] == 1
    assert not [call for call in timings["calls"] if call["failed"]]


def test_task_steps_are_timed_on_each_host(timings):
    setup = timings["phases"][-1]
    first, second = timings["steps"]
    assert [(one["play"], one["task"]) for one in (first, second)] == [
        ("A play of mine", "Take a while"),
        ("A play of mine", "Take longer on one"),
    ]
    assert [host["status"] for host in first["hosts"]] == ["ok", "ok"]
    assert {host["host"]: host["status"] for host in second["hosts"]} == {
        "frontend001": "skipped",
        "compute001": "ok",
    }
    for host in first["hosts"]:
        assert setup["start"] <= host["start"] <= host["end"] - 1 <= setup["end"] - 1
    assert (timings["task_steps"], timings["host_tasks"]) == (2, 4)


def test_slowest_host_is_named_and_lines_fit(started):
    lines = started.ok("list-nodes", "slurm", "--timings").splitlines()
    (line,) = (line for line in lines if line.startswith("  Take longer"))
    assert line.split()[-2] == "compute001"
    assert max(map(len, lines)) <= COLUMNS


def test_next_command_takes_the_place_of_the_last(started, timings):
    started.ok("setup", "slurm")
    now = json.loads(started.ok("list-nodes", "slurm", "--timings", "--json"))["timings"]
    assert (timings["action"], now["action"]) == ("start", "setup")
    assert [one["name"] for one in now["phases"]] == ["connect", "setup"]
