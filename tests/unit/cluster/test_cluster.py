"""Clusters and nodes as users of the Python API see them, before anything is started."""

from dataclasses import replace

import pytest

from elasticluster.cluster import Cluster, Node, NodeNamingPolicy
from elasticluster.exceptions import (
    CloudProviderError,
    ClusterConflict,
    ClusterError,
    ClusterNotFound,
    ConfigurationError,
    CredentialsError,
    NodeNotFound,
    StateError,
    UnsupportedError,
)
from elasticluster.model import ComponentRef, Login, NodeSpec
from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider
from elasticluster.repository import AbstractClusterRepository, JsonRepository, MemRepository
from elasticluster.repository._repository import warn_of_machines


class Cloud(AbstractCloudProvider):
    """A third party's cloud: machines are numbers."""

    def __init__(self, region="here"):
        self.region = region
        self.running = {}
        self.asked = 0

    def start_instance(
        self, key_name, public_key_path, private_key_path, security_group, flavor, *more, **named
    ):
        number = f"m-{len(self.running)}"
        self.running[number] = True
        return {"instance_id": number}

    def stop_instance(self, instance_id):
        del self.running[instance_id]

    def get_ips(self, instance_id):
        return ["192.0.2.1", "10.0.0.1"]

    def is_instance_running(self, instance_id):
        self.asked += 1
        return self.running.get(instance_id, False)


class Setup(AbstractSetupProvider):
    """A third party's setup provider."""

    cleaned = 0

    def setup_cluster(self, cluster):
        return True

    def cleanup(self):
        self.cleaned += 1


KIND = ("debian-13", "debian", "1cpu-1ram", "default")


@pytest.fixture
def cluster():
    made = Cluster("slurm", cloud_provider=Cloud(), setup_provider=Setup())
    made.add_node("frontend", *KIND)
    made.add_nodes("compute", 2, *KIND)
    return made


def test_bake_lets_the_setup_provider_clean_up_however_it_ends(cluster):
    with pytest.raises(UnsupportedError):
        cluster.bake({})
    assert cluster.setup_provider.cleaned == 1


def test_both_documented_orders_of_arguments_make_the_same_cluster(tmp_path):
    cloud, setup, repository = Cloud(), Setup(), MemRepository()
    new = Cluster("c", "key", "/k.pub", "/k", cloud, setup, repository=repository)
    old = Cluster("c", cloud, setup, "key", "/k.pub", "/k", repository)
    for made in (new, old):
        login = made.record.login
        assert (login.user_key_name, login.user_key_public, login.user_key_private) == ("key", "/k.pub", "/k")
        assert made.cloud_provider is cloud
        assert made.setup_provider is setup
        assert made.repository is repository


def test_cluster_without_the_default_key_files_gets_a_pair_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cluster("c").record.login.user_key_private == ""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_rsa").write_text("key")
    assert Cluster("c").record.login.user_key_private == str(tmp_path / ".ssh/id_rsa")


def test_names_that_no_cluster_can_have_are_refused():
    with pytest.raises(ConfigurationError, match="cannot be the name of a cluster"):
        Cluster("../etc")


def test_nodes_are_named_by_kind_and_number(cluster):
    assert [node.name for node in cluster.get_all_nodes()] == ["frontend001", "compute001", "compute002"]
    assert list(cluster.nodes) == ["frontend", "compute"]


def test_add_node_refuses_bad_kinds_and_names_in_use(cluster):
    with pytest.raises(ValueError, match="cannot be a kind of node"):
        cluster.add_node("pvfs2", *KIND)
    with pytest.raises(ValueError, match="has a node called 'compute001' already"):
        cluster.add_node("compute", *KIND, name="Compute001")


def test_removed_names_are_given_again(cluster):
    cluster.remove_node(cluster.get_node_by_name("compute001"))
    assert cluster.add_node("compute", *KIND).name == "compute001"


def test_unknown_node_is_an_error_that_lists_the_others(cluster):
    with pytest.raises(NodeNotFound, match="Its nodes: frontend001, compute001, compute002"):
        cluster.get_node_by_name("compute003")


