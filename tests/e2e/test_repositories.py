"""Clusters that one process stores and another one uses, by way of each repository on disk."""

import json
import subprocess
import sys
import textwrap

import pytest
import yaml

from elasticluster import DockerProvider, JsonRepository

pytestmark = pytest.mark.e2e

MAKE = """
    import sys
    import elasticluster
    kind, folder = sys.argv[1:]
    repository = getattr(elasticluster, kind)(folder)
    cluster = elasticluster.Cluster(
        "my-cluster", cloud_provider=elasticluster.DockerProvider(), repository=repository
    )
    cluster.add_node("compute", "debian-13", "debian", "1cpu-0.5ram", "default")
    cluster.start()
    print(cluster.uuid)
"""

USE = """
    import sys
    import elasticluster
    kind, folder = sys.argv[1:]
    cluster = getattr(elasticluster, kind)(folder).get("my-cluster")
    node = cluster.get_node_by_name("compute001")
    assert node.is_alive()
    with node.connect() as ssh:
        print(ssh.exec_command("hostname")[1].read().decode().strip())
    cluster.stop()
    assert getattr(elasticluster, kind)(folder).get_all() == []
"""


def python(user, code, *args):
    """Run code in a process of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        env=user.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("PickleRepository", "my-cluster.pickle"),
        ("YamlRepository", "my-cluster.yaml"),
        ("MultiDiskRepository", "my-cluster.yaml"),
    ],
)
def test_cluster_of_one_process_is_used_and_stopped_by_another(user, residue, kind, file):
    folder = user.home / ".elasticluster/storage"
    uuid = python(user, MAKE, kind, str(folder))
    assert (folder / file).exists()
    assert len(residue(uuid)) > 0
    assert python(user, USE, kind, str(folder)) == "compute001"
    assert residue(uuid) == []
    assert list(folder.iterdir()) == []


def test_command_line_works_with_what_the_python_api_has_stored_and_converts_it(user, residue):
    folder = user.home / ".elasticluster/storage"
    uuid = python(user, MAKE, "ClusterRepository", str(folder))
    assert user.ok("ssh", "my-cluster", "--", "hostname") == "compute001\n"
    user.ok("migrate", "--to", "yaml")
    assert yaml.safe_load((folder / "my-cluster.yaml").read_text())["cluster"]["uuid"] == uuid
    assert user.ok("ssh", "my-cluster", "--", "hostname") == "compute001\n"
    user.ok("stop", "--yes", "my-cluster")
    assert residue(uuid) == []
    assert list(folder.iterdir()) == []


def test_node_that_the_original_knows_is_logged_in_to(user, residue):
    """A real node, described as the original would have: address with port, host key under a hashed name."""
    user.ok("list-templates")
    folder = user.home / ".elasticluster/storage"
    uuid = python(user, MAKE, "JsonRepository", str(folder))
    record = JsonRepository(str(folder)).get("my-cluster").record
    (node,) = record.nodes
    keys = folder.parent / "keys"
    keys.mkdir()
    for half in ("my-cluster.key", "my-cluster.key.pub"):
        (folder / half).rename(keys / half)
    for left in folder.iterdir():
        left.unlink()
    place = f"{node.public_ip}:{node.ssh_port}"
    nodes = [{"name": node.name, "instance_id": node.instance_id, "ips": [place], "image_user": "debian"}]
    stored = {
        "name": "my-cluster",
        "template": "slurm",
        "user_key_private": str(keys / "my-cluster.key"),
        "user_key_public": str(keys / "my-cluster.key.pub"),
        "nodes": {"frontend": nodes},
    }
    (folder / "my-cluster.yaml").write_text(yaml.safe_dump(stored))
    hosts = folder / "my-cluster.known_hosts"
    hosts.write_text(f"[{node.public_ip}]:{node.ssh_port} {node.host_keys[0]}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", hosts], check=True)
    (folder / "my-cluster.known_hosts.old").unlink()
    assert "|1|" in hosts.read_text()
    try:
        assert user.ok("ssh", "my-cluster", "--", "hostname") == "compute001\n"
        user.ok("stop", "--yes", "my-cluster")
        assert node.name not in " ".join(residue(uuid))
    finally:
        provider = DockerProvider()
        provider.stop_instances([node.instance_id])
        provider.release(uuid)
    assert residue(uuid) == []


def test_machine_that_the_original_has_made_is_stopped(user, engine):
    """The original had no containers; what counts is that an instance id without our labels is enough."""
    user.ok("list-templates")
    folder = user.home / ".elasticluster/storage"
    folder.mkdir(exist_ok=True)
    machine = engine.containers.create(engine.images.list()[0].id, command=["true"])
    try:
        node = {"name": "frontend001", "instance_id": machine.id, "ips": ["192.0.2.1"], "kind": "frontend"}
        stored = {"name": "older", "template": "slurm", "nodes": {"frontend": [node]}}
        (folder / "older.yaml").write_text(json.dumps(stored))
        assert f"instance id:   {machine.id}\n" in user.ok("list-nodes", "older")
        user.ok("stop", "--yes", "older")
        assert [one.id for one in engine.containers.list(all=True) if one.id == machine.id] == []
        assert list(folder.iterdir()) == []
    finally:
        for left in engine.containers.list(all=True, filters={"id": machine.id}):
            left.remove(force=True)
