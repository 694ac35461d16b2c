"""``[setup/NAME]``: groups and variables of each kind of node, and the setup provider's own keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from elasticluster.config.check import reject_unknown, section_values
from elasticluster.config.expand import Sections
from elasticluster.config.problems import Problem, did_you_mean, shown
from elasticluster.config.reader import Entry, Section
from elasticluster.config.tables import SETUP_PROVIDER, SetupTables
from elasticluster.config.values import split_list
from elasticluster.model import ComponentRef, Json, Login

_GROUPS_RE = re.compile(r"([A-Za-z0-9-]+)_groups")
_VARIABLE_RE = re.compile(r"([A-Za-z0-9-]+)_var_(.+)", re.DOTALL)  # a kind of node has no underscore
_GLOBAL = "global"
_LET_THROUGH = "ansible_"


class Variable(NamedTuple):
    """An entry ``KIND_var_NAME`` or ``global_var_NAME``; `key` is that, `kind` may be ``global``."""

    key: str
    kind: str
    name: str
    entry: Entry


def group_entries(setup: Section) -> dict[str, Entry]:
    """Return the entries ``KIND_groups`` by kind."""
    return {m[1]: entry for key, entry in setup.entries.items() if (m := _GROUPS_RE.fullmatch(key))}


def groups_for(cluster: Section, sections: Sections) -> dict[str, Entry]:
    """Return the group entries of the setup section that a cluster section names; none if there is none."""
    setup = sections.of_type("setup").get(cluster.text("setup"))
    return group_entries(setup) if setup else {}


def variables(section: Section) -> list[Variable]:
    """Return the variables of a ``[setup/NAME]`` or ``[cluster/NAME]`` section."""
    matches = ((_VARIABLE_RE.fullmatch(key), entry) for key, entry in section.entries.items())
    return [Variable(match[0], match[1], match[2], entry) for match, entry in matches if match]


class SetupSection:
    """Checks a ``[setup/NAME]`` section for one cluster.

    Args:
        setup: the section.
        cluster: the ``[cluster/NAME]`` section, for the variables in it.
        kinds: the cluster's kinds of nodes.
        tables: keys of setup providers.
        problems: gets what is wrong.
    """

    def __init__(
        self,
        setup: Section,
        cluster: Section,
        kinds: Sequence[str],
        tables: SetupTables,
        problems: list[Problem],
    ) -> None:
        self._setup = setup
        self._cluster = cluster
        self._kinds = kinds
        self._tables = tables
        self._problems = problems

    def component(self, login: Login) -> ComponentRef:
        """Return how to make the setup provider.

        Args:
            login: says who becomes root, and how.
        """
        self._problems += self._setup.problems
        groups = group_entries(self._setup)
        args: dict[str, Json] = {
            "groups": {kind: split_list(groups[kind].text) for kind in self._kinds if kind in groups},
            "environment_vars": self._variables(),
            "sudo": login.image_sudo,
            "sudo_user": login.image_user_sudo,
        }
        provider, values = self._values()
        short = self._setup.name.partition("/")[2]
        return ComponentRef(type=provider, args={**args, **values}, section=short)

    def _values(self) -> tuple[str, dict[str, Json]]:
        """Return the provider's name and its own keys."""
        name = section_values((SETUP_PROVIDER,), self._setup, self._problems)[SETUP_PROVIDER.name]
        if name not in self._tables:
            message = f"expected one of {', '.join(sorted(self._tables))}, not {shown(name)}"
            entry = self._setup.entries[SETUP_PROVIDER.name]
            self._problems.append(entry.problem(message + did_you_mean(name, self._tables)))
            return name, {}
        found = {f"{kind}_groups" for kind in group_entries(self._setup)}
        found |= {SETUP_PROVIDER.name, *(variable.key for variable in variables(self._setup))}
        keys = self._tables[name]
        known = {key.name for key in keys or ()}
        others = {
            key: entry.text for key, entry in self._setup.entries.items() if key not in {*found, *known}
        }
        if keys is None:
            return name, others
        values = section_values(keys, self._setup, self._problems)
        values |= {key: text for key, text in others.items() if key.startswith(_LET_THROUGH)}
        guesses = {*known, *(f"{kind}_groups" for kind in self._kinds)}
        reject_unknown(self._setup, {*found, *known, *values}, self._problems, guesses)
        return name, values

    def _variables(self) -> dict[str, dict[str, str]]:
        """Return each kind's variables: its own before global ones, the cluster's before the setup's."""
        setup, cluster = variables(self._setup), variables(self._cluster)
        self._check_kinds(setup, {*group_entries(self._setup), *self._kinds}, self._setup)
        self._check_kinds(cluster, set(self._kinds), self._cluster)
        return {
            kind: {
                v.name: v.entry.text
                for wanted in (_GLOBAL, kind)
                for v in (*setup, *cluster)
                if v.kind == wanted
            }
            for kind in self._kinds
        }

    def _check_kinds(self, found: Sequence[Variable], kinds: set[str], section: Section) -> None:
        """A variable of a kind that does not exist would be lost without a word."""
        known = sorted({_GLOBAL, *kinds})
        for variable in found:
            if variable.kind not in known:
                message = f"'{variable.kind}' is no kind of node of [{section.name}]"
                self._problems.append(variable.entry.problem(message + did_you_mean(variable.kind, known)))
