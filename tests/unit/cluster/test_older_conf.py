"""The ways to a configuration that programs written for earlier releases know."""

import copy
from pathlib import Path

import pytest
import voluptuous

import elasticluster
from elasticluster.conf import (
    ConfigReader,
    Configurator,
    ConfigValidator,
    Creator,
    get_configurator,
    load_config_files,
    make_creator,
)
from elasticluster.exceptions import ClusterNotFound, ConfigurationError, TemplateNotFound
from elasticluster.providers.ansible_provider import AnsibleSetupProvider
from elasticluster.providers.docker import DockerProvider

FILE = """
[cloud/here]
provider=docker
flavors=small=1cpu-0.5ram, big=2cpu-2ram

[login/debian]
image_user=debian
image_sudo=yes
user_key_name=my-key

[setup/slurm]
frontend_groups=slurm_master
compute_groups=slurm_worker
compute_var_slurm_returntoservice=1

[cluster/slurm]
cloud=here
login=debian
setup_provider=slurm
image_id=debian-13
flavor=small
start_timeout=30
frontend_nodes=1
compute_nodes=3
compute_min_nodes=2

[cluster/slurm/compute]
flavor=big
"""
READ = {
    "slurm": {
        "setup": {
            "frontend_groups": "slurm_master",
            "compute_groups": "slurm_worker",
            "compute_var_slurm_returntoservice": "1",
        },
        "cloud": {
            "provider": "docker",
            "docker_host": "",
            "flavors": ["small=1cpu-0.5ram", "big=2cpu-2ram"],
        },
        "login": {
            "image_user": "debian",
            "image_sudo": True,
            "image_user_sudo": "root",
            "user_key_name": "my-key",
            "user_key_public": "",
            "user_key_private": "",
        },
        "cluster": {
            "cloud": "here",
            "login": "debian",
            "setup": "slurm",
            "image_id": "debian-13",
            "flavor": "small",
            "start_timeout": 30.0,
            "frontend_nodes": 1,
            "compute_nodes": 3,
            "compute_nodes_min": 2,
        },
        "nodes": {
            "frontend": {
                "image_id": "debian-13",
                "flavor": "small",
                "security_group": "",
            },
            "compute": {
                "image_id": "debian-13",
                "flavor": "big",
                "security_group": "",
            },
        },
    }
}
BY_HAND = {
    "mini": {
        "setup": {"provider": "ansible", "node_groups": ["slurm_master", "slurm_worker"]},
        "cloud": {"provider": "docker"},
        "login": {"image_user": "debian", "image_sudo": "no", "image_user_sudo": "$HOME 100%% %(x)s"},
        "cluster": {"node_nodes": "2", "thread_pool_max_size": None},
        "nodes": {"node": {"image_id": "debian-12", "flavor": "1cpu-1ram"}},
    }
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config"
    path.write_text(FILE)
    return str(path)


@pytest.fixture
def by_hand():
    return copy.deepcopy(BY_HAND)


def test_reader_returns_each_template_with_the_sections_it_refers_to(config):
    assert ConfigReader(config).read_config() == READ
    assert load_config_files([config]) == READ
    assert make_creator(config).cluster_conf == READ


def test_dictionary_of_a_file_with_defaults_makes_the_same_cluster(tmp_path):
    """What the defaults say for one sort of section does not get into those of another."""
    as_it_was, path = tmp_path / "as it was", tmp_path / "config"
    as_it_was.write_text(FILE)
    moved = ("image_user=debian\n", "image_id=debian-13\n", "start_timeout=30\n", "provider=docker\n")
    text = FILE
    for line in moved:
        text = text.replace(line, "")
    path.write_text(
        f"[DEFAULT]\n{''.join(moved)}nobodys=1\n{text}".replace(
            "[setup/slurm]", "[setup/slurm]\nprovider=ansible"
        )
    )
    old, new = (Creator(load_config_files(one)).create_cluster("slurm") for one in (as_it_was, path))
    assert [node.record for node in new.get_all_nodes()] == [node.record for node in old.get_all_nodes()]
    assert (new.record.cloud, new.record.login, new.start_timeout) == (old.record.cloud, old.record.login, 30)


def test_paths_may_be_path_objects(config):
    path = Path(config)
    assert ConfigReader(path).read_config() == READ
    assert load_config_files(path) == load_config_files([path]) == READ
    assert get_configurator(path).cluster_conf == make_creator(path).cluster_conf == READ


def test_user_that_is_changed_in_the_login_is_that_of_the_nodes(config):
    conf = ConfigReader(config).read_config()
    conf["slurm"]["login"] |= {"image_user": "bob", "image_userdata": "reboot"}
    cluster = Configurator(conf).create_cluster("slurm")
    assert {(node.image_user, node.image_userdata) for node in cluster.get_all_nodes()} == {("bob", "reboot")}


def test_user_of_one_kind_of_nodes_is_among_its_values(tmp_path):
    path = tmp_path / "config"
    path.write_text(f"{FILE}image_user=eve\n")
    nodes = ConfigReader(str(path)).read_config()["slurm"]["nodes"]
    assert ("image_user" in nodes["frontend"], nodes["compute"]["image_user"]) == (False, "eve")


def test_reader_names_everything_that_is_wrong_with_file_and_line(config, tmp_path):
    path = tmp_path / "config"
    path.write_text(FILE.replace("login=debian\nsetup", "login=deban\nsetup").replace("=yes", "=maybe"))
    with pytest.raises(voluptuous.MultipleInvalid) as caught:
        ConfigReader(config).read_config()
    assert isinstance(caught.value, ConfigurationError)
    assert str(caught.value) == (
        f"{path}:8: [login/debian] image_sudo: expected yes or no, not 'maybe'\n"
        f"{path}:18: [cluster/slurm] login: there is no section [login/deban]; did you mean 'debian'?"
    )


def test_reader_refuses_a_file_without_templates(tmp_path):
    path = tmp_path / "empty"
    path.write_text("[cloud/here]\nprovider=docker\n")
    with pytest.raises(voluptuous.Invalid) as caught:
        ConfigReader(str(path)).read_config()
    assert str(caught.value) == f"{path}: there is no section [cluster/NAME], so there is nothing to start"


def test_validator_turns_texts_into_values_and_may_be_called_again(by_hand):
    validator = ConfigValidator(by_hand)
    for _ in range(2):
        validator.validate()
        mini = validator.config["mini"]
        assert mini["cluster"]["node_nodes"] == 2
        assert mini["login"]["image_sudo"] is False
        assert mini["nodes"]["node"]["security_group"] == ""
    assert validator.config is by_hand


def test_values_of_a_dictionary_stand_for_nothing_else(by_hand):
    ConfigValidator(by_hand).validate()
    assert by_hand["mini"]["login"]["image_user_sudo"] == "$HOME 100%% %(x)s"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "cluster_conf: there is no section [cluster/NAME], so there is nothing to start"),
        ([], "cluster_conf: expected a dictionary, not list"),
        (
            {"mini": {**BY_HAND["mini"], "login": 3}},
            (
                "cluster_conf: [login/mini] expected a dictionary, not int\n"
                "cluster_conf: [login/mini] image_user: is missing: user to log in as"
            ),
        ),
        (
            {"mini": {**BY_HAND["mini"], "nodes": {"node": {"image_id": "debian-12", "flavor": {}}}}},
            "cluster_conf: [cluster/mini/node] flavor: expected a text, a number or a list",
        ),
        (
            {"mini": {**BY_HAND["mini"], "cluster": {"node_nodes": "two"}}},
            "cluster_conf: [cluster/mini] node_nodes: expected a whole number, not 'two'",
        ),
        (
            {"mini": {key: part for key, part in BY_HAND["mini"].items() if key != "cloud"}},
            "cluster_conf: [cluster/mini] cloud: is missing: name of a [cloud/…] section",
        ),
    ],
)
def test_validator_names_what_is_wrong(config, message):
    with pytest.raises(voluptuous.MultipleInvalid) as caught:
        ConfigValidator(copy.deepcopy(config)).validate()
    assert str(caught.value).splitlines()[: message.count("\n") + 1] == message.splitlines()


