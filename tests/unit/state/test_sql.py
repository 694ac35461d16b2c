"""The store in a database: what only such a store has."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.exceptions import ClusterNotFound, ConfigurationError, StateError
from elasticluster.model import ClusterRecord, ComponentRef, NodeRecord, NodeSpec
from elasticluster.state.sql import SqlStore

SPEC = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="1cpu-1ram")
NODES = (NodeRecord(name="compute001", spec=SPEC), NodeRecord(name="compute002", spec=SPEC))
CLUSTER = ClusterRecord(
    uuid="11111111-2222-3333-4444-555555555555",
    name="slurm",
    template="slurm",
    cloud=ComponentRef(type="docker"),
    setup=ComponentRef(type="ansible"),
    kinds=("compute",),
    nodes=NODES,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "clusters.db"


@pytest.fixture
def store(file: Path, tmp_path: Path) -> SqlStore:
    return SqlStore(f"sqlite:///{file}", str(tmp_path / "files"))


def change(file: Path, statement: str, *values: object) -> None:
    """Change a database behind the store's back."""
    with sqlite3.connect(file) as database:
        database.execute(statement, values)
    database.close()


def test_database_and_files_are_for_their_owner_only(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, store.path)] == [
        0o600,
        0o700,
        0o700,
    ]


def test_looking_makes_no_database(store: SqlStore, file: Path) -> None:
    assert store.names() == []
    store.delete("slurm")
    assert not file.parent.exists()


def test_looking_makes_no_tables_in_a_database_of_somebody_else(store: SqlStore, file: Path) -> None:
    file.parent.mkdir()
    change(file, "CREATE TABLE bookmarks (url TEXT)")
    before = file.read_bytes()
    assert store.names() == []
    with pytest.raises(ClusterNotFound):
        store.load("slurm")
    assert file.read_bytes() == before


def test_link_to_a_database_is_locked_as_the_database_itself(
    store: SqlStore, file: Path, tmp_path: Path
) -> None:
    store.save(CLUSTER)
    (tmp_path / "link.db").symlink_to(file)
    linked = SqlStore(f"sqlite:///{tmp_path}/link.db", str(tmp_path))
    with linked.lock("slurm"):
        assert [path.name for path in file.parent.glob("*.lock")] == ["clusters.db.slurm.lock"]


def test_files_are_in_the_same_folder_however_the_url_is_written() -> None:
    urls = ("me@localhost/c", "me:pw@localhost:5432/c", "127.0.0.1/c", "LOCALHOST/c?sslmode=prefer", "/c")
    folders = {SqlStore(f"postgresql://{url}").path.name for url in urls}
    assert len(folders) == 1
    others = {SqlStore(f"postgresql://{url}").path.name for url in ("h/c", "localhost:5433/c", "localhost/d")}
    assert len(folders | others) == 4


