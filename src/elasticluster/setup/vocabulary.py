"""Which groups and variables mean something: to the shipped roles, and to the user's own playbooks.

The configuration asks this of each line, and :mod:`~elasticluster.setup.check` of setup providers that were
made in Python.
"""

from __future__ import annotations

import difflib
import shlex
import shutil
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path

from elasticluster.model import Json
from elasticluster.setup.ansible_names import ansible_names
from elasticluster.setup.older import CHANGED, OLD
from elasticluster.setup.own_playbooks import NamedGroups, named_groups, playbook_problem, words_in
from elasticluster.setup.services import (
    ALIASES,
    KNOWN_GROUPS,
    SHIPPED_GROUPS,
    current_name,
    is_later_variable,
)
from elasticluster.setup.settings import Settings
from elasticluster.setup.slurm import problem_of
from elasticluster.setup.variables import known_variables, typed

_LET_THROUGH = "ansible_"  # variables of Ansible's own
_NEAR = 0.8  # how alike two names are of which one may be the other, misspelt
_OWN_KEYS = frozenset({"ansible_command", "ansible_extra_args", "ansible_module_dir"})


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

    @cached_property
    def _words(self) -> frozenset[str]:
        return words_in(map(Path, self._settings.own_playbooks))

    def key_problem(self, key: str, value: Json) -> str:
        """Return what would only be noticed when all machines are there; empty if nothing."""
        check = _KEY_CHECKS.get(key)
        return check(str(value)) if check and value else ""

    def key_warning(self, key: str) -> str:
        """Return why a key ``ansible_…`` is likely not what is meant; empty if it is, or may be one's own."""
        name = key.lower()
        if not name.startswith(_LET_THROUGH):
            return ""
        known = ansible_names() | _OWN_KEYS
        if name in known or key in self._words:
            return ""
        meant = _did_you_mean(name, known)
        return f"Ansible has nothing of that name{meant}" if meant else ""

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
        if name in CHANGED or is_later_variable(name) or (name in OLD and name not in older):
            return ""
        present = older.get(name, name)
        if present in known_variables():
            try:
                expected = typed(name, value)
            except ValueError as exc:
                return str(exc)
            return "" if own.playbook else problem_of(present, expected)
        meant = _did_you_mean(name, known_variables().keys() | older.keys())
        let_through = (
            name.startswith(_LET_THROUGH) or (own.own_playbooks and not meant) or name in self._words
        )
        return "" if let_through else f"no role knows it{meant}"

    def variable_warning(self, name: str) -> str:
        """Return why a variable does nothing, though older releases have it; empty if it does something.

        Nothing is said where a playbook of the user's own may well know it.
        """
        if self._settings.playbook:
            return ""
        if name in CHANGED:
            return f"has no effect: {CHANGED[name]}"
        if is_later_variable(name) and name not in self._words:
            return "has no effect: it belongs to a role that is not part of this version"
        return self.key_warning(name)


def program_problem(name: str) -> str:
    """Return why a program cannot be run; empty if it can."""
    return "" if shutil.which(name) else f"there is no program '{name}'"


def _command_problem(text: str) -> str:
    problem = _arguments_problem(text)
    words = [] if problem else shlex.split(text)
    return program_problem(words[0]) if words else problem


def _arguments_problem(text: str) -> str:
    """Return why a text cannot be split into words as a shell does; empty if it can."""
    try:
        shlex.split(text)
    except ValueError as exc:
        return f"expected words quoted as for a shell: {str(exc).lower()}"
    return ""


def folder_problem(path: str) -> str:
    """Return why a folder cannot be used; empty if it can."""
    return "" if Path(path).expanduser().is_dir() else f"'{path}' is no folder"


def _playbook_problem(path: str) -> str:
    problem = playbook_problem(Path(path))
    return f"the playbook '{path}' {problem}" if problem else ""


_KEY_CHECKS: Mapping[str, Callable[[str], str]] = {
    "playbook_path": _playbook_problem,
    "before": _playbook_problem,
    "after": _playbook_problem,
    "ansible_command": _command_problem,
    "ansible_extra_args": _arguments_problem,
    "ansible_module_dir": folder_problem,
}


def _shipped() -> str:
    return ", ".join(sorted(SHIPPED_GROUPS))


def _did_you_mean(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
    return f"; did you mean '{near[0]}'?" if near else ""
