"""Puts together the sections that one template needs, and collects everything that is wrong in them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from elasticluster.config.check import (
    Values,
    check_values,
    entry_values,
    for_nodes,
    guess,
    own_entries,
    provider_name,
    refer,
    reject_unknown,
    section_values,
    unknown_entries,
    with_environment,
    without_effect,
)
from elasticluster.config.counts import Counts, KindCount, cluster_counts
from elasticluster.config.documented import DOCUMENTED, OPEN
from elasticluster.config.environment import differing
from elasticluster.config.expand import Sections
from elasticluster.config.keys import Key
from elasticluster.config.problems import Problem, Report, did_you_mean, in_order, nearest, shown
from elasticluster.config.reader import Entry, Section
from elasticluster.config.setup_section import SetupSection, groups_for
from elasticluster.config.tables import (
    CLUSTER_KEYS,
    LOGIN_KEYS,
    NODE_KEYS,
    PROVIDER,
    RENAMED_PROVIDER,
    ProviderTables,
    SetupTables,
)
from elasticluster.config.template import KindTemplate, Template
from elasticluster.config.variables import variables
from elasticluster.exceptions import ConfigurationError
from elasticluster.model import ComponentRef, Login, NodeSpec
from elasticluster.naming import NodeNamingPolicy

_NEARLY_COUNT_RE = re.compile(r"(.+)[-. ]nodes?|(.+)_node")
_PLAIN_RE = re.compile(r"[\w./+@:,=-]+")  # a word that a shell takes as it stands
_NO_PROXY = "none"  # as ssh says it
_BEFORE_PROGRAM_RE = re.compile(r"exec|command|[A-Za-z_]\w*=[\w./+@:,-]*")
_OF_SHELL = frozenset(
    (".", ":", "cd", "eval", "export", "for", "if", "set", "test", "umask", "until", "while")
)
_CLUSTER_NAMES = frozenset(key.name for key in CLUSTER_KEYS)
_NODE_NAMES = frozenset(key.name for key in NODE_KEYS)


class Cloud(NamedTuple):
    """What a ``[cloud/NAME]`` section comes to.

    Attributes:
        ref: how to make the provider.
        node_keys: its own keys in ``[cluster/NAME]``; None if they cannot be checked.
        available: whether this version has it.
    """

    ref: ComponentRef
    node_keys: Collection[Key] | None
    available: bool


def is_available(provider: str, providers: ProviderTables) -> bool:
    """Whether this version has a cloud provider; one that nobody knows is for others to tell."""
    name = RENAMED_PROVIDER.get(provider, provider)
    return name not in DOCUMENTED or name in providers


def check_cloud(section: Section, providers: ProviderTables, report: Report) -> Cloud | None:
    """Check a ``[cloud/NAME]`` section; None if no such provider is known."""
    report.problems.extend(section.problems)
    report.warnings.extend(section.warnings)
    name = RENAMED_PROVIDER.get(section.text(PROVIDER.name), "")
    name = name or provider_name(PROVIDER, section, providers, report, DOCUMENTED)
    if not name:
        return None
    available = name in providers
    if not available:
        message = f"this version cannot start clusters on '{name}' yet"
        report.warnings.append(section.entries[PROVIDER.name].problem(message))
    tables = providers[name] if available else DOCUMENTED[name]
    own = own_entries(section)
    values = {key: entry.text for key, entry in own.items() if key != PROVIDER.name}
    if tables:
        others = values if name in OPEN and not available else {}
        whole = with_environment(tables[0], section)
        values = {**others, **section_values(tables[0], whole, report.problems)}
        check_values(tables[0], whole, values, report.problems)
        known_here = (PROVIDER.name, *(key.name for key in tables[0]), *others)
        reject_unknown(section, known_here, report, kind=name)
    ref = ComponentRef(type=name, args=values, section=section.name.partition("/")[2])
    return Cloud(ref, tables[1] if tables else None, available)


def overruled(section: Section, providers: ProviderTables) -> list[Problem]:
    """Return which keys of a ``[cloud/NAME]`` section say something else than the environment.

    For OpenStack the environment once counted more than the file.
    """
    name = section.text(PROVIDER.name)
    try:
        tables = providers[RENAMED_PROVIDER.get(name, name)]
    except (KeyError, ConfigurationError):  # told as a problem of the section
        return []
    texts = {key: entry.text for key, entry in section.entries.items()}
    return [
        section.entries[key].problem(f"counts, although ${variable} says something else")
        for key, variable in differing(tables[0] if tables else (), texts).items()
    ]


def check_login(section: Section, report: Report) -> Values:
    """Check a ``[login/NAME]`` section and return its values."""
    report.problems.extend(section.problems)
    report.warnings.extend(section.warnings)
    values = section_values(LOGIN_KEYS, section, report.problems)
    reject_unknown(section, (key.name for key in LOGIN_KEYS), report)
    if section.text("user_key_private") and not section.text("user_key_public"):
        message = "is missing, although user_key_private is set; it usually is the same file with .pub"
        report.problems.append(section.problem(message, "user_key_public"))
    return values


class TemplateResolver:
    """Makes a template of a ``[cluster/NAME]`` section and those that it refers to.

    Args:
        cluster: the section.
        sections: all sections.
        providers: keys of cloud providers.
        setups: keys of setup providers.

    Attributes:
        report: what was found by :meth:`resolve`; if there are problems, its result is not to be used.
    """

    def __init__(
        self, cluster: Section, sections: Sections, providers: ProviderTables, setups: SetupTables
    ) -> None:
        self.report = Report(list(cluster.problems), list(cluster.warnings))
        self._cluster = cluster
        self._name = cluster.name.partition("/")[2]
        self._sections = sections
        self._groups = groups_for(cluster, sections)
        self._kind_sections = sections.of_cluster(self._name)
        self._providers = providers
        self._setups = setups

    def resolve(self) -> Template:
        """Check everything and return the template."""
        fixed = section_values(CLUSTER_KEYS, self._cluster, self.report.problems)
        if fixed.get("ssh_proxy_command", "").lower() == _NO_PROXY:
            fixed["ssh_proxy_command"] = ""
        self._check_seconds(fixed)
        self._check_proxy_command(fixed.get("ssh_proxy_command", ""))
        cloud, login_values, setup = self._cloud(), self._login_values(), self._refer("setup")
        login = _login(login_values, fixed)
        counts = self._counts(setup)
        template = Template(
            name=self._name,
            cloud=cloud.ref,
            cloud_available=cloud.available,
            setup=self._setup(setup, list(counts.kinds), login),
            login=login,
            kinds=self._kinds(counts, cloud, login_values),
            ssh_to=self._ssh_to(counts.kinds),
            start_timeout=fixed.get("start_timeout", 0),
            start_failure=fixed.get("start_failure", ""),
            extra={key: fixed[key] for key in ("thread_pool_max_size",) if key in fixed},
        )
        return replace(template, warnings=tuple(in_order(self.report.warnings)))

    def _refer(self, kind: str) -> Section | None:
        return refer(self._sections.of_type(kind), self._cluster, kind, self.report.problems)

    def _cloud(self) -> Cloud:
        section = self._refer("cloud")
        cloud = check_cloud(section, self._providers, self.report) if section else None
        return cloud or Cloud(ComponentRef(type=""), None, available=False)

    def _login_values(self) -> Values:
        section = self._refer("login")
        return check_login(section, self.report) if section else {}

    def _setup(self, section: Section | None, kinds: Sequence[str], login: Login) -> ComponentRef:
        if not section:
            return ComponentRef(type="")
        return SetupSection(section, self._cluster, kinds, self._setups, self.report).component(login)

    def _check_seconds(self, values: Values) -> None:
        for name in ("ssh_probe_timeout", "start_timeout"):
            if values.get(name, 1) <= 0:
                self.report.problems.append(
                    self._cluster.entries[name].problem("expected more than 0 seconds")
                )

    def _check_proxy_command(self, command: str) -> None:
        """A program that is missing would only be noticed when all machines are there."""
        words = (word for word in command.split() if not _BEFORE_PROGRAM_RE.fullmatch(word))
        program = os.path.expanduser(next(words, ""))  # noqa: PTH111 - may be no path
        if not _PLAIN_RE.fullmatch(program) or program in _OF_SHELL or shutil.which(program):
            return
        message = f"there is no program {shown(program)}"
        self.report.problems.append(self._cluster.entries["ssh_proxy_command"].problem(message))

    def _counts(self, setup: Section | None) -> Counts:
        """Return the numbers of nodes; each kind needs groups."""
        groups = self._groups
        counts = cluster_counts(self._cluster, groups)
        self.report.problems += counts.problems
        if not counts.kinds:
            self.report.problems.append(
                self._cluster.problem("no nodes: set KIND_nodes, as in compute_nodes=2")
            )
        for kind, count in counts.kinds.items():
            if setup and kind not in groups:
                has = f"groups for {', '.join(groups)}" if groups else "no groups at all"
                message = f"[{setup.name}] ({setup.at}) has no {kind}_groups; it has {has}"
                self.report.problems.append(count.entry.problem(message + did_you_mean(kind, groups)))
        return counts

    def _ssh_to(self, kinds: Mapping[str, KindCount]) -> str:
        entry = self._cluster.entries.get("ssh_to")
        if not entry or not entry.text:
            return ""
        if not _is_target(entry.text, kinds):
            message = f"there is no kind or node {shown(entry.text)} in this template"
            self.report.problems.append(entry.problem(message + did_you_mean(entry.text, kinds)))
        return entry.text

    def _kinds(self, counts: Counts, cloud: Cloud, login: Values) -> dict[str, KindTemplate]:
        """Return the kinds of nodes; a kind's own section comes before the cluster's."""
        table = self._node_table(counts, cloud)
        self._check_kind_sections(counts.kinds, table)
        shared = {name: entry for name, entry in for_nodes(self._cluster).items() if name in table}
        lacking: dict[str, list[str]] = {}
        kinds = {}
        for kind, count in counts.kinds.items():
            own = self._kind_sections[kind].entries if kind in self._kind_sections else {}
            entries = {**shared, **own}
            values, missing = entry_values(table.values(), entries, self.report.problems)
            mine = replace(self._cluster, entries=entries)
            check_values(table.values(), mine, values, self.report.problems, cloud.ref.args)
            for key in missing:
                lacking.setdefault(key.name, []).append(kind)
            if "image_userdata" not in entries:
                values["image_userdata"] = login.get("image_userdata", "")
            spec = _spec(kind, {"image_user": login.get("image_user", ""), **values})
            kinds[kind] = KindTemplate(count=count.number, min_count=count.least, spec=spec)
        for name, lacks in lacking.items():
            message = f"is missing; nodes of kind {', '.join(lacks)} need it"
            self.report.problems.append(self._cluster.problem(message, name))
        return kinds

    def _node_table(self, counts: Counts, cloud: Cloud) -> dict[str, Key]:
        """Return the keys that make up a node, by name, after reporting those that nobody knows.

        Where the provider's own keys are not known, they are whatever else there is.
        """
        table = {key.name: key for key in (*NODE_KEYS, *(cloud.node_keys or ()))}
        found = {*counts.used, *(variable.key for variable in variables(self._cluster))}
        unknown = unknown_entries(self._cluster, {*_CLUSTER_NAMES, *table, *found})
        counts_of = (f"{kind}_nodes{least}" for kind in self._groups for least in ("", "_min"))
        guesses = {*_CLUSTER_NAMES, *table, *counts_of}
        for entry in unknown:
            if not without_effect(entry, self.report):
                self._reject(entry, guesses, closed=cloud.node_keys is not None)
        if cloud.node_keys is None:
            of_kinds = {name for section in self._kind_sections.values() for name in section.entries}
            rest = {*(entry.key for entry in unknown), *of_kinds} - _CLUSTER_NAMES - table.keys()
            table |= {name: Key(name, "str") for name in sorted(rest)}
        return table

    def _reject(self, entry: Entry, guesses: Collection[str], *, closed: bool) -> None:
        """Report a key that nobody knows, unless the provider may know it (not `closed`)."""
        if match := _NEARLY_COUNT_RE.fullmatch(entry.key):
            kind = match[1] or match[2]
            kind = kind if kind in self._groups else nearest(entry.key, self._groups) or kind
            message = f"unknown key; the number of nodes of kind '{kind}' is written '{kind}_nodes'"
            self.report.problems.append(entry.problem(message))
        elif closed and (self._groups or not entry.text.isdecimal()):  # without groups no kind is known
            self.report.problems.append(entry.problem(f"unknown key{guess(entry, guesses, self.report)}"))

    def _check_kind_sections(self, kinds: Mapping[str, KindCount], table: Mapping[str, Key]) -> None:
        for kind, section in self._kind_sections.items():
            self.report.problems += section.problems
            self.report.warnings += section.warnings
            if kind not in kinds:
                message = f"there are no nodes of kind '{kind}' in [{self._cluster.name}]"
                self.report.problems.append(section.problem(message + did_you_mean(kind, kinds)))
            reject_unknown(section, {*table, *_CLUSTER_NAMES}, self.report, table)
            for name in _CLUSTER_NAMES & section.entries.keys():
                message = f"holds for the whole cluster: move it to [{self._cluster.name}]"
                self.report.problems.append(section.entries[name].problem(message))


def _login(values: Values, cluster: Values) -> Login:
    return Login(
        user_key_name=values.get("user_key_name", ""),
        user_key_public=values.get("user_key_public", ""),
        user_key_private=values.get("user_key_private", ""),
        image_sudo=values.get("image_sudo", True),
        image_user_sudo=values.get("image_user_sudo", ""),
        proxy_command=cluster.get("ssh_proxy_command", ""),
        probe_timeout=cluster.get("ssh_probe_timeout", 0),
    )


def _spec(kind: str, values: Values) -> NodeSpec:
    own = {name: values[name] for name in _NODE_NAMES if name in values}
    extra = {name: value for name, value in values.items() if name not in own}
    return NodeSpec(**{"image_id": "", "flavor": "", **own}, kind=kind, extra=extra)


def _is_target(name: str, kinds: Mapping[str, KindCount]) -> bool:
    """Whether there is a kind of nodes, or a node, of that name."""
    if name in kinds:
        return True
    try:
        index = NodeNamingPolicy.parse(name)["index"]
    except ValueError:
        return False
    policy = NodeNamingPolicy()
    return any(
        1 <= index <= count.number and name == policy.format(policy.pattern, kind=kind.lower(), index=index)
        for kind, count in kinds.items()
    )
