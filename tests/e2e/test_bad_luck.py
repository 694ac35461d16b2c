"""What users do wrong and what goes wrong, each with the message that they see."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.e2e.own_playbook import WAITING, wait_for, write

pytestmark = pytest.mark.e2e

FAILING = """
- name: A play of mine
  hosts: all
  gather_facts: false
  tasks:
    - name: Look for the impossible
      ansible.builtin.command: test -e /tmp/mended
      changed_when: false
"""


@pytest.fixture
def user(new_user):
    """Somebody with a playbook of his own, whose cluster is stopped in the end."""
    made = new_user()
    yield made
    made.run("stop", "--yes", "--force", "slurm")


def states(user):
    nodes = json.loads(user.ok("list-nodes", "--json", "slurm"))["nodes"]
    return {node["name"]: (node["state"], node["failure"]) for node in nodes}


def refused(user, result):
    """Check that a `start` was refused with one clear message and left nothing; return the message."""
    assert result.returncode not in (0, 1), result.stderr
    assert "Traceback" not in result.stderr
    assert user.ok("list") == "No clusters found.\n"
    return result.stderr


def test_no_engine(user):
    write(user)
    environment = user.environment() | {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    command = [sys.executable, "-m", "elasticluster", "start", "slurm"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "/nonexistent/docker.sock" in refused(user, result)


def test_no_permission_on_the_engine(user):
    write(user)
    path = user.home / "engine.sock"
    command = [sys.executable, "-m", "elasticluster", "start", "slurm"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        if os.geteuid() == 0:  # root may do anything, unless it gives its capabilities away
            os.chown(path, 65534, 65534)
            command = ["setpriv", "--bounding-set=-all", *command]
        path.chmod(0o600 if os.geteuid() == 0 else 0)
        environment = user.environment() | {"DOCKER_HOST": f"unix://{path}"}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == os.EX_NOPERM, result.stderr
    assert str(path) in refused(user, result)


def test_engine_on_another_machine(user):
    write(user)
    environment = user.environment() | {"DOCKER_HOST": "tcp://192.0.2.1:2375"}
    command = [sys.executable, "-m", "elasticluster", "start", "slurm"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "192.0.2.1" in refused(user, result)


@pytest.mark.full  # an engine is asked again for a minute before it is given up
def test_engine_that_goes_away_in_the_middle(user, residue):
    write(user)
    with Proxy(user.home / "engine.sock") as proxy:
        environment = user.environment() | {"DOCKER_HOST": f"unix://{proxy.path}"}
        command = [sys.executable, "-m", "elasticluster", "start", "slurm"]
        starting = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        (uuid,) = wait_for(user.uuids)
        wait_for(lambda: residue(uuid))
        proxy.close()
        _, errors = starting.communicate(timeout=200)
    assert starting.returncode != 0
    assert "Traceback" not in errors
    assert "engine" in errors
    assert user.uuids() == [uuid]
    user.ok("stop", "--yes", "slurm")
    assert residue(uuid) == []


def test_image_that_cannot_be_had(user):
    write(user, image_id="no-such-image:ever")
    assert "no-such-image:ever" in refused(user, user.run("start", "slurm"))


def test_flavor_larger_than_the_machine(user):
    write(user, flavor="1024cpu-1ram")
    message = refused(user, user.run("start", "slurm"))
    assert "1024" in message
    assert str(os.cpu_count()) in message


def test_more_nodes_than_inotify_instances(user):
    write(user)
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    if limit > 100_000:
        pytest.skip("this machine has enough of them for any cluster")
    message = refused(user, user.run("start", "slurm", "--nodes", f"{limit}:compute"))
    assert "fs.inotify.max_user_instances" in message


def test_start_timeout_too_short_keeps_the_nodes_for_the_next_start(user, residue):
    write(user, start_timeout="0.05")
    result = user.run("start", "slurm")
    assert result.returncode == 4
    assert "Your cluster `slurm` is not ready:\n" in result.stdout
    assert "within 0.05 s" in result.stdout or "given up after 0.05 s" in result.stdout
    (uuid,) = user.uuids()
    assert len(residue(uuid)) == 4
    write(user)
    assert user.run("start", "slurm").returncode == 0
    assert user.uuids() == [uuid]


def test_failing_task_names_node_task_and_message_and_setup_can_be_repeated(user):
    write(user, FAILING)
    result = user.run("start", "slurm")
    assert result.returncode == 4
    for node in ("frontend001", "compute001"):
        line = next(line for line in result.stdout.splitlines() if line.startswith(f"  {node}: setup: "))
        assert "Look for the impossible" in line
        assert "non-zero return code" in line
        user.ok("ssh", "slurm", "-n", node, "--", "touch /tmp/mended")
    repeated = user.run("setup", "slurm")
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert repeated.stdout.endswith("Your cluster `slurm` is set up, not verified: front, work\n")
    assert user.run("setup", "slurm", "--require-check").returncode == 5


def test_node_that_dies_during_setup_is_named_and_replaced(user, engine):
    write(user, WAITING)
    starting = user.begin("start", "slurm", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    (uuid,) = wait_for(user.uuids)
    wanted = {"label": [f"elasticluster.uuid={uuid}", "elasticluster.node=compute001"]}
    (node,) = wait_for(lambda: engine.containers.list(filters=wanted))
    wait_for(lambda: "sleep 600" in str(node.top()["Processes"]))
    node.remove(force=True, v=True)
    (front,) = engine.containers.list(
        filters={"label": [f"elasticluster.uuid={uuid}", "elasticluster.node=frontend001"]}
    )
    front.exec_run("pkill -f 'sleep 600'")
    output, errors = starting.communicate(timeout=200)
    assert starting.returncode == 4, errors
    assert "  compute001: setup: " in output
    write(user)
    assert user.run("start", "slurm").returncode == 0
    assert states(user)["compute001"][1] is None


def test_playbook_that_cannot_be_read_is_refused_before_anything_is_made(user):
    write(user, "- hosts: [unclosed\n")
    assert "mine.yml" in refused(user, user.run("start", "slurm"))


def test_names_that_clouds_do_not_take(user, residue):
    write(user)
    for name in ("slurm+pvfs2", "slurm13.04", "slurm_xl"):
        user.ok("start", "slurm", "--name", name, "--no-setup", "--nodes", "0:compute")
        assert user.ok("ssh", name, "--", "hostname").strip() == "frontend001"
        assert f"  name:           {name}\n" in user.ok("list")
    for name in ("slurm+pvfs2", "slurm13.04", "slurm_xl"):
        user.ok("stop", "--yes", name)
    assert user.uuids() == []


class Proxy:
    """An engine that can be taken away: passes everything on to the real one until it is closed."""

    def __init__(self, path):
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        self.path.unlink(missing_ok=True)
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect("/var/run/docker.sock")
            self._open += [client, engine]
            for source, target in ((client, engine), (engine, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
