"""A third party's repository, as the engine uses it: the example, with its four methods."""

import gc
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.cluster import Cluster
from elasticluster.exceptions import ClusterNotFound, StateError
from elasticluster.repository import AbstractClusterRepository

EXAMPLE = Path(__file__).parents[3] / "examples/own-repository"


@pytest.fixture
def table(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(EXAMPLE)
    from table_repository import TableRepository

    return TableRepository(str(tmp_path / "table"))


def again(repository):
    """Return the repository as another process has it."""
    return type(repository)(repository.storage_path)


def store(where, name="slurm"):
    cluster = Cluster(name, repository=where)
    cluster.add_node("compute", "debian-13", "debian", "1cpu-1ram", "default")
    where.save_or_update(cluster)
    return cluster


def test_cluster_of_a_third_partys_repository_comes_back_whole(table):
    made = store(table)
    store(table, "another")
    assert again(table).get("slurm").record == made.record
    assert [cluster.name for cluster in again(table).get_all()] == ["another", "slurm"]
    again(table).delete(made)
    with pytest.raises(ClusterNotFound):
        table.get("slurm")


def test_database_of_the_example_is_for_its_owner_only_in_any_folder(table, tmp_path):
    (tmp_path / "table").mkdir(mode=0o755)
    store(table)
    assert (tmp_path / "table" / "clusters.db").stat().st_mode & 0o077 == 0


def test_engine_stores_and_forgets_by_the_four_methods(table):
    record = store(table).record
    changed = record.with_nodes(replace(record.nodes[0], instance_id="i-1"))
    table.store.journal(changed, ["compute001"])
    assert again(table).store.load("slurm") == changed
    assert table.store.names() == ["slurm"]
    with table.store.lock("slurm"):
        table.store.delete("slurm")
        table.store.delete("slurm")
    assert again(table).store.names() == []


def test_files_are_kept_where_the_repository_says(table, tmp_path):
    record = store(table).record
    key = table.store.key_pair(record)
    assert Path(key.private_path).parent == tmp_path / "table"
    assert again(table).store.key_pair(record) == key
    table.store.delete("slurm")
    assert [path.name for path in (tmp_path / "table").iterdir()] == ["clusters.db"]


def test_files_of_a_repository_without_a_folder_go_with_the_process():
    class Nowhere(AbstractClusterRepository):
        def save_or_update(self, cluster): ...

        def get(self, name):
            raise ClusterNotFound(name)

        def get_all(self):
            return []

        def delete(self, cluster): ...

    repository = Nowhere()
    record = Cluster("slurm", repository=repository).record
    private = Path(repository.store.key_pair(record).private_path)
    assert private.exists()
    del repository
    gc.collect()
    assert not private.exists()


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "it has no version, so this program did not write it"),
        ({"version": 1, "cluster": 7}, "cluster: expected a table, found a whole number"),
    ],
)
def test_document_that_is_no_cluster_is_refused(table, document, problem):
    with pytest.raises(StateError) as caught:
        table.from_document(document, "row 5")
    assert caught.value.message == f"row 5 is damaged: {problem}."
