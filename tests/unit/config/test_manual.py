"""The manual's examples: with its slips corrected they load, and each slip gives a located line."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SHARED = """\
[cloud/hobbes]
provider=ec2_boto
ec2_url=http://hobbes.example.org:8773/services/Cloud
ec2_access_key=id
ec2_secret_key=secret
ec2_region=nova
auto_ip_assignment=True

[cloud/amazon-us-east-1]
provider=ec2_boto
ec2_url=https://ec2.us-east-1.amazonaws.com
ec2_access_key=id
ec2_secret_key=secret
ec2_region=us-east-1

[login/ubuntu]
image_user=ubuntu
image_user_sudo=root
image_sudo=True
user_key_name=elasticluster
user_key_private=~/.ssh/id_rsa
user_key_public=~/.ssh/id_rsa.pub

[login/gc3-user]
image_user=gc3-user
image_user_sudo=root
image_sudo=True
user_key_name=elasticluster
user_key_private=~/.ssh/id_rsa
user_key_public=~/.ssh/id_rsa.pub

[DEFAULT]
cloud=hobbes
login=gc3-user
security_group=default
image_id=ami-00000048
flavor=m1.small
"""

EXAMPLES = """
[setup/ansible-slurm]
provider=ansible
frontend_groups=slurm_master,ganglia_master,ganglia_monitor
compute_groups=slurm_clients,ganglia_monitor

[setup/ansible-pbs]
provider=ansible
frontend_groups=pbs_master,maui_master
compute_groups=pbs_clients

[setup/ansible_matlab]
provider=ansible
frontend_groups=mdce_master,mdce_worker,ganglia_monitor,ganglia_master
worker_groups=mdce_worker,ganglia_monitor

[setup/ansible_ipython]
controller_groups=ipython_controller,ipython_engine
worker_groups=ipython_engine
worker_var_engines=4
global_var_proxy_url=http://proxy:3128/

[setup/ansible_hadoop]
hadoop-name_groups=hadoop_namenode
hadoop-jobtracker_groups=hadoop_jobtracker
hadoop-task-data_groups=hadoop_tasktracker,hadoop_datanode

[setup/ansible_slurm+pvfs2]
frontend_groups=slurm_master,pvfs2_client
compute_groups=slurm_clients,pvfs2_client
pvfs-nodes_groups=pvfs2_meta,pvfs2_data

[cluster/slurm]
setup_provider=ansible-slurm
frontend_nodes=1
compute_nodes=2
frontend_class=frontend

[cluster/slurm/frontend]
flavor=bigdisk

[cluster/torque]
frontend_nodes=1
compute_nodes=2
frontend_class=frontend
image_id=ami-0000004f
setup_provider=ansible-pbs

[cluster/aws-slurm]
cloud=amazon-us-east-1
login=ubuntu
setup_provider=ansible-slurm
image_id=ami-90a21cf9
frontend=1
compute=2

[cluster/matlab]
setup_provider=ansible_matlab
image_id=ami-00000099
flavor=m1.medium
frontend_nodes=1
worker_nodes=10
image_userdata=
ssh_to=frontend

[cluster/ipython]
setup_provider=ansible_ipython
controller_nodes=1
worker_nodes=4
ssh_to=controller

[cluster/hadoop]
hadoop-name_nodes=1
hadoop-jobtracker_nodes=1
hadoop-task-data_nodes=10
setup_provider=ansible_hadoop
ssh_to=hadoop-name

[cluster/slurm+pvfs2]
frontend_nodes=1
compute_nodes=10
pvfs-nodes_nodes=10
ssh_to=frontend
setup_provider=ansible_slurm+pvfs2
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_rsa.pub"):
        (tmp_path / ".ssh" / name).touch()


def template(files: SimpleNamespace, name: str) -> Any:
    return files.read(SHARED + EXAMPLES).template(name)


