"""Clusters that one process stores and another one uses, by way of each repository on disk."""

import json
import shutil
import subprocess
import sys
import textwrap

import pytest
import yaml
from tests.e2e.own_playbook import nodes, write

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
        there = residue(uuid)
        stopped = user.run("stop", "--yes", "my-cluster")  # by its label the node is of another cluster
        assert (stopped.returncode, residue(uuid)) == (1, there)
        assert f"The container '{node.instance_id}' is left alone" in stopped.stderr
    finally:
        provider = DockerProvider()
        provider.stop_instances([node.instance_id])
        provider.release(uuid)
    assert residue(uuid) == []
    user.ok("stop", "--yes", "my-cluster")  # what is gone counts as stopped
    assert list(folder.iterdir()) == []


def test_container_that_is_not_ours_is_left_alone_whatever_a_record_says(user, engine):
    user.ok("list-templates")
    folder = user.home / ".elasticluster/storage"
    folder.mkdir(exist_ok=True)
    machine = engine.containers.create(engine.images.list()[0].id, command=["true"])
    try:
        node = {"name": "frontend001", "instance_id": machine.id, "ips": ["192.0.2.1"], "kind": "frontend"}
        stored = {"name": "older", "template": "slurm", "nodes": {"frontend": [node]}}
        (folder / "older.yaml").write_text(json.dumps(stored))
        stopped = user.run("stop", "--yes", "older")
        assert stopped.returncode == 1
        assert f"The container '{machine.id}' is left alone: it is no node of this cluster." in stopped.stderr
        forced = user.run("stop", "--yes", "--force", "older")
        assert forced.returncode == 1
        assert forced.stderr.endswith("It was forgotten all the same.\n")
        assert list(folder.iterdir()) == []
        machine.reload()
    finally:
        for left in engine.containers.list(all=True, filters={"id": machine.id}):
            left.remove(force=True)


# -- handed over ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def owner(new_user):
    """Return somebody whose cluster, of a template with a key pair of his own, is exported in both ways."""
    user = new_user("owner")
    key = user.home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    write(user)
    config = user.home / ".elasticluster/config"
    login = f"[login/local]\nuser_key_private={key}\nuser_key_public={key}.pub\n"
    config.write_text(config.read_text().replace("[login/local]\n", login))
    user.ok("start", "slurm")
    user.ok("export", "slurm", "-o", str(user.home / "bare"))
    user.ok("export", "slurm", "--save-keys", "--yes", "-o", str(user.home / "full"))
    yield user
    user.run("stop", "--yes", "--force", "slurm")


@pytest.fixture
def receiver(new_user):
    """Return somebody who has a configuration without any section that the cluster was started with."""
    user = new_user("receiver")
    user.configure("")
    return user


def test_cluster_exported_without_keys_is_used_elsewhere_where_its_key_is_in_the_same_place(owner, receiver):
    done = receiver.run("import", "--yes", str(owner.home / "bare.zip"))
    assert (done.returncode, "The private key" in done.stderr) == (0, False)  # its path is good here, too
    assert list(nodes(receiver)) == ["frontend001", "compute001"]
    assert receiver.ssh("hostname") == "frontend001\n"


def test_cluster_exported_without_keys_is_logged_in_to_with_a_key_of_another_path(owner, receiver):
    key = receiver.home / "handed over"
    for end in ("", ".pub"):
        shutil.copy(owner.home / f"key{end}", f"{key}{end}")
    receiver.ok("import", "--yes", str(owner.home / "bare.zip"), "--key", str(key))
    (owner.home / "key").rename(owner.home / "away")
    try:
        assert receiver.ssh("hostname") == "frontend001\n"
    finally:
        (owner.home / "away").rename(owner.home / "key")


def test_cluster_exported_with_keys_is_taken_over_grown_and_stopped_elsewhere(owner, receiver, residue):
    (uuid,) = owner.uuids()
    (owner.home / "key").rename(owner.home / "away")
    try:
        receiver.ok("import", "--yes", str(owner.home / "full.zip"), "--rename", "mine")
        assert receiver.uuids() == [uuid]
        assert receiver.ssh("echo hello > greeting; hostname", cluster="mine") == "frontend001\n"
        receiver.ok("setup", "mine")
        receiver.ok("resize", "-a", "1:compute", "mine")
        assert receiver.ok("ssh", "mine", "-n", "compute002", "--", "cat greeting") == "hello\n"
        receiver.ok("stop", "--yes", "mine")
        assert residue(uuid) == []
    finally:
        (owner.home / "away").rename(owner.home / "key")
    assert "Cluster `slurm` was stopped." in owner.ok("stop", "--yes", "slurm")  # forgets what is gone
    assert not list((owner.home / ".elasticluster/storage").glob("slurm.*"))
