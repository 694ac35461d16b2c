"""What every shipped role has to keep to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticluster.setup.services import SERVICES, Service
from elasticluster.setup.settings import PLAYBOOKS, SITE

ROLES = sorted(PLAYBOOKS.glob("roles/*"), key=lambda path: path.name)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_modules_are_the_builtin_ones(role: Path) -> None:
    modules = {
        key
        for path in [*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]
        for task in load(path)
        for key in task
        if "." in key
    }
    assert modules
    assert [name for name in modules if not name.startswith("ansible.builtin.")] == []


def test_site_has_a_play_for_each_group() -> None:
    hosts = {group for play in load(SITE) for group in play["hosts"].split(":")}
    services = {group for service in SERVICES for group in service.groups}
    assert hosts == {"elasticluster_set_up", "all", "!elasticluster_set_up"} | services


@pytest.mark.parametrize("playbook", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda path: path.name)
def test_task_that_hangs_does_not_hold_up_a_play_for_ever(playbook: Path) -> None:
    plays = [play for play in load(playbook) if "ansible.builtin.import_playbook" not in play]
    assert all(0 < play["timeout"] <= 1800 for play in plays)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.role)
def test_packages_are_known_for_each_group_and_family(service: Service) -> None:
    for family in ("debian", "redhat"):
        variables = load(PLAYBOOKS / f"roles/{service.role}/vars/{family}.yml")
        assert sorted(variables[f"__{service.role}_packages"]) == sorted(service.groups)
