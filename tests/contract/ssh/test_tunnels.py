"""Ansible reaches many nodes through one connection to their gateway."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.engine.ports import SetupJob
from elasticluster.model import ClusterRecord, ComponentRef, KeyPair, NodeRecord, NodeSpec, NodeState
from elasticluster.setup import runner
from elasticluster.setup.inventory import inventory
from elasticluster.setup.settings import Settings
from elasticluster.setup.tunnels import tunnels

GREETING = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Say who answers
      ansible.builtin.raw: echo "$SSH_CONNECTION"
      changed_when: false
"""
INNER = [f"compute{number:03d}" for number in range(1, 13)]


@pytest.fixture(scope="module")
def servers(start_server: Any) -> tuple[Any, Any]:
    """Two servers that take the same key."""
    entrance, inner = start_server(), start_server()
    keys = inner.key.with_name("authorized_keys")
    keys.write_text(entrance.key.with_name("authorized_keys").read_text())
    return entrance, inner


@pytest.fixture
def job(servers: tuple[Any, Any], tmp_path: Path) -> SetupJob:
    entrance, inner = servers
    spec = NodeSpec(kind="frontend", image_id="debian-13", image_user=entrance.user, flavor="small")
    up = NodeRecord(name="frontend001", spec=spec, state=NodeState.REACHABLE, private_ip="127.0.0.1")
    nodes = [_at(up, "frontend001", entrance, public_ip="127.0.0.1"), *(_at(up, n, inner) for n in INNER)]
    hosts = tmp_path / "100%h known hosts"
    hosts.write_text("".join(f"{node.name} {node.host_keys[0]}\n" for node in nodes))
    cluster = ClusterRecord(
        uuid="8d3f",
        name="slurm",
        template="slurm",
        cloud=ComponentRef(type="fake"),
        setup=ComponentRef(type="ansible"),
        nodes=tuple(nodes),
    )
    key = KeyPair(name="key", public_path=f"{entrance.key}.pub", private_path=str(entrance.key))
    return SetupJob(cluster=cluster, key=key, known_hosts_path=str(hosts))


def _at(node: NodeRecord, name: str, server: Any, public_ip: str | None = None) -> NodeRecord:
    return replace(node, name=name, ssh_port=server.port, host_keys=(server.host_key,), public_ip=public_ip)


def test_every_node_is_set_up_through_one_connection_to_the_gateway(
    job: SetupJob, servers: tuple[Any, Any], tmp_path: Path
) -> None:
    before = [server.logins for server in servers]
    playbook = tmp_path / "mine.yml"
    playbook.write_text(GREETING)
    settings = Settings(groups={}, playbook=str(playbook), become=False)
    result = runner.run(settings, job, lambda _event: None)
    assert (dict(result.failures), result.error) == ({}, "")
    logins = [server.logins - count for server, count in zip(servers, before, strict=True)]
    assert logins == [2, len(INNER)]  # the gateway is a node as well


def test_one_connection_serves_many_nodes_and_ends_with_the_run(job: SetupJob, tmp_path: Path) -> None:
    with tunnels(tmp_path, job, ()) as sockets:
        assert set(sockets) == set(INNER)
        (socket,) = set(sockets.values())
        alive = ["ssh", "-O", "check", "-o", f"ControlPath={socket}", "node"]
        assert subprocess.run(alive, capture_output=True, check=False).returncode == 0
    assert not Path(socket).exists()


def test_gateway_that_cannot_be_had_is_left_to_ansible_to_tell(job: SetupJob, tmp_path: Path) -> None:
    gone = replace(job.cluster.nodes[0], ssh_port=1)
    with tunnels(tmp_path, replace(job, cluster=job.cluster.with_nodes(gone)), ()) as sockets:
        assert sockets == {}


def test_nodes_that_take_no_part_need_no_connection(job: SetupJob, tmp_path: Path) -> None:
    with tunnels(tmp_path, job, ["frontend001"]) as sockets:
        assert sockets == {}


def test_inventory_that_is_kept_is_of_use_without_a_connection(job: SetupJob, tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(inventory(job, Settings(groups={}))))
    command = ["ansible", "-i", str(path), "compute001", "-m", "ansible.builtin.raw", "-a", "echo hello"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "hello" in done.stdout, done.stdout + done.stderr
