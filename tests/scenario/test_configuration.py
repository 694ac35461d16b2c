"""What a configuration means to the program: which file counts, what is let pass, what is refused."""

import json
import os

import pytest

PLAIN_CLOUD = """
from elasticluster.config.keys import Key
from elasticluster.providers import AbstractCloudProvider

CLOUD_KEYS = (Key("place", "str", required=True, help="where the machines are"),)

class Cloud(AbstractCloudProvider):
    def __init__(self, place):
        super().__init__(place=place)

    def start_instance(self, *given, **named):
        raise AssertionError("nothing is to be started")

    stop_instance = get_ips = is_instance_running = start_instance
"""

GOOD = """
[cloud/local]
provider=docker
[login/me]
image_user=debian
[setup/slurm]
frontend_groups=slurm_master
compute_groups=slurm_worker
login_groups=slurm_submit
[cluster/slurm]
cloud=local
login=me
setup=slurm
image_id=debian-13
flavor=1cpu-2ram
frontend_nodes=1
compute_nodes=2
"""

BROKEN = """
[cloud/there]
provider=openstack
passwrod=x
[login/other]
...
[setup/other]
frontend_groups=nonsense
[cluster/other]
cloud=nowhere
compute_nodes=many
"""


@pytest.fixture
def configure(run, home):
    """Return a function that writes the user's configuration."""

    def write(text, name="config"):
        path = home / ".elasticluster" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def plain_cloud(tmp_path, monkeypatch):
    """Let configurations name a cloud provider of somebody else's, on which nothing may be started."""
    (tmp_path / "plain_cloud.py").write_text(PLAIN_CLOUD)
    (tmp_path / "plain_cloud_bare.py").write_text(PLAIN_CLOUD.replace("CLOUD_KEYS", "_UNUSED"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    return "provider=plain_cloud:Cloud\nplace=here"


def test_commands_are_not_troubled_by_what_they_do_not_need(run, configure, stored):
    """`ssh` gets so far that it asks the engine for the node's address."""
    configure(GOOD + BROKEN)
    stored()
    assert run("list").returncode == 0
    assert run("list-nodes", "slurm").returncode == 0
    assert "There is no container engine" in run("ssh", "slurm").stderr
    assert run("config", "check", "slurm").returncode == 0


def test_templates_are_listed_beside_broken_ones(run, configure):
    path = configure(GOOD + BROKEN + "[cluster/third\n")
    listed = run("list-templates", "--json")
    assert {one["name"]: one["nodes"] for one in json.loads(listed.stdout)} == {
        "other": {"compute": 0},
        "slurm": {"frontend": 1, "compute": 2},
    }
    assert listed.stderr == (
        f"WARNING: {path}:29: expected a section such as [cluster/NAME]\n"
        f"WARNING: {path}:28: [cluster/other] compute_nodes: expected a whole number, not 'many'\n"
    )


def test_group_that_is_not_shipped_loads_with_one_warning_and_is_refused_before_anything(
    run, configure, plain_cloud
):
    text = GOOD.replace("provider=docker", plain_cloud)
    path = configure(text.replace("=slurm_worker", "=slurm_worker,ganglia_monitor"))
    shipped = "slurm_master, slurm_submit, slurm_worker"
    warning = (
        f"WARNING: {path}:9: [setup/slurm] compute_groups: "
        f"group 'ganglia_monitor' is not part of this version, which has {shipped}\n"
    )
    assert run("start", "--dry-run", "slurm").stderr == warning
    refused = run("start", "slurm")
    assert refused.returncode == 78
    assert refused.stderr.count("WARNING") == 1
    assert "[setup/slurm]: group 'ganglia_monitor' is not part of this version" in refused.stderr
    assert run("list").stdout == "No clusters found.\n"


def test_gc_passes_over_clouds_that_this_version_does_not_have(run, configure):
    configure("[cloud/there]\nprovider=azure\n")
    done = run("gc")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "Nothing was found that no stored cluster owns.\n",
        "",
    )


def test_gc_says_which_cloud_section_is_wrong(run, configure):
    path = configure("[cloud/here]\nprovider=docker\ndocker_hots=x\n")
    done = run("gc")
    assert done.returncode == 69
    assert f"{path}:3: [cloud/here] docker_hots: unknown key; did you mean 'docker_host'?" in done.stderr


def test_relative_configuration_and_storage_start_from_the_current_folder(
    run, home, monkeypatch, stored, tmp_path
):
    """The paths in a file start from the folder of that file."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine").write_text(GOOD + "[storage]\nstorage_path=clusters\n")
    monkeypatch.chdir(tmp_path)
    stored()
    (home / ".elasticluster" / "storage").rename(tmp_path / "stored")
    assert "slurm" in run("-c", "conf/mine", "-s", "stored", "list").stdout
    assert run("-c", "conf/mine", "list").stdout == "No clusters found.\n"
    (tmp_path / "stored").rename(tmp_path / "conf" / "clusters")
    monkeypatch.chdir("/")
    assert "slurm" in run("--config", f"{tmp_path}/conf/mine", "list").stdout


def test_kind_of_node_may_be_called_login(run, configure, plain_cloud):
    configure(GOOD.replace("provider=docker", plain_cloud) + "login_nodes=2\nssh_to=login\n")
    assert "login nodes: 2" in run("list-templates").stdout
    assert "+ login002" in run("start", "--dry-run", "slurm").stdout


def test_keys_of_somebody_elses_cloud_are_checked(run, configure, plain_cloud):
    path = configure(GOOD.replace("provider=docker", plain_cloud.replace("place", "plaec")))
    assert run("start", "slurm").stderr == (
        f"Error: {path}:2: [cloud/local] place: is missing: where the machines are\n"
        f"{path}:4: [cloud/local] plaec: unknown key; did you mean 'place'?\n"
    )


def test_defaults_do_not_disturb_somebody_elses_cloud(run, configure, plain_cloud):
    cloud = plain_cloud.replace(":Cloud", "_bare:Cloud")
    configure("[DEFAULT]\ndomain=example.org\n" + GOOD.replace("provider=docker", cloud))
    done = run("start", "--dry-run", "slurm")
    assert (done.returncode, done.stderr) == (0, "")


def test_variable_whose_name_ends_like_a_number_of_nodes_is_a_variable(run, configure, tmp_path):
    (tmp_path / "own.yml").write_text("- hosts: all\n")
    text = GOOD.replace("[setup/slurm]", f"[setup/slurm]\nafter={tmp_path}/own.yml")
    configure(f"{text}global_var_reserved_nodes=4\nglobal_var_pool_min_nodes=3\n")
    assert run("config", "check").stdout == "1 template is fine: slurm.\n"
    shown = run("config", "show", "slurm").stdout
    assert "compute_var_reserved_nodes=4" in shown
    assert "compute_var_pool_min_nodes=3" in shown


def test_flavor_that_is_none_is_found_with_its_line(run, configure):
    path = configure(GOOD.replace("flavor=1cpu-2ram", "flavor=1cpu2ram"))
    done = run("config", "check")
    assert done.returncode == 78
    assert done.stdout.startswith(
        f"{path}:15: [cluster/slurm] flavor: There is no flavor '1cpu2ram'. For containers a flavor is '"
    )


def test_flavor_of_ones_own_is_one(run, configure):
    text = GOOD.replace("provider=docker", "provider=docker\nflavors=small=1cpu-0.5ram")
    configure(text.replace("flavor=1cpu-2ram", "flavor=small"))
    assert run("config", "check").returncode == 0


def test_misspelt_storage_is_told_by_commands_that_look_there(run, configure):
    path = configure(GOOD + "[storag]\nstorage_path=/no/such\n")
    done = run("list")
    assert (done.returncode, done.stdout) == (0, "No clusters found.\n")
    assert done.stderr.startswith(f"WARNING: {path}:18: [storag] no such section; ")
    assert done.stderr.endswith("; did you mean 'storage'?\n")


def test_variables_and_groups_of_roles_that_come_later_load(run, configure):
    text = GOOD.replace("[setup/slurm]", "[setup/slurm]\nglobal_var_kubernetes_version=1.19")
    path = configure(text)
    done = run("config", "check")
    assert done.returncode == 0
    assert done.stderr == (
        f"WARNING: {path}:7: [setup/slurm] global_var_kubernetes_version: "
        "has no effect: it belongs to a role that is not part of this version\n"
    )


def test_mistake_in_settings_of_ansible_is_found_with_its_line(run, configure):
    text = GOOD.replace("[setup/slurm]", "[setup/slurm]\nansible_command=/no/ansible\nansible_fork=20")
    path = configure(text)
    done = run("config", "check")
    assert done.returncode == 78
    assert done.stdout.startswith(
        f"{path}:7: [setup/slurm] ansible_command: there is no program '/no/ansible'\n"
    )
    assert done.stderr == (
        f"WARNING: {path}:8: [setup/slurm] ansible_fork: "
        "Ansible has nothing of that name; did you mean 'ansible_forks'?\n"
    )


@pytest.mark.parametrize("name", ["site.yml", "main.yml"])
def test_playbook_of_older_files_is_ours(run, configure, name):
    text = GOOD.replace("[setup/slurm]", f"[setup/slurm]\nplaybook_path=%(ansible_pb_dir)s/{name}")
    path = configure(text.replace("slurm_worker", "slurm_wroking"))
    done = run("config", "check")
    assert done.returncode == 78
    assert f"{path}:9: [setup/slurm] compute_groups: there is no group 'slurm_wroking'" in done.stdout


def test_folder_of_files_is_read_in_order_and_wins(run, configure, home):
    configure(GOOD)
    (home / ".elasticluster" / "config.d").mkdir()
    configure("[cluster/slurm]\ncompute_nodes=3\n", "config.d/1.conf")
    configure("[cluster/slurm]\ncompute_nodes=4\n", "config.d/2.conf")
    configure("[cluster/slurm]\ncompute_nodes=5\n", "config.d/3.txt")
    assert "compute nodes: 4" in run("list-templates").stdout
