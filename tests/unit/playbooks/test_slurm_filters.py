"""What the filters of the Slurm role make of options, workers and their variables."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from elasticluster.setup.settings import PLAYBOOKS

WORKERS: dict[str, dict[str, Any]] = {
    "a007": {},
    "b-x9": {"slurm_features": ["fast"]},
    "r8n2.y": {"slurm_gpus": 2, "slurm_gpu_type": "a100"},
}


@pytest.fixture(scope="module")
def filters() -> Any:
    path = PLAYBOOKS / "roles/slurm/filter_plugins/slurm.py"
    spec = importlib.util.spec_from_file_location("slurm_filters", path)
    assert spec
    assert spec.loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a[005-007]", ["a005", "a006", "a007"]),
        ("b-x[8-10]", ["b-x8", "b-x9", "b-x10"]),
        ("r[7-8]n[1-2].y", ["r7n1.y", "r7n2.y", "r8n1.y", "r8n2.y"]),
        ("one, two[1,3]", ["one", "two1", "two3"]),
        ("", []),
    ],
)
def test_ranges_are_those_of_slurm(filters: Any, text: str, names: list[str]) -> None:
    """Widths are those of the first number, and there may be several ranges in a name."""
    assert list(filters.expanded(text)) == names


@pytest.mark.parametrize(
    ("nodes", "present"),
    [
        ("a[005-008],b-x[8-10], r[7-8]n[1-2].y", ["a007", "b-x9", "r8n2.y"]),
        (["big", "a007", "a007"], ["big", "a007"]),
        ("fast,slow", ["fast"]),
        ("all", ["ALL"]),
        ("a001", None),
        (None, None),
    ],
)
def test_partition_has_what_there_is(filters: Any, nodes: Any, present: list[str] | None) -> None:
    table = filters.partition_table({"short": {"Nodes": nodes}}, "main", ["big"], list(WORKERS), WORKERS)
    assert table["short"]["Nodes"] == present


def test_first_partition_is_the_default_unless_another_is(filters: Any) -> None:
    given = {"short": {"Default": True}, "big": None}
    table = filters.partition_table(given, "main", ["big", "small"], list(WORKERS), WORKERS)
    assert {name: options["Default"] for name, options in table.items()} == {
        "main": None,
        "small": None,
        "short": True,
    }


def test_options_get_the_spelling_of_the_role_whatever_their_case(filters: Any) -> None:
    given = {"short": {"MAXTIME": 60, "Own": 1}, "gone": None}
    assert filters.spelled(given, ["MaxTime", "Nodes"]) == {"short": {"MaxTime": 60, "Own": 1}, "gone": None}


def test_gpus_are_those_of_the_user_else_of_the_provider(filters: Any) -> None:
    nodes = {"a007": {"gpus": 1}, "b-x9": {}, "r8n2.y": {"gpus": 8}}
    assert filters.gpu_table(WORKERS, WORKERS, nodes) == {
        "a007": {"gres": "gpu:1", "type": "", "devices": "/dev/nvidia0"},
        "r8n2.y": {"gres": "gpu:a100:2", "type": "a100", "devices": "/dev/nvidia[0-1]"},
    }