@pytest.mark.parametrize(
    ("kinds", "wanted", "expected"),
    [
        (["compute", "frontend"], None, "frontend001"),
        (["frontend", "login", "ssh"], None, "ssh001"),
        (["zebra", "ant"], None, "ant001"),
        (["frontend", "compute"], "compute", "compute001"),
        (["frontend", "compute"], "compute001", "compute001"),
    ],
)
def test_frontend_is_found_by_the_documented_rule(kinds, wanted, expected):
    cluster = Cluster("c")
    for kind in kinds:
        cluster.add_node(kind, *KIND)
    assert cluster.get_ssh_to_node(wanted).name == expected
    assert cluster.get_frontend_node(wanted).name == expected


def test_cluster_without_nodes_has_no_frontend():
    with pytest.raises(NodeNotFound):
        Cluster("c").get_ssh_to_node()


def test_dictionary_of_a_cluster_holds_nodes_and_no_secret(cluster):
    assert set(cluster.keys()) == set(cluster.to_dict())
    assert cluster.to_dict(omit=("nodes",))["name"] == cluster["name"] == "slurm"
    assert cluster.to_dict()["nodes"]["compute"][0]["flavor"] == "1cpu-1ram"
    assert "secrets" not in cluster.to_dict()
    assert "user_key_private" not in cluster.to_vars_dict()
    assert set(cluster.to_vars_dict()["nodes"]) == {"frontend001", "compute001", "compute002"}


def test_dictionaries_of_clusters_and_nodes_are_without_what_is_secret_by_its_name():
    cluster = Cluster("c", db_password="LEAK", options={"api_token": "LEAK", "size": 1})  # noqa: S106
    node = cluster.add_node("compute", *KIND, image_user_password="LEAK", boot_disk_size=20)  # noqa: S106
    shown = [cluster.to_dict(), dict(cluster), cluster.to_vars_dict(), node.to_dict(), dict(node)]
    assert "LEAK" not in str(shown)
    assert cluster.to_dict()["extra"] == {"options": {"size": 1}}
    assert node.to_vars_dict()["boot_disk_size"] == 20
    assert (cluster["db_password"], node["image_user_password"], node.extra["image_user_password"]) == (
        "LEAK",
        "LEAK",
        "LEAK",
    )


def test_what_can_be_read_like_from_a_dictionary_is_said_to_be_in_it(cluster):
    other = Cluster("c", project="physics")
    node = other.add_node("compute", *KIND, disk=20)
    assert ("project" in other, other.get("project"), "extra" in node, "disk" in node) == (
        True,
        "physics",
        True,
        True,
    )


def test_copies_of_further_values_cannot_be_changed_in_vain(cluster):
    with pytest.raises(TypeError, match="does not support item assignment"):
        cluster.extra["k"] = 1
    with pytest.raises(AttributeError, match="update"):
        cluster.nodes["compute"][0].extra.update(a=1)


@pytest.mark.parametrize(
    ("min_nodes", "problem"),
    [
        (
            {"compute": 3},
            "`min_nodes` is 3 for kind 'compute'; expected a number from 0 to 2, as it has so many",
        ),
        (
            {"compute": -1},
            "`min_nodes` is -1 for kind 'compute'; expected a number from 0 to 2, as it has so many",
        ),
        ({"zz": 1}, "`min_nodes` names the kind 'zz', of which there are no nodes"),
    ],
)
def test_numbers_of_nodes_that_there_cannot_be_are_refused_before_anything_is_made(
    cluster, min_nodes, problem
):
    with pytest.raises(ConfigurationError, match=problem):
        cluster.start(min_nodes=min_nodes)
    assert (cluster.cloud_provider.running, cluster.record.min_nodes) == ({}, {})


def test_no_more_nodes_are_needed_than_are_left(cluster):
    cluster.update_config({"min_nodes": {"compute": 2}})
    cluster.remove_node(cluster.get_node_by_name("compute002"))
    assert cluster.record.min_nodes == {"compute": 1}


def test_node_that_is_none_of_the_clusters_cannot_be_removed(cluster):
    node = cluster.get_node_by_name("compute002")
    cluster.remove_node(node)
    other = Cluster("c").add_node("other", *KIND)
    for gone in (node, other):
        with pytest.raises(NodeNotFound, match=f"{gone.name} is no node of cluster 'slurm'"):
            cluster.remove_node(gone)