@pytest.mark.parametrize(
    ("name", "counts", "groups"),
    [
        (
            "slurm",
            {"frontend": 1, "compute": 2},
            {
                "frontend": ["slurm_master", "ganglia_master", "ganglia_monitor"],
                "compute": ["slurm_clients", "ganglia_monitor"],
            },
        ),
        (
            "torque",
            {"frontend": 1, "compute": 2},
            {"frontend": ["pbs_master", "maui_master"], "compute": ["pbs_clients"]},
        ),
        (
            "matlab",
            {"frontend": 1, "worker": 10},
            {
                "frontend": ["mdce_master", "mdce_worker", "ganglia_monitor", "ganglia_master"],
                "worker": ["mdce_worker", "ganglia_monitor"],
            },
        ),
        (
            "ipython",
            {"controller": 1, "worker": 4},
            {"controller": ["ipython_controller", "ipython_engine"], "worker": ["ipython_engine"]},
        ),
        (
            "hadoop",
            {"hadoop-name": 1, "hadoop-jobtracker": 1, "hadoop-task-data": 10},
            {
                "hadoop-name": ["hadoop_namenode"],
                "hadoop-jobtracker": ["hadoop_jobtracker"],
                "hadoop-task-data": ["hadoop_tasktracker", "hadoop_datanode"],
            },
        ),
        (
            "slurm+pvfs2",
            {"frontend": 1, "compute": 10, "pvfs-nodes": 10},
            {
                "frontend": ["slurm_master", "pvfs2_client"],
                "compute": ["slurm_clients", "pvfs2_client"],
                "pvfs-nodes": ["pvfs2_meta", "pvfs2_data"],
            },
        ),
    ],
)
def test_example_has_its_nodes_and_groups(
    files: SimpleNamespace, name: str, counts: dict[str, int], groups: dict[str, list[str]]
) -> None:
    found = template(files, name)
    assert [(kind, nodes.count) for kind, nodes in found.kinds.items()] == list(counts.items())
    assert found.setup.args["groups"] == groups
    assert (found.cloud.type, found.cloud.section, found.cloud_available) == ("ec2_boto", "hobbes", False)


def test_example_with_bare_counts_and_another_cloud(files: SimpleNamespace) -> None:
    found = template(files, "aws-slurm")
    assert {kind: nodes.count for kind, nodes in found.kinds.items()} == {"frontend": 1, "compute": 2}
    assert (found.cloud.section, found.cloud.args["ec2_region"]) == ("amazon-us-east-1", "us-east-1")
    assert found.kinds["compute"].spec.image_user == "ubuntu"


def test_example_with_another_flavor_for_the_frontend(files: SimpleNamespace) -> None:
    found = template(files, "slurm")
    assert {kind: nodes.spec.flavor for kind, nodes in found.kinds.items()} == {
        "frontend": "bigdisk",
        "compute": "m1.small",
    }
    assert found.ssh_to == "frontend"


def test_example_variables_reach_their_kinds(files: SimpleNamespace) -> None:
    assert template(files, "ipython").setup.args["environment_vars"] == {
        "controller": {"proxy_url": "http://proxy:3128/"},
        "worker": {"proxy_url": "http://proxy:3128/", "engines": "4"},
    }


def test_example_login_uses_the_users_key(files: SimpleNamespace, tmp_path: Path) -> None:
    login = template(files, "slurm").login
    assert (login.user_key_name, login.user_key_private) == (
        "elasticluster",
        str(tmp_path / ".ssh" / "id_rsa"),
    )


def test_all_examples_are_without_problems(files: SimpleNamespace) -> None:
    assert files.read(SHARED + EXAMPLES).problems() == []


@pytest.mark.parametrize(
    ("right", "slip", "at", "key", "message"),
    [
        ("login=gc3-user\n", "", "[cluster/matlab]", "login:", "is missing: name of a [login/…] section"),
        (
            "pvfs-nodes_nodes=10",
            "pvfs2-nodes=10",
            "pvfs2-nodes=10",
            "pvfs2-nodes:",
            "unknown key; the number of nodes of kind 'pvfs2' is written 'pvfs2_nodes'",
        ),
        ("ssh_to=hadoop-name", "...", "...", "", "expected [SECTION], KEY=VALUE or a comment"),
    ],
)
def test_slip_of_the_manual_gives_a_located_line(
    files: SimpleNamespace, right: str, slip: str, at: str, key: str, message: str
) -> None:
    before, _, after = (SHARED + EXAMPLES).partition(right)
    text = before + slip + after
    until = text[: text.index(at)] + at
    section = until[until.rindex("[cluster/") + 1 :].partition("]")[0]
    line = until.count("\n") + 1
    expected = " ".join(filter(None, (f"config:{line}: [{section}]", key, message)))
    assert files.problems(text, section.partition("/")[2]) == [expected]
