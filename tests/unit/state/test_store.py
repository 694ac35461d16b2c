"""What only a store on disk can do wrong: crashes, damaged files, disks that are full or not writable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.exceptions import ClusterLocked, ClusterNotFound, StateError
from elasticluster.model import ClusterRecord, ComponentRef, Json, NodeRecord, NodeSpec, NodeState
from elasticluster.state.codec import MIGRATIONS, current_version
from elasticluster.state.store import DiskStore

SPEC = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="2cpu-4ram")
NODES = tuple(NodeRecord(name=f"compute00{number}", spec=SPEC) for number in (1, 2, 3))
CLUSTER = ClusterRecord(
    uuid="11111111-2222-3333-4444-555555555555",
    name="slurm",
    template="slurm",
    cloud=ComponentRef(type="docker"),
    setup=ComponentRef(type="ansible"),
    kinds=("compute",),
    nodes=NODES,
)
UNDECODABLE = "it is not JSON ('utf-8' codec can't decode byte 0xff in position 1: invalid start byte)"


def ports(store: DiskStore) -> list[int]:
    return [node.ssh_port for node in store.load("slurm").nodes]


def with_ports(*numbers: int) -> ClusterRecord:
    return CLUSTER.with_nodes(*(replace(n, ssh_port=p) for n, p in zip(NODES, numbers, strict=True)))


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    store = DiskStore(tmp_path / "storage")
    store.save(CLUSTER)
    return store


# -- where and how it is kept ----------------------------------------------------------------------


def test_directory_and_files_are_private(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "a" / "b")
    store.save(CLUSTER)
    store.journal(CLUSTER, ["compute001"])
    store.key_pair(CLUSTER)
    with store.lock("slurm"):
        modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.iterdir()}
    assert modes == dict.fromkeys(
        ["slurm.json", "slurm.journal", "slurm.key", "slurm.key.pub", "slurm.lock"], 0o600
    )
    assert [path.stat().st_mode & 0o777 for path in (store.path, store.path.parent)] == [0o700, 0o700]


def test_path_is_absolute_and_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert DiskStore("~/storage").path == DiskStore("storage").path == tmp_path / "storage"


def test_listing_makes_no_directory(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "storage")
    assert store.names() == []
    store.delete("slurm")
    assert not store.path.exists()


def test_listing_reads_no_file_and_passes_over_others(store: DiskStore) -> None:
    for name in ("broken.json", "-x.json", ".slurm.json.new", "slurm.journal", "notes.txt"):
        (store.path / name).write_text("{")
    assert store.names() == ["broken", "slurm"]


def test_locking_what_is_not_stored_leaves_no_file(store: DiskStore) -> None:
    with store.lock("other"):
        assert (store.path / "other.lock").exists()
    assert not (store.path / "other.lock").exists()


def test_snapshot_is_a_document_that_names_its_version(store: DiskStore) -> None:
    document = json.loads((store.path / "slurm.json").read_text())
    assert document.keys() == {"version", "generation", "cluster"}
    assert document["version"] == current_version()


# -- crashes ---------------------------------------------------------------------------------------


def test_journal_cut_at_any_byte_can_be_loaded_and_continued(store: DiskStore) -> None:
    path = store.path / "slurm.journal"
    ends = {0: [22, 22, 22]}
    for numbers in ((1, 22, 22), (1, 2, 22), (1, 2, 3)):
        store.journal(with_ports(*numbers), [NODES[sum(n != 22 for n in numbers) - 1].name])
        ends[path.stat().st_size] = list(numbers)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        expected = ends[max(end for end in ends if end <= size)]
        fresh = DiskStore(store.path)
        assert ports(fresh) == expected
        if size % 25:
            continue
        fresh.journal(with_ports(1, 2, 99), ["compute003"])
        assert ports(DiskStore(store.path)) == [*expected[:2], 99]


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\r\r\n", b"0000", b'00000000 {"generation": 1}\n', b"\n"])
def test_journal_with_a_torn_tail_can_be_loaded_and_continued(store: DiskStore, tail: bytes) -> None:
    store.journal(with_ports(1, 22, 22), ["compute001"])
    with (store.path / "slurm.journal").open("ab") as file:
        file.write(tail)
    assert ports(DiskStore(store.path)) == [1, 22, 22]
    store.journal(with_ports(1, 2, 22), ["compute002"])
    assert ports(DiskStore(store.path)) == [1, 2, 22]


def test_journal_damaged_in_the_middle_is_an_error(store: DiskStore) -> None:
    path = store.path / "slurm.journal"
    for number in (1, 2):
        store.journal(with_ports(number, 22, 22), ["compute001"])
    path.write_bytes(path.read_bytes().replace(b'"ssh_port": 1', b'"ssh_port": 7'))
    for use in (lambda: store.load("slurm"), lambda: store.journal(CLUSTER, ["compute001"])):
        with pytest.raises(StateError) as caught:
            use()
        assert caught.value.message == f"{path} is damaged: the checksum of line 1 is wrong."


def test_journal_of_an_older_snapshot_changes_nothing(store: DiskStore) -> None:
    """As after a crash between the writing of the newer snapshot and the removal of the journal."""
    path = store.path / "slurm.journal"
    store.journal(with_ports(1, 22, 22), ["compute001"])
    old = path.read_bytes()
    store.save(with_ports(5, 5, 5))
    path.write_bytes(old)
    assert ports(store) == [5, 5, 5]
    store.journal(with_ports(5, 6, 5), ["compute002"])
    assert ports(DiskStore(store.path)) == [5, 6, 5]


CRASH = """
    import os, sys
    from dataclasses import replace
    from elasticluster.state.store import DiskStore

    verb, directory = sys.argv[1:]
    CHANGES = {"open", "os.rename", "os.remove"}

    def work(step):
        seen = 0

        def die(event, args):
            nonlocal seen
            if event in CHANGES and any(store.path.name in str(arg) for arg in args):
                seen += 1
                if seen == step:
                    os._exit(9)

        store = DiskStore(f"{directory}/storage{step}")
        old = store.load("slurm")
        new = old.with_nodes(*(replace(node, ssh_port=7) for node in old.nodes))
        names = [node.name for node in old.nodes]
        sys.addaudithook(die)
        getattr(store, verb)(*{"save": [new], "journal": [new, names], "delete": ["slurm"]}[verb])
        os._exit(0)

    for step in range(1, 21):
        child = os.fork() or work(step)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("verb", ["save", "journal", "delete"])
