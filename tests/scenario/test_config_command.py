"""``elasticluster config`` as a user meets it."""

import json
import os
from pathlib import Path

import pytest

import elasticluster

BROKEN = """\
[cloud/local]
provider=docker
[login/local]
image_user=debian
colour=blue
[login/unused]
image_user=debian
image_sudo=perhaps
[setup/slurm]
frontend_groups=slurm_master
compute_groups=slurm_worker
[cluster/broken]
cloud=local
login=local
setup=slurm
image_id=debian-13
flavour=1cpu-2ram
frontend_nodes=1
[cluster/fine]
cloud=local
login=other
setup=slurm
image_id=debian-13
flavor=1cpu-2ram
frontend_nodes=1
[login/other]
image_user=debian
"""

LATER = """
[cloud/later]
provider=opennebula
endpoint=https://cloud.example.org:2633/RPC2
password=hunter22
[cluster/later]
cloud=later
login=local
setup=slurm
image_id=debian-13
flavor=m1.small
frontend_nodes=1
compute_nodes=1
"""


@pytest.fixture
def config(tmp_path):
    """Return a function that writes a configuration and returns its path."""

    def write(text):
        path = tmp_path / "my.conf"
        path.write_text(text)
        return str(path)

    return write


def test_check_of_a_good_configuration_names_its_templates(run):
    assert run("list-templates").returncode == 0
    result = run("config", "check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "1 template is fine: slurm.\n", "")


def test_check_names_everything_that_is_wrong_in_the_order_of_the_file(run, config):
    path = config(BROKEN)
    result = run("-c", path, "config", "check")
    assert result.returncode == os.EX_CONFIG
    assert result.stdout.splitlines() == [
        f"{path}:5: [login/local] colour: unknown key",
        f"{path}:8: [login/unused] image_sudo: expected yes or no, not 'perhaps'",
        f"{path}:12: [cluster/broken] flavor: is missing; nodes of kind frontend need it",
        f"{path}:17: [cluster/broken] flavour: unknown key; did you mean 'flavor'?",
    ]


def test_check_of_one_template_looks_only_at_what_it_needs(run, config):
    path = config(BROKEN)
    result = run("-c", path, "config", "check", "fine")
    assert (result.returncode, result.stdout, result.stderr) == (0, "1 template is fine: fine.\n", "")
    result = run("-c", path, "config", "check", "broken")
    assert result.returncode == os.EX_CONFIG
    assert [line.split()[0] for line in result.stdout.splitlines()] == [f"{path}:{n}:" for n in (5, 12, 17)]


def test_check_warns_of_what_this_version_cannot_do_and_does_not_fail(run, config):
    text = BROKEN.replace("colour=blue\n", "").replace("perhaps", "yes").replace("flavour", "flavor")
    path = config(text + LATER)
    result = run("-c", path, "config", "check")
    assert (result.returncode, result.stdout) == (
        0,
        "3 templates are fine: broken, fine, later. This version cannot start later yet.\n",
    )
    assert result.stderr == (
        f"WARNING: {path}:29: [cloud/later] provider: "
        "this version cannot start clusters on 'opennebula' yet\n"
    )


def test_check_as_json_has_problems_and_warnings(run, config):
    path = config(BROKEN + LATER)
    result = run("-c", path, "config", "check", "--json")
    assert result.returncode == os.EX_CONFIG
    data = json.loads(result.stdout)
    assert (data["templates"], data["later"]) == (["broken", "fine", "later"], ["later"])
    assert data["problems"][0] == {
        "file": path,
        "line": 5,
        "section": "login/local",
        "key": "colour",
        "message": "unknown key",
    }
    assert [(one["line"], one["key"]) for one in data["warnings"]] == [(30, "provider")]


def test_check_of_a_file_without_templates_says_so(run, config):
    path = config("[cloud/local]\nprovider=docker\n")
    result = run("-c", path, "config", "check")
    said = f"Nothing is wrong, but there is no template: no [cluster/NAME] in {path}.\n"
    assert (result.returncode, result.stdout) == (0, said)


def test_check_and_show_of_an_unknown_template_fail_with_a_guess(run, config):
    path = config(BROKEN)
    for action in ("check", "show"):
        result = run("-c", path, "config", action, "fune")
        assert result.returncode == os.EX_NOINPUT
        assert f"There is no template 'fune' in {path}; did you mean 'fine'?" in result.stderr


def test_show_prints_each_value_with_where_it_comes_from(run, config):
    path = config(BROKEN)
    result = run("-c", path, "config", "show", "fine")
    assert (result.returncode, result.stderr) == (0, "")
    sections = dict(block.split("\n", 1) for block in result.stdout.split("\n\n"))
    assert list(sections) == [
        "[cloud/local]",
        "[login/other]",
        "[setup/slurm]",
        "[cluster/fine]",
        "[cluster/fine/frontend]",
    ]
    assert sections["[cluster/fine/frontend]"].splitlines() == [
        f"frontend_nodes=1              # {path}:25 [cluster/fine]",
        f"frontend_groups=slurm_master  # {path}:10 [setup/slurm]",
        f"image_id=debian-13            # {path}:23 [cluster/fine]",
        f"flavor=1cpu-2ram              # {path}:24 [cluster/fine]",
        f"image_user=debian             # {path}:27 [login/other]",
    ]


def test_show_hides_secrets_also_of_clouds_that_cannot_be_used_yet(run, config):
    path = config(BROKEN.replace("colour=blue\n", "") + LATER)
    text = run("-c", path, "config", "show", "later")
    data = run("-c", path, "config", "show", "later", "--json")
    assert (text.returncode, data.returncode) == (0, 0)
    assert "cannot start clusters on 'opennebula' yet" in text.stderr
    assert "hunter22" not in text.stdout + text.stderr + data.stdout + data.stderr
    cloud = json.loads(data.stdout)["sections"][0]
    password = next(setting for setting in cloud["settings"] if setting["key"] == "password")
    assert (password["value"], password["secret"], password["origin"]["line"]) == ("********", True, 31)


def test_options_may_stand_before_the_name_of_a_template(run, config):
    path = config(BROKEN)
    for words in (["--json", "show", "fine"], ["show", "--json", "fine"], ["show", "fine", "--json"]):
        assert json.loads(run("config", *words, "-c", path).stdout)["template"] == "fine"
    assert run("config", "show", "-c", path, "fine").returncode == 0
    result = run("config", "show", "--json", "fine", "more")
    assert (result.returncode, "unrecognized arguments: more" in result.stderr) == (2, True)


def test_show_of_a_broken_template_fails_and_says_why(run, config):
    path = config(BROKEN)
    result = run("-c", path, "config", "show", "broken")
    assert (result.returncode, result.stdout) == (os.EX_CONFIG, "")
    assert f"{path}:17: [cluster/broken] flavour: unknown key; did you mean 'flavor'?" in result.stderr


def test_folder_of_the_playbooks_is_printed(run):
    folder = Path(elasticluster.__file__).parent / "playbooks"
    result = run("config", "playbooks")
    assert (result.returncode, result.stdout) == (0, f"{folder}\n")
    assert (folder / "site.yml").is_file()
    assert json.loads(run("config", "playbooks", "--json").stdout) == {"playbooks": str(folder)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show"], "`config show` needs the name of a template."),
        (["playbooks", "slurm"], "`config playbooks` takes no name"),
        (["verify"], "invalid choice: 'verify'"),
    ],
)
def test_wrong_words_are_usage_errors(run, words, said):
    result = run("config", *words)
    assert result.returncode == 2
    assert said in result.stderr
