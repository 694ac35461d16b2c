"""What every store of clusters does, on disk, in a database and in memory."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.engine.ports import ClusterStore
from elasticluster.exceptions import (
    ClusterConflict,
    ClusterLocked,
    ClusterNotFound,
    ConfigurationError,
    KeypairError,
    NodeNotFound,
    StateError,
)
from elasticluster.model import ClusterRecord, ComponentRef, Failure, Layer, NodeRecord, NodeSpec, NodeState
from elasticluster.state.memory import MemoryStore
from elasticluster.state.sql import SqlStore
from elasticluster.state.store import DiskStore

SPEC = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="2cpu-4ram")
NODE = NodeRecord(name="compute001", spec=SPEC)
LOST = Failure(layer=Layer.LOGIN, message="no such user", evidence="line one\nline two")
CLUSTER = ClusterRecord(
    uuid="11111111-2222-3333-4444-555555555555",
    name="slurm",
    template="slurm",
    created=1700000000.5,
    cloud=ComponentRef(type="docker", args={"network": None, "ports": [22, 80]}),
    setup=ComponentRef(type="ansible", section="setup/slurm"),
    kinds=("frontend", "compute"),
    nodes=(NODE, replace(NODE, name="compute002", host_keys=("ssh-ed25519 AAAA",), failure=LOST)),
    min_nodes={"compute": 1},
    secrets={"munge_key": "s3cret"},
    extra={"deep": {"list": [1, 2.5, True, None, "ü\ud800\n"]}},
)


ON_DISK = {
    "json": ("json",),
    "yaml": ("yaml",),
    "pickle": ("pickle",),
    "multi": ("yaml", "json", "pickle"),
}


SHARED = [*ON_DISK, "sqlite", pytest.param("postgresql", marks=pytest.mark.full)]


@dataclass
class Shared:
    """A place where several processes remember clusters.

    Attributes:
        kind: the store's class.
        arguments: those of its constructor, which another process can be given as text.
    """

    kind: type[Any]
    arguments: tuple[Any, ...]

    def open(self, patience: float = 1.0) -> Any:
        return self.kind(*self.arguments, patience=patience)


def make_place(request: pytest.FixtureRequest, kind: str, files: Path) -> Shared:
    """Return where clusters can be stored in one of the ways that are known here."""
    if kind in ON_DISK:
        return Shared(DiskStore, (str(files), ON_DISK[kind]))
    url = f"sqlite:///{files}.db" if kind == "sqlite" else request.getfixturevalue("new_database")()
    return Shared(SqlStore, (url, str(files)))


@pytest.fixture(params=[*SHARED, "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ClusterStore]:
    if request.param != "memory":
        yield make_place(request, request.param, tmp_path / "storage").open()
        return
    memory = MemoryStore()
    yield memory
    memory.close()


def running(name: str) -> NodeRecord:
    return replace(NODE, name=name, state=NodeState.RUNNING, instance_id=f"i-{name}")


def test_saved_cluster_comes_back_whole(store: ClusterStore) -> None:
    store.save(CLUSTER)
    assert store.load("slurm") == CLUSTER


def test_names_are_sorted(store: ClusterStore) -> None:
    assert store.names() == []
    for name in ("slurm_xl", "slurm13.04", "Slurm", "slurm+pvfs2", "slurm.json", "slurm"):
        store.save(replace(CLUSTER, name=name))
    assert store.names() == ["Slurm", "slurm", "slurm+pvfs2", "slurm.json", "slurm13.04", "slurm_xl"]


def test_loading_what_is_not_there_names_it(store: ClusterStore) -> None:
    with pytest.raises(ClusterNotFound) as caught:
        store.load("slurm")
    assert str(caught.value) == "Cluster `slurm` not found.\n`elasticluster list` shows all clusters."


@pytest.mark.parametrize("name", ["../slurm", "a/b", "", ".hidden", "-n", "a" * 101])
def test_name_that_leaves_the_store_is_refused(store: ClusterStore, name: str) -> None:
    for use in (store.load, store.delete, store.lock, store.known_hosts_path, store.trace_path):
        with pytest.raises(ConfigurationError, match="cannot be the name of a cluster"):
            use(name)


def test_journal_changes_the_named_nodes_only(store: ClusterStore) -> None:
    store.save(CLUSTER)
    changed = replace(CLUSTER, ready=True).with_nodes(running("compute001"), running("compute002"))
    store.journal(changed, ["compute002"])
    assert store.load("slurm") == CLUSTER.with_nodes(running("compute002"))


def test_journal_keeps_the_last_of_many_changes(store: ClusterStore) -> None:
    store.save(CLUSTER)
    for number in range(20):
        node = replace(running("compute001"), ssh_port=number)
        store.journal(CLUSTER.with_nodes(node), ["compute001"])
    assert store.load("slurm") == CLUSTER.with_nodes(replace(running("compute001"), ssh_port=19))


def test_save_after_journal_wins(store: ClusterStore) -> None:
    store.save(CLUSTER)
    store.journal(CLUSTER.with_nodes(running("compute001")), ["compute001"])
    smaller = replace(CLUSTER, nodes=CLUSTER.nodes[1:])
    store.save(smaller)
    assert store.load("slurm") == smaller


def test_journal_of_what_is_not_stored_stores_it(store: ClusterStore) -> None:
    store.journal(CLUSTER, ["compute001"])
    assert store.load("slurm") == CLUSTER


def test_journal_of_unknown_node_is_refused(store: ClusterStore) -> None:
    store.save(CLUSTER)
    with pytest.raises(NodeNotFound) as caught:
        store.journal(CLUSTER, ["compute001", "compute009"])
    assert str(caught.value) == "Cluster `slurm` has no node compute009."


def test_other_cluster_of_the_same_name_is_not_written_over(store: ClusterStore) -> None:
    store.save(CLUSTER)
    other = replace(CLUSTER, uuid="99999999-2222-3333-4444-555555555555")
    for write in (lambda: store.save(other), lambda: store.journal(other, ["compute001"])):
        with pytest.raises(ClusterConflict) as caught:
            write()
        assert caught.value.message == "Another cluster is stored under the name `slurm`."
    assert store.load("slurm") == CLUSTER


def test_deleted_cluster_leaves_nothing(store: ClusterStore) -> None:
    store.save(CLUSTER)
    store.journal(CLUSTER, ["compute001"])
    key = store.key_pair(CLUSTER)
    hosts = Path(store.known_hosts_path("slurm"))
    hosts.write_text("compute001 ssh-ed25519 AAAA\n")
    trace = Path(store.trace_path("slurm"))
    trace.write_text("{}\n")
    assert store.names() == ["slurm"]
    with store.lock("slurm"):
        store.delete("slurm")
    assert store.names() == []
    kept = (hosts, trace, Path(key.public_path), Path(key.private_path))
    assert not [path for path in kept if path.exists()]


def test_delete_spares_a_cluster_whose_name_begins_alike(store: ClusterStore) -> None:
    names = ("slurm2", "slurm.key", "slurm.json", "slurm.trace", "x.slurm")
    others = [replace(CLUSTER, name=name) for name in names]
    for cluster in (CLUSTER, *others):
        store.save(cluster)
        store.journal(cluster.with_nodes(running("compute001")), ["compute001"])
        Path(store.trace_path(cluster.name)).write_text(cluster.name)
    keys = [store.key_pair(cluster) for cluster in others]
    store.delete("slurm")
    assert [store.load(other.name).node("compute001") for other in others] == [running("compute001")] * 5
    assert [store.key_pair(cluster) for cluster in others] == keys
    assert [Path(store.trace_path(name)).read_text() for name in names] == list(names)


def test_delete_of_what_is_not_there_is_no_error(store: ClusterStore) -> None:
    store.delete("slurm")
    store.save(CLUSTER)
    store.delete("slurm")
    store.delete("slurm")
    assert store.names() == []


def test_cluster_can_be_stored_again_after_deletion(store: ClusterStore) -> None:
    store.save(CLUSTER)
    store.journal(CLUSTER.with_nodes(running("compute001")), ["compute001"])
    store.delete("slurm")
    other = replace(CLUSTER, uuid="99999999-2222-3333-4444-555555555555")
    store.save(other)
    store.journal(other, ["compute002"])
    assert store.load("slurm") == other


def test_lock_can_be_taken_again_in_the_same_process(store: ClusterStore) -> None:
    with store.lock("slurm"), store.lock("slurm"):
        store.save(CLUSTER)
    with store.lock("slurm"):
        assert store.load("slurm") == CLUSTER


def test_generated_key_pair_stays_the_same(store: ClusterStore) -> None:
    pair = store.key_pair(CLUSTER)
    assert store.key_pair(CLUSTER) == pair
    assert pair.name == "slurm-11111111"
    assert Path(pair.private_path).stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", pair.private_path], capture_output=True, check=True, text=True
    )
    assert shown.stdout.split()[:2] == Path(pair.public_path).read_text().split()[:2]


def test_lost_key_of_running_machines_is_not_made_anew(store: ClusterStore) -> None:
    pair = store.key_pair(CLUSTER)
    Path(pair.private_path).unlink()
    with pytest.raises(KeypairError) as caught:
        store.key_pair(CLUSTER.with_nodes(running("compute001")))
    assert str(caught.value) == (
        f"The private key of cluster `slurm` is gone: {pair.private_path}. Its nodes accept no other.\n"
        "Put it back from a copy. Without it the cluster can still be listed and stopped."
    )


# -- two processes at once: only clusters in memory do not have them -------------------------------


def other_process(place: Shared, code: str) -> subprocess.Popen[str]:
    """Run code in another process, with `store` and `CLUSTER` at hand; it says "ready" first."""
    prelude = f"""
        import sys, time
        from dataclasses import replace
        from elasticluster.exceptions import ClusterLocked
        from {place.kind.__module__} import {place.kind.__name__} as Store
        store = Store(*{place.arguments!r}, patience=30)
        CLUSTER = store.load("slurm")
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def send(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


HOLD = """
    with store.lock("slurm"):
        print("ready", flush=True)
        sys.stdin.read()
"""


@pytest.fixture(params=SHARED)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Shared:
    made = make_place(request, request.param, tmp_path / "storage")
    made.open().save(CLUSTER)
    return made


def test_lock_keeps_other_processes_out_and_names_the_holder(place: Shared) -> None:
    store = place.open()
    with other_process(place, HOLD) as holder:
        wait_until_ready(holder)
        with pytest.raises(ClusterLocked) as caught, store.lock("slurm"):
            pass
        assert store.load("slurm") == CLUSTER
        holder.communicate("")
    assert str(caught.value) == (
        f"Another command is working on cluster `slurm`: process {holder.pid} (-c).\n"
        "Wait until it has ended, then try again."
    )
    with store.lock("slurm"):
        store.save(CLUSTER)


@pytest.mark.parametrize("write", ["save", "journal", "delete"])
def test_locked_cluster_is_not_changed_by_another_process(place: Shared, write: str) -> None:
    store = place.open(patience=0.05)
    changed = CLUSTER.with_nodes(running("compute001"))
    with other_process(place, HOLD) as holder:
        wait_until_ready(holder)
        with pytest.raises(ClusterLocked):
            {
                "save": lambda: store.save(changed),
                "journal": lambda: store.journal(changed, ["compute001"]),
                "delete": lambda: store.delete("slurm"),
            }[write]()
        holder.communicate("")
    assert store.load("slurm") == CLUSTER


def test_lock_ends_with_a_killed_process(place: Shared) -> None:
    store = place.open()
    with other_process(place, HOLD) as holder:
        wait_until_ready(holder)
        holder.kill()
        holder.wait()
        with store.lock("slurm"):
            store.delete("slurm")
    assert list(store.path.iterdir()) == []


def test_two_processes_that_write_at_once_lose_nothing(place: Shared) -> None:
    write = """
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(40):
            node = replace(CLUSTER.node("compute002"), ssh_port=1000 + number)
            store.journal(CLUSTER.with_nodes(node), ["compute002"])
    """
    store = place.open(patience=30)  # nobody keeps a turn for those who wait
    with other_process(place, write) as other:
        wait_until_ready(other)
        send(other, "go\n")
        for number in range(40):
            store.journal(CLUSTER.with_nodes(replace(NODE, ssh_port=number)), ["compute001"])
            if number % 10 == 0:
                compact(store)
        assert other.wait() == 0
    assert {node.name: node.ssh_port for node in store.load("slurm").nodes} == {
        "compute001": 39,
        "compute002": 1039,
    }


def compact(store: ClusterStore) -> None:
    """Read and write a whole cluster under the lock, as soon as that can be had."""
    while True:
        with contextlib.suppress(ClusterLocked), store.lock("slurm"):
            store.save(store.load("slurm"))
            return


def test_reader_beside_a_writer_always_finds_a_whole_cluster(place: Shared) -> None:
    store = place.open()
    read = """
        print("ready", flush=True)
        last = 0
        while last < 59:
            port = store.load("slurm").node("compute001").ssh_port
            assert port >= last or last == 22, (port, last)
            last = port if port != 22 else 0
    """
    with other_process(place, read) as reader:
        wait_until_ready(reader)
        for number in range(60):
            changed = CLUSTER.with_nodes(replace(NODE, ssh_port=number + 1))
            if number % 7:
                store.journal(changed, ["compute001"])
            else:
                store.save(changed)
        assert reader.wait(20) == 0


def test_killed_writer_leaves_what_it_wrote_last(place: Shared) -> None:
    store = place.open()
    write = """
        print("ready", flush=True)
        number = int(sys.stdin.readline())
        while True:
            number += 1
            changed = CLUSTER.with_nodes(replace(CLUSTER.node("compute001"), ssh_port=number))
            store.save(changed) if number % 3 else store.journal(changed, ["compute001"])
            print(number, flush=True)
    """
    last = 1000
    for _ in range(5):
        with other_process(place, write) as writer:
            wait_until_ready(writer)
            send(writer, f"{last}\n")
            assert writer.stdout is not None
            told = [writer.stdout.readline()]
            time.sleep(random.uniform(0, 0.05))  # noqa: S311 - any moment will do
            writer.kill()
            told += list(writer.stdout)
        last = int(told[-1])
        node = store.load("slurm").node("compute001")
        assert node is not None
        assert node.ssh_port in (last, last + 1)
        store.save(CLUSTER.with_nodes(node))  # nobody holds the lock any more


@pytest.fixture(params=ON_DISK)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> DiskStore:
    store = DiskStore(tmp_path / "storage", ON_DISK[request.param])
    store.save(CLUSTER)
    return store


def give_away(path: Path) -> str:
    """Let a file belong to another user of this computer; return who that is."""
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
    else:
        path.unlink()
        path.symlink_to("/etc/passwd")
    owner = path.stat().st_uid
    return f"user {pwd.getpwuid(owner).pw_name} ({owner})"


def test_cluster_of_another_user_is_refused_everywhere(disk: DiskStore) -> None:
    (snapshot,) = (path for path in disk.path.iterdir() if path.stem == "slurm" and path.suffix != ".lock")
    owner = give_away(snapshot)
    us = f"user {pwd.getpwuid(os.geteuid()).pw_name} ({os.geteuid()})"
    for use in (
        lambda: disk.load("slurm"),
        lambda: disk.save(CLUSTER),
        lambda: disk.journal(CLUSTER, ["compute001"]),
        lambda: disk.convert("slurm"),
    ):
        with pytest.raises(StateError) as caught:
            use()
        assert caught.value.message == (
            f"{snapshot} belongs to {owner} and not to {us}: it is not used, since what it says can run "
            "programs as you."
        )
        assert caught.value.hint == (
            f"If you trust it: `chown {os.geteuid()} {snapshot}`. "
            "Else move it away, or run this as its owner."
        )


def test_journal_and_key_of_another_user_are_refused(disk: DiskStore) -> None:
    disk.journal(CLUSTER.with_nodes(running("compute001")), ["compute001"])
    private = Path(disk.key_pair(CLUSTER).private_path)
    for path in (disk.path / "slurm.journal", private):
        give_away(path)
    for use in (
        lambda: disk.load("slurm"),
        lambda: disk.journal(CLUSTER, ["compute001"]),
        lambda: disk.key_pair(CLUSTER),
    ):
        with pytest.raises(StateError, match="belongs to user "):
            use()