def test_configurator_makes_clusters_and_providers_of_a_dictionary(by_hand, tmp_path):
    configurator = Configurator(by_hand, storage_path=str(tmp_path))
    cluster = configurator.create_cluster("mini", name="mine")
    assert (cluster.name, cluster.template) == ("mine", "mini")
    assert [node.name for node in cluster.get_all_nodes()] == ["node001", "node002"]
    assert isinstance(configurator.create_cloud_provider("mini"), DockerProvider)
    setup = configurator.create_setup_provider("mini", name="mine")
    assert isinstance(setup, AnsibleSetupProvider)
    assert setup.groups == {"node": ("slurm_master", "slurm_worker")}
    assert configurator.cluster_conf is by_hand


def test_configurator_loads_what_it_has_stored(by_hand, tmp_path):
    configurator = Configurator(by_hand, str(tmp_path))
    cluster = configurator.create_cluster("mini")
    cluster.repository.save_or_update(cluster)
    assert configurator.load_cluster("mini").uuid == cluster.uuid
    with pytest.raises(ClusterNotFound):
        configurator.load_cluster("other")


def test_configurator_refuses_unknown_templates_and_what_is_wrong(by_hand, config, tmp_path):
    with pytest.raises(ConfigurationError, match=r"^There is no template 'mni' in cluster_conf") as caught:
        Configurator(by_hand).create_cluster("mni")
    assert isinstance(caught.value, TemplateNotFound)
    by_hand["mini"]["cluster"]["node_nodes"] = -1
    with pytest.raises(voluptuous.MultipleInvalid):
        Configurator(by_hand)
    (tmp_path / "config").write_text(FILE + "[clutser/x]\n")
    with pytest.raises(voluptuous.MultipleInvalid, match="did you mean 'cluster'"):
        Configurator.fromConfig(config)


