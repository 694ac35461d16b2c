"""The key of an image: it changes with what would be installed, and with nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.setup.bake import image_key
from elasticluster.setup.settings import PLAYBOOKS, Settings

VARIABLES = {"compute": {"common_packages": "vim,tmux", "slurm_conf": "{KillWait: 60, MinJobAge: 7}"}}


@pytest.fixture
def playbooks(tmp_path: Path) -> Path:
    """Return a copy of the shipped playbooks."""
    return Path(shutil.copytree(PLAYBOOKS, tmp_path / "playbooks"))


@pytest.fixture
def with_variables(settings: Settings) -> Settings:
    return replace(settings, kind_vars=VARIABLES)


def of_compute(settings: Settings, **variables: Any) -> str:
    kind_vars = {"compute": {**settings.kind_vars.get("compute", {}), **variables}}
    return image_key(replace(settings, kind_vars=kind_vars), "compute")


def test_key_is_the_same_again(settings: Settings, playbooks: Path) -> None:
    key = image_key(settings, "compute")
    assert key
    assert image_key(settings, "compute", playbooks) == key


def test_kinds_in_different_groups_have_different_keys(settings: Settings) -> None:
    assert image_key(settings, "frontend") != image_key(settings, "compute")


def test_kinds_that_differ_in_name_only_have_the_same_key() -> None:
    settings = Settings(groups={"big": ("slurm_worker",), "small": ("slurm_workers", "slurm_worker")})
    assert image_key(settings, "big") == image_key(settings, "small")


def test_order_and_spelling_of_variables_make_no_difference(with_variables: Settings) -> None:
    given = {"slurm_conf": "{MinJobAge: 7, KillWait: 60}", "common_packages": "[vim, tmux]"}
    other = replace(with_variables, kind_vars={"compute": given})
    assert image_key(other, "compute") == image_key(with_variables, "compute")


def test_value_of_a_variable_of_the_roles_makes_a_difference(with_variables: Settings) -> None:
    assert of_compute(with_variables, common_packages="vim") != of_compute(with_variables)


@pytest.mark.parametrize("name", ["my_own", "ansible_python_interpreter", "slurm_munge_key"])
def test_variable_makes_no_difference_that_the_roles_do_not_know_or_that_is_secret(
    with_variables: Settings, name: str
) -> None:
    assert of_compute(with_variables, **{name: "0" * 64}) == of_compute(with_variables)


def test_older_name_of_a_variable_is_as_good_as_the_present_one(with_variables: Settings) -> None:
    older = of_compute(with_variables, upgrade_packages="yes")
    assert older == of_compute(with_variables, common_upgrade_packages="yes")
    assert older != of_compute(with_variables)


def test_variable_of_another_kind_makes_no_difference(with_variables: Settings) -> None:
    other = replace(with_variables, kind_vars={**VARIABLES, "frontend": {"common_packages": "nano"}})
    assert image_key(other, "compute") == image_key(with_variables, "compute")


def append(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "# \n", encoding="utf-8")


@pytest.mark.parametrize(
    "file",
    [
        "bake.yml",
        "site.yml",
        "library/elasticluster_files.py",
        "roles/common/files/bootstrap.sh",
        "roles/slurm/vars/debian.yml",
    ],
)
def test_file_that_takes_part_makes_a_difference(settings: Settings, playbooks: Path, file: str) -> None:
    before = image_key(settings, "compute", playbooks)
    append(playbooks / file)
    assert image_key(settings, "compute", playbooks) != before


def test_new_file_of_a_role_makes_a_difference(settings: Settings, playbooks: Path) -> None:
    before = image_key(settings, "compute", playbooks)
    (playbooks / "roles/slurm/vars/debian-14.yml").write_text("---\n")
    assert image_key(settings, "compute", playbooks) != before


def add_role(playbooks: Path) -> None:
    (playbooks / "roles/other/tasks").mkdir(parents=True)
    (playbooks / "roles/other/tasks/main.yml").write_text("---\n")


def add_byte_code(playbooks: Path) -> None:
    (playbooks / "library/__pycache__").mkdir(exist_ok=True)
    (playbooks / "library/__pycache__/one.pyc").write_text("")


@pytest.mark.parametrize(
    "change", [add_role, add_byte_code, lambda playbooks: append(playbooks / "roles/slurm/README.md")]
)
def test_file_that_takes_no_part_makes_no_difference(
    settings: Settings, playbooks: Path, change: Callable[[Path], None]
) -> None:
    before = image_key(settings, "compute", playbooks)
    change(playbooks)
    assert image_key(settings, "compute", playbooks) == before


def test_role_that_a_kind_has_not_makes_no_difference_to_it(playbooks: Path) -> None:
    settings = Settings(groups={"plain": (), "compute": ("slurm_worker",)})
    before = {kind: image_key(settings, kind, playbooks) for kind in settings.groups}
    append(playbooks / "roles/slurm/vars/debian.yml")
    assert image_key(settings, "plain", playbooks) == before["plain"]
    assert image_key(settings, "compute", playbooks) != before["compute"]


def test_nothing_can_be_prepared_where_a_playbook_of_ones_own_runs_instead(settings: Settings) -> None:
    assert image_key(replace(settings, playbook="/mine.yml"), "compute") == ""
    assert image_key(replace(settings, before="/mine.yml", after="/mine.yml"), "compute") == image_key(
        settings, "compute"
    )
