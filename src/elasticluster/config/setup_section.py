"""``[setup/NAME]``: groups and variables of each kind of node, and the setup provider's own keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from elasticluster.config.check import provider_name, reject_unknown, section_values
from elasticluster.config.expand import Sections
from elasticluster.config.problems import Report, did_you_mean
from elasticluster.config.reader import DEFAULT, Entry, Section
from elasticluster.config.tables import ANSIBLE_KEYS, SETUP_PROVIDER, SetupTables, Vocabulary
from elasticluster.config.values import split_list
from elasticluster.config.variables import GLOBAL, Variable, effective, own_variables, variables
from elasticluster.model import ComponentRef, Json, Login
from elasticluster.naming import check_kind

_GROUPS = "_groups"
_GROUPS_RE = re.compile(rf"([A-Za-z0-9-]+){_GROUPS}")
_LET_THROUGH = "ansible_"


def group_entries(setup: Section) -> dict[str, Entry]:
    """Return the entries ``KIND_groups`` by kind."""
    return {m[1]: entry for key, entry in setup.entries.items() if (m := _GROUPS_RE.fullmatch(key))}


def groups_for(cluster: Section, sections: Sections) -> dict[str, Entry]:
    """Return the group entries of the setup section that a cluster section names; none if there is none."""
    setup = sections.of_type("setup").get(cluster.text("setup"))
    return group_entries(setup) if setup else {}


class SetupSection:
    """Checks a ``[setup/NAME]`` section for one cluster, or for none.

    Args:
        setup: the section.
        cluster: the ``[cluster/NAME]`` section, for the variables in it; None: there is none.
        kinds: the cluster's kinds of nodes.
        tables: keys of setup providers.
        report: gets what is wrong.
    """

    def __init__(
        self,
        setup: Section,
        cluster: Section | None,
        kinds: Sequence[str],
        tables: SetupTables,
        report: Report,
    ) -> None:
        self._setup = setup
        self._groups = group_entries(setup)
        self._variables = variables(setup)
        self._cluster = cluster
        self._of_cluster = own_variables(cluster) if cluster else []
        self._kinds = kinds
        self._tables = tables
        self._report = report

    def component(self, login: Login) -> ComponentRef:
        """Return how to make the setup provider.

        Args:
            login: says who becomes root, and how.
        """
        self._report.problems += self._setup.problems
        self._report.warnings += self._setup.warnings
        groups = {kind: split_list(self._groups[kind].text) for kind in self._kinds if kind in self._groups}
        self._check_kinds(self._variables, {*self._groups, *self._kinds}, self._setup)
        if self._cluster:
            self._check_kinds(self._of_cluster, set(self._kinds), self._cluster)
        provider, values = self._values()
        args: dict[str, Json] = {
            "groups": groups,
            "environment_vars": {kind: self._texts(kind) for kind in self._kinds},
            "sudo": login.image_sudo,
            "sudo_user": login.image_user_sudo,
        }
        return ComponentRef(
            type=provider, args={**args, **values}, section=self._setup.name.partition("/")[2]
        )

    def _values(self) -> tuple[str, dict[str, Json]]:
        """Return the provider's name and its own keys."""
        name = provider_name(SETUP_PROVIDER, self._setup, self._tables, self._report)
        if not name:
            return name, {}
        found = {f"{kind}_groups" for kind in self._groups}
        found |= {SETUP_PROVIDER.name, *(variable.key for variable in self._variables)}
        table = self._tables[name]
        known = {key.name for key in table.keys} if table else set()
        others = {k: entry for k, entry in self._setup.entries.items() if k not in {*found, *known}}
        if table is None:
            return name, {key: entry.text for key, entry in others.items() if entry.section != DEFAULT}
        values = section_values(table.keys, self._setup, self._report.problems)
        section_values(ANSIBLE_KEYS, self._setup, self._report.problems)
        of_ansible = {key: entry.text for key, entry in others.items() if key.startswith(_LET_THROUGH)}
        if table.vocabulary:
            self._check_words(table.vocabulary(values), {**values, **of_ansible})
        values |= of_ansible
        misnamed = self._misnamed_kinds(others)
        guesses = {*known, *(f"{kind}_groups" for kind in self._kinds)}
        reject_unknown(self._setup, {*found, *known, *values, *misnamed}, self._report, guesses)
        return name, values

    def _misnamed_kinds(self, entries: Mapping[str, Entry]) -> set[str]:
        """Report those ``KIND_groups`` whose kind cannot be one; return their keys."""
        keys = {key for key in entries if key.endswith(_GROUPS) and key != _GROUPS}
        for key in keys:
            try:
                check_kind(key.removesuffix(_GROUPS))
            except ValueError as exc:
                self._report.problems.append(entries[key].problem(str(exc)))
        return keys

    def _check_words(self, vocabulary: Vocabulary, values: Mapping[str, Json]) -> None:
        """Report the keys, groups and variables that mean nothing."""
        for key in self._setup.entries.keys() & values.keys():
            problem = vocabulary.key_problem(key, values[key])
            self._add(self._setup.entries[key], problem, vocabulary.key_warning(key))
        for entry in self._groups.values():
            for group in split_list(entry.text):
                self._add(entry, vocabulary.group_problem(group), vocabulary.group_warning(group))
        for _, _, name, entry in (*self._variables, *self._of_cluster):
            problem = vocabulary.variable_problem(name, entry.text)
            self._add(entry, problem, vocabulary.variable_warning(name))

    def _add(self, entry: Entry, problem: str, warning: str) -> None:
        if problem:
            self._report.problems.append(entry.problem(problem))
        elif warning:
            self._report.warnings.append(entry.problem(warning))

    def _texts(self, kind: str) -> dict[str, str]:
        """Return the variables of a kind."""
        found = effective(self._setup, self._cluster, kind)
        return {name: entry.text for name, entry in found.items()}

    def _check_kinds(self, found: Sequence[Variable], kinds: set[str], section: Section) -> None:
        """A variable of a kind that does not exist would be lost without a word."""
        known = sorted({GLOBAL, *kinds})
        for variable in found:
            if variable.kind not in known:
                message = f"'{variable.kind}' is no kind of node of [{section.name}]"
                guess = did_you_mean(variable.kind, known)
                self._report.problems.append(variable.entry.problem(message + guess))
