"""Options of all commands that bring nodes up: they mean the same wherever they are."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import pytest

from elasticluster.cli.app import build_parser
from elasticluster.cli.command import AbstractCommand
from elasticluster.cli.start import EXIT_NOT_VERIFIED, bring_up, print_verdict
from elasticluster.engine.configure import StartOptions
from elasticluster.model import ClusterRecord, ComponentRef, Report, Verdict

COMMANDS = (["start", "slurm"], ["resume", "slurm"], ["resize", "--add", "1:compute", "slurm"])


def parsed(words: list[str]) -> AbstractCommand:
    """Return the command of a command line, with its options."""
    params = argparse.Namespace(rest=[])
    parser, commands = build_parser(params, words)
    parser.parse_args(words, namespace=params)
    return commands[words[0]]


def options_of(words: list[str], start_failure: str = "keep") -> StartOptions:
    """Return what a command line asks the cluster for."""
    cluster: Any = SimpleNamespace(record=SimpleNamespace(start_failure=start_failure))
    asked: list[Any] = []
    bring_up(parsed(words), cluster, asked.append)
    (options,) = asked
    assert isinstance(options, StartOptions)
    return options


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_options_are_those_of_start(words: list[str]) -> None:
    assert options_of(words).configure
    assert not options_of([*words, "--no-setup"]).configure
    assert [options_of([*words, *option]).max_parallel for option in ([], ["-p", "3"])] == [0, 3]
    assert options_of([*words, "--max-concurrent-requests", "1"]).max_parallel == 1
    assert options_of([*words, "--on-failure", "stop"]).stop_on_failure
    assert not options_of([*words, "--on-failure", "keep"], start_failure="stop").stop_on_failure
    assert options_of(words, start_failure="stop").stop_on_failure


@pytest.mark.parametrize("words", [*COMMANDS, ["setup", "slurm"]], ids=lambda words: words[0])
def test_what_is_not_verified_is_a_failure_only_where_a_check_is_required(words: list[str]) -> None:
    none = ComponentRef(type="none")
    record = ClusterRecord(uuid="u", name="slurm", template="slurm", cloud=none, setup=none)
    report = Report(cluster=record, verdict=Verdict.NOT_VERIFIED, unverified=("mine",))
    assert print_verdict(parsed(words), report) == 0
    assert print_verdict(parsed([*words, "--require-check"]), report) == EXIT_NOT_VERIFIED
