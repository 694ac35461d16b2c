"""What is found wrong before any machine is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.exceptions import ConfigurationError
from elasticluster.model import ClusterRecord, NodeState
from elasticluster.setup.check import check
from elasticluster.setup.services import ALIASES, KNOWN_GROUPS, SHIPPED_GROUPS
from elasticluster.setup.settings import Settings

PLAYBOOK = "- hosts: all\n"
SHIPPED = ", ".join(sorted(SHIPPED_GROUPS))


def problem(settings: Settings, cluster: ClusterRecord) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check(settings, cluster)
    return caught.value.message


def with_groups(**groups: Any) -> Settings:
    return Settings(groups={kind: tuple(names) for kind, names in groups.items()})


def with_variables(settings: Settings, **variables: Any) -> Settings:
    return replace(settings, kind_vars={"frontend": variables, "compute": variables})


def test_check_passes_what_is_right(settings: Settings, cluster: ClusterRecord) -> None:
    check(with_variables(settings, slurm_partition="jobs", ansible_port="2222"), cluster)


@pytest.mark.parametrize("alias", ["slurm_clients", "slurm_workers"])
def test_older_group_names_are_right_too(cluster: ClusterRecord, alias: str) -> None:
    check(with_groups(frontend=["slurm_master"], compute=[alias]), cluster)


def test_group_of_the_manuals_that_is_not_shipped_is_refused(cluster: ClusterRecord) -> None:
    settings = with_groups(frontend=["slurm_master", "ganglia_master"], compute=["slurm_worker"])
    assert problem(settings, cluster) == (
        f"[setup/slurm]: group 'ganglia_master' is not part of this version, which has {SHIPPED}."
    )


def test_unknown_group_is_refused_with_the_nearest(cluster: ClusterRecord) -> None:
    settings = with_groups(frontend=["slurm_master"], compute=["slurm_client_s"])
    assert problem(settings, cluster) == (
        "[setup/slurm]: there is no group 'slurm_client_s'; did you mean 'slurm_clients'?"
    )


def test_every_problem_is_named(cluster: ClusterRecord) -> None:
    settings = with_variables(with_groups(frontend=["abc"]), zzz="1")
    assert problem(settings, cluster) == (
        "[setup/slurm] has 3 problems:\n"
        "- kind 'compute' has no groups\n"
        f"- there is no group 'abc'; there are {SHIPPED}\n"
        "- variable 'zzz' (kind frontend, compute): no role knows it"
    )


def test_workers_without_a_master_are_refused(cluster: ClusterRecord) -> None:
    settings = with_groups(frontend=["slurm_worker"], compute=["slurm_worker"])
    assert problem(settings, cluster) == (
        "[setup/slurm]: no kind of node is in group 'slurm_master', which slurm needs."
    )


def test_two_masters_are_refused(cluster: ClusterRecord) -> None:
    settings = with_groups(frontend=["slurm_worker"], compute=["slurm_master"])
    assert problem(settings, cluster) == (
        "[setup/slurm]: group 'slurm_master' must have exactly one node, not 2 (of kind compute)."
    )


@pytest.mark.parametrize("others", [("compute001", "compute002"), ()])
def test_cluster_cannot_do_without_its_master(
    settings: Settings, cluster: ClusterRecord, others: tuple[str, ...]
) -> None:
    assert problem(settings, cluster.without({"frontend001", *others})) == (
        "[setup/slurm]: group 'slurm_master' must have exactly one node, not 0 (of kind frontend)."
    )


def test_master_that_is_about_to_leave_does_not_count(settings: Settings, cluster: ClusterRecord) -> None:
    leaving = replace(cluster.nodes[0], state=NodeState.LEAVING)
    assert "not 0" in problem(settings, cluster.with_nodes(leaving))


def test_cluster_can_do_without_workers(settings: Settings, cluster: ClusterRecord) -> None:
    check(settings, cluster.without({"compute001", "compute002"}))


def test_kind_without_nodes_needs_no_groups(settings: Settings, cluster: ClusterRecord) -> None:
    settings = replace(settings, groups={"frontend": ("slurm_master",)})
    check(settings, cluster.without({"compute001", "compute002"}))
    assert "kind 'compute' has no groups" in problem(settings, cluster.without({"compute001"}))


def test_cluster_without_any_nodes_is_checked_by_its_kinds(
    settings: Settings, cluster: ClusterRecord
) -> None:
    settings = replace(settings, groups={"frontend": ("slurm_master",)})
    empty = cluster.without({node.name for node in cluster.nodes})
    assert "kind 'compute' has no groups" in problem(settings, empty)


def test_misspelt_variable_is_refused_with_the_nearest(settings: Settings, cluster: ClusterRecord) -> None:
    assert problem(with_variables(settings, slurm_partitoin="x"), cluster) == (
        "[setup/slurm]: variable 'slurm_partitoin' (kind frontend, compute): no role knows it; "
        "did you mean 'slurm_partition'?"
    )


def test_wrong_value_is_refused(settings: Settings, cluster: ClusterRecord) -> None:
    assert problem(with_variables(settings, slurm_maxjobcount="many"), cluster) == (
        "[setup/slurm]: variable 'slurm_maxjobcount' (kind frontend, compute): "
        "expected a whole number, not 'many'."
    )


def test_groups_and_variables_of_own_playbooks_are_let_through(
    cluster: ClusterRecord, tmp_path: Path
) -> None:
    playbook = tmp_path / "mine.yml"
    playbook.write_text(PLAYBOOK)
    groups = {"frontend": ("my_group", "ganglia_master"), "compute": ("other",)}
    settings = Settings(groups=groups, playbook=str(playbook), kind_vars={"compute": {"my_colour": "blue"}})
    check(settings, cluster)


def test_own_playbook_beside_ours_does_not_make_up_for_a_master(
    cluster: ClusterRecord, tmp_path: Path
) -> None:
    (tmp_path / "after.yml").write_text(PLAYBOOK)
    settings = replace(
        with_groups(frontend=["mine"], compute=["slurm_worker"]), after=str(tmp_path / "after.yml")
    )
    assert "group 'slurm_master', which slurm needs" in problem(settings, cluster)


def test_misspelt_variable_is_refused_beside_own_playbooks_too(
    settings: Settings, cluster: ClusterRecord, tmp_path: Path
) -> None:
    (tmp_path / "after.yml").write_text(PLAYBOOK)
    settings = replace(with_variables(settings, slurm_partitoin="x"), after=str(tmp_path / "after.yml"))
    assert "did you mean 'slurm_partition'?" in problem(settings, cluster)


def test_missing_playbook_is_refused(settings: Settings, cluster: ClusterRecord) -> None:
    assert problem(replace(settings, before="/no/such.yml"), cluster) == (
        "[setup/slurm]: playbook '/no/such.yml' does not exist."
    )


@pytest.mark.parametrize("which", ["before", "playbook", "after"])
@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("- hosts: all\n  tasks: [\n", "cannot be read: line 3: expected the node content, but found "),
        ("hosts: all\n", "is no list of plays"),
        ("", "is no list of plays"),
        ("- hosts: all\n- debug:\n", "is no list of plays: line 2: there is no 'hosts'"),
        ("- hosts: \0\n", "cannot be read: unacceptable character #x0000"),
    ],
)
def test_playbook_that_ansible_would_refuse_is_refused(
    settings: Settings, cluster: ClusterRecord, tmp_path: Path, which: str, text: str, wrong: str
) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    message = problem(replace(settings, **{which: str(path)}), cluster)
    assert message.startswith(f"[setup/slurm]: playbook '{path}' {wrong}")


def test_playbook_that_is_no_text_is_refused(
    settings: Settings, cluster: ClusterRecord, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yml"
    path.write_bytes(b"- hosts: \xff\n")
    assert "cannot be read: 'utf-8' codec" in problem(replace(settings, after=str(path)), cluster)


@pytest.mark.parametrize(
    "text",
    [
        "- ansible.builtin.import_playbook: other.yml\n",
        "- hosts: all\n  vars: {a: !unsafe '{{', b: !vault x}\n",
        "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
    ],
)
def test_playbook_that_only_ansible_understands_is_let_through(
    settings: Settings, cluster: ClusterRecord, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    check(replace(settings, after=str(path)), cluster)


def test_setup_made_in_python_has_no_section(settings: Settings, cluster: ClusterRecord) -> None:
    cluster = replace(cluster, setup=replace(cluster.setup, section=""))
    message = problem(replace(settings, library="/no/such"), cluster)
    assert message == "The setup provider: ansible_module_dir '/no/such' is no folder."


def test_present_names_of_aliases_and_shipped_groups_are_known() -> None:
    assert set(ALIASES.values()) | SHIPPED_GROUPS <= KNOWN_GROUPS
