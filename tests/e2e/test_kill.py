"""Killed at any moment, a command leaves nothing that `start` cannot carry on with and `stop` cannot remove.

Here on the container engine; see `killing.py`.
"""

import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.e2e.killing import (
    GROW,
    PAUSE,
    RESUME,
    SHRINK,
    START,
    STOP,
    Command,
    Keyboard,
    left_over,
    try_all,
)
from tests.e2e.own_playbook import NOTHING, WAITING, write

pytestmark = pytest.mark.e2e

USERS = 3  # at the same time: each waits for machines more than it computes
COMMANDS = [
    Command(START, least=25, sample=6),  # all of them take six minutes on two processors
    Command(STOP, before=(START,), sample=2),
    Command(GROW, before=(START,), sample=2),
    Command(SHRINK, before=(START,), sample=2),
    Command(PAUSE, before=(START,), sample=2),
    Command(RESUME, before=(START, PAUSE), sample=2),
]


class Engine:
    """What the container engine has of a user."""

    def __init__(self, client):
        self._client = client

    def nodes(self, owner):
        return sorted(container.id[:12] for container in self._containers(owner))

    def everything(self, owner):
        ours = {"label": f"elasticluster.owner={owner}"}
        found = [*self._containers(owner), *self._client.networks.list(filters=ours)]
        return [one.name for one in [*found, *self._client.volumes.list(filters=ours)]]

    def _containers(self, owner):
        return self._client.containers.list(all=True, filters={"label": f"elasticluster.owner={owner}"})


@pytest.fixture
def cloud(engine):
    return Engine(engine)


@pytest.fixture
def users(new_user):
    """Make users with a configuration of their own, from any thread; stop their clusters in the end."""
    made, guard = [], threading.Lock()

    def make(playbook=NOTHING):
        with guard:
            user = new_user("killed")
            made.append(user)
        write(user, playbook)
        return user

    yield make
    for user in made:
        if user.uuids():
            user.run("stop", "--yes", "--force", "slurm")


@pytest.fixture
def keyboards(users):
    return lambda: Keyboard(users())


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_killed_command_leaves_nothing_behind(cloud, keyboards, command, capsys):
    try_all(cloud, keyboards, command, command.sample, at_a_time=USERS, capsys=capsys)


@pytest.mark.full
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_killed_command_leaves_nothing_behind_at_any_of_its_points(cloud, keyboards, command, capsys):
    try_all(cloud, keyboards, command, 1000, at_a_time=USERS, capsys=capsys)


# -- real Slurm --------------------------------------------------------------------------------------

TASKS = [4, *(pytest.param(number, marks=pytest.mark.full) for number in (1, 8, 12))]


@pytest.mark.parametrize("task", TASKS)
def test_slurm_becomes_ready_after_a_kill_at_a_task_of_its_setup(cloud, new_user, task):
    user, words = new_user("slurm-killed"), ("start", "slurm", "--nodes", "1:compute")
    user.ok("list-templates")
    try:
        status, _ = Keyboard(user).kill(f"setup: before task {task}", words)
        assert status == -signal.SIGKILL
        assert user.ok(*words).endswith("Your cluster `slurm` is ready!\n")
        assert user.ssh("srun hostname") == "compute001\n"
        user.ok(*STOP)
        assert left_over(cloud, Keyboard(user)) == {}
    finally:
        if user.uuids():
            user.run("stop", "--yes", "--force", "slurm")


# -- one playbook at a time --------------------------------------------------------------------------


class Watcher:
    """Looks at the process table again and again for playbooks of one user.

    Attributes:
        seen: the runs of Ansible that there were; a fork belongs to the run of its parent.
        together: those of which a process was alive together with one of another.
    """

    def __init__(self, user):
        self.seen, self.together = [], []
        self._home = f"HOME={user.home}".encode()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._end.set()
        self._thread.join()

    def _watch(self):
        while not self._end.wait(0.002):
            now = self._runs()
            self.seen += [run for run in now if run not in self.seen]
            if len(now) > 1:  # not read in one moment: the first may have ended before the second began
                again = self._runs()
                self.together += [run for run in now if run in again][1:]

    def _runs(self):
        """Return the runs of Ansible that live, by the private folder that each of their processes knows."""
        runs = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if b"ansible-playbook\0" in (folder / "cmdline").read_bytes():
                    variables = (folder / "environ").read_bytes().split(b"\0")  # none of one that has died
                    if self._home in variables:
                        runs += [one for one in variables if one.startswith(b"ANSIBLE_SSH_CONTROL_PATH_DIR=")]
            except OSError:  # it has ended
                continue
        return list(dict.fromkeys(runs))


@pytest.mark.parametrize("after", [0, 0.3, 3], ids="killed {}s after Ansible began".format)
def test_two_playbooks_are_never_alive_when_a_killed_start_is_repeated_at_once(users, after):
    user = users(WAITING)
    with Watcher(user) as watcher:
        killed = user.begin(*START, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not watcher.seen:
            assert killed.poll() is None
            time.sleep(0.01)
        time.sleep(after)
        (user.home / "mine.yml").write_text(NOTHING)
        killed.kill()
        killed.wait()
        user.ok(*START)
    assert len(watcher.seen) == 2
    assert watcher.together == []
    user.ok(*STOP)
