"""Stored clusters through conversions: as a user asks for them, and through crashes in the midst of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.state.test_convert import FORMS, HERE, files, node_of, store_version1

from elasticluster.config.default import deploy_default
from elasticluster.model import ClusterRecord
from elasticluster.state import formats
from elasticluster.state.store import DiskStore

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / ".elasticluster" / "storage"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def config(storage: Path) -> Path:
    path = storage.parent / "config"
    deploy_default(path)
    return path


@pytest.fixture
def run(storage: Path, config: Path) -> Run:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "HOME": str(storage.parents[1]),
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
        }
        command = [sys.executable, "-m", "elasticluster", *args]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def originals(folder: Path) -> None:
    """Put what the original ElastiCluster has written into a folder: a YAML and a JSON file."""
    for sample in (HERE / "original").glob("*.*"):
        if sample.suffix != ".py":
            shutil.copy(sample, folder)


# -- the command -------------------------------------------------------------------------------------


def test_migrate_says_what_it_would_do_and_then_does_it(run: Run, storage: Path) -> None:
    originals(storage)
    before = files(storage)
    foreseen = run("migrate", "--dry-run")
    assert (foreseen.returncode, foreseen.stderr) == (0, "")
    assert foreseen.stdout == (
        "Cluster `paused` would be converted: paused.json, of the original ElastiCluster -> paused.json, "
        "version 2. The old file would be kept as paused.json.original.\n"
        "Cluster `slurm` would be converted: slurm.yaml, of the original ElastiCluster -> slurm.json, "
        "version 2. The old file would be kept as slurm.yaml.original.\n"
    )
    assert files(storage) == before
    assert "is kept as slurm.yaml.original." in run("migrate").stdout
    assert files(storage) == [
        "paused.json",
        "paused.json.original",
        "slurm.json",
        "slurm.known_hosts",
        "slurm.yaml.original",
    ]
    assert run("migrate", "slurm").stdout == "Cluster `slurm` is up to date: slurm.json, version 2.\n"
    assert "compute002\n" in run("list-nodes", "slurm").stdout


def test_migrate_goes_on_after_a_damaged_file_and_fails_in_the_end(run: Run, storage: Path) -> None:
    store_version1(storage, "json")
    (storage / "bad.yaml").write_text("[")
    result = run("migrate", "--to", "pickle")
    assert result.returncode == os.EX_DATAERR
    assert (
        result.stdout == "Cluster `slurm` was converted: slurm.json, version 1 -> slurm.pickle, version 2.\n"
    )
    assert result.stderr.startswith(f"Error: {storage}/bad.yaml is damaged: it is not YAML (")
    assert len(run("list").stderr.splitlines()) == 2
    assert run("migrate", "nowhere").returncode == os.EX_NOINPUT


def test_storage_type_is_the_format_of_new_clusters_and_of_migrate(
    run: Run, storage: Path, config: Path
) -> None:
    store_version1(storage, "json")
    config.write_text(config.read_text() + "\n[storage]\nstorage_type=yaml\n")
    assert run("migrate").stdout.endswith("-> slurm.yaml, version 2.\n")
    assert files(storage) == ["slurm.yaml"]
    assert "name:           slurm\n" in run("list").stdout


# -- clusters of the original, without any conversion ------------------------------------------------


def test_cluster_of_the_original_can_be_looked_at(run: Run, storage: Path) -> None:
    originals(storage)
    listed = run("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "name:           slurm\n" in listed.stdout
    nodes = run("list-nodes", "slurm")
    assert nodes.returncode == 0
    assert "  - compute001\n    public IP:   198.51.100.11\n    private IP:  10.0.0.11\n" in nodes.stdout
    assert "Frontend node: frontend001\n" in nodes.stdout
    assert not list(storage.glob("*.original"))


def test_cluster_whose_template_is_gone_is_not_stopped_and_it_is_said_what_to_do(
    run: Run, storage: Path
) -> None:
    originals(storage)
    result = run("stop", "--yes", "slurm")
    assert result.returncode == os.EX_CONFIG
    assert result.stderr.endswith(
        "Error: Cluster 'slurm' has no cloud provider.\n"
        "Give one as `cloud_provider` when you make the cluster, or write its template "
        "`[cluster/slurm-on-openstack]` into the configuration.\n"
    )
    assert (storage / "slurm.yaml").exists()


def test_cluster_of_the_original_gets_the_cloud_of_its_template(
    run: Run, storage: Path, config: Path
) -> None:
    originals(storage)
    config.write_text(config.read_text().replace("[cluster/slurm]", "[cluster/slurm-on-openstack]"))
    result = run("stop", "--yes", "slurm")
    assert result.returncode == os.EX_UNAVAILABLE, result.stderr  # the cloud was asked; it does not answer
    assert "/nonexistent/docker.sock" in result.stderr


# -- crashes -----------------------------------------------------------------------------------------

CRASH = """
    import os, sys
    from elasticluster.state.store import DiskStore

    old, new, directory = sys.argv[1:]
    CHANGES = {"open", "os.rename", "os.remove"}

    def work(step):
        seen = 0

        def die(event, args):
            nonlocal seen
            if event in CHANGES and any(store.path.name in str(arg) for arg in args):
                seen += 1
                if seen == step:
                    os._exit(9)

        store = DiskStore(f"{directory}/storage{step}", ["json", "yaml", "pickle"])
        sys.addaudithook(die)
        store.convert("slurm", new)
        os._exit(0)

    for step in range(1, 31):
        child = os.fork() or work(step)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(("old", "new"), [("yaml", "pickle"), ("original", "json")])
