"""Commands that are killed wherever they can die, and what has to be true afterwards; for any cloud.

The moments are found by watching one whole run of a command, see `kill_points.py`. Then the command is run
once or twice for each of them, as a process of its own, and killed there with SIGKILL.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from elasticluster.repository import JsonRepository

KILLER = Path(__file__).with_name("kill_points.py")

MISSED = 0.05  # part of the moments that a later run may go past: chance decides how often a state is seen
SOON = 15  # seconds that the children of a killed command may take to be gone
EMPTY = {"slurm.lock", ".slurm.json.new"}  # what is left of a cluster that is not, or no more, recorded
SETTLED = ("reachable", "configured", "ready")

START = ("start", "slurm")
STOP = ("stop", "--yes", "slurm")
PAUSE = ("pause", "--yes", "slurm")
GROW = ("resize", "slurm", "--add", "1:compute")
SHRINK = ("resize", "slurm", "--remove", "1:compute", "--yes")
RESUME = ("resume", "slurm")
GC = ("gc", "--yes")
FORGET = ("rm", "-r", ".elasticluster/storage")  # not one of ours


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        words: its arguments.
        before: commands that bring a new cluster to where it begins.
        least: how many moments it has at least.
        sample: at how many of them `scripts/test` kills it; `--full` kills it at all.
        then: how it goes on: one run for each.
        in_turn: one run for each moment, which goes on in one of these ways: the next moments in the others.
        always: regular expression of moments that `scripts/test` leaves out in no case.
    """

    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    least: int = 12
    sample: int = 3
    then: tuple[tuple[str, ...], ...] = (STOP, START)
    in_turn: bool = False
    always: str = "(?!)"

    def __str__(self):
        return " ".join(word for word in self.words if word not in ("slurm", "--yes"))


class Cloud(Protocol):
    """What is asked of the other side."""

    def nodes(self, owner: str) -> list[str]:
        """Return the ids of all instances of an owner, sorted."""

    def everything(self, owner: str) -> list[str]:
        """Return the names of all that an owner has."""


Launch = Callable[..., subprocess.CompletedProcess[str]]


def launched(
    words: tuple[str, ...], environment: dict[str, str], *watched: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, watched if there is a log and a moment of death."""
    program = [str(KILLER), *watched] if watched else ["-m", "elasticluster"]
    return subprocess.run(
        [sys.executable, *program, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass
class Keyboard:
    """Somebody who types commands, some of which are killed.

    Attributes:
        user: who.
        launch: runs a command.
    """

    user: Any
    launch: Launch = launched

    @property
    def owner(self) -> str:
        return JsonRepository(str(self.user.home / ".elasticluster/storage")).owner

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.launch(words, self.user.environment())

    def ok(self, *words: str) -> str:
        """Run a command that must succeed; return what it printed."""
        if words == FORGET:
            shutil.rmtree(self.user.home / FORGET[-1])
            return ""
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def kill(self, point: str, words: tuple[str, ...]) -> tuple[int, list[str]]:
        """Run a command that is killed at a moment; return its exit status and the moments so far."""
        log = self.user.home / "moments"
        log.unlink(missing_ok=True)
        done = self.launch(words, self.user.environment(), str(log), point)
        assert done.returncode in (0, -signal.SIGKILL), f"{done.returncode}: {done.stderr}"
        return done.returncode, log.read_text().splitlines()


def spread(points, count):
    """Return at most so many of some points, evenly spread."""
    count = min(count, len(points))
    return [points[(2 * i + 1) * len(points) // (2 * count)] for i in range(count)]


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


def left_over(cloud, keyboard):
    """Return what a user has left anywhere, after `stop`."""
    home = keyboard.user.home
    here = {
        "on the cloud": cloud.everything(keyboard.owner),
        "in the storage": names_in(home / ".elasticluster/storage"),
        "running": soon_nothing(lambda: processes(keyboard.user)),
        "in the temporary directory": soon_nothing(lambda: names_in(home / "tmp")),
    }
    return {where: what for where, what in here.items() if what}


def start_again(cloud, keyboard, command):
    """Let `start` carry on, and check that cloud and record agree; return what is wrong."""
    keyboard.ok(*START)
    nodes = json.loads(keyboard.ok("list-nodes", "--json", "slurm"))["nodes"]
    unsettled = {node["name"]: node["state"] for node in nodes if node["state"] not in SETTLED}
    recorded, exist = sorted(node["instance_id"] for node in nodes), cloud.nodes(keyboard.owner)
    must_be = {"frontend001"} if "--remove" in command.words else {"frontend001", "compute001"}
    agree = recorded == exist and must_be <= {node["name"] for node in nodes}
    return {} if agree and not unsettled else {"recorded": nodes, "exist": exist, "unsettled": unsettled}


def survive(cloud, keyboard, command, point, then):
    """Kill a command, go on with another one, stop; return whether it was killed there and what is wrong."""
    for words in command.before:
        keyboard.ok(*words)
    status, _ = keyboard.kill(point, command.words)
    wrong = start_again(cloud, keyboard, command) if then == START else {}
    last = keyboard.run(*(GC if then == GC else STOP))
    recorded = "There is no cluster 'slurm'" not in last.stderr
    if recorded and last.returncode:
        wrong["last"] = last.stderr
    left = left_over(cloud, keyboard)
    if set(left.get("in the storage", ())) <= (set() if recorded and then != GC else EMPTY):
        left.pop("in the storage", None)
    return status == -signal.SIGKILL, wrong | left


def cases_of(command, points):
    """Return pairs of a moment and how to go on."""
    for number, point in enumerate(points):
        for which, then in enumerate(command.then):
            # Before and after one call, and the next call, go on in different ways.
            if not command.in_turn or which == (number + number // 2) % len(command.then):
                yield point, then


def try_all(cloud, keyboards, command, most, *, at_a_time, capsys):
    """Kill a command at its points, or at so many of them; check what is left, print how many there were.

    Args:
        cloud: the other side.
        keyboards: makes somebody who has a template `slurm`, and knows of nobody else.
        command: the command.
        most: at how many of its points.
        at_a_time: how many users there are at the same time.
        capsys: pytest's fixture of that name.
    """
    keyboard = keyboards()
    for words in command.before:
        keyboard.ok(*words)
    status, points = keyboard.kill("", command.words)
    assert status == 0
    assert len(points) == len(set(points))
    keyboard.run(*STOP)
    some = spread(points, most)
    chosen = [point for point in points if point in some or re.search(command.always, point)]

    def attempt(case):
        point, then = case
        try:
            killed, wrong = survive(cloud, keyboards(), command, point, then)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            killed, wrong = True, {"error": str(error)}
        return killed, f"{point}, then {then[0]}: {wrong}" if wrong else ""

    cases = list(cases_of(command, chosen))
    began = time.monotonic()
    with ThreadPoolExecutor(at_a_time) as pool:
        results = list(pool.map(attempt, cases))
    missed = sum(not killed for killed, _ in results)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{command}: {len(points)} kill points; tried {len(chosen)} of them in {len(cases)} runs and "
            f"{time.monotonic() - began:.0f} s; {missed} runs did not come to their point\n"
        )
    wrong = [wrong for _, wrong in results if wrong]
    assert not wrong, "\n".join(wrong)
    assert missed <= MISSED * len(cases)
    assert len(points) >= command.least
