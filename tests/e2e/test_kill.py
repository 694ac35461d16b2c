"""Killed at any moment, a command leaves nothing that `start` cannot carry on with and `stop` cannot remove.

The moments are found by watching one whole run of each command, see `kill_points.py`. Then the command is run
once or twice for each of them, as a real process on the container engine, and killed there with SIGKILL.
"""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.own_playbook import NOTHING, WAITING, write

from elasticluster.repository import JsonRepository

pytestmark = pytest.mark.e2e

KILLER = Path(__file__).with_name("kill_points.py")

USERS = 3  # at the same time: each waits for machines more than it computes
MISSED = 0.05  # part of the moments that a later run may go past: chance decides how often a state is seen
SOON = 15  # seconds that the children of a killed command may take to be gone
EMPTY = {"slurm.lock", ".slurm.json.new"}  # what is left of a cluster that is not, or no more, recorded
SETTLED = ("reachable", "configured", "ready")


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        words: its arguments.
        before: commands that bring a new cluster to where it begins.
        least: how many moments it has at least.
        sample: at how many of them `scripts/test` kills it; `--full` kills it at all.
    """

    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    least: int = 12
    sample: int = 3

    def __str__(self):
        return " ".join(word for word in self.words if word not in ("slurm", "--yes"))


START = ("start", "slurm")
STOP = ("stop", "--yes", "slurm")
PAUSE = ("pause", "--yes", "slurm")
COMMANDS = [
    Command(START, least=25, sample=16),  # all of them take six minutes on two processors
    Command(STOP, before=(START,)),
    Command(("resize", "slurm", "--add", "1:compute"), before=(START,)),
    Command(("resize", "slurm", "--remove", "1:compute", "--yes"), before=(START,)),
    Command(PAUSE, before=(START,)),
    Command(("resume", "slurm"), before=(START, PAUSE)),
]


@pytest.fixture
def users(new_user):
    """Make users with a configuration of their own, from any thread; stop their clusters in the end."""
    made, guard = [], threading.Lock()

    def make(playbook=NOTHING):
        with guard:
            made.append(new_user("killed"))
        user = made[-1]
        write(user, playbook)
        return user

    yield make
    for user in made:
        if user.uuids():
            user.run("stop", "--yes", "--force", "slurm")


def kill(user, point, words):
    """Run a command that is killed at a moment; return its exit status and the moments so far."""
    log = user.home / "moments"
    log.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, str(KILLER), str(log), point, *words],
        env=user.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), f"{done.returncode}: {done.stderr}"
    return done.returncode, log.read_text().splitlines()


def spread(points, count):
    """Return at most so many of some points, evenly spread."""
    count = min(count, len(points))
    return [points[(2 * i + 1) * len(points) // (2 * count)] for i in range(count)]


class Engine:
    """What the container engine has of one user."""

    def __init__(self, client, user):
        self._client = client
        owner = JsonRepository(str(user.home / ".elasticluster/storage")).owner
        self._ours = {"label": f"elasticluster.owner={owner}"}

    def nodes(self):
        found = self._client.containers.list(all=True, filters=self._ours)
        return sorted(container.labels["elasticluster.node"] for container in found)

    def everything(self):
        networks = self._client.networks.list(filters=self._ours)
        volumes = self._client.volumes.list(filters=self._ours)
        return [*self.nodes(), *(one.name for one in [*networks, *volumes])]


def processes(user):
    """Return the command lines of all live processes of a user, by id."""
    mine, found = f"HOME={user.home}".encode(), {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mine in (folder / "environ").read_bytes().split(b"\0"):
                found[folder.name] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return {pid: line for pid, line in found.items() if line}


def soon_nothing(look, seconds=SOON):
    """Return what `look` still returns after a while; nothing as soon as that is so."""
    deadline = time.monotonic() + seconds
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def names_in(folder):
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def left_over(client, user):
    """Return what a user has left anywhere, after `stop`."""
    storage = user.home / ".elasticluster/storage"
    here = {
        "on the engine": Engine(client, user).everything(),
        "in the storage": names_in(storage),
        "running": soon_nothing(lambda: processes(user)),
        "in the temporary directory": soon_nothing(lambda: names_in(user.home / "tmp")),
    }
    return {where: what for where, what in here.items() if what}


def start_again(client, user, command):
    """Let `start` carry on, and check that engine and record agree; return what is wrong."""
    user.ok(*START)
    nodes = json.loads(user.ok("list-nodes", "--json", "slurm"))["nodes"]
    unsettled = {node["name"]: node["state"] for node in nodes if node["state"] not in SETTLED}
    recorded, exist = sorted(node["name"] for node in nodes), Engine(client, user).nodes()
    must_be = {"frontend001"} if "--remove" in command.words else {"frontend001", "compute001"}
    agree = recorded == exist and must_be <= set(recorded)
    return {} if agree and not unsettled else {"recorded": recorded, "exist": exist, "unsettled": unsettled}


def survive(client, user, command, point, then):
    """Kill a command, go on with another one, stop; return whether it was killed there and what is wrong."""
    for words in command.before:
        user.ok(*words)
    status, _ = kill(user, point, command.words)
    wrong = start_again(client, user, command) if then == "start" else {}
    stopped = user.run(*STOP)
    recorded = "There is no cluster 'slurm'" not in stopped.stderr
    if recorded and stopped.returncode:
        wrong["stop"] = stopped.stderr
    left = left_over(client, user)
    if not recorded and set(left.get("in the storage", ())) <= EMPTY:
        left.pop("in the storage", None)
    return status == -signal.SIGKILL, wrong | left


def try_all(engine, users, command, most, capsys):
    """Kill a command at its points, or at so many of them; check what is left, print how many there were."""
    user = users()
    for words in command.before:
        user.ok(*words)
    status, points = kill(user, "", command.words)
    assert status == 0
    assert len(points) == len(set(points))
    user.run(*STOP)
    chosen = spread(points, most)

    def attempt(case):
        point, then = case
        try:
            killed, wrong = survive(engine, users(), command, point, then)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            killed, wrong = True, {"error": str(error)}
        return killed, f"{point}, then {then}: {wrong}" if wrong else ""

    cases = list(itertools.product(chosen, ("stop", "start")))
    began = time.monotonic()
    with ThreadPoolExecutor(USERS) as pool:
        results = list(pool.map(attempt, cases))
    missed = sum(not killed for killed, _ in results)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{command}: {len(points)} kill points; tried {len(chosen)} of them in {len(cases)} runs and "
            f"{time.monotonic() - began:.0f} s; {missed} runs did not come to their point\n"
        )
    assert [wrong for _, wrong in results if wrong] == []
    assert missed <= MISSED * len(cases)
    assert len(points) >= command.least


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_killed_command_leaves_nothing_behind(engine, users, command, capsys):
    try_all(engine, users, command, command.sample, capsys)


@pytest.mark.full
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_killed_command_leaves_nothing_behind_at_any_of_its_points(engine, users, command, capsys):
    try_all(engine, users, command, 1000, capsys)


# -- real Slurm --------------------------------------------------------------------------------------

TASKS = [4, *(pytest.param(number, marks=pytest.mark.full) for number in (1, 8, 12))]


@pytest.mark.parametrize("task", TASKS)
def test_slurm_becomes_ready_after_a_kill_at_a_task_of_its_setup(engine, new_user, task):
    user, words = new_user("slurm-killed"), ("start", "slurm", "--nodes", "1:compute")
    user.ok("list-templates")
    try:
        status, _ = kill(user, f"setup: before task {task}", words)
        assert status == -signal.SIGKILL
        assert user.ok(*words).endswith("Your cluster `slurm` is ready!\n")
        assert user.ssh("srun hostname") == "compute001\n"
        user.ok(*STOP)
        assert left_over(engine, user) == {}
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
