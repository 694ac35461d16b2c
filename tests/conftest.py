"""What becomes of the tests of a run, for the page that names them, and the tests that read it last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PLUGIN = "outcomes"
LAST = "last"
NARROWING = ("keyword", "deselect", "ignore", "ignore_glob", "lf")
EVERYDAY = ("", "not full")


@dataclass(eq=False)  # pytest keeps plugins in sets
class Outcomes:
    """What became of the tests of this run, by function: parametrisations of one test are taken together.

    Attributes:
        whole: whether it is a run of all tests, or all but those marked as ``full``.
        one_of_several: whether this is one of several processes that run them.
        selected: tests that are run.
        left_out: tests that the run knows of and does not run.
        passed: tests of which something has passed.
        failed: tests of which something has failed.
        shared: whether several processes have run the tests, for this one.
        doubtful: rows of the page that nothing has proved then, with the tests that they name.
    """

    whole: bool
    one_of_several: bool = False
    selected: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    shared: bool = False
    doubtful: Mapping[str, list[str]] = field(default_factory=dict)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put tests that read what became of the others behind them.

        Several processes begin with what takes long: what is quick then fills the end of each.
        """
        if self.one_of_several:
            items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
        items.sort(key=lambda item: item.get_closest_marker(LAST) is not None)
        self.selected |= functions(item.nodeid for item in items)

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Remember what is left out."""
        self.left_out |= functions(item.nodeid for item in items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what became of a test, its fixtures included."""
        if report.failed:
            self.failed |= functions([report.nodeid])
        elif report.passed and report.when == "call":
            self.passed |= functions([report.nodeid])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a process of several has told when it ended; reports came before."""
        told = getattr(node, "workeroutput", {})
        self.selected |= set(told.get("selected", ()))
        self.left_out |= set(told.get("left_out", ()))
        self.shared = True

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the process that started this one, or prove the page there: it alone knows of all tests."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput |= {
                "selected": sorted(self.selected),
                "left_out": sorted(self.left_out),
            }
        elif self.shared:
            from tests.docs.test_compatibility import doubtful_rows

            self.doubtful = doubtful_rows(self)
            if self.doubtful:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which rows of the page nothing has proved."""
        for row, tests in self.doubtful.items():
            terminalreporter.write_line(f"NOT PROVED: {row}: {', '.join(tests)}", red=True)


def functions(nodeids: Iterable[str]) -> set[str]:
    """Return the ids of tests without their parameters."""
    return {nodeid.partition("[")[0] for nodeid in nodeids}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{LAST}: run after all other tests")
    several = hasattr(config, "workerinput")
    config.pluginmanager.register(Outcomes(whole=_is_whole(config), one_of_several=several), PLUGIN)


def _is_whole(config: pytest.Config) -> bool:
    """Return whether the arguments leave nothing out but what is marked as ``full``."""
    if hasattr(config, "workerinput"):  # one process of several, which sees its own tests only
        return False
    if config.getoption("markexpr") not in EVERYDAY or any(
        config.getoption(name, default=None) for name in NARROWING
    ):
        return False
    given = [Path(config.invocation_params.dir, arg) for arg in config.args]
    wanted = [config.rootpath / path for path in config.getini("testpaths")]
    return all(any(path.is_relative_to(folder) for folder in given) for path in wanted)


@pytest.fixture(scope="session")
def outcomes(pytestconfig: pytest.Config) -> Outcomes:
    """What became of the tests up to now."""
    found = pytestconfig.pluginmanager.get_plugin(PLUGIN)
    assert isinstance(found, Outcomes)
    return found
