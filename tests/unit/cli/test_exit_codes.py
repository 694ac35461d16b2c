"""Every way in which a command can end has its code in the one table."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from elasticluster import exceptions
from elasticluster.cli import start
from elasticluster.cli.exit_codes import EXIT_CODES, table
from elasticluster.model import Verdict

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
PAGE = Path(__file__).parents[3] / "docs" / "commands.md"


def test_every_code_is_in_the_table_and_no_other() -> None:
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, exceptions.ElastiClusterError)}
    codes |= {*start.EXIT_CODES.values(), start.EXIT_NOT_VERIFIED, os.EX_SOFTWARE}
    codes |= {128 + number for number in SIGNALS}
    assert codes == EXIT_CODES.keys()


def test_every_verdict_has_a_code_and_none_that_is_bad_is_0() -> None:
    assert start.EXIT_CODES.keys() == {*Verdict}
    assert start.EXIT_CODES[Verdict.NOT_READY] == exceptions.ReadinessError.exit_code
    assert {code for code in EXIT_CODES if not code} == {0}
    assert [kind for kind in vars(exceptions).values() if getattr(kind, "exit_code", 1) == 0] == []


def test_help_shows_one_line_a_code() -> None:
    assert [int(line.split()[0]) for line in table().splitlines()] == sorted(EXIT_CODES)


def test_manual_has_the_same_table() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Exit codes")[2]
    rows = re.findall(r"^\| ([\d, ]+) \| (.*) \|$", text, flags=re.MULTILINE)
    assert {int(code) for codes, _ in rows for code in codes.split(",")} == EXIT_CODES.keys()
    alone = {int(codes): meaning for codes, meaning in rows if codes.isdecimal()}
    assert alone == {code: EXIT_CODES[code] for code in alone}
