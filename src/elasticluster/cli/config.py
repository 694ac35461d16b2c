"""``elasticluster config``: what is wrong in the configuration, and what it comes to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.data import print_json
from elasticluster.exceptions import UsageError

if TYPE_CHECKING:
    from elasticluster.config.problems import Problem
    from elasticluster.config.show import Origin, Part

_ACTIONS = """\
check      everything that is wrong in the configuration, or in what TEMPLATE needs; ends with 78 if
           anything is
show       what TEMPLATE comes to, and where each value comes from; secrets are not shown
playbooks  the folder of the playbooks that come with the program"""


class ShowConfiguration(AbstractCommand):
    """Check the configuration, or show what a template comes to."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "config",
            help="Check the configuration, or show what a template comes to.",
            description="Check the configuration, or show what a template comes to. Nothing is started.\n\n"
            f"{_ACTIONS}",
            epilog="example: elasticluster config check\n         elasticluster config show slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("action", choices=("check", "show", "playbooks"), help="See above.")
        parser.add_argument("cluster", nargs="?", metavar="TEMPLATE", help="Name of a template.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def pre_run(self) -> None:
        """Refuse a command line with too many or too few names."""
        action, name = self.params.action, self.params.cluster
        if action == "show" and name is None:
            raise UsageError(
                "`config show` needs the name of a template.", hint="`list-templates` shows those there are."
            )
        if action == "playbooks" and name is not None:
            raise UsageError("`config playbooks` takes no name: the folder is the same for all templates.")

    def execute(self) -> int:
        """Do what is asked for."""
        actions: Mapping[str, Callable[[], int]] = {
            "check": self._check,
            "show": self._show,
            "playbooks": self._playbooks,
        }
        return actions[self.params.action]()

    def how_to_go_on(self) -> str:
        """Return nothing: nothing was begun."""
        return "Nothing was changed."

    def _check(self) -> int:
        configuration, name = self.creator.configuration, self.params.cluster
        problems, warnings = configuration.problems(name), configuration.warnings(name)
        names = configuration.template_names() if name is None else [name]
        if self.params.json:
            print_json(check_data(names, problems, warnings) | {"later": self._later(names)})
        else:
            for warning in warnings:
                say(f"WARNING: {warning}")
            print("\n".join(map(str, problems)) or fine(names, configuration.paths, self._later(names)))
        return os.EX_CONFIG if problems else os.EX_OK

    def _later(self, names: Sequence[str]) -> list[str]:
        """Return those of the templates that this version cannot start, as it has not their cloud yet."""
        configuration = self.creator.configuration
        later = set(configuration.cloud_names()) - set(configuration.usable_cloud_names())
        return [name for name in names if configuration.section(f"cluster/{name}").get("cloud") in later]

    def _show(self) -> int:
        configuration, name = self.creator.configuration, self.params.cluster
        parts = configuration.explain(name)
        for warning in configuration.warnings(name):
            say(f"WARNING: {warning}")
        if self.params.json:
            print_json({"template": name, "sections": [part_data(part) for part in parts]})
        else:
            print(explained(parts))
        return os.EX_OK

    def _playbooks(self) -> int:
        folder = str(Path(__file__).parent.parent / "playbooks")
        if self.params.json:
            print_json({"playbooks": folder})
        else:
            print(folder)
        return os.EX_OK


def fine(names: Sequence[str], paths: Sequence[str], later: Sequence[str] = ()) -> str:
    """Return what `config check` prints where nothing is wrong.

    Args:
        names: the templates that were checked.
        paths: the files that were read.
        later: those of the templates that this version cannot start.
    """
    if not names:
        return f"Nothing is wrong, but there is no template: no [cluster/NAME] in {', '.join(paths)}."
    are = "1 template is fine" if len(names) == 1 else f"{len(names)} templates are fine"
    but = f" This version cannot start {', '.join(later)} yet." if later else ""
    return f"{are}: {', '.join(names)}.{but}"


def explained(parts: Sequence[Part]) -> str:
    """Return what `config show` prints: sections of keys with their values, and where each comes from."""
    blocks = []
    for part in parts:
        lines = [
            (f"{setting.key}={_one_line(setting.value)}", str(setting.origin)) for setting in part.settings
        ]
        width = min(max((len(line) for line, _ in lines), default=0), _WIDEST)
        blocks.append(
            "\n".join([f"[{part.name}]", *(f"{line:{width}}  # {origin}" for line, origin in lines)])
        )
    return "\n\n".join(blocks)


_WIDEST = 50  # columns to which values are aligned; longer ones stand out


def _one_line(value: Any) -> str:
    from elasticluster.config.masking import as_written

    return " ".join(as_written(value).split())


def check_data(
    names: Sequence[str], problems: Sequence[Problem], warnings: Sequence[Problem]
) -> dict[str, Any]:
    """Return what `config check` found as JSON-able data."""
    return {
        "templates": [*names],
        "problems": [_problem_data(problem) for problem in problems],
        "warnings": [_problem_data(warning) for warning in warnings],
    }


def _problem_data(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.at.path,
        "line": problem.at.line or None,
        "section": problem.section or None,
        "key": problem.key or None,
        "message": problem.message,
    }


def part_data(part: Part) -> dict[str, Any]:
    """Return a section as `config show` has it, as JSON-able data."""
    settings = [
        {"key": one.key, "value": one.value, "secret": one.secret, "origin": _origin_data(one.origin)}
        for one in part.settings
    ]
    return {"section": part.name, "settings": settings}


def _origin_data(origin: Origin) -> dict[str, Any]:
    return {
        "file": origin.at.path if origin.at else None,
        "line": origin.at.line if origin.at else None,
        "section": origin.section or None,
        "key": origin.key or None,
        "environment": [*origin.environment],
    }
