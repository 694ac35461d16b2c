"""What `-h` says of each command: an example that works, and a word on each argument."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from elasticluster.cli.app import build_parser


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command by its name."""
    parser, commands = build_parser(argparse.Namespace(), ["list"])
    (found,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    assert found.choices.keys() == commands.keys()
    return dict(found.choices)


def examples(epilog: str | None) -> list[list[str]]:
    """Return the command lines in the last lines of a help text, as the program gets them."""
    words = [shlex.split(line) for line in re.sub("^example:", "", epilog or "").splitlines()]
    ends = {"|", ">", ">>"}
    found = []
    for line in words:
        own = line[line.index("elasticluster") + 1 :]
        found.append(own[: next((place for place, word in enumerate(own) if word in ends), len(own))])
    return found


@pytest.mark.parametrize("name", parsers())
def test_example_can_be_parsed(name: str) -> None:
    parser = parsers()[name]
    assert (parser.epilog or "").startswith("example: "), name
    for line in examples(parser.epilog):
        params = argparse.Namespace()
        root, commands = build_parser(params, ["list"])
        ours = line[: line.index("--")] if "--" in line else line
        root.parse_args(ours, namespace=params)
        assert params.command == name
        assert commands[name].takes_rest or ours == line
        commands[name].pre_run()


@pytest.mark.parametrize("name", parsers())
def test_every_argument_is_explained(name: str) -> None:
    silent = [action.dest for action in parsers()[name]._actions if not action.help]
    assert silent == []
    assert parsers()[name].description
