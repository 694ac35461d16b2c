"""Which groups and variables mean something, to our roles and to playbooks of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from elasticluster.setup.own_playbooks import named_groups
from elasticluster.setup.services import ALIASES, KNOWN_GROUPS, SHIPPED_GROUPS
from elasticluster.setup.settings import PLAYBOOKS, Settings, own_playbook
from elasticluster.setup.vocabulary import Vocabulary

SHIPPED = ", ".join(sorted(SHIPPED_GROUPS))


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    return tmp_path / "mine.yml"


def named(playbook: Path, text: str) -> set[str]:
    playbook.write_text(text)
    found = named_groups([playbook])
    assert found.complete
    return set(found.patterns)


@pytest.mark.parametrize(
    ("hosts", "groups"),
    [
        ("gpu", {"gpu"}),
        ("gpu:store", {"gpu", "store"}),
        ("gpu, store", {"gpu", "store"}),
        ("all:!gpu", {"gpu"}),
        ("gpu:&store[0]:big[1:3]", {"gpu", "store", "big"}),
        ("[gpu, store]", {"gpu", "store"}),
        ("gpu*", {"gpu*"}),
        ("all", set()),
        ('"*"', set()),
        ("localhost", set()),
    ],
)
def test_groups_are_found_in_hosts(playbook: Path, hosts: str, groups: set[str]) -> None:
    assert named(playbook, f"- hosts: {hosts}\n") == groups


def test_groups_are_found_in_expressions_and_imported_playbooks(playbook: Path) -> None:
    (playbook.parent / "more.yml").write_text("- hosts: store\n- import_playbook: mine.yml\n")
    text = """
- import_playbook: more.yml
- hosts: all
  tasks:
    - ansible.builtin.command: "true"
      when: "'gpu' in group_names or groups.big | length and groups['head-node']"