def test_crash_before_any_change_of_a_file_leaves_the_old_or_the_new(tmp_path: Path, verb: str) -> None:
    stores = [DiskStore(tmp_path / f"storage{step}") for step in range(1, 21)]
    for store in stores:
        store.save(CLUSTER)
        store.journal(with_ports(1, 1, 1), [node.name for node in NODES])
    ends = run_python(CRASH, verb, str(tmp_path)).split()
    crashes = ends.count("9")
    assert crashes > 3
    assert ends == ["9"] * crashes + ["0"] * (20 - crashes)
    for store in stores:
        found = ports(store) if store.names() else None
        assert found in ([1, 1, 1], [7, 7, 7]) or (verb == "delete" and found in ([22, 22, 22], None))
        store.delete("slurm")
        assert list(store.path.iterdir()) == []


def run_python(code: str, *args: str) -> str:
    """Run code in another process and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout


def test_left_over_temporary_file_is_no_obstacle(store: DiskStore) -> None:
    (store.path / ".slurm.json.new").write_text("half a clus")
    store.save(with_ports(1, 2, 3))
    assert ports(store) == [1, 2, 3]


# -- what is stored makes no sense -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b'{"version": 1', "it is not JSON (Expecting ',' delimiter: line 1 column 14 (char 13))"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'"\xff"', UNDECODABLE),
        (b'{"version": 1, "cluster": {}}', "it holds no cluster (KeyError('generation'))"),
        (b'{"version": 1, "generation": "g", "cluster": []}',
         "it holds no cluster (TypeError('list indices must be integers or slices, not str'))"),
        (b"[1]", "it has no version, so this program did not write it"),
        (b'{"name": "slurm"}', "it has no version, so this program did not write it"),
    ],
)  # fmt: skip
def test_damaged_snapshot_is_named_and_not_written_over(
    store: DiskStore, content: bytes, problem: str
) -> None:
    path = store.path / "slurm.json"
    path.write_bytes(content)
    with pytest.raises(StateError) as caught:
        store.load("slurm")
    assert caught.value.message == f"{path} is damaged: {problem}."
    with pytest.raises(StateError):
        store.save(CLUSTER)
    assert path.read_bytes() == content
    assert store.names() == ["slurm"]


def test_newer_version_is_neither_read_nor_written_over(store: DiskStore) -> None:
    path = store.path / "slurm.json"
    path.write_text(path.read_text().replace('"version": 2', '"version": 3'))
    message = (
        f"{path} was written by a newer version of ElastiCluster (state version 3, this one knows up to 2)."
    )
    for use in (
        lambda: store.load("slurm"),
        lambda: store.save(CLUSTER),
        lambda: store.journal(CLUSTER, ["compute001"]),
    ):
        with pytest.raises(StateError) as caught:
            use()
        assert caught.value.message == message


def test_file_of_another_cluster_is_refused(store: DiskStore) -> None:
    (store.path / "copy.json").write_bytes((store.path / "slurm.json").read_bytes())
    with pytest.raises(StateError) as caught:
        store.load("copy")
    assert caught.value.message == f"{store.path / 'copy.json'} is damaged: it holds cluster `slurm`."


def shorten(cluster: dict[str, Json]) -> dict[str, Json]:
    """Turn a made-up version 3 out of version 2: ports are counted from 1000 on."""
    return cluster | {"nodes": [node | {"ssh_port": node["ssh_port"] + 1000} for node in cluster["nodes"]]}


def test_older_version_is_read_with_its_journal_and_stored_in_the_current_one(store: DiskStore) -> None:
    store.journal(with_ports(1, 22, 22), ["compute001"])
    newer = DiskStore(store.path, migrations=[*MIGRATIONS, shorten])
    cluster = newer.load("slurm")
    assert [node.ssh_port for node in cluster.nodes] == [1001, 1022, 1022]
    newer.journal(cluster, ["compute002"])
    assert json.loads((store.path / "slurm.json").read_text())["version"] == 3
    assert ports(DiskStore(store.path, migrations=[*MIGRATIONS, shorten])) == [1001, 1022, 1022]


def test_node_that_only_the_journal_knows_is_not_lost(store: DiskStore) -> None:
    new = NodeRecord(name="compute004", spec=SPEC, state=NodeState.CREATING)
    store.journal(replace(CLUSTER, nodes=(*NODES, new)), ["compute004"])
    assert store.load("slurm").nodes == (*NODES, new)


def test_second_store_on_the_same_directory_is_noticed(store: DiskStore) -> None:
    second = DiskStore(store.path)
    store.journal(with_ports(1, 22, 22), ["compute001"])
    second.save(with_ports(1, 2, 22))
    store.journal(with_ports(1, 2, 3), ["compute003"])
    assert ports(second) == [1, 2, 3]


# -- disks -----------------------------------------------------------------------------------------


def test_full_disk_is_named_and_nothing_is_lost(store: DiskStore) -> None:
    """A limit on the size of files ends a write half-way, as a full disk does."""
    code = f"""
        import resource, signal
        from elasticluster.exceptions import StateError
        from elasticluster.state.store import DiskStore
        store = DiskStore({str(store.path)!r})
        cluster = store.load("slurm")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        for write in (lambda: store.save(cluster), lambda: store.journal(cluster, ["compute001"])):
            try:
                write()
            except StateError as exc:
                print(exc.message)
    """
    assert run_python(code).splitlines() == [
        f"Cannot write {store.path}/slurm.json: File too large.",
        f"Cannot write {store.path}/slurm.journal: File too large.",
    ]
    assert ports(store) == [22, 22, 22]
    assert sorted(path.name for path in store.path.iterdir()) == ["slurm.journal", "slurm.json", "slurm.lock"]
    store.journal(with_ports(1, 22, 22), ["compute001"])
    assert ports(store) == [1, 22, 22]


def test_unusable_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = DiskStore(tmp_path / "file")
    expected: list[tuple[Callable[[], object], str]] = [
        (store.names, f"Cannot read {store.path}: Not a directory."),
        (lambda: store.load("slurm"), f"Cannot read {store.path}/slurm.json: Not a directory."),
        (lambda: store.save(CLUSTER), f"Cannot lock {store.path}/slurm.lock: File exists."),
    ]
    for use, message in expected:
        with pytest.raises(StateError) as caught:
            use()
        assert caught.value.message == message


def test_file_that_cannot_be_read_is_named(store: DiskStore) -> None:
    path = store.path / "slurm.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(StateError) as caught:
        store.load("slurm")
    assert caught.value.message == f"Cannot read {path}: Is a directory."


# -- locks -----------------------------------------------------------------------------------------


def test_forked_child_does_not_keep_the_lock(store: DiskStore) -> None:
    reader, writer = os.pipe()
    with store.lock("slurm"):
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    try:
        other = subprocess.run(
            ["flock", "--nonblock", str(store.path / "slurm.lock"), "true"], check=False, timeout=10
        )
        assert other.returncode == 0
    finally:
        os.close(writer)
        os.close(reader)
        os.waitpid(child, 0)


def test_lock_ends_while_somebody_has_a_copy_of_its_descriptor(store: DiskStore) -> None:
    """As a forked child has at first, before it comes to close it."""
    path = store.path / "slurm.lock"
    with store.lock("slurm"):
        (held,) = (link for link in Path("/proc/self/fd").iterdir() if _leads_to(link, path))
        copy = os.dup(int(held.name))
    try:
        assert subprocess.run(["flock", "--nonblock", str(path), "true"], check=False).returncode == 0
    finally:
        os.close(copy)


def _leads_to(link: Path, path: Path) -> bool:
    return link.is_symlink() and str(link.readlink()) == str(path)


def test_started_program_does_not_keep_the_lock(store: DiskStore) -> None:
    path = store.path / "slurm.lock"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with store.lock("slurm"), subprocess.Popen(["cat"], bufsize=0, close_fds=False, **pipes) as program:
        program.stdin.write(b"here\n")  # it has closed what it does not keep by the time it answers
        assert program.stdout.readline() == b"here\n"
        descriptors = Path(f"/proc/{program.pid}/fd")
        assert str(path) not in [str(link.readlink()) for link in descriptors.iterdir()]
        program.communicate(b"")


def test_lock_on_a_removed_file_is_not_taken_for_the_lock(store: DiskStore) -> None:
    """The holder deletes the cluster while another process has the lock's file open already."""
    path = store.path / "slurm.lock"
    with path.open("w") as removed:
        path.unlink()
        subprocess.run(
            ["flock", "--nonblock", str(removed.fileno())], check=True, pass_fds=[removed.fileno()]
        )
        with store.lock("slurm"):
            assert path.exists()


def test_holder_that_tells_nothing_is_reported_all_the_same(store: DiskStore) -> None:
    path = store.path / "slurm.lock"
    with path.open("w") as file:
        subprocess.run(["flock", "--nonblock", str(file.fileno())], check=True, pass_fds=[file.fileno()])
        with pytest.raises(ClusterLocked) as caught, store.lock("slurm"):
            pass
    assert caught.value.message == (
        "Another command is working on cluster `slurm`: a process that has not told its name."
    )


def test_load_after_deletion_finds_nothing(store: DiskStore) -> None:
    DiskStore(store.path).delete("slurm")
    with pytest.raises(ClusterNotFound):
        store.load("slurm")
