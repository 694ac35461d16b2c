"""Nodes that have no public address are reached through the frontend, from the first login to the last."""

import json
import subprocess
import sys

import pytest
from tests.e2e import own_playbook
from tests.e2e.own_playbook import nodes, wait_for

CLOUD = '''
"""Containers of which only the frontend shows the port that is published."""

from dataclasses import replace

from elasticluster.engine.ports import Created
from elasticluster.providers.docker import DockerProvider


class InnerCloud(DockerProvider):
    delivers_host_keys = False
    host_key_patience = 0

    def create_instances(self, request):
        created = super().create_instances(request)
        return Created(instances=tuple(map(inner, created.instances)), failures=created.failures)

    def list_instances(self, cluster=None):
        return [inner(instance) for instance in super().list_instances(cluster)]


def inner(instance):
    return instance if instance.tags.kind == "frontend" else replace(instance, public_ip=None, ssh_port=22)
'''
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Leave a trace
      ansible.builtin.command: touch /var/tmp/trace
      changed_when: false
"""
CONNECT = """
from elasticluster.repository import JsonRepository
cluster = JsonRepository("{storage}").get("slurm")
with cluster.get_node_by_name("compute002").connect() as client:
    _, out, _ = client.exec_command("hostname; ls /var/tmp/trace")
    print(out.read().decode(), end="")
"""


@pytest.fixture
def user(new_user, monkeypatch):
    """Return somebody whose cloud gives public addresses to frontends only."""
    user = new_user("inner")
    own_playbook.write(user, PLAYBOOK, compute_nodes=2)
    config = user.home / ".elasticluster/config"
    config.write_text(config.read_text().replace("provider=docker", "provider=inner_cloud:InnerCloud"))
    (user.home / "inner_cloud.py").write_text(CLOUD)
    monkeypatch.setenv("PYTHONPATH", str(user.home))
    yield user
    user.ok("stop", "--yes", "slurm")


def logins(engine, node):
    """Return from which addresses somebody has logged in to a node."""
    container = engine.containers.get(node["instance_id"])
    journal = container.exec_run(["journalctl", "--no-pager", "-o", "cat"]).output.decode()
    return [line.split(" from ")[1].split()[0] for line in journal.splitlines() if "Accepted pub" in line]


def test_cluster_is_used_through_its_frontend(user, engine):
    started = user.run("start", "slurm")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "accepted on first contact, 2 of them through frontend001." in started.stdout + started.stderr
    _look_around(user)
    before = nodes(user)["frontend001"]

    user.ok("pause", "--yes", "slurm")
    user.ok("resume", "slurm")
    now = nodes(user)
    assert now["frontend001"]["ssh_port"] != before["ssh_port"]
    _look_around(user)
    frontend = {before["private_ip"], now["frontend001"]["private_ip"]}
    for name in ("compute001", "compute002"):
        assert now[name]["public_ip"] is None
        assert set(logins(engine, now[name])) == frontend

    _without_frontend(user, engine, now)


def _look_around(user):
    assert json.loads(user.ok("status", "--json", "slurm"))["healthy"]
    assert user.ok("ssh", "-n", "compute001", "slurm", "--", "hostname") == "compute001\n"
    (user.home / "data").write_text("of mine")
    user.ok("sftp", "-n", "compute001", "slurm", stdin=f"put {user.home}/data /tmp/data\n")
    config, copy = user.home / "ssh.conf", user.home / "copy"
    user.ok("ssh-config", "slurm", "--output", str(config))
    copied = ["scp", "-q", "-B", "-F", str(config), "slurm-compute001:/tmp/data", str(copy)]
    subprocess.run(copied, check=True, timeout=60)
    assert copy.read_text() == "of mine"
    program = CONNECT.format(storage=user.home / ".elasticluster/storage")
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=user.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout == "compute002\n/var/tmp/trace\n"


def _without_frontend(user, engine, now):
    """Those behind a frontend that is gone say so, all at once."""
    frontend = engine.containers.get(now["frontend001"]["instance_id"])
    frontend.exec_run(["systemctl", "stop", "ssh.socket", "ssh.service"])
    port = now["frontend001"]["ssh_port"]
    status = user.run("status", "slurm")
    assert status.returncode != 0
    for name in ("compute001", "compute002"):
        assert f"{name}: gateway: through frontend001: 127.0.0.1:{port} " in status.stdout + status.stderr
    frontend.exec_run(["systemctl", "start", "ssh.service"])
    wait_for(lambda: user.run("status", "slurm").returncode == 0)
