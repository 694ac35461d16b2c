"""The record of a test run: what it holds, and that a run in which no test passed is noticed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

RECORD = Path(__file__).parents[2] / "scripts" / "record"

PASSED = '<testcase classname="tests.unit.test_a" name="test_one" time="0.25"/>'
SKIPPED = '<testcase classname="tests.unit.test_a" name="test_two" time="0.0"><skipped/></testcase>'
FAILED = '<testcase classname="tests.unit.test_a" name="test_three" time="1.5"><failure/></testcase>'


def record(report: Path, *args: str | Path) -> int:
    return subprocess.run([RECORD, *args, report], check=False).returncode


def write_report(folder: Path, *cases: str) -> Path:
    path = folder / "report.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>", encoding="utf-8")
    return path


@pytest.mark.parametrize(("cases", "status"), [([PASSED, SKIPPED], 0), ([SKIPPED, FAILED], 1), ([], 1)])
def test_any_passed_tells_whether_a_test_was_executed(cases: list[str], status: int, tmp_path: Path) -> None:
    assert record(write_report(tmp_path, *cases), "--any-passed") == status


def test_result_has_every_outcome(tmp_path: Path) -> None:
    report = write_report(tmp_path, PASSED, SKIPPED, FAILED)
    subprocess.run([RECORD, report, tmp_path / "results"], check=True)
    (result,) = (tmp_path / "results").glob("tests-full-*.json")
    written = json.loads(result.read_text(encoding="utf-8"))
    assert written["summary"] == {"passed": 1, "skipped": 1, "failure": 1}
    assert written["tests"][0] == {
        "test": "tests.unit.test_a::test_one",
        "outcome": "passed",
        "seconds": 0.25,
    }
