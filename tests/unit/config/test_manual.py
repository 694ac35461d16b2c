"""The manual's examples of configuration, all of them: they load as they are meant, their slips corrected.

The slips themselves give located lines.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from elasticluster.conf._creator import vocabulary
from elasticluster.config.templates import Configuration, Template
from elasticluster.exceptions import ConfigurationError
from elasticluster.setup.services import SHIPPED_GROUPS, current_name

# 4.2.2 and 4.2.3, but for the host, which is not there any more. The defaults stand for what the snippets
# of 4.4 leave out with "...".
SHARED = """\
[cloud/hobbes]
provider=ec2_boto
ec2_url=http://hobbes.example.org:8773/services/Cloud
ec2_access_key=****REPLACE WITH YOUR ACCESS ID****
ec2_secret_key=****REPLACE WITH YOUR SECRET KEY****
ec2_region=nova
auto_ip_assignment=True

[cloud/amazon-us-east-1]
provider=ec2_boto
ec2_url=https://ec2.us-east-1.amazonaws.com
ec2_access_key=****REPLACE WITH YOUR ACCESS ID****
ec2_secret_key=****REPLACE WITH YOUR SECRET KEY****
ec2_region=us-east-1

[cloud/google]
provider=google
gce_client_id=****REPLACE WITH YOUR CLIENT ID****
gce_client_secret=****REPLACE WITH YOUR SECRET KEY****
gce_project_id=****REPLACE WITH YOUR PROJECT ID****

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

CLUSTER_SLURM = """
[cluster/slurm]
cloud=hobbes
login=gc3-user
setup_provider=ansible-slurm
security_group=default
# Ubuntu image
image_id=ami-00000048
flavor=m1.small
frontend_nodes=1
compute_nodes=2
frontend_class=frontend
"""

SETUP_SLURM = """
[setup/ansible-slurm]
provider=ansible
frontend_groups=slurm_master
compute_groups=slurm_clients
"""

MATLAB = """
[setup/ansible_matlab]
# Please note that this setup assumes you already have matlab
# installed on the image that is being used.
provider=ansible
frontend_groups=mdce_master,mdce_worker,ganglia_monitor,ganglia_master
worker_groups=mdce_worker,ganglia_monitor

[cluster/matlab]
cloud=hobbes
login=gc3-user
setup_provider=ansible_matlab
security_group=default
image_id=ami-00000099
flavor=m1.medium
frontend_nodes=1
worker_nodes=10
image_userdata=
ssh_to=frontend
"""

PVFS2 = """
[cluster/slurm+pvfs2]
frontend_nodes=1
compute_nodes=10
pvfs-nodes_nodes=10
ssh_to=frontend
setup_provider=ansible_slurm+pvfs2

[setup/ansible_slurm+pvfs2]
frontend_groups=slurm_master,pvfs2_client
compute_groups=slurm_clients,pvfs2_client
pvfs-nodes_groups=pvfs2_meta,pvfs2_data
"""


class Example(NamedTuple):
    """Sections of the manual, and the nodes and groups that its text says they stand for."""

    text: str
    template: str
    nodes: dict[str, tuple[int, str]]
    ssh_to: str = "frontend"


