"""What Ansible is told of a cluster."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

from elasticluster.engine.ports import SetupJob
from elasticluster.model import Login, NodeState
from elasticluster.setup.inventory import inventory, masters, particulars
from elasticluster.setup.settings import Settings


def with_node(job: SetupJob, name: str, **changes: Any) -> SetupJob:
    changed = [replace(node, **changes) for node in job.cluster.nodes if node.name == name]
    return replace(job, cluster=job.cluster.with_nodes(*changed))


def options(host: dict[str, Any]) -> dict[str, str]:
    words = shlex.split(host["ansible_ssh_common_args"])
    return dict(word.split("=", 1) for word in words if word != "-o")


def test_host_tells_where_and_as_whom_to_log_in(job: SetupJob, settings: Settings) -> None:
    host = inventory(job, settings)["all"]["hosts"]["frontend001"]
    assert host["ansible_host"] == "127.0.0.1"
    assert host["ansible_port"] == 32768
    assert host["ansible_user"] == "debian"


def test_host_key_is_checked_under_the_name_of_the_node(job: SetupJob, settings: Settings) -> None:
    found = options(inventory(job, settings)["all"]["hosts"]["compute001"])
    assert found["HostKeyAlias"] == "compute001"
    assert found["StrictHostKeyChecking"] == "yes"
    assert found["UserKnownHostsFile"] == '"/state/slurm known_hosts"'
    assert found["GlobalKnownHostsFile"] == "/dev/null"


def test_token_of_openssh_in_a_path_is_none(job: SetupJob, settings: Settings) -> None:
    job = replace(job, known_hosts_path='/50%h "off"/hosts', key=replace(job.key, private_path="/50%h/id"))
    found = inventory(job, settings)["all"]
    assert options(found["hosts"]["compute001"])["UserKnownHostsFile"] == r'"/50%%h \"off\"/hosts"'
    assert found["vars"]["ansible_ssh_private_key_file"] == "/50%%h/id"


def test_proxy_command_is_passed_as_openssh_takes_it(job: SetupJob, settings: Settings) -> None:
    login = Login(proxy_command="gate %h:%p %r %n 9%% %s")
    job = replace(job, cluster=replace(job.cluster, login=login))
    found = options(inventory(job, settings)["all"]["hosts"]["compute001"])
    assert found["ProxyCommand"] == "gate %h:%p %r compute001 9%% %%s"


def test_only_the_key_meant_is_taken_from_the_agent(job: SetupJob, settings: Settings) -> None:
    job = replace(job, key=replace(job.key, private_path=""))
    found = inventory(job, settings)["all"]
    assert found["vars"]["ansible_ssh_private_key_file"] == "/keys/id.pub"
    assert options(found["hosts"]["compute001"])["IdentitiesOnly"] == "yes"


def test_nodes_that_are_not_usable_are_left_out(job: SetupJob, settings: Settings) -> None:
    found = inventory(with_node(job, "compute002", state=NodeState.DOWN), settings)["all"]
    assert list(found["hosts"]) == ["frontend001", "compute001"]
    assert list(found["children"]["slurm_worker"]["hosts"]) == ["compute001"]
    assert list(found["vars"]["elasticluster"]["nodes"]) == ["frontend001", "compute001"]


def test_group_is_there_under_its_older_and_newer_names(job: SetupJob) -> None:
    settings = Settings(groups={"frontend": ("slurm_master",), "compute": ("slurm_clients",)})
    groups = inventory(job, settings)["all"]["children"]
    assert list(groups["slurm_worker"]["hosts"]) == ["compute001", "compute002"]
    assert groups["slurm_clients"] == {"children": {"slurm_worker": {}}}
    assert groups["slurm_workers"] == {"children": {"slurm_worker": {}}}


def test_shipped_groups_are_there_though_empty(job: SetupJob) -> None:
    groups = inventory(job, Settings(groups={}))["all"]["children"]
    assert groups["slurm_master"] == {"hosts": {}}


def test_variables_of_a_kind_reach_its_nodes_as_their_role_expects_them(
    job: SetupJob, settings: Settings
) -> None:
    variables = {"slurm_maxjobcount": "7", "mine": "[1, a]", "version": "1.10"}
    settings = replace(settings, kind_vars={"compute": variables})
    hosts = inventory(job, settings)["all"]["hosts"]
    assert hosts["compute001"]["slurm_maxjobcount"] == 7
    assert hosts["compute001"]["mine"] == [1, "a"]
    assert hosts["compute001"]["version"] == "1.10"
    assert "mine" not in hosts["frontend001"]


def test_ansible_keys_are_variables_too_and_win(job: SetupJob, settings: Settings) -> None:
    settings = replace(settings, ansible={"ansible_python_interpreter": "/opt/python"})
    assert inventory(job, settings)["all"]["vars"]["ansible_python_interpreter"] == "/opt/python"


def test_roles_learn_of_the_cluster_as_a_whole(job: SetupJob, settings: Settings) -> None:
    told = inventory(job, settings)["all"]["vars"]["elasticluster"]
    assert told["name"] == "slurm"
    assert told["groups"] == {
        "slurm_master": ["frontend001"],
        "slurm_submit": [],
        "slurm_worker": ["compute001", "compute002"],
    }
    assert told["kinds"] == {"frontend": ["slurm_master"], "compute": ["slurm_worker"]}
    assert told["roles"] == ["slurm"]
    assert told["home_server"] == "frontend001"
    assert told["shared_home"] == "volume"
    assert told["nodes"]["compute001"]["cpus"] == 1
    assert told["nodes"]["compute001"]["private_ip"] == "10.0.0.9"


def test_roles_learn_of_kinds_without_nodes(job: SetupJob) -> None:
    kinds = ("compute", "big", "other")
    job = replace(job, cluster=replace(job.cluster, kinds=kinds))
    groups = {"compute": ("slurm_clients", "slurm_worker"), "big": ("slurm_workers",), "elsewhere": ("mine",)}
    told = inventory(job, Settings(groups=groups))["all"]["vars"]["elasticluster"]
    assert told["kinds"] == {"compute": ["slurm_worker"], "big": ["slurm_worker"], "other": []}


def test_home_goes_by_nfs_where_the_provider_says_nothing(job: SetupJob, settings: Settings) -> None:
    told = inventory(replace(job, node_vars={}), settings)["all"]["vars"]["elasticluster"]
    assert told["shared_home"] == "nfs"


def test_no_credential_or_secret_is_in_the_inventory(job: SetupJob, settings: Settings) -> None:
    text = json.dumps(inventory(job, settings))
    assert "do not tell" not in text
    assert job.cluster.secrets["munge_key"] not in text
    variables = particulars(job)["all"]["vars"]
    assert variables["elasticluster_secrets"] == dict(job.cluster.secrets)


def settled(job: SetupJob) -> list[str]:
    return list(particulars(job)["all"]["children"]["elasticluster_set_up"]["hosts"])


def test_nobody_counts_as_set_up_where_all_are_to_be(job: SetupJob) -> None:
    assert settled(job) == []
    assert particulars(job)["all"]["vars"]["elasticluster_joining"] == []


def test_all_but_those_that_join_are_set_up(job: SetupJob) -> None:
    job = replace(with_node(job, "compute001", state=NodeState.DOWN), joining=("compute002",))
    assert settled(job) == ["frontend001"]
    assert particulars(job)["all"]["vars"]["elasticluster_joining"] == ["compute002"]


def test_nodes_that_leave_are_no_members_any_more(job: SetupJob, settings: Settings) -> None:
    job = replace(job, leaving=("compute001",))
    assert settled(job) == ["frontend001", "compute002"]
    found = inventory(job, settings)["all"]
    assert list(found["hosts"]) == ["frontend001", "compute002"]
    assert found["vars"]["elasticluster"]["groups"]["slurm_worker"] == ["compute002"]


def test_masters_are_those_of_shipped_services_that_can_be_logged_in_to(
    job: SetupJob, settings: Settings
) -> None:
    assert masters(job, settings) == ["frontend001"]
    assert masters(with_node(job, "frontend001", state=NodeState.DOWN), settings) == []
    assert masters(job, replace(settings, playbook="mine.yml")) == []


def test_nodes_that_have_to_know_the_members_learn_of_them_as_masters_do(job: SetupJob) -> None:
    both = Settings(groups={"frontend": ("slurm_master", "slurm_client"), "compute": ("slurm_client",)})
    assert masters(job, both) == ["frontend001", "compute001", "compute002"]
    assert masters(with_node(job, "compute001", state=NodeState.DOWN), both) == ["frontend001", "compute002"]