"""
    assert named(playbook, text) == {"store", "gpu", "big", "head-node"}


@pytest.mark.parametrize(
    "text",
    [
        "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "- hosts: '{{ target }}'\n",
        "- hosts: ~web[0-9]+\n",
        "- import_playbook: '{{ which }}.yml'\n",
        "- import_playbook: gone.yml\n",
        "- hosts: [\n",
    ],
)
def test_any_group_may_be_meant_where_only_ansible_can_tell(playbook: Path, text: str) -> None:
    playbook.write_text(text)
    assert "anything" in named_groups([playbook])


# Groups


def test_groups_are_shipped_or_known_or_unknown() -> None:
    words = Vocabulary(Settings(groups={}))
    assert (words.group_problem("slurm_clients"), words.group_warning("slurm_clients")) == ("", "")
    assert words.group_problem("ganglia_master") == ""
    assert words.group_warning("ganglia_master") == (
        f"group 'ganglia_master' is not part of this version, which has {SHIPPED}"
    )
    assert words.group_problem("zzz") == f"there is no group 'zzz'; there are {SHIPPED}"
    assert (
        words.group_problem("slurm_mster") == "there is no group 'slurm_mster'; did you mean 'slurm_master'?"
    )
    assert words.group_warning("zzz") == ""


def test_every_known_group_is_shipped_or_warned_of() -> None:
    words = Vocabulary(Settings(groups={}))
    silent = {group for group in KNOWN_GROUPS if not words.group_warning(group)}
    assert silent == SHIPPED_GROUPS | {old for old, new in ALIASES.items() if new in SHIPPED_GROUPS}
    assert [group for group in KNOWN_GROUPS if words.group_problem(group)] == []


def test_playbook_beside_ours_makes_the_groups_known_that_it_names(playbook: Path) -> None:
    playbook.write_text("- hosts: gpu_nodes:ganglia_master\n")
    words = Vocabulary(Settings(groups={}, after=str(playbook)))
    assert (words.group_problem("gpu_nodes"), words.group_warning("ganglia_master")) == ("", "")
    assert words.group_problem("gpu_node") == (
        "there is no group 'gpu_node', and no playbook of yours names it; did you mean 'gpu_nodes'?"
    )
    assert words.group_problem("other") == (
        f"there is no group 'other', and no playbook of yours names it; there are {SHIPPED}"
    )


def test_playbook_instead_of_ours_may_know_groups_that_it_does_not_name(playbook: Path) -> None:
    playbook.write_text("- hosts: gpu_nodes\n")
    words = Vocabulary(Settings(groups={}, playbook=str(playbook)))
    assert [words.group_problem(group) for group in ("gpu_nodes", "other", "ganglia_master")] == ["", "", ""]
    assert words.group_warning("ganglia_master") == ""
    assert "did you mean 'gpu_nodes'?" in words.group_problem("gpu_node")


# Variables


def test_unknown_variable_is_a_problem_unless_a_playbook_of_ones_own_may_know_it(playbook: Path) -> None:
    playbook.write_text("- hosts: all\n")
    alone, beside = Vocabulary(Settings(groups={})), Vocabulary(Settings(groups={}, after=str(playbook)))
    assert alone.variable_problem("colour", "blue") == "no role knows it"
    assert beside.variable_problem("colour", "blue") == ""
    for words in (alone, beside):
        assert (
            words.variable_problem("slurm_partitoin", "x")
            == "no role knows it; did you mean 'slurm_partition'?"
        )
        assert words.variable_problem("ansible_port", "22") == ""


def test_variable_that_a_playbook_of_ones_own_has_in_its_text_is_its_own(playbook: Path) -> None:
    task = playbook.parent / "roles/mine/tasks/main.yml"
    task.parent.mkdir(parents=True)
    task.write_text("- ansible.builtin.debug: {var: slurm_users_list}\n")
    playbook.write_text("- hosts: all\n  vars: {x: '{{ slurm_worker }}'}\n- import_playbook: more.yml\n")
    (playbook.parent / "more.yml").write_text("- hosts: '{{ kubernetes_version }}'\n")
    words = Vocabulary(Settings(groups={}, before=str(playbook)))
    assert [words.variable_problem(name, "x") for name in ("slurm_users_list", "slurm_worker")] == ["", ""]
    assert words.variable_problem("slurm_workres", "x").endswith("did you mean 'slurm_workers'?")
    assert words.variable_warning("kubernetes_version") == ""


@pytest.mark.parametrize("name", ["kubernetes_version", "SGE_CELL", "lmod_version"])
def test_variable_of_a_role_that_is_not_shipped_is_a_warning(playbook: Path, name: str) -> None:
    words = Vocabulary(Settings(groups={}))
    assert words.variable_problem(name, "1.19") == ""
    assert words.variable_warning(name) == (
        "has no effect: it belongs to a role that is not part of this version"
    )
    assert Vocabulary(Settings(groups={}, playbook=str(playbook))).variable_warning(name) == ""


# Keys


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("ansible_ssh_pipelning", "ansible_ssh_pipelining"),
        ("ansible_fork", "ansible_forks"),
        ("ansible_extra_agrs", "ansible_extra_args"),
        ("ansible_comand", "ansible_command"),
        ("ansible_pyton_interpreter", "ansible_python_interpreter"),
    ],
)
def test_key_that_is_nearly_one_of_ansible_is_a_warning(key: str, meant: str) -> None:
    words = Vocabulary(Settings(groups={}))
    said = f"Ansible has nothing of that name; did you mean '{meant}'?"
    assert (words.key_warning(key), words.variable_warning(key)) == (said, said)


@pytest.mark.parametrize(
    "key",
    [
        "ansible_forks",
        "ansible_host_key_checking",
        "ansible_ssh_common_args",
        "ansible_become_pass",
        "ansible_module_dir",
        "ansible_my_own",
        "before",
    ],
)
def test_key_that_ansible_has_or_that_is_like_none_is_fine(key: str) -> None:
    assert Vocabulary(Settings(groups={})).key_warning(key) == ""


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("ansible_command", "/no/ansible-playbook -v", "there is no program '/no/ansible-playbook'"),
        ("ansible_command", "'x", "expected words quoted as for a shell: no closing quotation"),
        ("ansible_extra_args", '--diff "x', "expected words quoted as for a shell: no closing quotation"),
        ("ansible_module_dir", "/no/such", "'/no/such' is no folder"),
        ("ansible_command", "true -v", ""),
        ("ansible_extra_args", '--diff "x y"', ""),
        ("ansible_module_dir", "/", ""),
        ("storage_path", "/no/such", ""),
    ],
)
def test_value_that_ansible_could_not_use_is_a_problem(key: str, value: str, problem: str) -> None:
    assert Vocabulary(Settings(groups={})).key_problem(key, value) == problem


def test_playbook_that_ansible_would_refuse_is_a_problem_of_its_key(playbook: Path) -> None:
    playbook.write_text("- include: other.yml\n")
    words = Vocabulary(Settings(groups={}))
    for key in ("playbook_path", "before", "after"):
        assert words.key_problem(key, str(playbook)) == (
            f"the playbook '{playbook}' is no list of plays: line 1: there is no 'hosts'"
        )


@pytest.mark.parametrize("name", ["site.yml", "main.yml"])
def test_playbook_that_comes_along_is_nobodys_own(name: str, playbook: Path) -> None:
    assert own_playbook(str(PLAYBOOKS / name)) == ""
    assert (PLAYBOOKS / name).is_file()
    assert (own_playbook(str(playbook)), own_playbook("")) == (str(playbook), "")


def test_older_variable_without_effect_is_a_warning(playbook: Path) -> None:
    words = Vocabulary(Settings(groups={}))
    assert words.variable_problem("slurm_version", "18") == ""
    assert words.variable_warning("slurm_version").startswith("has no effect: Slurm comes from ")
    assert Vocabulary(Settings(groups={}, playbook=str(playbook))).variable_warning("slurm_version") == ""
