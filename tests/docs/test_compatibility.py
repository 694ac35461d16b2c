"""The page that answers for every promise, command, key, group, variable and name of the original."""

from __future__ import annotations

import argparse
import ast
import contextlib
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Outcomes
from tests.docs.original import NAMES, PROMISES, RULINGS

from elasticluster.cli.app import build_parser
from elasticluster.cli.exit_codes import EXIT_CODES
from elasticluster.config import tables
from elasticluster.config.documented import DOCUMENTED
from elasticluster.config.keys import Key
from elasticluster.providers.ansible_provider import SETUP_KEYS
from elasticluster.providers.registry import CLOUDS, cloud_keys
from elasticluster.setup.older import CHANGED, OLD
from elasticluster.setup.services import ALIASES, KNOWN_GROUPS, SHIPPED_GROUPS, current_name
from elasticluster.setup.variables import known_variables

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/compatibility.md"
COLUMNS = 4
CODE_RE = re.compile(r"`([^`]+)`")
VERDICT_RE = re.compile(r"works|(changed|later), because [^ ].*[^ .]")
NO_OPTION_RE = re.compile(r"-- ARGUMENTS$|^python -m ")
ANY_RE = re.compile(r"[A-Z]|^ansible_")  # KIND_nodes, and any setting of Ansible


@dataclass(frozen=True)
class Row:
    """A row of a table of the page.

    Attributes:
        heading: what the table is about.
        names: what the row answers for.
        verdict: ``works``, or ``changed`` or ``later`` with the reason.
        tests: what proves it.
    """

    heading: str
    names: tuple[str, ...]
    verdict: str
    tests: tuple[str, ...]

    @property
    def works(self) -> bool:
        return self.verdict == "works"

    def __str__(self) -> str:
        return f"{self.heading}: {', '.join(self.names)}"


@cache
def rows() -> tuple[Row, ...]:
    return tuple(_rows(PAGE.read_text(encoding="utf-8").splitlines()))


def _rows(lines: Iterable[str]) -> Iterator[Row]:
    heading, before = "", ""
    for line in lines:
        if line.startswith("#"):
            heading = line.lstrip("#").strip().replace("`", "")
        elif line.startswith("| ") and before.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            assert len(cells) == COLUMNS, f"{line!r} has not {COLUMNS} cells"
            names = CODE_RE.findall(cells[0]) or [cells[0]]
            yield Row(heading, tuple(names), cells[2], tuple(CODE_RE.findall(cells[3])))
        before = line


def names_below(heading: str, rows_: Iterable[Row] | None = None) -> list[str]:
    return [name for row in rows_ or rows() if row.heading == heading for name in row.names]


def working(heading: str) -> set[str]:
    return set(names_below(heading, [row for row in rows() if row.works]))


def changed(heading: str) -> set[str]:
    return set(names_below(heading, [row for row in rows() if row.verdict.startswith("changed")]))


def later(heading: str) -> set[str]:
    return set(names_below(heading, [row for row in rows() if row.verdict.startswith("later")]))


def test_every_promise_and_ruling_has_its_row() -> None:
    numbers = [row.names[0] for row in rows() if re.match(r"\d+\. ", row.heading)]
    assert numbers == [
        *(str(number) for number in range(1, PROMISES + 1)),
        *(f"C{number}" for number in range(1, RULINGS + 1)),
    ]


def test_every_row_has_one_verdict() -> None:
    assert [str(row) for row in rows() if not VERDICT_RE.fullmatch(row.verdict)] == []


@pytest.mark.parametrize("heading", NAMES)
def test_every_name_of_the_original_is_accounted_for_once(heading: str) -> None:
    found = names_below(heading)
    assert NAMES[heading] - set(found) == set()
    assert sorted(name for name in set(found) if found.count(name) > 1) == []


# What the code has