def test_crash_before_any_change_of_a_file_leaves_the_cluster(tmp_path: Path, old: str, new: str) -> None:
    folders = [tmp_path / f"storage{step}" for step in range(1, 31)]
    for folder in folders:
        if old == "original":
            folder.mkdir()
            originals(folder)
            (folder / "paused.json").unlink()
        else:
            store_version1(folder, old)
    cluster = DiskStore(folders[0], FORMS).load("slurm")
    ends = run_python(CRASH, old, new, str(tmp_path)).split()
    crashes = ends.count("9")
    assert 8 < crashes < 30
    assert ends == ["9"] * crashes + ["0"] * (30 - crashes)
    twice = 0
    for folder in folders:
        store = DiskStore(folder, FORMS)
        twice += sum(path.suffix in formats.SUFFIXES.values() for path in folder.iterdir()) > 1
        assert store.load("slurm") == cluster
        assert store.names() == ["slurm"]
        go_on(store, cluster, new)
    assert twice


def go_on(store: DiskStore, cluster: ClusterRecord, new: str) -> None:
    """Use a cluster after a crash: it is changed, converted, and deleted, and nothing is left."""
    changed = cluster.with_nodes(replace(node_of(cluster), ssh_port=5))
    store.journal(changed, [node_of(cluster).name])
    assert store.load("slurm") == changed
    store.convert("slurm", new)
    assert store.load("slurm") == changed
    found = {path.name for path in store.path.iterdir() if path.suffix in formats.SUFFIXES.values()}
    assert found == {f"slurm.{new}"}
    store.delete("slurm")
    assert files(store.path) == []


def test_killed_conversions_leave_the_cluster(tmp_path: Path) -> None:
    """From format to format without an end, and kill -9 at any moment; a reader looks on."""
    store = store_version1(tmp_path, "json")
    cluster = store.load("slurm")
    code = """
        import itertools, sys
        from elasticluster.state.store import DiskStore
        store = DiskStore(sys.argv[1], ["json", "yaml", "pickle"])
        for form in itertools.cycle(["yaml", "pickle", "json"]):
            store.convert("slurm", form)
            print(form, flush=True)
    """
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), tmp_path], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(7):
                child.stdout.readline()
                assert store.load("slurm") == cluster
            child.kill()
        assert store.load("slurm") == cluster
        store.convert("slurm", "json")
        assert [name for name in files(tmp_path) if name[0] != "."] == ["slurm.json"]
    store.delete("slurm")
    assert files(tmp_path) == []


def run_python(code: str, *args: str) -> str:
    """Run code in another process and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
