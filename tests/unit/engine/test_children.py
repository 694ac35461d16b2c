"""Programs that must not outlive us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elasticluster.engine.children import child

PARENT = """
import sys
from elasticluster.engine.children import child
with child(["sh", "-c", "sleep 30 & echo $! $$; wait"]) as process:
    process.wait()
"""


def alive(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until_dead(pid):
    for _ in range(500):
        if not alive(pid):
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still alive")


def test_child_gives_its_exit_status():
    with child(["sh", "-c", "exit 7"]) as process:
        assert process.wait() == 7


def test_child_is_ended_with_all_it_started_when_the_block_is_left():
    with child(["sh", "-c", "sleep 30 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as process:
        grandchild = int(process.stdout.readline())
    wait_until_dead(grandchild)
    assert process.returncode == -signal.SIGTERM


def test_child_that_ignores_sigterm_and_grandchildren_die_when_we_are_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    for pid in pids:
        wait_until_dead(pid)


def test_child_that_cannot_be_started_is_an_error():
    with pytest.raises(FileNotFoundError), child(["/no/such/program"]):
        pass
