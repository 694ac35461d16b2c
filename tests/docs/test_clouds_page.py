"""The page on clouds says by whom each ability is proven; the tests that it names exist."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs/clouds.md"
BY = {"independent server", "our fault layer", "not yet", "-"}
"""Who proves something; `-`: the cloud has no such thing."""


class Row(NamedTuple):
    """A row of the table."""

    ability: str
    ec2: str
    openstack: str
    tests: tuple[str, ...]


def rows() -> list[Row]:
    text = PAGE.read_text(encoding="utf-8").partition("## What is proven, and by whom\n")[2]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return [
        Row(ability, ec2, openstack, tuple(re.findall(r"`([^`]+)`", tests)))
        for ability, ec2, openstack, tests in cells
        if ability.strip("- ")
    ]


def test_table_is_found() -> None:
    assert len(rows()) > 20


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.ability)
def test_ability_is_proven_by_tests_that_exist(row: Row) -> None:
    for verdict in (row.ec2, row.openstack):
        assert {*verdict.split(", ")} <= BY
    assert bool(row.tests) == ({row.ec2, row.openstack} - {"not yet", "-"} != set())
    for name in row.tests:
        file, _, function = name.partition("::")
        sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file)]
        assert any(re.search(rf"^def {re.escape(function)}\(", text, re.MULTILINE) for text in sources), name
