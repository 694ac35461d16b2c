"""Killed at any moment on OpenStack, a command leaves nothing that `start` or `stop` cannot deal with.

The machines are one that has all their addresses, and nothing is set up on them: it is about the cloud. The
services cost much more than those of other test clouds. So `scripts/test` kills `start` only where it has
just made the first thing of each kind, and goes on with `stop`; around the call for a server, and goes on
with `start`; and `stop` where it has just removed the first thing of each kind. All moments of all commands
are for ``--full``.
"""

import queue
import threading

import pytest
from tests.clouds.openstack import guests
from tests.clouds.openstack.brisk import PROVIDER
from tests.clouds.openstack.cloud import DELETION
from tests.clouds.template import quick_on_openstack
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
    soon_nothing,
    try_all,
)
from tests.e2e.warm import ROOT, several

pytestmark = pytest.mark.e2e

USERS = 3

ALL = 1000

KINDS = "security-groups|security-group-rules|os-keypairs|os-server-groups|servers|floatingips"
SAMPLE = [
    Command(START, sample=0, always=rf": after POST ({KINDS}) 1$", then=(STOP,)),
    Command(START, sample=0, always=r": (before|after) POST servers 1$", then=(START,)),
    Command(STOP, before=(START,), sample=0, always=r": after DELETE [^ ]+ 1$", then=(STOP,)),
]
COMMANDS = [
    Command(START, least=100),
    Command(STOP, before=(START,), least=20),
    Command(GROW, before=(START,), least=40),
    Command(SHRINK, before=(START,), least=20),
    Command(PAUSE, before=(START,), least=15),
    Command(RESUME, before=(START, PAUSE), least=25),
    Command(GC, before=(START, FORGET), least=12, then=(GC,)),
]

OF_THE_USER = "of-the-user"
SPREAD = {"provider": PROVIDER, "use_anti_affinity_groups": "yes"}
FRONTEND = """
[cluster/slurm/frontend]
request_floating_ip=yes
boot_disk_size=10
"""


class Projects:
    """What OpenStack has of users: each has a project, in which there are things of their own, too.

    A project is handed to the next user once nothing of the last one is left there.
    """

    def __init__(self, guests):
        self._guests = guests
        self._free = queue.SimpleQueue()
        self._of = {}
        self._at_first = {}

    def of(self, keyboard):
        """Return the project of somebody; it is as it was made."""
        try:
            project = self._free.get_nowait()
        except queue.Empty:
            project = self._made()
        self._of[keyboard.owner] = project
        return project

    def nodes(self, owner):
        return sorted(one.id for one in self._of[owner].connect().compute.servers())

    def everything(self, owner):
        """Return what has changed in the project of an owner, for good.

        Nova only takes the order to delete a server, and one that is being built does not show it at once.
        """
        project = self._of[owner]
        changed = soon_nothing(lambda: self._changed(project), DELETION)
        if not changed:
            self._free.put(project)
        return changed

    def _changed(self, project):
        there, at_first = project.things(), self._at_first[project.id]
        kinds = sorted(kind for kind in there | at_first if there.get(kind) != at_first.get(kind))
        return [f"{kind} {there.get(kind, [])}, at first {at_first.get(kind, [])}" for kind in kinds]

    def _made(self):
        project = self._guests.new_project(**self._guests.floating)
        user = project.connect()
        user.network.create_security_group(name=OF_THE_USER)
        user.compute.create_keypair(name=OF_THE_USER)
        user.compute.create_server_group(name=OF_THE_USER, policy="soft-anti-affinity")
        external = next(iter(user.network.networks(is_router_external=True)))
        user.network.create_ip(floating_network_id=external.id)
        user.block_storage.create_volume(name=OF_THE_USER, size=1)
        self._at_first[project.id] = project.things()
        return project


@pytest.fixture(scope="module")
def projects():
    with guests.stand_in("ec-test-openstack-kill") as made:
        yield Projects(made)


@pytest.fixture(scope="module")
def launch():
    """Return what runs commands in processes that are forked, several at a time."""
    with several("openstack", USERS) as run:
        yield run


@pytest.fixture
def keyboards(new_user, projects, launch, monkeypatch):
    """Make users with a template of two nodes on OpenStack, from any thread."""
    guard = threading.Lock()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where the providers are found

    def make():
        with guard:
            keyboard = Keyboard(new_user("killed-on-openstack"), launch)
            project = projects.of(keyboard)
        keyboard.user.configure(quick_on_openstack(project, SPREAD, ssh_to="frontend") + FRONTEND)
        return keyboard

    return make


@pytest.mark.parametrize("command", SAMPLE, ids=lambda command: f"{command} then {command.then[0][0]}")
def test_command_killed_around_some_changes_of_the_cloud_leaves_nothing_on_openstack(
    projects, keyboards, command, capsys
):
    try_all(projects, keyboards, command, command.sample, at_a_time=USERS, capsys=capsys)


@pytest.mark.full
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command_killed_at_any_of_its_points_leaves_nothing_on_openstack(
    projects, keyboards, command, capsys
):
    try_all(projects, keyboards, command, ALL, at_a_time=USERS, capsys=capsys)