def test_templates_of_a_dictionary_may_share_a_cloud_or_have_another_of_that_name(by_hand):
    by_hand["mini"]["cluster"]["cloud"] = "here"
    by_hand["same"] = copy.deepcopy(by_hand["mini"])
    by_hand["other"] = copy.deepcopy(by_hand["mini"])
    by_hand["other"]["cloud"] = {"provider": "docker", "docker_host": "unix:///far"}
    configurator = Configurator(by_hand)
    sections = {name: configurator.create_cluster(name).record.cloud.section for name in by_hand}
    assert sections == {"mini": "here", "same": "here", "other": "other"}
    assert configurator.create_cluster("other").record.cloud.args["docker_host"] == "unix:///far"


def test_configurator_of_the_root_reads_file_and_storage(config, tmp_path, monkeypatch):
    configurator = elasticluster.get_configurator(config, storage=str(tmp_path / "storage"))
    cluster = configurator.create_cluster("slurm")
    assert len(cluster.get_all_nodes()) == 4
    assert cluster.repository.storage_path == str(tmp_path / "storage")
    assert configurator.cluster_conf == READ
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"/\.elasticluster/config: there is no such file"):
        elasticluster.get_configurator()


def test_creator_takes_a_dictionary_and_a_format(by_hand, tmp_path):
    creator = Creator(by_hand, str(tmp_path), "yaml")
    cluster = creator.create_cluster("mini")
    cluster.repository.save_or_update(cluster)
    assert cluster.storage_file == str(tmp_path / "mini.yaml")


def test_creator_uses_the_providers_that_it_is_given(by_hand, tmp_path):
    cloud, setup = DockerProvider(docker_host="unix:///far"), AnsibleSetupProvider({})
    cluster = Creator(by_hand, str(tmp_path)).create_cluster("mini", "mine", cloud, setup)
    assert cluster.cloud_provider is cloud
    assert cluster.setup_provider is setup
    assert cluster.record.cloud.args == {"docker_host": "unix:///far"}
