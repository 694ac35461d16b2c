"""The container engine, or the whole computer, goes down and comes up again under a cluster."""

import os
import subprocess

import pytest
from tests.e2e.own_playbook import ids, nodes, write
from tests.e2e.second_engine import Inside, SecondEngine

from elasticluster.providers.docker import images
from elasticluster.providers.docker.client import Engine

pytestmark = pytest.mark.e2e

KEPT = "kept on its own disk"


@pytest.fixture(scope="module")
def second(engine):
    """Start an engine of our own that has the node image already."""
    tag = images.ensure(Engine(), "debian-13")
    made = SecondEngine()
    try:
        made.start()
        with made.client() as client:
            client.images.load(b"".join(engine.images.get(tag).save(named=True)))
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def cluster(new_user, second):
    """Start a cluster there, with something on a node's disk that a new machine would not have."""
    user = Inside(new_user("restart").home, second)
    write(user)
    try:
        user.ok("start", "slurm")
        user.ok("ssh", "slurm", "-n", "compute001", "--", f"echo '{KEPT}' > /var/tmp/kept")
        yield user
    finally:
        user.run("stop", "--yes", "--force", "slurm")


def away(user):
    """Check what users are told while the engine does not run."""
    assert "  name:           slurm\n" in user.ok("list")
    assert sorted(nodes(user)) == ["compute001", "frontend001"]
    for command in (["list-nodes", "--update", "slurm"], ["setup", "slurm"], ["start", "slurm"]):
        result = user.run(*command)
        assert result.returncode == os.EX_UNAVAILABLE, result.stderr
        assert "ec-engine-" in result.stderr
        assert "Traceback" not in result.stderr


def down_then_up_again(user):
    """Check that nodes which do not run are named, and that `start` starts the same ones again."""
    before, ports = ids(user), {name: node["ssh_port"] for name, node in nodes(user).items()}
    result = user.run("ssh", "slurm", "--", "hostname")
    assert result.returncode == 4, result.stderr
    assert result.stderr.endswith("\nBring it up with: elasticluster start slurm\n")
    for name, node in nodes(user, "--update").items():
        assert node["failure"] == f"boot: its instance {before[name]} has stopped"
    user.ok("start", "slurm")
    assert ids(user) == before
    assert all(node["failure"] is None for node in nodes(user).values())
    assert user.ok("ssh", "slurm", "-n", "compute001", "--", "cat /var/tmp/kept") == f"{KEPT}\n"
    return ports


def test_engine_that_was_stopped(cluster, second):
    second.stop()
    away(cluster)
    second.start()
    ports = down_then_up_again(cluster)
    lines = (cluster.home / ".elasticluster/storage/slurm.known_hosts").read_text()
    for name, node in nodes(cluster).items():
        assert node["ssh_port"] != ports[name] or f":{ports[name]} " in lines
        assert f"[127.0.0.1]:{node['ssh_port']}" in lines


def test_engine_that_was_killed(cluster, second):
    second.kill()
    away(cluster)
    second.start()
    down_then_up_again(cluster)


def test_power_cut_loses_no_machine(cluster, second):
    second.cut_power()
    second.start()
    down_then_up_again(cluster)


def test_stop_after_the_last_restart_leaves_nothing(cluster, second):
    second.stop()
    result = cluster.run("stop", "--yes", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE
    assert "  name:           slurm\n" in cluster.ok("list")
    second.start()
    cluster.ok("stop", "--yes", "slurm")
    with second.client() as client:
        assert client.containers.list(all=True) == []
        assert client.volumes.list() == []
        assert [network.name for network in client.networks.list() if network.name.startswith("slurm")] == []
    assert cluster.ok("list") == "No clusters found.\n"


def test_start_whose_engine_is_killed_on_the_way_is_carried_on_with(new_user, second, cluster):
    user = Inside(new_user("halfway").home, second)
    write(user)
    starting = user.begin("start", "slurm", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in starting.stderr:
        if line.startswith("Waiting for "):
            break
    second.kill()
    second.start()
    output, errors = starting.communicate(timeout=200)
    assert starting.returncode in (4, os.EX_UNAVAILABLE), output + errors
    assert "Traceback" not in errors
    user.ok("start", "slurm")
    assert user.ssh("hostname").strip() == "frontend001"
    user.ok("stop", "--yes", "slurm")
