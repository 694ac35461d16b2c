"""Which groups and variables mean something: to the shipped roles, and to the user's own playbooks.

The configuration asks this of each line, and :mod:`~elasticluster.setup.check` of setup providers that were
made in Python.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from elasticluster.model import Json
from elasticluster.setup.older import CHANGED, OLD
from elasticluster.setup.own_playbooks import NamedGroups, named_groups
from elasticluster.setup.services import ALIASES, KNOWN_GROUPS, SHIPPED_GROUPS, current_name
from elasticluster.setup.settings import Settings
from elasticluster.setup.slurm import problem_of
from elasticluster.setup.variables import known_variables, typed

_LET_THROUGH = "ansible_"  # variables of Ansible's own
_NEAR = 0.8  # how alike two names are of which one may be the other, misspelt


class Vocabulary:
    """Which groups and variables mean something.

    Args:
        settings: says which playbooks run.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _own(self) -> NamedGroups:
        return named_groups(map(Path, self._settings.own_playbooks))

    def group_problem(self, group: str) -> str:
        """Return why there is no such group; empty if there is one.

        A playbook that runs instead of ours may know groups that it does not name; then only a name that is
        nearly another is a problem.
        """
        if current_name(group) in SHIPPED_GROUPS or group in KNOWN_GROUPS or group in self._own:
            return ""
        meant = _did_you_mean(group, SHIPPED_GROUPS | ALIASES.keys() | self._own.patterns)
        if self._settings.playbook and not meant:
            return ""
        others = ", and no playbook of yours names it" if self._settings.own_playbooks else ""
        return f"there is no group '{group}'{others}{meant or f'; there are {_shipped()}'}"

    def group_warning(self, group: str) -> str:
        """Return why nodes cannot be set up as this group, though the manuals name it; empty if they can."""
        known = current_name(group) in SHIPPED_GROUPS or group in self._own or self._settings.playbook
        if known or group not in KNOWN_GROUPS:
            return ""
        return f"group '{group}' is not part of this version, which has {_shipped()}"

    def variable_problem(self, name: str, value: Json) -> str:
        """Return what is wrong with a variable; empty if nothing.

        Playbooks of the user's own may know others, and one that runs instead of ours may mean something
        else by an older name.
        """
        own = self._settings
        older = {} if own.playbook else OLD
        if name in CHANGED or (name in OLD and name not in older):
            return ""
        present = older.get(name, name)
        if present in known_variables():
            try:
                expected = typed(name, value)
            except ValueError as exc:
                return str(exc)
            return "" if own.playbook else problem_of(present, expected)
        meant = _did_you_mean(name, known_variables().keys() | older.keys())
        let_through = name.startswith(_LET_THROUGH) or (own.own_playbooks and not meant)
        return "" if let_through else f"no role knows it{meant}"

    def variable_warning(self, name: str) -> str:
        """Return why a variable that shipped roles once knew does nothing any more; empty if it does.

        Nothing is said where a playbook of the user's own runs instead of ours: it may well know it.
        """
        return f"has no effect: {CHANGED[name]}" if name in CHANGED and not self._settings.playbook else ""


def _shipped() -> str:
    return ", ".join(sorted(SHIPPED_GROUPS))


def _did_you_mean(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
    return f"; did you mean '{near[0]}'?" if near else ""
