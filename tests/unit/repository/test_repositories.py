"""Repositories on disk, under their documented names."""

import pytest

import elasticluster
from elasticluster import repository
from elasticluster.cluster import Cluster
from elasticluster.exceptions import ClusterNotFound, ConfigurationError
from elasticluster.repository import (
    AbstractClusterRepository,
    DiskRepository,
    JsonRepository,
    MultiDiskRepository,
    PickleRepository,
    YamlRepository,
)

KIND = ("debian-13", "debian", "1cpu-1ram", "default")


def store(where, name="slurm"):
    cluster = Cluster(name, repository=where)
    cluster.add_node("compute", *KIND)
    where.save_or_update(cluster)
    return cluster


@pytest.mark.parametrize("name", repository.__all__)
def test_repository_is_a_name_of_the_package_itself(name):
    found = getattr(elasticluster, name)
    assert found is getattr(repository, name)
    assert issubclass(found, AbstractClusterRepository)


def test_name_of_2016_is_the_repository_of_pickles():
    assert repository.ClusterRepository is PickleRepository


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        (JsonRepository, "slurm.json"),
        (YamlRepository, "slurm.yaml"),
        (PickleRepository, "slurm.pickle"),
        (MultiDiskRepository, "slurm.yaml"),
        (DiskRepository, "slurm.yaml"),
    ],
)
def test_each_repository_writes_its_format(tmp_path, kind, file):
    made = store(kind(str(tmp_path)))
    assert (tmp_path / file).exists()
    loaded = kind(str(tmp_path)).get("slurm")
    assert loaded.record == made.record
    kind(str(tmp_path)).delete(loaded)
    assert kind(str(tmp_path)).get_all() == []
    assert list(tmp_path.iterdir()) == []


def test_one_repository_reads_all_formats(tmp_path):
    for kind in (JsonRepository, YamlRepository, PickleRepository):
        store(kind(str(tmp_path)), kind.__name__)
    every = MultiDiskRepository(str(tmp_path), default_store="pickle")
    assert every.names() == ["JsonRepository", "PickleRepository", "YamlRepository"]
    assert [cluster.name for cluster in every.get_all()] == every.names()
    store(every, "new")
    assert (tmp_path / "new.pickle").exists()
    with pytest.raises(ClusterNotFound):
        YamlRepository(str(tmp_path)).get("new")


def test_unknown_format_is_refused_at_once(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        MultiDiskRepository(str(tmp_path), "xml")
    assert caught.value.message == "Clusters cannot be stored as 'xml'."


def test_cluster_is_converted_by_object_or_by_name(tmp_path):
    every = MultiDiskRepository(str(tmp_path))
    cluster = store(every)
    assert every.migrate_cluster(cluster, "json", dry_run=True).needed
    assert (tmp_path / "slurm.yaml").exists()
    assert every.migrate_cluster(cluster, "json").target == tmp_path / "slurm.json"
    assert every.migrate_cluster("slurm").target == tmp_path / "slurm.yaml"
    assert not every.migrate_cluster("slurm").needed
    assert [path.name for path in tmp_path.glob("slurm.[jyp]*")] == ["slurm.yaml"]
    with pytest.raises(ConfigurationError, match="are not stored as 'json' here, but as yaml"):
        YamlRepository(str(tmp_path)).migrate_cluster("slurm", "json")


def test_clusters_have_one_owner_whatever_their_format(tmp_path):
    kinds = (JsonRepository, YamlRepository, PickleRepository, MultiDiskRepository)
    assert len({kind(str(tmp_path)).owner for kind in kinds}) == 1
