"""Commands of installed packages: they are there, and one that is broken breaks nothing else."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elasticluster.cli.app import COMMANDS, build_parser, main
from elasticluster.exceptions import UsageError
from elasticluster.subcommands import AbstractCommand, ListClusters, Stop

GOOD = """
from elasticluster.subcommands import AbstractCommand

class Good(AbstractCommand):
    NAME = "good"

    def setup(self, subparsers):
        parser = subparsers.add_parser(self.NAME, help="Be good.")
        parser.set_defaults(func=self.execute)
        parser.add_argument("number", type=int)

    def pre_run(self):
        if self.params.number < 0:
            from elasticluster.exceptions import UsageError
            raise UsageError("Too few.")

    def execute(self):
        print("good", self.params.number, self.params.storage)
        return self.params.number
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package ``odd`` 2.5 with commands; each entry point is given as ``name="module:Class"``."""

    def installed(source: str, module: str = "odd_commands", **points: str) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / "odd-2.5.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 2.5\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[elasticluster.commands]", *lines, ""]))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return installed


def test_command_of_a_package_runs_with_global_options_before_and_after_it(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(GOOD, good="odd_commands:Good")
    assert main(["good", "3", "-s", "/after"]) == 3
    assert main(["-s", "/before", "good", "0"]) == 0
    assert capsys.readouterr() == ("good 3 /after\ngood 0 /before\n", "")


def test_check_before_the_run_stops_a_command_of_a_package(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(GOOD, good="odd_commands:Good")
    assert main(["good", "-1"]) == UsageError.exit_code
    assert capsys.readouterr().err.endswith("Error: Too few.\n")


def test_help_lists_commands_of_packages(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(GOOD, good="odd_commands:Good")
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr()
    assert "    good                Be good.\n" in told.out
    assert told.err == ""


def test_command_without_func_is_executed(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(GOOD.replace("        parser.set_defaults(func=self.execute)\n", ""), good="odd_commands:Good")
    assert main(["good", "0"]) == 0
    assert capsys.readouterr().out == "good 0 None\n"


def test_option_that_is_named_like_a_global_one_belongs_to_the_command(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    source = GOOD.replace('"number", type=int', '"-v", "--value", dest="number", type=int')
    install(source, good="odd_commands:Good")
    assert main(["good", "-v", "4"]) == 4
    assert capsys.readouterr() == ("good 4 None\n", "")


BROKEN = {
    "missing": ("", "no_such_module:Any", "ModuleNotFoundError: No module named 'no_such_module'"),
    "raising": ("1 / 0", "odd_commands:Any", "ZeroDivisionError: division by zero"),
    "exiting": ("raise SystemExit(3)", "odd_commands:Any", "SystemExit: 3"),
    "attribute": ("", "odd_commands:Any", "AttributeError: module 'odd_commands' has no attribute 'Any'"),
    "foreign": (
        "class Any: pass",
        "odd_commands:Any",
        "odd_commands:Any is no subclass of elasticluster.subcommands.AbstractCommand",
    ),
    "no_class": (
        "Any = 7",
        "odd_commands:Any",
        "odd_commands:Any is no subclass of elasticluster.subcommands.AbstractCommand",
    ),
    "clash": (GOOD.replace('"good"', '"list"'), "odd_commands:Good", "there is already a command list"),
    "alias": (
        GOOD.replace('help="Be good."', 'aliases=["stop"]'),
        "odd_commands:Good",
        "there is already a command stop",
    ),
    "half": (
        GOOD.replace('"good"', '"half"').replace("parser.set", "raise RuntimeError('half done'); parser.set"),
        "odd_commands:Good",
        "RuntimeError: half done",
    ),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_command_is_left_out_with_a_warning_that_names_its_package(
    name: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    source, value, problem = BROKEN[name]
    install(GOOD, "good_commands", **{name: value, "good": "good_commands:Good"})
    install(source, **{name: value, "good": "good_commands:Good"})
    assert main(["good", "0"]) == 0
    told = capsys.readouterr()
    assert told.out == "good 0 None\n"
    assert told.err == f"Warning: the command '{name}' of the package odd 2.5 is left out: {problem}.\n"
    parser, commands = build_parser(argparse.Namespace())
    assert {type(command) for command in commands.values()} >= set(COMMANDS)
    assert name not in commands
    assert parser.format_help().count(f"    {name} ") == 0


def test_our_own_commands_do_not_look_at_packages(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("1 / 0", broken="odd_commands:Any")
    (tmp_path / "config").touch()
    assert main(["-c", str(tmp_path / "config"), "-s", str(tmp_path / "none"), "list"]) == 0
    assert capsys.readouterr() == ("No clusters found.\n", "")


def test_storage_called_like_a_command_is_no_command(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(GOOD, good="odd_commands:Good")
    assert main(["-s", "list", "good", "0"]) == 0
    assert capsys.readouterr().out == "good 0 list\n"


def test_help_finds_out_about_packages_without_loading_what_knows_them_all() -> None:
    program = (
        "import contextlib, sys\nfrom elasticluster.main import main\nsys.argv[1:] = ['--help']\n"
        "with contextlib.suppress(SystemExit): main()\nprint('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_program_of_somebody_else_uses_commands_by_the_documented_contract(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class Greet(AbstractCommand):
        def setup(self, subparsers: Any) -> None:
            parser = subparsers.add_parser("greet")
            parser.set_defaults(func=self.execute)

        def execute(self) -> None:
            sys.stdout.write(f"hello {self.params.storage}\n")

    params = argparse.Namespace()
    parser = argparse.ArgumentParser()
    parser.add_argument("--storage", default=str(tmp_path))
    parser.add_argument("--config", default=str(tmp_path / "config"))
    (tmp_path / "config").touch()
    subparsers = parser.add_subparsers()
    for kind in (Greet, ListClusters, Stop):
        kind(params).setup(subparsers)
    for command in ("greet", "list"):
        parser.parse_args([command], namespace=params)
        params.func()
    assert capsys.readouterr().out == f"hello {tmp_path}\nNo clusters found.\n"