def test_negative_number_of_nodes_cannot_be_added(cluster):
    with pytest.raises(ValueError, match="expected a number of nodes to add, not -1"):
        cluster.add_nodes("compute", -1, *KIND)


def test_update_config_takes_texts_for_numbers_and_nothing_for_none(cluster):
    cluster.update_config({"start_timeout": "900", "ssh_probe_timeout": "7.5", "ssh_to": None})
    assert (cluster.start_timeout, cluster.ssh_probe_timeout, cluster.ssh_to) == (900.0, 7.5, "")
    assert Cluster("c", start_timeout="900").start_timeout == 900.0


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"start_timeout": "long"}, "`start_timeout` is 'long'; expected more than 0 seconds."),
        ({"ssh_probe_timeout": 0}, "`ssh_probe_timeout` is 0; expected more than 0 seconds."),
        ({"start_failure": "explode"}, "`start_failure` is 'explode'; expected 'keep' or 'stop'."),
    ],
)
def test_update_config_refuses_what_cannot_be(cluster, values, problem):
    with pytest.raises(ConfigurationError) as caught:
        cluster.update_config({"ssh_to": "compute", **values})
    assert (caught.value.message, cluster.ssh_to) == (problem, "")


def test_update_config_takes_over_only_what_is_safe(cluster):
    cluster.update_config({"ssh_to": "compute", "start_timeout": 5, "template": "other", "name": "other"})
    assert (cluster.ssh_to, cluster.start_timeout) == ("compute", 5)
    assert (cluster.template, cluster.name) == ("slurm", "slurm")


def test_node_reads_like_a_dictionary_and_prints(cluster):
    node = cluster.get_node_by_name("compute002")
    assert node["name"] == "compute002"
    assert dict(node)["kind"] == "compute"
    assert "instance flavor: 1cpu-1ram" in node.pprint()


def test_single_nodes_start_and_stop_with_the_documented_verbs_only(cluster):
    node = cluster.get_node_by_name("compute001")
    assert not node.is_alive()
    node.start()
    assert node.instance_id == "m-0"
    assert cluster.get_node_by_name("compute002").instance_id is None
    assert node.is_alive()
    assert node.connection_ip() == "192.0.2.1"
    assert node.ips == ["192.0.2.1", "10.0.0.1"]
    node.stop()
    assert cluster.cloud_provider.running == {}
    assert not node.is_alive()


def test_is_alive_in_a_tight_loop_does_not_flood_the_cloud(cluster):
    node = cluster.get_node_by_name("compute001")
    node.start()
    node.is_alive()
    before = cluster.cloud_provider.asked
    for _ in range(1000):
        node.is_alive()
    assert cluster.cloud_provider.asked == before


def test_node_made_by_itself_works_too():
    cloud = Cloud()
    node = Node("n001", "c", "n", cloud, "", "", "key", "debian", "default", image="debian-13", flavor="f")
    node.start()
    assert (node.image_id, node.cluster_name, list(cloud.running)) == ("debian-13", "c", ["m-0"])
    node.stop()


def test_cluster_without_providers_says_what_is_missing():
    with pytest.raises(ConfigurationError, match="Cluster 'c' has no cloud provider"):
        Cluster("c").start()
    with pytest.raises(ConfigurationError, match="Cluster 'c' has no setup provider"):
        assert Cluster("c").setup_provider


def test_node_without_an_address_says_so(cluster):
    node = cluster.get_node_by_name("compute001")
    with pytest.raises(ClusterError, match="has no known address"):
        node.connection_ip()
    assert node.connect() is None


def test_stop_cleans_up_the_setup_provider_and_forgets_the_cluster(cluster):
    cluster.get_node_by_name("compute001").start()
    assert cluster.repository.get_all()
    cluster.stop()
    assert cluster.setup_provider.cleaned == 1
    assert cluster.repository.get_all() == []
    assert cluster.cloud_provider.running == {}
    assert cluster.get_node_by_name("compute001").instance_id is None