def options(parser: argparse.ArgumentParser, command: str = "") -> Iterator[str]:
    """Return commands, and options with their command in front; without those that every command has."""
    everywhere = set(build_parser(argparse.Namespace(), ["list"])[0]._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, subparser in action.choices.items():
                inner = f"{command} {name}".strip()
                yield inner
                yield from options(subparser, inner)
        elif action.help != argparse.SUPPRESS:
            shared = everywhere if command else set()
            own = action.option_strings or action.choices or ()
            yield from (f"{command} {word}".strip() for word in own if word not in shared)


def test_commands_and_options_are_those_of_the_program() -> None:
    present = set(options(build_parser(argparse.Namespace(), ["list"])[0]))
    heading = "Commands and options"
    assert present - set(names_below(heading)) == set()
    claimed = {name for name in working(heading) if not NO_OPTION_RE.search(name)}
    assert claimed - present == set()
    assert later(heading) & present == set()


def keys(*of_tables: Collection[Key], older: str, owner: str = "") -> set[str]:
    """Return the keys of tables, their older names, and those that are accepted and do nothing.

    Args:
        *of_tables: tables.
        older: type of section in which the keys have older names.
        owner: whose keys without effect these are: the type of section, or the provider.
    """
    names = {key.name for table in of_tables for key in table}
    renamed = {**tables.RENAMED.get(older, {}), **tables.INVERTED.get(older, {})}
    return {
        *names,
        *(old for old, new in renamed.items() if new in names),
        *tables.WITHOUT_EFFECT.get(owner, {}),
    }


KEYS: Mapping[str, set[str]] = {
    "Keys of [cloud/NAME]": {tables.PROVIDER.name},
    **{
        f"Keys of {name}": keys(*of_provider, older="cloud", owner=name)
        for name, of_provider in {**DOCUMENTED, **{name: cloud_keys(name) for name in CLOUDS}}.items()
        if of_provider
    },
    "Keys of [login/NAME]": keys(tables.LOGIN_KEYS, older="login"),
    "Keys of [setup/NAME]": keys([tables.SETUP_PROVIDER], SETUP_KEYS, older="setup", owner="setup")
    | set(tables.RENAMED["setup"]),
    "Keys of [cluster/NAME]": keys(tables.CLUSTER_KEYS, older="cluster"),
    "Keys of [cluster/NAME] and [cluster/NAME/KIND]": keys(
        tables.NODE_KEYS, older="cluster", owner="cluster"
    ),
    "Keys of [storage]": keys(tables.STORAGE_KEYS, older="storage"),
}


@pytest.mark.parametrize("heading", KEYS)
def test_keys_are_those_of_the_tables_in_the_code(heading: str) -> None:
    assert KEYS[heading] - set(names_below(heading)) == set()
    claimed = {name for name in working(heading) if not ANY_RE.search(name)}
    assert claimed - KEYS[heading] == set()
    assert heading.removeprefix("Keys of ") not in CLOUDS or later(heading) == set()


def test_exit_codes_are_those_of_the_program() -> None:
    assert sorted(names_below("Exit codes"), key=int) == [str(code) for code in EXIT_CODES]


def test_groups_are_those_that_the_code_knows() -> None:
    assert KNOWN_GROUPS | ALIASES.keys() | SHIPPED_GROUPS <= set(names_below("Groups"))
    assert {current_name(name) for name in working("Groups")} == SHIPPED_GROUPS


def test_variables_are_those_that_the_roles_know() -> None:
    assert known_variables().keys() | OLD.keys() | CHANGED.keys() <= set(names_below("Variables"))
    assert working("Variables") <= {*known_variables(), *OLD}
    assert CHANGED.keys() <= changed("Variables")


def attributes(found: Any) -> set[str]:
    """Return the attributes that objects of a class have and the class has not."""
    if not isinstance(found, type):
        return set()
    announced = {name for one in found.__mro__ for name in inspect.get_annotations(one)}
    constructor = getattr(inspect.unwrap(found.__init__), "__code__", None)
    return announced | set(getattr(constructor, "co_names", ()))


def there_is(path: str) -> bool:
    """Whether the package has a module, class, method or attribute."""
    parts = ["elasticluster", *path.removeprefix("elasticluster.").split(".")]
    found: Any = None
    for known in range(1, len(parts) + 1):
        try:
            found = import_module(".".join(parts[:known]))
        except ModuleNotFoundError:
            parts = parts[known - 1 :]
            break
    else:
        return True
    for part in parts:
        with contextlib.suppress(AttributeError, ImportError):
            found = getattr(found, part)
            continue
        return part in attributes(found)
    return True


def test_names_of_the_python_api_are_there() -> None:
    assert sorted(name for name in working("Python API") if not there_is(name)) == []


def test_names_of_the_python_api_that_come_later_are_not_there_yet() -> None:
    assert sorted(name for name in later("Python API") if there_is(name)) == []


# What proves it


@cache
def functions() -> Mapping[str, tuple[str, ...]]:
    """Return the ids of all tests by their last two parts, ``FILE.py::TEST``."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        place = path.relative_to(TESTS.parent).as_posix()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                short = f"{path.name}::{node.name}"
                found[short] = (*found.get(short, ()), f"{place}::{node.name}")
    return found


def meant(test: str) -> list[str]:
    """Return the ids that a test on the page stands for; one, if all is well."""
    candidates = functions().get(test.rpartition("/")[2], ())
    return [one for one in candidates if one.endswith(f"/{test}")]


def test_whatever_works_names_a_test() -> None:
    assert [str(row) for row in rows() if row.works and not row.tests] == []


def test_named_tests_exist() -> None:
    assert sorted({test for row in rows() for test in row.tests if len(meant(test)) != 1}) == []


def unproved(proofs: set[str], outcomes: Outcomes) -> set[str]:
    """Return the tests that do not prove what they are named for.

    In a run of all tests each must have passed, but for those of the long matrix beside an everyday one; in
    any other, none of those that ran may have failed.
    """
    wrong = proofs & outcomes.failed
    if not outcomes.whole:
        return wrong
    if proofs.isdisjoint(outcomes.passed):
        return proofs
    return wrong | (proofs - outcomes.passed - (outcomes.left_out - outcomes.selected))


@pytest.mark.parametrize(
    ("whole", "passed", "failed", "left_out", "expected"),
    [
        (True, "a b", "", "", ""),
        (True, "a b", "b", "", "b"),  # it failed with one of its parameters
        (True, "a", "", "", "b"),  # it was skipped, or is nowhere
        (True, "a", "", "b", ""),
        (True, "", "", "a b", "a b"),
        (False, "", "", "", ""),
        (False, "", "a", "", "a"),
    ],
)
def test_claims_without_proof_are_found(
    whole: bool,  # noqa: FBT001 - of a table
    passed: str,
    failed: str,
    left_out: str,
    expected: str,
) -> None:
    outcomes = Outcomes(
        whole=whole,
        passed=set(passed.split()),
        failed=set(failed.split()),
        selected={*passed.split(), *failed.split()},
        left_out=set(left_out.split()),
    )
    assert unproved({"a", "b"}, outcomes) == set(expected.split())


def doubtful_rows(outcomes: Outcomes) -> dict[str, list[str]]:
    """Return the rows that nothing has proved, with the tests that they name in vain."""
    return {
        str(row): sorted(wrong)
        for row in rows()
        if (wrong := unproved({one for test in row.tests for one in meant(test)}, outcomes))
    }


@pytest.mark.last
def test_named_tests_ran_and_passed(outcomes: Outcomes) -> None:
    assert doubtful_rows(outcomes) == {}
