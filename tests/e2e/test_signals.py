"""Real signals to real commands: what is said, what is on disk, and how it goes on."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from tests.e2e.own_playbook import NOTHING, WAITING, wait_for, write

pytestmark = pytest.mark.e2e

PHASES = {"create": "Creating 2 nodes", "connect": "Connecting to 2 nodes", "setup": "Configuring 2 nodes"}
UNDER_WAY = "Interrupted: what is under way is being recorded; press Ctrl-C again to end at once."
CARRY_ON = "To carry on: elasticluster start slurm\nTo remove it: elasticluster stop slurm\n"
AT_ONCE = 2  # seconds
SOON = 15  # seconds that the children of a command that has ended may take to be gone


@pytest.fixture
def user(new_user):
    """Somebody whose playbook never ends, and whose cluster is stopped in the end."""
    made = new_user("signals")
    write(made, WAITING)
    yield made
    if made.uuids():
        made.run("stop", "--yes", "--force", "slurm")


class Begun:
    """A command that has been begun, read up to a line of its progress."""

    def __init__(self, user, *words, **popen):
        self.heard = ""
        self.process = user.begin(
            *words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=heed_signals, **popen
        )

    def hear(self, line):
        """Wait until a line is said."""
        for said in self.process.stderr:
            self.heard += said
            if line in said:
                return
        raise AssertionError(f"it has never said {line!r}, but: {self.heard}")

    def end(self, timeout=60):
        """Return the exit status, and everything that was said."""
        _, said = self.process.communicate(timeout=timeout)
        return self.process.returncode, self.heard + said


def heed_signals():
    """A test run in the background ignores Ctrl-C, and what it starts would, too."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def playbooks_of(user):
    """Return the processes that run this user's playbook, other than the command itself."""
    return subprocess.run(
        ["pgrep", "-f", str(user.home / "tmp")], capture_output=True, text=True, check=False
    ).stdout.split()


def carries_on_and_leaves_nothing(user, residue):
    (uuid,) = user.uuids()
    (user.home / "mine.yml").write_text(NOTHING)
    user.ok("start", "slurm")
    assert user.uuids() == [uuid]
    user.ok("stop", "--yes", "slurm")
    assert residue(uuid) == []


@pytest.mark.parametrize("phase", PHASES)
def test_start_that_is_interrupted_says_how_to_go_on_and_that_is_so(user, residue, phase):
    starting = Begun(user, "start", "slurm")
    starting.hear(PHASES[phase])
    starting.process.send_signal(signal.SIGINT)
    status, said = starting.end()
    assert status == 130, said
    assert UNDER_WAY in said
    assert said.endswith(CARRY_ON)
    assert "Traceback" not in said
    carries_on_and_leaves_nothing(user, residue)


def test_growing_that_is_interrupted_is_carried_on_with_by_start(user, residue):
    (user.home / "mine.yml").write_text(NOTHING)
    user.ok("start", "slurm")
    (user.home / "mine.yml").write_text(WAITING)
    growing = Begun(user, "resize", "-a", "1:compute", "slurm")
    growing.hear("Configuring 1 node")
    growing.process.send_signal(signal.SIGINT)
    status, said = growing.end()
    assert status == 130, said
    assert said.endswith(CARRY_ON)
    (user.home / "mine.yml").write_text(NOTHING)
    assert "- compute nodes: 2\n" in user.ok("start", "slurm")
    carries_on_and_leaves_nothing(user, residue)


def test_second_interrupt_ends_at_once_and_takes_ansible_along(user, residue):
    program = user.home / "stubborn"
    program.write_text(f'#!/bin/sh\ntrap "" TERM\n{sys.prefix}/bin/ansible-playbook "$@"\nsleep 600 # "$@"\n')
    program.chmod(0o700)
    config = user.home / ".elasticluster/config"
    usual = config.read_text()
    with_stubborn = usual.replace("provider=ansible", f"provider=ansible\nansible_command={program}")
    config.write_text(with_stubborn)
    starting = Begun(user, "-v", "start", "slurm")
    starting.hear("Wait for the end")
    assert playbooks_of(user)
    starting.process.send_signal(signal.SIGINT)
    starting.hear("Interrupted")
    began = time.monotonic()
    starting.process.send_signal(signal.SIGINT)
    status, said = starting.end()
    assert time.monotonic() - began < AT_ONCE
    assert status == 130
    assert "To carry on" not in said
    wait_for(lambda: not playbooks_of(user), SOON)
    config.write_text(usual)
    carries_on_and_leaves_nothing(user, residue)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_being_asked_to_end_is_like_an_interrupt_with_its_own_status(user, residue, number, expected):
    starting = Begun(user, "start", "slurm")
    starting.hear(PHASES["setup"])
    starting.process.send_signal(number)
    status, said = starting.end()
    assert status == expected, said
    assert said.endswith(CARRY_ON)
    carries_on_and_leaves_nothing(user, residue)


def test_closed_terminal_is_like_an_interrupt(user, residue):
    starting, ours = begin_on_terminal(user)
    seen = b""
    while b"Configuring" not in seen:
        seen += os.read(ours, 1024)
    os.close(ours)  # the kernel sends SIGHUP
    assert starting.wait(timeout=60) == 129
    carries_on_and_leaves_nothing(user, residue)


def test_interrupt_on_a_terminal_leaves_the_cursor_on(user, residue):
    starting, ours = begin_on_terminal(user)
    seen = b""
    while b"Wait for the end" not in seen:
        seen += os.read(ours, 1024)
    os.write(ours, b"\x03")
    while b"Interrupted" not in seen:
        seen += os.read(ours, 1024)
    os.write(ours, b"\x03")
    assert starting.wait(timeout=SOON) == 130
    seen += rest_of(ours)
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    carries_on_and_leaves_nothing(user, residue)


def begin_on_terminal(user):
    """Begin a start on a terminal of its own; return it and the terminal's other end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "elasticluster", "start", "slurm"]
    started = subprocess.Popen(
        ["setsid", "--ctty", "env", "--default-signal=INT,HUP", *command],
        env=user.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    return started, ours


def rest_of(terminal):
    text = b""
    try:
        while more := os.read(terminal, 1024):
            text += more
    except OSError:  # its other end is closed
        pass
    os.close(terminal)
    return text