def test_generated_private_key_is_not_in_the_database(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    private = Path(store.key_pair(CLUSTER).private_path)
    assert private.parent == store.path
    assert private.read_bytes().splitlines()[1] not in file.read_bytes()


def test_files_of_each_database_are_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    one, other = (SqlStore(f"sqlite:///~/{name}/my clusters.db") for name in "ab")
    assert one.place == f"sqlite:///{tmp_path}/a/my clusters.db"
    assert one.path.parent == other.path.parent == tmp_path / ".elasticluster/databases"
    assert one.path.name.startswith("my-clusters.db-")
    assert one.path != other.path


def test_journal_writes_only_the_changed_node(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    change(file, "UPDATE elasticluster_nodes SET document = 'untouched' WHERE name = 'compute002'")
    store.journal(CLUSTER.with_nodes(replace(NODES[0], ssh_port=7)), ["compute001"])
    with sqlite3.connect(file) as database:
        stored = dict(database.execute("SELECT name, document FROM elasticluster_nodes").fetchall())
    database.close()
    assert stored["compute002"] == "untouched"
    assert json.loads(stored["compute001"])["ssh_port"] == 7


def test_node_that_only_the_journal_knows_comes_last(store: SqlStore) -> None:
    store.save(CLUSTER)
    added = replace(NODES[0], name="another001")
    store.journal(replace(CLUSTER, nodes=(added, *NODES)), ["another001"])
    assert [node.name for node in store.load("slurm").nodes] == ["compute001", "compute002", "another001"]


def test_cluster_of_an_older_version_is_brought_up_to_date(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    old = json.loads(json.dumps(_row(file)))
    del old["start_failure"]
    change(file, "UPDATE elasticluster_clusters SET version = 1, document = ?", json.dumps(old))
    assert store.load("slurm") == CLUSTER
    store.journal(CLUSTER, ["compute001"])
    assert _row(file)["start_failure"] == "keep"


def _row(file: Path) -> dict[str, object]:
    with sqlite3.connect(file) as database:
        (document,) = database.execute("SELECT document FROM elasticluster_clusters").fetchone()
    database.close()
    found: dict[str, object] = json.loads(document)
    return found


def test_cluster_of_a_newer_version_is_neither_read_nor_written_over(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    change(file, "UPDATE elasticluster_clusters SET version = 99")
    for use in (
        lambda: store.load("slurm"),
        lambda: store.save(CLUSTER),
        lambda: store.journal(CLUSTER, ["compute001"]),
    ):
        with pytest.raises(StateError) as caught:
            use()
        assert caught.value.message.startswith(
            f"Cluster `slurm` in sqlite:///{file} was written by a newer version of ElastiCluster"
        )


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "it is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("[]", "it is not a table"),
    ],
)
def test_damaged_cluster_is_named(store: SqlStore, file: Path, document: str, problem: str) -> None:
    store.save(CLUSTER)
    change(file, "UPDATE elasticluster_clusters SET document = ?", document)
    with pytest.raises(StateError) as caught:
        store.load("slurm")
    assert caught.value.message == f"Cluster `slurm` in sqlite:///{file} is damaged: {problem}."
    assert store.names() == ["slurm"]


def test_tables_of_an_older_version_are_brought_up_to_date(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    steps = (("ALTER TABLE elasticluster_clusters ADD COLUMN note TEXT DEFAULT 'kept'",),)
    newer = SqlStore(f"sqlite:///{file}", upgrades=steps)
    assert newer.load("slurm") == CLUSTER
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT note FROM elasticluster_clusters").fetchall() == [("kept",)]
    database.close()
    SqlStore(f"sqlite:///{file}", upgrades=steps).names()  # only once, or SQLite would complain
    with pytest.raises(StateError) as caught:
        SqlStore(f"sqlite:///{file}").names()
    assert caught.value.message == (
        f"The database sqlite:///{file} was set up by a newer version of ElastiCluster (schema version 2, "
        "this one knows up to 1)."
    )


def test_step_that_fails_changes_nothing(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    steps = (("ALTER TABLE elasticluster_clusters ADD COLUMN note TEXT", "nonsense"),)
    with pytest.raises(StateError, match="syntax error"):
        SqlStore(f"sqlite:///{file}", upgrades=steps).names()
    assert store.load("slurm") == CLUSTER
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        change(file, "UPDATE elasticluster_clusters SET note = ''")


def test_database_of_another_user_is_refused(store: SqlStore, file: Path) -> None:
    store.save(CLUSTER)
    if os.geteuid() == 0:
        os.chown(file, 65534, -1)
    else:
        file.unlink()
        file.symlink_to("/etc/passwd")
    for use in (store.names, lambda: SqlStore(f"sqlite:///{file}").save(CLUSTER)):
        with pytest.raises(StateError, match="belongs to user "):
            use()


def test_file_that_is_no_database_is_named(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("something else")
    with pytest.raises(StateError) as caught:
        SqlStore(f"sqlite:///{file}").names()
    assert caught.value.message == f"Cannot read the database sqlite:///{file}: file is not a database."


def test_password_is_in_no_error(tmp_path: Path) -> None:
    url = "postgresql://user:s3cret@127.0.0.1:1/clusters?password=s3cret&connect_timeout=1"
    store = SqlStore(url, str(tmp_path))
    for use in (store.names, lambda: store.save(CLUSTER), lambda: store.lock("slurm").__enter__()):
        with pytest.raises(StateError) as caught:
            use()
        assert "postgresql://user@127.0.0.1:1/clusters?connect_timeout=1: connection failed" in str(
            caught.value
        )
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "The database URL 'sqlite://' names no file."),
        ("sqlite:///:memory:", "The database URL 'sqlite:///%3Amemory%3A' names no file."),
        ("sqlite:///x.db?mode=ro", "The database URL 'sqlite:///x.db?mode=ro' has options: mode."),
        ("oracle://u:s3cret@h/x", "Clusters cannot be stored in a database of type 'oracle'."),
        (
            "postgresql+pg8000://u:s3cret@h/x",
            "The database postgresql://u@h/x needs a driver that is not installed: No module named 'pg8000'.",
        ),
        (
            "postgresql+odd://h/x",
            (
                "The database postgresql://h/x needs a driver that is not installed: "
                "Can't load plugin: sqlalchemy.dialects:postgresql.odd."
            ),
        ),
        ("postgresql://u:s3cret@h:port/x", "A database URL cannot be understood."),
        ("://", "A database URL cannot be understood."),
    ],
)
def test_url_that_cannot_be_used_is_refused_at_once(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqlStore(url)
    assert caught.value.message == message
