"""Every name, argument, default and attribute that the documents promise, beside those of the code.

The rows quote the documents: the manual of 2016, the later pages on the API, and the 1.3 release.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

import pytest

import elasticluster
from elasticluster import exceptions
from elasticluster.cluster import Cluster, Node
from elasticluster.conf import Creator

NODE = "image_id, image_user, flavor, security_group, image_userdata=''"
START = "key_name, public_key_path, private_key_path, security_group, flavor, image_id, image_userdata"
SIGNATURES = {
    "elasticluster:get_configurator": "configfile=None, storage=None",
    "elasticluster.cluster:Cluster": (
        "name, user_key_name='elasticluster-key', user_key_public='~/.ssh/id_rsa.pub', "
        "user_key_private='~/.ssh/id_rsa', cloud_provider=None, setup_provider=None, availability_zone='', "
        "repository=None, start_timeout=600, ssh_probe_timeout=5, ssh_proxy_command='', "
        "thread_pool_max_size=10, **extra"
    ),
    "elasticluster.cluster:Cluster.add_node": f"self, kind, {NODE}, name=None, **extra",
    "elasticluster.cluster:Cluster.add_nodes": f"self, kind, num, {NODE}, **extra",
    "elasticluster.cluster:Cluster.get_all_nodes": "self",
    "elasticluster.cluster:Cluster.get_frontend_node": "self",
    "elasticluster.cluster:Cluster.get_node_by_name": "self, nodename",
    "elasticluster.cluster:Cluster.get_ssh_to_node": "self, ssh_to=None",
    "elasticluster.cluster:Cluster.keys": "self",
    "elasticluster.cluster:Cluster.pause": "self",
    "elasticluster.cluster:Cluster.remove_node": "self, node, stop=False",
    "elasticluster.cluster:Cluster.resume": "self",
    "elasticluster.cluster:Cluster.setup": "self, extra_args=()",
    "elasticluster.cluster:Cluster.start": "self, min_nodes=None, max_concurrent_requests=0",
    "elasticluster.cluster:Cluster.stop": "self, force=False, wait=False",
    "elasticluster.cluster:Cluster.to_dict": "self, omit=()",
    "elasticluster.cluster:Cluster.to_vars_dict": "self",
    "elasticluster.cluster:Cluster.update": "self",
    "elasticluster.cluster:Cluster.update_config": "self, cluster_config",
    "elasticluster.cluster:Node": (
        "name, cluster_name, kind, cloud_provider, user_key_public, user_key_private, user_key_name, "
        "image_user, security_group, image_id, flavor, image_userdata=None, ssh_proxy_command='', **extra"
    ),
    "elasticluster.cluster:Node.connect": "self, keyfile=None, timeout=5",
    "elasticluster.cluster:Node.connection_ip": "self",
    "elasticluster.cluster:Node.is_alive": "self",
    "elasticluster.cluster:Node.keys": "self",
    "elasticluster.cluster:Node.pause": "self",
    "elasticluster.cluster:Node.pprint": "self",
    "elasticluster.cluster:Node.start": "self",
    "elasticluster.cluster:Node.stop": "self, wait=False",
    "elasticluster.cluster:Node.to_dict": "self, omit=()",
    "elasticluster.cluster:Node.to_vars_dict": "self",
    "elasticluster.cluster:Node.update_ips": "self",
    "elasticluster.cluster:NodeNamingPolicy": "pattern='{kind}{index:03d}'",
    "elasticluster.cluster:NodeNamingPolicy.format": "pattern, **args",
    "elasticluster.cluster:NodeNamingPolicy.free": "self, kind, name",
    "elasticluster.cluster:NodeNamingPolicy.new": "self, kind, **extra",
    "elasticluster.cluster:NodeNamingPolicy.parse": "name",
    "elasticluster.cluster:NodeNamingPolicy.use": "self, kind, name",
    "elasticluster.conf:ConfigReader": "configfile",
    "elasticluster.conf:ConfigReader.read_config": "self",
    "elasticluster.conf:ConfigValidator": "config",
    "elasticluster.conf:ConfigValidator.validate": "self",
    "elasticluster.conf:Configurator": "cluster_conf, storage_path=None",
    "elasticluster.conf:Configurator.create_cloud_provider": "self, cluster_template",
    "elasticluster.conf:Configurator.create_cluster": "self, template, name=None",
    "elasticluster.conf:Configurator.create_setup_provider": "self, cluster_template, name=None",
    "elasticluster.conf:Configurator.fromConfig": "configfile, storage_path=None",
    "elasticluster.conf:Configurator.load_cluster": "self, cluster_name",
    "elasticluster.conf:Creator": "conf, storage_path=None, storage_type=None",
    "elasticluster.conf:Creator.create_cloud_provider": "self, cluster_template",
    "elasticluster.conf:Creator.create_cluster": "self, template, name=None, cloud=None, setup=None",
    "elasticluster.conf:Creator.create_repository": "self",
    "elasticluster.conf:Creator.create_setup_provider": "self, cluster_template, name=None",
    "elasticluster.conf:Creator.load_cluster": "self, cluster_name",
    "elasticluster.conf:load_config_files": "paths",
    "elasticluster.conf:make_creator": "configfiles, storage_path=None",
    "elasticluster.helpers:Singleton": "decorated",
    "elasticluster.helpers:Singleton.Instance": "self",
    "elasticluster.providers:AbstractCloudProvider": "**config",
    "elasticluster.providers:AbstractCloudProvider.get_ips": "self, instance_id",
    "elasticluster.providers:AbstractCloudProvider.is_instance_running": "self, instance_id",
    "elasticluster.providers:AbstractCloudProvider.start_instance": (
        f"self, {START}, username=None, node_name=None"
    ),
    "elasticluster.providers:AbstractCloudProvider.stop_instance": "self, instance_id",
    "elasticluster.providers:AbstractSetupProvider.cleanup": "self",
    "elasticluster.providers:AbstractSetupProvider.setup_cluster": "self, cluster, extra_args=()",
    "elasticluster.providers.ansible_provider:AnsibleSetupProvider": (
        "groups, playbook_path=None, environment_vars=None, storage_path=None, sudo=True, sudo_user='root', "
        "ansible_module_dir=None, **extra_conf"
    ),
    "elasticluster.providers.ansible_provider:AnsibleSetupProvider.cleanup": "self, cluster=None",
    "elasticluster.providers.ansible_provider:AnsibleSetupProvider.resume_cluster": (
        "self, cluster, extra_args=()"
    ),
    "elasticluster.providers.ansible_provider:AnsibleSetupProvider.setup_cluster": (
        "self, cluster, extra_args=()"
    ),
    "elasticluster.repository:AbstractClusterRepository.delete": "self, cluster",
    "elasticluster.repository:AbstractClusterRepository.get": "self, name",
    "elasticluster.repository:AbstractClusterRepository.get_all": "self",
    "elasticluster.repository:AbstractClusterRepository.save_or_update": "self, cluster",
    "elasticluster.repository:ClusterRepository": "storage_path",
    "elasticluster.repository:DiskRepository": "storage_path",
    "elasticluster.repository:JsonRepository": "storage_path",
    "elasticluster.repository:MemRepository": "",
    "elasticluster.repository:MultiDiskRepository": "storage_path, default_store='yaml'",
    "elasticluster.repository:MultiDiskRepository.migrate_cluster": "self, cluster",
    "elasticluster.repository:PickleRepository": "storage_path",
    "elasticluster.repository:YamlRepository": "storage_path",
    "elasticluster.subcommands:AbstractCommand": "params",
    "elasticluster.subcommands:AbstractCommand.execute": "self",
    "elasticluster.subcommands:AbstractCommand.pre_run": "self",
    "elasticluster.subcommands:AbstractCommand.setup": "self, subparsers",
    "elasticluster.main:main": "",
}

ROOT_NAMES = (
    "AbstractClusterRepository",
    "AnsibleSetupProvider",
    "BotoCloudProvider",
    "Cluster",
    "ClusterRepository",
    "MemRepository",
    "MultiDiskRepository",
    "OpenStackCloudProvider",
    "PickleRepository",
    "get_configurator",
    "log",
)
LATER_NAMES = ("GoogleCloudProvider",)
MODULES = (
    "cluster",
    "conf",
    "exceptions",
    "gc3_config",
    "helpers",
    "main",
    "module",
    "providers",
    "providers.ansible_provider",
    "repository",
    "subcommands",
)
COMMANDS = (
    "ListClusters",
    "ListNodes",
    "ListTemplates",
    "ResizeCluster",
    "SetupCluster",
    "SftpFrontend",
    "SshFrontend",
    "Start",
    "Stop",
)
EXCEPTIONS = (
    "AnsibleError",
    "CloudProviderError",
    "ClusterError",
    "ClusterNotFound",
    "ClusterSizeError",
    "ConfigurationError",
    "CredentialsError",
    "FlavorError",
    "ImageError",
    "InstanceError",
    "InstanceNotFoundError",
    "KeypairError",
    "NodeNotFound",
    "SecurityGroupError",
    "SetupProviderError",
    "SubnetError",
    "TimeoutError",
    "UnsupportedError",
    "VpcError",
)
CLUSTER_ATTRIBUTES = (
    "availability_zone",
    "extra",
    "known_hosts_file",
    "name",
    "nodes",
    "paused_nodes",
    "polling_interval",
    "repository",
    "ssh_probe_timeout",
    "ssh_proxy_command",
    "ssh_to",
    "start_timeout",
    "startup_timeout",
    "storage_file",
    "template",
    "thread_pool_max_size",
    "user_key_name",
    "user_key_private",
    "user_key_public",
)
NODE_ATTRIBUTES = (
    "cluster_name",
    "connection_timeout",
    "extra",
    "flavor",
    "image_id",
    "image_user",
    "image_userdata",
    "instance_id",
    "ips",
    "kind",
    "name",
    "preferred_ip",
    "security_group",
    "ssh_proxy_command",
    "user_key_name",
    "user_key_private",
    "user_key_public",
)


def found(path: str) -> Any:
    """Return what ``module:Class.method`` names."""
    module, _, names = path.partition(":")
    value: Any = import_module(module)
    for name in names.split("."):
        value = getattr(value, name)
    return value


def signature_of(text: str) -> inspect.Signature:
    """Return the signature that a document prints."""
    printed: Callable[..., None] = eval(f"lambda {text}: None")  # noqa: S307 - the rows above
    return inspect.signature(printed)


@pytest.mark.parametrize(("path", "text"), SIGNATURES.items(), ids=SIGNATURES)
def test_signature_is_as_documented(path: str, text: str) -> None:
    """What is documented comes first, in that order and with those defaults; more of ours is optional."""
    documented = list(signature_of(text).parameters.values())
    ours = [one.replace(annotation=one.empty) for one in inspect.signature(found(path)).parameters.values()]
    named = [one for one in documented if one.kind is not one.VAR_KEYWORD]
    more = ours[len(named) :]
    assert [(one.name, one.default) for one in ours[: len(named)]] == [
        (one.name, one.default) for one in named
    ]
    assert all(one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) or one.default != one.empty for one in more)
    if len(named) < len(documented):
        assert more
        assert more[-1].kind is inspect.Parameter.VAR_KEYWORD


@pytest.mark.parametrize("name", ROOT_NAMES)
def test_root_has_the_documented_name(name: str) -> None:
    assert getattr(elasticluster, name) is not None
    assert name in dir(elasticluster)


@pytest.mark.parametrize("name", LATER_NAMES)
def test_provider_of_a_later_version_is_refused_by_name(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"^This version of ElastiCluster has no {name} yet, "):
        getattr(elasticluster, name)
    assert not hasattr(elasticluster, name)
    with pytest.raises(ImportError, match=f"has no {name} yet"):
        exec(f"from elasticluster import {name}")  # noqa: S102 - as a program would write it
    assert name not in dir(elasticluster)


def test_version_of_the_package_is_told() -> None:
    assert elasticluster.__version__ == metadata.version("elasticluster")


def test_root_refuses_unknown_names_as_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'elasticluster' has no attribute 'Clutser'"):
        _ = elasticluster.Clutser


@pytest.mark.parametrize("name", MODULES)
def test_documented_module_is_there(name: str) -> None:
    assert import_module(f"elasticluster.{name}").__doc__


@pytest.mark.parametrize("name", COMMANDS)
def test_documented_command_is_there(name: str) -> None:
    from elasticluster import subcommands

    assert issubclass(getattr(subcommands, name), subcommands.AbstractCommand)


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_documented_exception_is_there(name: str) -> None:
    assert issubclass(getattr(exceptions, name), exceptions.ElastiClusterError)


@pytest.mark.parametrize("name", CLUSTER_ATTRIBUTES)
def test_cluster_has_the_documented_attribute(name: str) -> None:
    assert hasattr(Cluster("c"), name)


@pytest.mark.parametrize("name", NODE_ATTRIBUTES)
def test_node_has_the_documented_attribute(name: str) -> None:
    assert hasattr(Cluster("c").add_node("compute", "i", "u", "f", "s"), name)


def test_class_attributes_have_the_documented_values() -> None:
    assert (Cluster.polling_interval, Cluster.startup_timeout, Node.connection_timeout) == (10, 600, 5)
    assert Creator.DEFAULT_STORAGE_PATH == "~/.elasticluster/storage"


def test_public_methods_are_typed_and_described() -> None:
    classes = [found(path) for path in SIGNATURES if isinstance(found(path), type)]
    lacking = [
        f"{kind.__qualname__}.{name}"
        for kind in classes
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and member.__module__.startswith("elasticluster")
        if not inspect.getdoc(member) or "return" not in member.__annotations__
    ]
    assert lacking == []
