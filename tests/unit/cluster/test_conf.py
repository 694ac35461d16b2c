"""From configuration files to clusters."""

from dataclasses import replace

import pytest

from elasticluster.conf import Creator, make_creator
from elasticluster.config.default import deploy_default
from elasticluster.exceptions import (
    ClusterConflict,
    ClusterNotFound,
    ConfigurationError,
    TemplateNotFound,
    UsageError,
)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config"
    deploy_default(path)
    return path


@pytest.fixture
def creator(config, tmp_path):
    return make_creator(str(config), str(tmp_path / "storage"))


def test_default_configuration_makes_the_local_slurm_cluster(creator):
    cluster = creator.create_cluster("slurm")
    assert [node.name for node in cluster.get_all_nodes()] == ["frontend001", "compute001", "compute002"]
    assert cluster.record.cloud.type == "docker"
    assert cluster.record.setup.args["groups"] == {"frontend": ["slurm_master"], "compute": ["slurm_worker"]}
    assert cluster.get_ssh_to_node().name == "frontend001"


def test_cluster_may_have_another_name_and_other_numbers_of_nodes(creator):
    cluster = creator.create_cluster("slurm", "mine", counts={"compute": 0})
    assert (cluster.name, cluster.template) == ("mine", "slurm")
    assert cluster.record.kinds == ("frontend", "compute")
    assert len(cluster.get_all_nodes()) == 1


def test_unknown_kind_is_refused(creator):
    with pytest.raises(UsageError, match="has no nodes of kind 'cmopute'"):
        creator.create_cluster("slurm", counts={"cmopute": 1})


def test_unknown_template_is_refused(creator):
    with pytest.raises(TemplateNotFound, match="There is no template 'slurn'"):
        creator.create_cluster("slurn")


def test_provider_that_is_not_there_yet_is_refused(creator, config):
    config.write_text(
        config.read_text() + "\n[cloud/aws]\nprovider=ec2_boto\n[cluster/aws]\ncloud=aws\nlogin=local\n"
        "setup=slurm\nimage_id=ami-1\nflavor=t3.small\nfrontend_nodes=1\n"
    )
    with pytest.raises(ConfigurationError, match="'ec2_boto', which this version does not have yet"):
        creator.create_cluster("aws")


def test_providers_are_made_of_templates(creator):
    assert type(creator.create_cloud_provider("slurm")).__name__ == "DockerProvider"
    assert list(creator.create_setup_provider("slurm").groups["compute"]) == ["slurm_worker"]


def test_unknown_cluster_is_an_error_that_lists_the_others(creator):
    with pytest.raises(ClusterNotFound, match="No clusters were started yet"):
        creator.load_cluster("slurm")
    cluster = creator.create_cluster("slurm")
    cluster.repository.save_or_update(cluster)
    with pytest.raises(ClusterNotFound, match="Clusters: slurm"):
        creator.load_cluster("other")


def test_stored_cluster_learns_what_is_safe_to_change(creator, config):
    cluster = creator.create_cluster("slurm")
    cluster.repository.save_or_update(cluster)
    config.write_text(config.read_text().replace("ssh_to=frontend", "ssh_to=compute\nstart_timeout=7"))
    again = make_creator(str(config), creator.storage_path)
    loaded = again.load_cluster("slurm")
    again.update(loaded)
    assert (loaded.ssh_to, loaded.start_timeout) == ("compute", 7)
    assert [node.name for node in loaded.get_all_nodes()] == ["frontend001", "compute001", "compute002"]


def test_template_may_not_move_a_running_cluster_to_another_cloud(creator, config):
    cluster = creator.create_cluster("slurm")
    cluster.nodes["frontend"][0].record = replace(cluster.nodes["frontend"][0].record, instance_id="c-1")
    cluster.repository.save_or_update(cluster)
    config.write_text(
        config.read_text().replace("provider=docker", "provider=docker\ndocker_host=tcp://127.0.0.1:1")
    )
    again = make_creator(str(config), creator.storage_path)
    with pytest.raises(
        ClusterConflict, match="has machines on cloud 'local', but its template 'slurm' is for another"
    ):
        again.update(again.load_cluster("slurm"))


def test_storage_section_says_where_clusters_are_remembered(config, tmp_path):
    config.write_text(config.read_text() + f"\n[storage]\nstorage_path={tmp_path}/elsewhere\n")
    assert make_creator(str(config)).storage_path == f"{tmp_path}/elsewhere"
    assert make_creator(str(config), "/given").storage_path == "/given"


def test_configuration_is_read_only_when_it_is_needed():
    def read():
        raise AssertionError("read")

    assert Creator(read, "/given").storage_path == "/given"
