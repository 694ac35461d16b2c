"""Killed at any moment on EC2, a command leaves nothing that `start` cannot carry on with, or `stop` remove.

The machines are one that has all their addresses, and nothing is set up on them: it is about the cloud.
"""

import threading
from dataclasses import replace

import pytest
from tests.clouds.ec2.listing import everything, nodes_of, of_owner
from tests.clouds.fixtures import ec2_with_stand_in
from tests.clouds.template import quick
from tests.e2e.killing import (
    FORGET,
    GC,
    GROW,
    PAUSE,
    RESUME,
    SHRINK,
    START,
    STOP,
    Command,
    Keyboard,
    try_all,
)
from tests.e2e.warm import ROOT, several

pytestmark = pytest.mark.e2e

USERS = 3
CALL = r": (before|after) [A-Z]\w+ \d+$"
"""A moment before or after a call that changes something on the cloud."""

COMMANDS = [
    Command(START, least=60, always=CALL),
    Command(STOP, before=(START,), least=20, always=CALL),
    Command(GROW, before=(START,), least=40, always=CALL),
    Command(SHRINK, before=(START,), least=20, always=CALL),
    Command(PAUSE, before=(START,), least=15, always=CALL),
    Command(RESUME, before=(START, PAUSE), least=25, always=CALL),
    Command(GC, before=(START, FORGET), least=12, then=(GC,), always=CALL),
]


class Account:
    """What EC2 has of a user."""

    def __init__(self, server):
        self._server = server

    def nodes(self, owner):
        return nodes_of(self._server, owner)

    def everything(self, owner):
        return of_owner(self._server, owner)


@pytest.fixture(scope="module")
def cloud():
    with ec2_with_stand_in("ec-test-kill") as made:
        yield made


@pytest.fixture
def server(cloud):
    """Return EC2 without the hundreds of machines that were destroyed before: they make it slow."""
    cloud.reset()
    return cloud


@pytest.fixture(scope="module")
def launch():
    """Return what runs commands in processes that are forked, several at a time."""
    with several("ec2_boto", USERS) as run:
        yield run


@pytest.fixture
def keyboards(new_user, server, launch, monkeypatch):
    """Make users with a template of two nodes on EC2, from any thread."""
    guard = threading.Lock()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where the setup provider is found
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def make():
        with guard:
            user = new_user("killed-on-ec2")
        user.configure(quick(server))
        return Keyboard(user, launch)

    return make


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command_killed_around_any_change_of_the_cloud_leaves_nothing_on_ec2(
    server, keyboards, command, capsys
):
    """And at a few of its other moments; what comes then is `stop` and `start` in turn."""
    try_all(
        Account(server),
        keyboards,
        replace(command, in_turn=True),
        command.sample,
        at_a_time=USERS,
        capsys=capsys,
    )
    assert everything(server) == {}


@pytest.mark.full
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command_killed_at_any_of_its_points_leaves_nothing_on_ec2(server, keyboards, command, capsys):
    try_all(Account(server), keyboards, command, 1000, at_a_time=USERS, capsys=capsys)
    assert everything(server) == {}
