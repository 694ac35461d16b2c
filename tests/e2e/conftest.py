"""Homes of their own for users who know nothing of each other, and the residue they may leave: none."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from elasticluster.config.default import deploy_default
from elasticluster.repository import JsonRepository

LABEL = "elasticluster.uuid"
SPARING = """\
[setup/slurm]
global_var_slurm_accounting=no
global_var_slurm_mpi=no
"""


@dataclass
class User:
    """Somebody at a keyboard, with a home directory."""

    home: Path

    def environment(self):
        return os.environ | {"HOME": str(self.home), "TMPDIR": str(self.home / "tmp")}

    def run(self, *args, stdin="", timeout=600):
        """Run a command to its end."""
        command = [sys.executable, "-m", "elasticluster", *args]
        return subprocess.run(
            command,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def begin(self, *args, **popen):
        """Begin a command and do not wait for it."""
        command = [sys.executable, "-m", "elasticluster", *args]
        return subprocess.Popen(command, env=self.environment(), text=True, **popen)

    def ok(self, *args, **options):
        """Run a command that must succeed; return what it printed."""
        result = self.run(*args, **options)
        assert result.returncode == 0, f"{args}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def ssh(self, command, cluster="slurm"):
        """Run a shell command on the frontend; return what it printed."""
        return self.ok("ssh", cluster, "--", command)

    def uuids(self):
        """Return the UUIDs of the clusters that are stored here."""
        files = (self.home / ".elasticluster/storage").glob("*.json")
        return [json.loads(file.read_text())["cluster"]["uuid"] for file in files]

    def configure(self, text):
        """Write a configuration file of one's own; nothing else counts."""
        self.spend()
        folder = self.home / ".elasticluster"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(text)

    def spare(self):
        """Leave out of the default template what takes half of the time and what few tests are about."""
        deploy_default(self.home / ".elasticluster/config")
        folder = self.home / ".elasticluster/config.d"
        folder.mkdir()
        (folder / "sparing.conf").write_text(SPARING)

    def spend(self):
        """Have all that the default template has."""
        (self.home / ".elasticluster/config.d/sparing.conf").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def engine():
    """Return a client of the container engine; without one these tests fail."""
    client = docker.from_env()
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="session")
def new_user(engine, tmp_path_factory):
    """Make users; whatever is left of their clusters at the end is removed, and is an error."""
    users = []

    def make(name="user"):
        home = tmp_path_factory.mktemp(name)
        (home / "tmp").mkdir()
        users.append(User(home))
        users[-1].spare()
        return users[-1]

    yield make
    left = [leftover for user in users for leftover in _clean_up(engine, user)]
    assert left == []


@pytest.fixture(scope="module")
def user(new_user):
    """Return a user whose home is empty, but for what spares time."""
    return new_user()


@pytest.fixture
def residue(engine):
    """Return a function from a cluster's UUID to the names of what the engine has of it."""
    return lambda uuid: _residue(engine, uuid)


def _residue(engine, uuid):
    wanted = {"label": f"{LABEL}={uuid}"}
    containers = [container.name for container in engine.containers.list(all=True, filters=wanted)]
    networks = [network.name for network in engine.networks.list(filters=wanted)]
    return containers + networks + [volume.name for volume in engine.volumes.list(filters=wanted)]


def _clean_up(engine, user):
    """Remove whatever is left of a user's clusters, stored or not, and return its names."""
    owner = JsonRepository(str(user.home / ".elasticluster/storage")).owner
    ours = {"label": f"elasticluster.owner={owner}"}
    left = [str(path) for path in (user.home / "tmp").iterdir()]
    for container in engine.containers.list(all=True, filters=ours):
        left.append(container.name)
        container.remove(force=True, v=True)
    for network in engine.networks.list(filters=ours):
        left.append(network.name)
        network.remove()
    for volume in engine.volumes.list(filters=ours):
        left.append(volume.name)
        volume.remove()
    for image in engine.images.list(filters={"label": f"elasticluster.prepared.owner={owner}"}):
        left.append(image.id)
        engine.images.remove(image.id, force=True)
    return left