def stored(path, name="slurm"):
    repository = JsonRepository(str(path))
    cluster = Cluster(name, repository=repository)
    none = ComponentRef(type="docker")
    cluster.describe(cloud=none, setup=none, login=Login())
    cluster.add_node("compute", *KIND)
    repository.save_or_update(cluster)
    return repository


def test_cluster_is_loaded_in_another_process_as_it_was_stored(tmp_path):
    stored(tmp_path)
    cluster = JsonRepository(str(tmp_path)).get("slurm")
    assert [node.name for node in cluster.get_all_nodes()] == ["compute001"]
    assert len(JsonRepository(str(tmp_path)).get_all()) == 1


def test_unknown_cluster_is_an_error(tmp_path):
    with pytest.raises(ClusterNotFound):
        JsonRepository(str(tmp_path)).get("slurm")


def test_get_all_goes_on_after_a_corrupt_file_and_logs_it(tmp_path, caplog):
    stored(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    assert [cluster.name for cluster in JsonRepository(str(tmp_path)).get_all()] == ["slurm"]
    assert "bad.json" in caplog.text


def test_another_cluster_of_the_same_name_is_never_touched(tmp_path):
    repository = stored(tmp_path)
    other = Cluster("slurm", cloud_provider=Cloud(), setup_provider=Setup(), repository=repository)
    other.add_node("compute", *KIND)
    with pytest.raises(ClusterConflict, match="There is another cluster called 'slurm'"):
        other.get_node_by_name("compute001").start()
    assert other.cloud_provider.running == {}


def test_object_that_is_out_of_date_changes_nothing(tmp_path):
    repository = stored(tmp_path)
    first, second = repository.get("slurm"), repository.get("slurm")
    first.update_config({"ssh_to": "compute"})
    repository.save_or_update(first)
    with pytest.raises(StateError, match="was changed by another command meanwhile"):
        second.launch(["compute001"])


def test_object_is_true_to_what_was_done_before_an_error():
    class Dying(Cloud):
        def is_instance_running(self, instance_id):
            raise CredentialsError("expired")

    cluster = Cluster("c", cloud_provider=Dying(), setup_provider=Setup())
    cluster.add_nodes("compute", 2, *KIND)
    with pytest.raises(CredentialsError):
        cluster.start()
    made = [node.instance_id for node in cluster.get_all_nodes()]
    assert sorted(made) == ["m-0", "m-1"]
    cluster.repository.save_or_update(cluster)
    assert [node.instance_id for node in cluster.repository.get("c").get_all_nodes()] == made


def test_removed_node_is_stopped_and_the_cluster_can_be_worked_on(cluster):
    cluster.launch([node.name for node in cluster.get_all_nodes()])
    cluster.remove_node(cluster.get_node_by_name("compute002"), stop=True)
    assert len(cluster.cloud_provider.running) == 2
    assert [node.name for node in cluster.repository.get("slurm").get_all_nodes()] == [
        "frontend001",
        "compute001",
    ]
    cluster.update_config({"ssh_to": "compute"})
    cluster.repository.save_or_update(cluster)
    cluster.stop()
    assert cluster.cloud_provider.running == {}


def test_node_removed_by_an_object_that_is_out_of_date_loses_no_machine(tmp_path):
    repository = stored(tmp_path)
    first, second = repository.get("slurm"), repository.get("slurm")
    first.add_node("compute", *KIND)
    repository.save_or_update(first)
    with pytest.raises(StateError, match="was changed by another command meanwhile"):
        second.remove_node(second.get_node_by_name("compute001"))
    assert len(repository.get("slurm").get_all_nodes()) == 2


def test_cluster_whose_setup_provider_is_gone_or_broken_can_be_stopped(cluster, caplog):
    cluster.get_node_by_name("compute001").start()
    record = replace(cluster.record, setup=ComponentRef(type="uninstalled.module:Setup"))
    cluster.repository.store.save(record)
    again = cluster.repository.get("slurm")
    again._cloud_provider = cluster.cloud_provider
    again.stop()
    assert cluster.cloud_provider.running == {}
    assert "could not clean up" in caplog.text


def test_paused_nodes_ask_the_cloud_for_what_it_can(cluster):
    node = cluster.get_node_by_name("compute001")
    node.start()
    with pytest.raises(CloudProviderError, match="could not be paused"):
        node.pause()


def test_add_node_refuses_names_that_no_host_can_have(cluster):
    with pytest.raises(ValueError, match="cannot be the name of a node"):
        cluster.add_node("compute", *KIND, name="../x y")


def test_automatic_names_avoid_those_given_to_nodes_of_other_kinds(cluster):
    cluster.add_node("frontend", *KIND, name="compute003")
    cluster.add_nodes("compute", 2, *KIND)
    assert [node.name for node in cluster.nodes["compute"]][-2:] == ["compute004", "compute005"]


def test_polling_interval_that_was_set_wins(cluster):
    cluster.cloud_provider.polling_interval = 0.5
    assert cluster.seconds_between_looks == 0.5
    cluster.polling_interval = 10
    assert cluster.seconds_between_looks == 10


def test_older_order_without_keys_uses_the_default_names():
    cluster = Cluster("c", Cloud(), Setup())
    assert cluster.record.login.user_key_name == "elasticluster-key"


def test_clusters_in_memory_warn_when_they_are_forgotten(caplog):
    cluster = Cluster("c", cloud_provider=Cloud(), setup_provider=Setup())
    cluster.add_node("compute", *KIND)
    cluster.launch(["compute001"])
    store = cluster.repository.store
    warn_of_machines(store)
    assert (
        "Cluster 'c' was only in memory and is forgotten now, but 1 instances go on running." in caplog.text
    )


def test_ssh_to_a_kind_without_nodes_falls_back_to_the_rule(cluster):
    cluster.nodes["gpu"] = []
    assert cluster.get_ssh_to_node("gpu").name == "frontend001"


def test_third_partys_repository_needs_four_methods_only():
    class Dictionary(AbstractClusterRepository):
        def __init__(self):
            self.clusters = {}

        def save_or_update(self, cluster):
            self.clusters[cluster.name] = cluster.record

        def get(self, name):
            if name not in self.clusters:
                raise ClusterNotFound(name)
            return Cluster.from_record(self.clusters[name], self)

        def get_all(self):
            return [self.get(name) for name in self.clusters]

        def delete(self, cluster):
            self.clusters.pop(cluster.name, None)

    repository = Dictionary()
    cluster = Cluster("c", cloud_provider=Cloud(), setup_provider=Setup(), repository=repository)
    cluster.add_node("compute", *KIND)
    cluster.get_node_by_name("compute001").start()
    assert repository.get("c").get_node_by_name("compute001").instance_id == "m-0"
    cluster.stop()
    assert repository.get_all() == []


def test_naming_policy_is_where_the_documents_say():
    assert NodeNamingPolicy().new("foo") == "foo001"


def test_names_of_added_nodes_are_those_that_the_nodes_have():
    cluster = Cluster("c", cloud_provider=Cloud(), setup_provider=Setup())
    spec = NodeSpec(kind="Big-Mem", image_id="i", image_user="u", flavor="f")
    names = cluster.add_specified(spec, 2)
    assert names == ["big-mem001", "big-mem002"]
    assert [node.name for node in cluster.nodes["Big-Mem"]] == names
    cluster.launch(names)
    assert all(cluster.get_node_by_name(name).instance_id for name in names)


class Owned(Cloud):
    """Tells whose account it is."""

    owner = "1234"

    def account(self):
        return self.owner


def test_stopped_cluster_may_begin_anew_in_another_account():
    cluster = Cluster("slurm", cloud_provider=Owned(), setup_provider=Setup())
    cluster.add_node("compute", *KIND)
    cluster.launch(["compute001"])
    cluster.cloud_provider.owner = "5678"
    with pytest.raises(CredentialsError, match=r"'slurm' is in account 1234, .* are of account 5678"):
        cluster.get_all_nodes()[0].is_alive()
    with pytest.raises(CredentialsError):
        cluster.stop()
    cluster.cloud_provider.owner = "1234"
    cluster.stop()
    cluster.cloud_provider.owner = "5678"
    cluster.launch(["compute001"])
    cluster.stop()
