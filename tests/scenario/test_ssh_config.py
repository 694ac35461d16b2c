"""`ssh-config`: which nodes it names how, where it writes, and what it refuses."""

import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.model import NodeState

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture
def cluster(stored, home):
    """Store a cluster whose nodes have addresses, but for the last one."""

    def store(name="slurm"):
        cluster = stored(name)
        cluster.key_pair()
        *up, _ = cluster.get_all_nodes()
        for number, node in enumerate(up):
            where = {"public_ip": "127.0.0.1", "ssh_port": 32768 + number}
            node.record = replace(node.record, state=NodeState.READY, **where)
        cluster.repository.save_or_update(cluster)
        return cluster

    return store


def hosts(text):
    return [line.split()[1:] for line in text.splitlines() if line.startswith("Host ")]


def understood(path, alias):
    done = subprocess.run(["ssh", "-G", "-F", path, alias], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_frontend_is_called_like_the_cluster_and_each_node_by_both_names(run, cluster):
    cluster()
    result = run("ssh-config", "slurm")
    assert result.returncode == 0
    assert hosts(result.stdout) == [["slurm", "slurm-frontend001"], ["slurm-compute001"]]
    assert "WARNING: Cluster 'slurm': no address is known of compute002.\n" in result.stderr


def test_nodes_can_be_called_by_their_names_alone(run, cluster):
    cluster()
    assert hosts(run("ssh-config", "slurm", "--bare").stdout) == [
        ["slurm", "slurm-frontend001", "frontend001"],
        ["slurm-compute001", "compute001"],
    ]


def test_file_is_for_its_owner_and_openssh_understands_it(run, cluster, home):
    stored = cluster()
    path = home / "new" / "ssh.conf"
    result = run(
        "-s", os.path.relpath(home / ".elasticluster/storage"), "ssh-config", "slurm", "-o", str(path)
    )
    assert (result.returncode, result.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = understood(path, "slurm-compute001")
    assert (found["hostname"], found["port"], found["user"]) == ("127.0.0.1", "32769", "debian")
    assert (found["hostkeyalias"], found["stricthostkeychecking"]) == ("compute001", "true")
    assert found["userknownhostsfile"] == stored.known_hosts_file
    assert found["identityfile"] == stored.key_pair().private_path
    assert found["identitiesonly"] == "yes"


def test_all_clusters_are_in_one_file_and_one_that_is_of_no_use_is_named(run, cluster, stored, home):
    cluster("one")
    cluster("two.13_04+x")
    stored("new")
    (home / ".elasticluster/storage/bad.json").write_text("{")
    result = run("ssh-config", "--all")
    assert result.returncode == 0
    assert [names[0] for names in hosts(result.stdout)] == [
        "one",
        "one-compute001",
        "two.13_04+x",
        "two.13_04+x-compute001",
    ]
    assert "bad.json" in result.stderr


def test_name_that_would_mean_several_nodes_is_left_out(run, cluster):
    cluster("one")
    cluster("one-frontend001")
    result = run("ssh-config", "one", "one-frontend001", "one", "--bare")
    assert hosts(result.stdout) == [
        ["one"],
        ["one-compute001"],
        ["one-frontend001-frontend001"],
        ["one-frontend001-compute001"],
    ]
    assert result.stderr.endswith(
        "WARNING: These would be names of several nodes, and are left out: "
        "compute001, frontend001, one-frontend001.\n"
    )


def test_several_clusters_can_be_named(run, cluster):
    cluster("one")
    cluster("two")
    assert len(hosts(run("ssh-config", "two", "one").stdout)) == 4


def test_cluster_without_addresses_is_an_error(run, stored):
    stored()
    result = run("ssh-config", "slurm")
    assert (result.returncode, result.stdout) == (4, "")
    assert result.stderr.endswith(
        "Error: Cluster 'slurm' has no node whose address is known.\n"
        "Bring it up with: elasticluster start slurm\n"
    )


def test_way_to_bring_a_cluster_up_is_for_its_storage_and_its_state(run, stored, home):
    cluster = stored()
    for node in cluster.get_all_nodes():
        node.record = replace(node.record, instance_id="m", state=NodeState.PAUSED)
    cluster.repository.save_or_update(cluster)
    storage = str(home / ".elasticluster/storage")
    assert run("-s", storage, "ssh-config", "slurm").stderr.endswith(
        f"Bring it up with: elasticluster -s {storage} resume slurm\n"
    )


@pytest.mark.parametrize("args", [(), ("--all", "slurm")])
def test_it_has_to_be_clear_which_clusters_are_meant(run, args):
    result = run("ssh-config", *args)
    assert result.returncode == 2
    assert result.stderr.endswith("Error: `ssh-config` needs the name of a cluster, or `--all`.\n")


def test_unknown_cluster_and_missing_key_are_errors(run, cluster):
    assert run("ssh-config", "x").returncode == os.EX_NOINPUT
    stored = cluster()
    for node in stored.get_all_nodes():
        node.record = replace(node.record, instance_id="m")
    stored.repository.save_or_update(stored)
    os.unlink(stored.key_pair().private_path)  # noqa: PTH108 - it is a text
    result = run("ssh-config", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE
    assert "The private key of cluster `slurm` is gone" in result.stderr


def test_file_that_cannot_be_written_is_named(run, cluster, home):
    cluster()
    (home / "file").write_text("")
    result = run("ssh-config", "slurm", "-o", str(home / "file" / "x"))
    assert result.returncode == os.EX_DATAERR
    assert f"Error: Cannot write {home}/file/x: " in result.stderr
    assert result.stderr.endswith("Name another file with `--output`.\n")


def test_known_hosts_that_are_gone_are_written_anew(run, cluster):
    stored = cluster()
    node = stored.get_node_by_name("compute001")
    node.record = replace(node.record, host_keys=(KEY,))
    stored.repository.save_or_update(stored)
    assert run("ssh-config", "slurm").returncode == 0
    written = Path(stored.known_hosts_file)
    assert written.read_text() == f"compute001,[127.0.0.1]:32769 {KEY}\n"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_path_in_which_openssh_would_put_a_variable_is_refused(run, cluster, home):
    cluster()
    storage = home / "at ${HOME}"
    (home / ".elasticluster/storage").rename(storage)
    result = run("-s", str(storage), "ssh-config", "slurm")
    assert result.returncode == 2
    assert f"Error: OpenSSH cannot use the file {storage}/slurm.known_hosts: " in result.stderr


def test_file_of_somebody_else_is_replaced_only_if_told_to(run, cluster, home):
    cluster()
    path = home / "config"
    path.write_text("Host precious\n")
    result = run("ssh-config", "slurm", "-o", str(path))
    assert result.returncode == 2
    assert result.stderr.endswith(
        f"Error: {path} exists, and was not written by `ssh-config`.\n"
        "Name another file with `--output`, or replace this one with `--overwrite`.\n"
    )
    assert path.read_text() == "Host precious\n"
    assert run("ssh-config", "slurm", "-o", str(path), "--overwrite").returncode == 0
    first = path.read_text()
    assert hosts(first)[0][0] == "slurm"
    cluster("two")
    assert run("ssh-config", "two", "-o", str(path)).returncode == 0  # it is ours by now
    assert hosts(path.read_text())[0][0] == "two"


def test_link_stays_one_and_a_pipe_is_written_to(run, cluster, home):
    cluster()
    link, pipe = home / "link", home / "pipe"
    link.symlink_to("target")
    os.mkfifo(pipe)
    assert run("ssh-config", "slurm", "-o", str(link)).returncode == 0
    assert link.is_symlink()
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert run("ssh-config", "slurm", "-o", str(pipe)).returncode == 0
        assert reader.communicate(timeout=20)[0] == (home / "target").read_text()
    assert pipe.is_fifo()
    assert run("ssh-config", "slurm", "-o", "-").stdout == (home / "target").read_text()


def test_no_cloud_is_asked_unless_told_to(run, cluster):
    cluster()
    assert run("ssh-config", "slurm").returncode == 0  # there is no engine
    assert run("ssh-config", "--update", "slurm").returncode == os.EX_UNAVAILABLE
