"""The repository in a database, under its documented name and from the command line."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster import SqlRepository
from elasticluster.cluster import Cluster
from elasticluster.conf import make_creator
from elasticluster.exceptions import ClusterNotFound, UsageError
from elasticluster.repository import MultiDiskRepository


@pytest.fixture
def clusters(tmp_path):
    return SqlRepository(f"sqlite:///{tmp_path}/clusters.db", str(tmp_path / "files"))


def store(where, name="slurm"):
    cluster = Cluster(name, repository=where)
    cluster.add_node("compute", "debian-13", "debian", "1cpu-1ram", "default")
    where.save_or_update(cluster)
    return cluster


def test_cluster_in_a_database_is_stored_found_and_forgotten(clusters, tmp_path):
    made = store(clusters)
    store(clusters, "another")
    again = SqlRepository(f"sqlite:///{tmp_path}/clusters.db")
    assert again.get("slurm").record == made.record
    assert [cluster.name for cluster in again.get_all()] == ["another", "slurm"]
    again.delete(again.get("slurm"))
    with pytest.raises(ClusterNotFound):
        clusters.get("slurm")


def test_two_ways_to_the_same_database_have_one_owner(clusters, tmp_path):
    assert SqlRepository(f"sqlite:///{tmp_path}/clusters.db").owner == clusters.owner
    assert SqlRepository(f"sqlite:///{tmp_path}/others.db").owner != clusters.owner


def test_another_computer_learns_the_host_keys(clusters, tmp_path):
    cluster = store(clusters)
    node = cluster.get_node_by_name("compute001")
    node.record = replace(node.record, host_keys=("ssh-ed25519 AAAA",), private_ip="10.0.0.7")
    clusters.save_or_update(cluster)
    elsewhere = SqlRepository(f"sqlite:///{tmp_path}/clusters.db", str(tmp_path / "elsewhere"))
    known = Path(elsewhere.get("slurm").known_hosts_file)
    assert known.parent == tmp_path / "elsewhere"
    assert "compute001" in known.read_text()
    assert "ssh-ed25519 AAAA" in known.read_text()


def test_another_computer_learns_what_has_changed(clusters, tmp_path):
    cluster = store(clusters)
    elsewhere = SqlRepository(f"sqlite:///{tmp_path}/clusters.db", str(tmp_path / "elsewhere"))
    node = cluster.get_node_by_name("compute001")
    for key, address in (("AAAA", "10.0.0.7"), ("BBBB", "10.0.0.7"), ("BBBB", "10.0.0.8")):
        node.record = replace(node.record, host_keys=(f"ssh-ed25519 {key}",), private_ip=address)
        clusters.save_or_update(cluster)
        known = Path(elsewhere.get("slurm").known_hosts_file)
        assert known.read_text() == f"compute001,{address} ssh-ed25519 {key}\n"


def test_known_hosts_are_left_to_the_command_that_works_on_the_cluster(clusters, tmp_path):
    cluster = store(clusters)
    node = cluster.get_node_by_name("compute001")
    node.record = replace(node.record, host_keys=("ssh-ed25519 AAAA",), private_ip="10.0.0.7")
    clusters.save_or_update(cluster)
    known = tmp_path / "files" / "slurm.known_hosts"
    known.write_text("compute001,10.0.0.7 ssh-ed25519 BBBB\n")  # pinned, and not stored yet
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        with clusters.store.lock("slurm"):
            os.write(writer, b"x")
            time.sleep(60)
    try:
        os.read(reader, 1)
        assert clusters.get("slurm").record == cluster.record
        assert "BBBB" in known.read_text()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_there_are_no_files_to_convert(clusters):
    with pytest.raises(UsageError) as caught:
        clusters.migrate_cluster(store(clusters))
    assert caught.value.message == f"Clusters in {clusters.place} have no files that could be converted."


@pytest.mark.parametrize("configured", [True, False])
def test_storage_path_may_be_a_database(tmp_path, configured):
    url = f"sqlite:///{tmp_path}/clusters.db"
    (tmp_path / "config").write_text(f"[storage]\nstorage_path={url}\n" if configured else "")
    creator = make_creator(str(tmp_path / "config"), None if configured else url)
    repository = creator.create_repository()
    assert isinstance(repository, SqlRepository)
    assert repository.place == url


def test_storage_path_is_a_folder_else(tmp_path):
    (tmp_path / "config").write_text("")
    repository = make_creator(str(tmp_path / "config"), str(tmp_path)).create_repository()
    assert isinstance(repository, MultiDiskRepository)


def test_command_line_lists_a_database(clusters, tmp_path):
    store(clusters)
    done = command_line(tmp_path, "", "-s", f"sqlite:///{tmp_path}/clusters.db", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "slurm\n-----\n" in done.stdout


def test_missing_extra_is_one_clear_line(tmp_path):
    lacking = "sys.modules['sqlalchemy'] = None;"
    done = command_line(tmp_path, lacking, "-s", f"sqlite:///{tmp_path}/clusters.db", "list")
    assert done.returncode == 78
    assert done.stderr == (
        "Error: To keep clusters in a database, the Python package sqlalchemy is needed.\n"
        "Install it, or ElastiCluster with its extra `sql`.\n"
    )


def command_line(home, before, *args):
    """Run the command line after some Python."""
    (home / ".elasticluster").mkdir(exist_ok=True)
    (home / ".elasticluster/config").touch()
    program = f"import sys; {before} from elasticluster.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *args],
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
