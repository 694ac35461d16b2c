"""The wall clock jumps by days, both ways, between commands and while one runs: nothing is judged by it.

The commands and all they start run under libfaketime; the clock that only goes forward is left as it is.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from tests.e2e.own_playbook import UNTIL_ALLOWED, ids, nodes, wait_for, write

pytestmark = pytest.mark.e2e

DAY = 24 * 3600
SLEEP = """
import select
import time

time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""
# Python sleeps until a moment of the clock that only goes forward; libfaketime takes it for the wall's.


class Clock:
    """A wall clock that can be set, for one user's commands."""

    def __init__(self, file):
        assert shutil.which("faketime"), "Install faketime (Debian, Ubuntu: `apt install faketime`)."
        shown = ["faketime", "-f", "+0", "printenv", "LD_PRELOAD"]
        self._library = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip()
        self._file = file
        self._modules = file.with_suffix(".d")
        self._modules.mkdir()
        (self._modules / "sitecustomize.py").write_text(SLEEP)
        self.jump(0)

    def jump(self, days):
        new = self._file.with_suffix(".new")
        new.write_text(f"{days * DAY:+d}\n")
        new.replace(self._file)

    def environment(self):
        return {
            "LD_PRELOAD": self._library,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self._modules), os.environ.get("PYTHONPATH")])),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def user(new_user):
    made = new_user()
    write(made)
    made.clock = Clock(made.home / "clock")
    yield made
    made.run("stop", "--yes", "--force", "slurm")


def begin(user, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "elasticluster", *words],
        env=user.environment() | user.clock.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends(process, seconds=100):
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, output + errors
    return output


def run(user, days, *words):
    user.clock.jump(days)
    return ends(begin(user, *words))


def test_the_clock_of_these_tests_does_jump(user):
    for days in (-400, 400):
        user.clock.jump(days)
        told = subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"],
            env=user.environment() | user.clock.environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert abs(float(told) - time.time() - days * DAY) < 60


def test_clock_that_jumps_between_commands_changes_nothing(user, residue):
    run(user, 30, "start", "slurm")
    before = ids(user)
    run(user, -400, "start", "slurm")
    run(user, 400, "setup", "slurm")
    run(user, -400, "list-nodes", "--update", "slurm")
    assert run(user, 400, "ssh", "slurm", "--", "hostname").strip() == "frontend001"
    assert ids(user) == before
    (uuid,) = user.uuids()
    run(user, -400, "stop", "--yes", "slurm")
    assert residue(uuid) == []


def test_clock_that_jumps_within_a_command_ends_no_wait_early_or_late(user, engine):
    write(user, UNTIL_ALLOWED)
    starting = begin(user, "start", "slurm")
    (uuid,) = wait_for(user.uuids)
    ours = {"label": f"elasticluster.uuid={uuid}"}
    for days in (400, -400, 30):
        user.clock.jump(days)
        time.sleep(0.3)  # so that whatever waits meanwhile looks at the clock
    wait_for(lambda: len(engine.containers.list(filters=ours)) == len(nodes(user)))
    found = engine.containers.list(filters=ours)
    for container in found:
        wait_for(lambda node=container: "told" in str(node.top()["Processes"]))
    for days in (400, -400):
        user.clock.jump(days)
        time.sleep(2)
        assert starting.poll() is None
    for container in found:
        container.exec_run("touch /var/tmp/told")
    ends(starting, seconds=60)
    assert all(node["failure"] is None for node in nodes(user).values())


def test_cluster_from_the_future_is_not_younger_than_new(user, residue):
    run(user, 400, "start", "slurm", "--no-setup")
    (uuid,) = user.uuids()
    for file in (user.home / ".elasticluster/storage").iterdir():
        file.unlink()
    listed = json.loads(run(user, -400, "gc", "--dry-run", "--json"))
    (found,) = [one for one in listed if one["uuid"] == uuid]
    assert found["age"] == 0
    assert "  age:            0 seconds\n" in run(user, -400, "gc", "--dry-run")
    run(user, -400, "gc", "--yes")
    assert residue(uuid) == []