EXAMPLES = {
    "4.2.5 slurm": Example(
        SETUP_SLURM + CLUSTER_SLURM,
        "slurm",
        {"frontend": (1, "slurm_master"), "compute": (2, "slurm_clients")},
    ),
    "4.2.4 slurm with ganglia": Example(
        """
[setup/ansible-slurm]
provider=ansible
frontend_groups=slurm_master,ganglia_master,ganglia_monitor
compute_groups=slurm_clients,ganglia_monitor
"""
        + CLUSTER_SLURM,
        "slurm",
        {
            "frontend": (1, "slurm_master,ganglia_master,ganglia_monitor"),
            "compute": (2, "slurm_clients,ganglia_monitor"),
        },
    ),
    "4.2.4 gridengine": Example(
        """
[setup/ansible-gridengine]
provider=ansible
frontend_groups=gridengine_master
compute_groups=gridengine_clients
"""
        + CLUSTER_SLURM.replace("ansible-slurm", "ansible-gridengine"),
        "slurm",
        {"frontend": (1, "gridengine_master"), "compute": (2, "gridengine_clients")},
    ),
    "4.2.5 torque": Example(
        """
[setup/ansible-pbs]
provider=ansible
frontend_groups=pbs_master,maui_master
compute_groups=pbs_clients

[cluster/torque]
cloud=hobbes
frontend_nodes=1
compute_nodes=2
frontend_class=frontend
security_group=default
# CentOS image
image_id=ami-0000004f
flavor=m1.small
login=gc3-user
setup_provider=ansible-pbs
""",
        "torque",
        {"frontend": (1, "pbs_master,maui_master"), "compute": (2, "pbs_clients")},
    ),
    "4.2.5 aws-slurm": Example(
        SETUP_SLURM
        + """
[cluster/aws-slurm]
cloud=amazon-us-east-1
login=ubuntu
setup_provider=ansible-slurm
security_group=default
# ubuntu image
image_id=ami-90a21cf9
flavor=m1.small
frontend=1
compute=2
""",
        "aws-slurm",
        {"frontend": (1, "slurm_master"), "compute": (2, "slurm_clients")},
        ssh_to="",
    ),
    "4.2.5 matlab": Example(
        MATLAB,
        "matlab",
        {
            "frontend": (1, "mdce_master,mdce_worker,ganglia_monitor,ganglia_master"),
            "worker": (10, "mdce_worker,ganglia_monitor"),
        },
    ),
    "4.2.6 slurm with a large disk": Example(
        SETUP_SLURM
        + """
[cluster/slurm]
setup_provider=ansible-slurm
flavor=8cpu32g
frontend_nodes=1
compute_nodes=10

[cluster/slurm/frontend]
flavor=bigdisk
""",
        "slurm",
        {"frontend": (1, "slurm_master"), "compute": (10, "slurm_clients")},
        ssh_to="",
    ),
    "4.4.1 slurm": Example(
        """
[cluster/slurm]
frontend_nodes=1
compute_nodes=5
ssh_to=frontend
setup_provider=ansible_slurm

[setup/ansible_slurm]
frontend_groups=slurm_master
compute_groups=slurm_clients
""",
        "slurm",
        {"frontend": (1, "slurm_master"), "compute": (5, "slurm_clients")},
    ),
    "4.4.1 slurm with ganglia": Example(
        """
[cluster/slurm]
frontend_nodes=1
compute_nodes=5
ssh_to=frontend
setup_provider=ansible_slurm

[setup/ansible_slurm]
frontend_groups=slurm_master,ganglia_master
compute_groups=slurm_clients,ganglia_monitor
""",
        "slurm",
        {"frontend": (1, "slurm_master,ganglia_master"), "compute": (5, "slurm_clients,ganglia_monitor")},
    ),
    "4.4.2 gridengine": Example(
        """
[cluster/gridengine]
frontend_nodes=1
compute_nodes=5
ssh_to=frontend
setup_provider=ansible_gridengine

[setup/ansible_gridengine]
frontend_groups=gridengine_master
compute_groups=gridengine_clients
""",
        "gridengine",
        {"frontend": (1, "gridengine_master"), "compute": (5, "gridengine_clients")},
    ),
    "4.4.2 gridengine with ganglia": Example(
        """
[cluster/gridengine]
frontend_nodes=1
compute_nodes=5
ssh_to=frontend
setup_provider=ansible_gridengine

[setup/ansible_gridengine]
frontend_groups=gridengine_master,ganglia_master
compute_groups=gridengine_clients,ganglia_monitor
""",
        "gridengine",
        {
            "frontend": (1, "gridengine_master,ganglia_master"),
            "compute": (5, "gridengine_clients,ganglia_monitor"),
        },
    ),
    "4.4.3 condor": Example(
        """
[cluster/condor]
setup_provider=ansible_condor
frontend_nodes=1
compute_nodes=2
ssh_to=frontend

[setup/ansible_condor]
frontend_groups=condor_master
compute_groups=condor_workers
""",
        "condor",
        {"frontend": (1, "condor_master"), "compute": (2, "condor_workers")},
    ),
    "4.4.5 ipython": Example(
        """
[cluster/ipython]
setup_provider=ansible_ipython
controller_nodes=1
worker_nodes=4
ssh_to=controller

[setup/ansible_ipython]
controller_groups=ipython_controller,ipython_engine
worker_groups=ipython_engine
""",
        "ipython",
        {"controller": (1, "ipython_controller,ipython_engine"), "worker": (4, "ipython_engine")},
        ssh_to="controller",
    ),
    "4.4.6 hadoop": Example(
        """
[cluster/hadoop]
hadoop-name_nodes=1
hadoop-jobtracker_nodes=1
hadoop-task-data_nodes=10
setup_provider=ansible_hadoop
ssh_to=hadoop-name

[setup/ansible_hadoop]
hadoop-name_groups=hadoop_namenode
hadoop-jobtracker_groups=hadoop_jobtracker
hadoop-task-data_groups=hadoop_tasktracker,hadoop_datanode
""",
        "hadoop",
        {
            "hadoop-name": (1, "hadoop_namenode"),
            "hadoop-jobtracker": (1, "hadoop_jobtracker"),
            "hadoop-task-data": (10, "hadoop_tasktracker,hadoop_datanode"),
        },
        ssh_to="hadoop-name",
    ),
    "4.4.8 slurm with pvfs2": Example(
        PVFS2,
        "slurm+pvfs2",
        {
            "frontend": (1, "slurm_master,pvfs2_client"),
            "compute": (10, "slurm_clients,pvfs2_client"),
            "pvfs-nodes": (10, "pvfs2_meta,pvfs2_data"),
        },
    ),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_rsa.pub"):
        (tmp_path / ".ssh" / name).touch()


def configuration(folder: Path, text: str) -> Configuration:
    """Read a text with what the real program knows of providers, groups and variables."""
    path = folder / "config"
    path.write_text(text)
    return Configuration.read(path, **vocabulary())


def template(folder: Path, name: str) -> Template:
    example = EXAMPLES[name]
    return configuration(folder, SHARED + example.text).template(example.template)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_has_its_nodes_and_groups(tmp_path: Path, name: str) -> None:
    found = template(tmp_path, name)
    groups = found.setup.args["groups"]
    assert isinstance(groups, dict)
    nodes = {kind: (kinds.count, ",".join(groups[kind])) for kind, kinds in found.kinds.items()}
    assert list(nodes.items()) == list(EXAMPLES[name].nodes.items())
    assert found.ssh_to == EXAMPLES[name].ssh_to


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_right_and_warns_of_groups_that_are_not_shipped(tmp_path: Path, name: str) -> None:
    read = configuration(tmp_path, SHARED + EXAMPLES[name].text)
    groups = {group for _, names in EXAMPLES[name].nodes.values() for group in names.split(",")}
    later = {group for group in groups if current_name(group) not in SHIPPED_GROUPS}
    warned = {
        warning.message.split("'")[1] for warning in read.warnings() if warning.section.startswith("setup")
    }
    assert read.problems() == []
    assert warned == later


def test_warning_of_a_group_that_is_not_shipped_names_file_line_and_key(tmp_path: Path) -> None:
    lines = (SHARED + MATLAB).splitlines()
    line = lines.index("worker_groups=mdce_worker,ganglia_monitor") + 1
    shipped = ", ".join(sorted(SHIPPED_GROUPS))
    warnings = configuration(tmp_path, SHARED + MATLAB).template("matlab").warnings
    where = f"{tmp_path}/config:{line}: [setup/ansible_matlab] worker_groups:"
    what = f"group 'mdce_worker' is not part of this version, which has {shipped}"
    assert f"{where} {what}" in map(str, warnings)


def test_example_clouds_have_what_their_sections_say(tmp_path: Path) -> None:
    hobbes = template(tmp_path, "4.2.5 slurm")
    amazon = template(tmp_path, "4.2.5 aws-slurm")
    google = configuration(
        tmp_path, SHARED + EXAMPLES["4.4.1 slurm"].text.replace("ssh_to", "cloud=google\nssh_to")
    )
    assert (hobbes.cloud.type, hobbes.cloud.section, hobbes.cloud_available) == ("ec2_boto", "hobbes", True)
    assert hobbes.cloud.args["ec2_region"] == "nova"
    assert (amazon.cloud.section, amazon.cloud.args["ec2_region"]) == ("amazon-us-east-1", "us-east-1")
    assert google.template("slurm").cloud.args["zone"] == "us-central1-a"


def test_automatic_addresses_mean_that_none_are_asked_for(tmp_path: Path) -> None:
    asked = {}
    for given in ("True", "False"):
        text = SHARED.replace("auto_ip_assignment=True", f"auto_ip_assignment={given}")
        read = configuration(tmp_path, text + SETUP_SLURM + CLUSTER_SLURM)
        asked[given] = read.template("slurm").cloud.args["request_floating_ip"]
    assert asked == {"True": False, "False": True}


def test_example_logins_use_the_users_key(tmp_path: Path) -> None:
    hobbes = template(tmp_path, "4.2.5 slurm")
    assert hobbes.kinds["compute"].spec.image_user == "gc3-user"
    assert template(tmp_path, "4.2.5 aws-slurm").kinds["compute"].spec.image_user == "ubuntu"
    assert hobbes.login.user_key_name == "elasticluster"
    assert hobbes.login.user_key_private == str(tmp_path / ".ssh" / "id_rsa")
    assert hobbes.login.user_key_public == str(tmp_path / ".ssh" / "id_rsa.pub")
    assert (hobbes.login.image_sudo, hobbes.login.image_user_sudo) == (True, "root")


def test_example_images_and_flavors_are_the_nodes(tmp_path: Path) -> None:
    specs = [template(tmp_path, name).kinds["frontend"].spec for name in ("4.2.5 torque", "4.2.5 matlab")]
    assert [(spec.image_id, spec.flavor) for spec in specs] == [
        ("ami-0000004f", "m1.small"),
        ("ami-00000099", "m1.medium"),
    ]
    assert [spec.security_group for spec in specs] == ["default", "default"]
    assert specs[1].image_userdata == ""


def test_example_section_of_a_kind_changes_its_flavor_only(tmp_path: Path) -> None:
    kinds = template(tmp_path, "4.2.6 slurm with a large disk").kinds
    assert {kind: nodes.spec.flavor for kind, nodes in kinds.items()} == {
        "frontend": "bigdisk",
        "compute": "8cpu32g",
    }


def test_variable_of_a_class_reaches_that_class_only(tmp_path: Path) -> None:
    text = SHARED + SETUP_SLURM + "compute_var_slurm_maxarraysize=50\n" + CLUSTER_SLURM
    args = configuration(tmp_path, text).template("slurm").setup.args
    assert args["environment_vars"] == {"frontend": {}, "compute": {"slurm_maxarraysize": "50"}}


@pytest.mark.parametrize(
    ("text", "right", "slip", "at", "message"),
    [
        (  # the section names no login
            MATLAB,
            "login=gc3-user\n",
            "",
            "[cluster/matlab]",
            "[cluster/matlab] login: is missing: name of a [login/…] section",
        ),
        (
            PVFS2,
            "pvfs-nodes_nodes=10",
            "pvfs2-nodes=10",
            "pvfs2-nodes=10",
            (
                "[cluster/slurm+pvfs2] pvfs2-nodes: "
                "unknown key; the number of nodes of kind 'pvfs-nodes' is written 'pvfs-nodes_nodes'"
            ),
        ),
        (
            EXAMPLES["4.4.6 hadoop"].text,
            "ssh_to=hadoop-name\n",
            "ssh_to=hadoop-name\n...\n",
            "...",
            "[cluster/hadoop] expected [SECTION], KEY=VALUE or a comment",
        ),
    ],
)
def test_slip_of_the_manual_gives_a_located_line(
    tmp_path: Path, text: str, right: str, slip: str, at: str, message: str
) -> None:
    shared = SHARED.replace("login=gc3-user\n", "") if right.startswith("login") else SHARED
    wrong = shared + text.replace(right, slip, 1)
    line = wrong.splitlines().index(at) + 1
    name = message.partition("]")[0].removeprefix("[cluster/")
    assert right in text
    with pytest.raises(ConfigurationError) as caught:
        configuration(tmp_path, wrong).template(name)
    assert caught.value.message == f"{tmp_path}/config:{line}: {message}"
