"""What a text in the configuration means for a role."""

from __future__ import annotations

from pathlib import Path

import pytest

from elasticluster.model import Json
from elasticluster.setup.variables import known_variables, typed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", "text"),
        ("42", 42),
        ("-3", -3),
        ("007", "007"),
        ("1.10", "1.10"),
        ("true", True),
        ("yes", "yes"),
        ("[a, 1]", ["a", 1]),
        ('{"a": [1]}', {"a": [1]}),
        ("{{ other }}", "{{ other }}"),
        ("[not closed", "[not closed"),
    ],
)
def test_unknown_variable_becomes_what_it_looks_like(text: str, value: Json) -> None:
    assert typed("mine", text) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("slurm_maxjobcount", "500", 500),
        ("slurm_cluster_name", "42", "42"),
        ("common_packages", "vim, tmux", ["vim", "tmux"]),
        ("common_packages", "[vim, tmux]", ["vim", "tmux"]),
        ("slurm_conf", "{KillWait: 60}", {"KillWait": 60}),
        ("slurm_partitions", "{a: {MaxTime: 12:00:00}, b: null}", {"a": {"MaxTime": "12:00:00"}, "b": None}),
        (
            "slurm_conf",
            "{a: 0700, b: 2026-11-20, c: 0, d: -1}",
            {"a": "0700", "b": "2026-11-20", "c": 0, "d": -1},
        ),
        (
            "slurm_conf",
            "{a: OFF, b: on, c: yes, d: No, e: true, f: False}",
            {"a": "OFF", "b": "on", "c": "yes", "d": "No", "e": True, "f": False},
        ),
        ("slurm_returntoservice", "1", 1),
    ],
)
def test_known_variable_becomes_what_its_role_expects(name: str, text: str, value: Json) -> None:
    assert typed(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("slurm_maxjobcount", "many", "expected a whole number, not 'many'"),
        ("slurm_returntoservice", "9", "expected 0, 1, 2, not '9'"),
        ("slurm_conf", "fast", "expected {name: value, …}, not 'fast'"),
        ("common_shared_home", "nsf", "expected volume, nfs, none, not 'nsf'"),
    ],
)
def test_value_that_the_role_would_refuse_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        typed(name, text)
    assert str(caught.value) == message


def test_value_that_is_no_text_stays_as_it_is() -> None:
    assert typed("slurm_maxjobcount", 5) == 5


def test_truth_values_are_read_as_the_configuration_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "roles/a/meta"
    folder.mkdir(parents=True)
    spec = "argument_specs: {main: {options: {a_switch: {type: bool}}}}"
    (folder / "argument_specs.yml").write_text(spec)
    assert known_variables(tmp_path) == {"a_switch": {"type": "bool"}}
