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
        config.read_text() + "\n[cloud/aws]\nprovider=google\n[cluster/aws]\ncloud=aws\nlogin=local\n"
        "setup=slurm\nimage_id=ami-1\nflavor=t3.small\nfrontend_nodes=1\n"
    )
    with pytest.raises(ConfigurationError, match="'google', which this version does not have yet"):
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


def test_what_differs_from_the_template_is_told_once_and_then_taken_over(creator, config):
    cluster = creator.create_cluster("slurm")
    cluster.repository.save_or_update(cluster)
    config.write_text(config.read_text().replace("ssh_to=frontend", "ssh_to=compute\ncompute_nodes_min=1"))
    again = make_creator(str(config), creator.storage_path)
    loaded = again.load_cluster("slurm")
    assert [one.subject for one in again.update(loaded)] == ["ssh_to", "compute_nodes_min"]
    assert again.update(loaded) == ()
    assert loaded.record.min_nodes == {"compute": 1}


def test_cluster_whose_template_is_gone_differs_from_nothing(creator, config):
    cluster = creator.create_cluster("slurm")
    config.write_text(config.read_text().replace("[cluster/slurm]", "[cluster/other]"))
    assert make_creator(str(config), creator.storage_path).update(cluster) == ()


def test_start_failure_of_the_template_is_remembered_and_may_change(creator, config):
    cluster = creator.create_cluster("slurm")
    assert cluster.record.start_failure == "keep"
    cluster.repository.save_or_update(cluster)
    config.write_text(config.read_text().replace("ssh_to=frontend", "ssh_to=frontend\nstart_failure=stop"))
    again = make_creator(str(config), creator.storage_path)
    assert again.create_cluster("slurm", "other").record.start_failure == "stop"
    loaded = again.load_cluster("slurm")
    again.update(loaded)
    assert loaded.record.start_failure == "stop"


@pytest.fixture
def growing(creator, config):
    """Return a cluster without compute nodes, and its creator; the configuration has a second template."""
    cluster = creator.create_cluster("slurm", counts={"compute": 0})
    cluster.repository.save_or_update(cluster)
    config.write_text(
        config.read_text() + "\n[setup/gpu]\ngpu_groups=slurm_worker\n"
        "[cluster/gpu]\ncloud=local\nlogin=local\nsetup=gpu\nimage_id=debian-12\nflavor=8cpu-8ram\ngpu_nodes=1\n"
        "[cloud/far]\nprovider=docker\ndocker_host=unix:///far\n"
        "[cluster/far]\ncloud=far\nlogin=local\nsetup=gpu\nimage_id=debian-12\nflavor=8cpu-8ram\ngpu_nodes=1\n"
    )
    again = make_creator(str(config), creator.storage_path)
    return again, again.load_cluster("slurm")


def test_new_nodes_are_like_the_newest_of_their_kind(growing):
    creator, cluster = growing
    for flavor in ("1cpu-1ram", "3cpu-3ram"):
        cluster.add_node("compute", "debian-13", "debian", flavor, "default")
    assert creator.specs_to_grow(cluster, ["compute"])["compute"].flavor == "3cpu-3ram"


def test_new_nodes_of_an_empty_kind_are_as_the_template_says(growing):
    creator, cluster = growing
    template = creator.node_specs("slurm")
    assert creator.specs_to_grow(cluster, ["compute"]) == {"compute": template["compute"]}


def test_new_nodes_are_as_another_template_says_if_that_is_named(growing):
    creator, cluster = growing
    assert creator.specs_to_grow(cluster, ["gpu"], "gpu")["gpu"].flavor == "8cpu-8ram"
    with pytest.raises(UsageError, match="Template 'gpu' has no nodes of kind 'compute'"):
        creator.specs_to_grow(cluster, ["compute"], "gpu")
    with pytest.raises(TemplateNotFound):
        creator.specs_to_grow(cluster, ["gpu"], "gup")


def test_new_nodes_of_which_nothing_is_known_are_refused(growing):
    creator, cluster = growing
    message = (
        "Cluster 'slurm' has no node of kind 'gpu' to make others like, and its template 'slurm' says "
        "nothing of such nodes."
    )
    with pytest.raises(UsageError) as caught:
        creator.specs_to_grow(cluster, ["gpu"])
    assert caught.value.message == message
    cluster._base = replace(cluster.record, template="lost")
    with pytest.raises(UsageError, match="its template 'lost' is not in the configuration"):
        creator.specs_to_grow(cluster, ["gpu"])


def test_new_nodes_of_another_cloud_are_refused(growing):
    creator, cluster = growing
    with pytest.raises(ClusterConflict, match="is on cloud 'local', but template 'far' is for another one"):
        creator.specs_to_grow(cluster, ["gpu"], "far")


def test_template_may_not_move_a_running_cluster_to_another_cloud(creator, config):
    cluster = creator.create_cluster("slurm")
    cluster.nodes["frontend"][0].record = replace(cluster.nodes["frontend"][0].record, instance_id="c-1")
    cluster.repository.save_or_update(cluster)
    config.write_text(
        config.read_text().replace("provider=docker", "provider=docker\ndocker_host=tcp://127.0.0.1:1")
    )
    again = make_creator(str(config), creator.storage_path)
    with pytest.raises(ClusterConflict) as caught:
        again.update(again.load_cluster("slurm"))
    assert caught.value.message == (
        "Cluster 'slurm' has machines on cloud 'local' (docker_host=), but its template 'slurm' is for "
        "another one now: 'local' (docker_host=tcp://127.0.0.1:1)."
    )


def test_section_of_a_running_clusters_cloud_may_get_another_name(creator, config):
    cluster = creator.create_cluster("slurm")
    cluster.nodes["frontend"][0].record = replace(cluster.nodes["frontend"][0].record, instance_id="c-1")
    cluster.repository.save_or_update(cluster)
    config.write_text(
        config.read_text().replace("[cloud/local]", "[cloud/docker]").replace("cloud=local", "cloud=docker")
    )
    again = make_creator(str(config), creator.storage_path)
    loaded = again.load_cluster("slurm")
    assert [one.subject for one in again.update(loaded)] == ["cloud"]
    assert loaded.record.cloud.section == "docker"


def test_storage_section_says_where_clusters_are_remembered(config, tmp_path):
    config.write_text(config.read_text() + f"\n[storage]\nstorage_path={tmp_path}/elsewhere\n")
    assert make_creator(str(config)).storage_path == f"{tmp_path}/elsewhere"
    assert make_creator(str(config), "/given").storage_path == "/given"


def test_configuration_is_read_only_when_it_is_needed():
    def read():
        raise AssertionError("read")

    assert Creator(read, "/given").storage_path == "/given"
