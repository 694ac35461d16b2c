"""A template with every value that it comes to, and where each of them came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from elasticluster.config.check import OF_LOGIN, entry_values, for_nodes, with_environment
from elasticluster.config.documented import DOCUMENTED, OPEN
from elasticluster.config.environment import variables_for
from elasticluster.config.expand import Sections
from elasticluster.config.keys import Key
from elasticluster.config.masking import MASK, as_written, is_secret, presentable, without
from elasticluster.config.problems import Position
from elasticluster.config.reader import DEFAULT, Entry, Section
from elasticluster.config.setup_section import group_entries
from elasticluster.config.tables import (
    CLUSTER_KEYS,
    LOGIN_KEYS,
    NODE_KEYS,
    PROVIDER,
    SETUP_PROVIDER,
    ProviderTables,
    SetupTables,
)
from elasticluster.config.template import Template
from elasticluster.config.variables import effective, variables
from elasticluster.model import Json

_NOWHERE = Position("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value came from.

    Attributes:
        at: where it is written; None: it is a default, or comes from the environment.
        section: the section that it is written in; empty where that is the one that it is shown in.
        key: as it is written; empty where that is as it is shown.
        environment: the environment variables that are in it.
    """

    at: Position | None = None
    section: str = ""
    key: str = ""
    environment: tuple[str, ...] = ()

    def __str__(self) -> str:
        section = f"[{self.section}]" if self.section else ""
        variables = ", ".join(f"${name}" for name in self.environment)
        words = [
            str(self.at or ""),
            section,
            self.key,
            f"with {variables}" if variables and self.at else variables,
        ]
        return " ".join(filter(None, words)) or "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key with its value.

    Attributes:
        key: its present name.
        value: of the key's type.
        origin: where it came from.
        secret: whether the value is shown to nobody.
    """

    key: str
    value: Json
    origin: Origin
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Settings that belong together.

    Attributes:
        name: the section: ``cloud/NAME``, ``login/NAME``, ``setup/NAME``, ``cluster/NAME``, or for one kind
            of nodes ``cluster/NAME/KIND``, whether or not there is such a section.
        settings: those that have a value.
    """

    name: str
    settings: tuple[Setting, ...]


def explain(
    template: Template, sections: Sections, providers: ProviderTables, setups: SetupTables
) -> tuple[Part, ...]:
    """Return everything that a template comes to; in place of secrets there is a mask.

    Args:
        template: the template, which is without mistakes.
        sections: all sections of the configuration.
        providers: keys of cloud providers.
        setups: keys of setup providers.
    """
    explainer = _Explainer(template, sections)
    table = setups.get(template.setup.type)
    tables = providers if template.cloud_available else DOCUMENTED
    cloud_keys, node_keys = tables[template.cloud.type] or (None, None)
    parts = [
        explainer.of_cloud(cloud_keys, open_=template.cloud.type in OPEN),
        explainer.of_login(),
        explainer.of_setup(table.keys if table else ()),
        explainer.of_cluster(),
        *(explainer.of_kind(kind, node_keys) for kind in template.kinds),
    ]
    return tuple(_without_secrets(parts, explainer.named_secrets()))


def named_secrets(template: Template, sections: Sections) -> set[str]:
    """Return the values of keys that are secret by their names, also of those in ``[DEFAULT]``."""
    return _Explainer(template, sections).named_secrets()


def masked_names(parts: Iterable[Part]) -> set[str]:
    """Return the names of the keys in whose values, as :func:`explain` returns them, there is a mask."""
    return {one.key for part in parts for one in part.settings if MASK in as_written(one.value)}


class _Explainer:
    """Finds the settings of a template, part by part."""

    def __init__(self, template: Template, sections: Sections) -> None:
        self._template = template
        self._sections = sections
        self._cluster = sections[f"cluster/{template.name}"]
        self._cloud = sections[f"cloud/{self._cluster.text('cloud')}"]
        self._login = sections[f"login/{self._cluster.text('login')}"]
        self._setup = sections[f"setup/{self._cluster.text('setup')}"]

    def named_secrets(self) -> set[str]:
        """Return the values of keys that are secret by their names, also of those for `%(NAME)s` only."""
        sections = (self._cluster, self._cloud, self._login, self._setup)
        entries = [item for section in sections for item in section.entries.items()]
        return {entry.text for name, entry in entries if is_secret(name)}

    def of_cloud(self, keys: Collection[Key] | None, *, open_: bool) -> Part:
        """Return ``[cloud/NAME]``; if it hands keys on to many drivers (`open_`), any may be a secret."""
        entries = self._cloud.entries
        known = [PROVIDER, *(keys or ())]
        others = [replace(key, secret=open_) for key in _unknown(entries, but=known)]
        return self._part(self._cloud.name, [*known, *others], entries)

    def of_login(self) -> Part:
        """Return ``[login/NAME]``."""
        return self._part(self._login.name, LOGIN_KEYS, self._login.entries)

    def of_setup(self, keys: Collection[Key]) -> Part:
        """Return ``[setup/NAME]``, without what is for one kind of nodes or another."""
        of_kinds = [f"{kind}_groups" for kind in group_entries(self._setup)]
        of_kinds += [variable.key for variable in variables(self._setup)]
        entries = {key: entry for key, entry in self._setup.entries.items() if key not in of_kinds}
        known = [SETUP_PROVIDER, *keys]
        return self._part(self._setup.name, [*known, *_unknown(entries, but=known)], entries)

    def of_cluster(self) -> Part:
        """Return what of ``[cluster/NAME]`` is for the whole cluster."""
        return self._part(self._cluster.name, CLUSTER_KEYS, self._cluster.entries)

    def of_kind(self, kind: str, node_keys: Collection[Key] | None) -> Part:
        """Return what is said of the nodes of a kind, wherever it is written."""
        extra = self._template.kinds[kind].spec.extra
        of_cloud = node_keys if node_keys is not None else [Key(name, "str") for name in extra]
        keys = [Key(f"{kind}_nodes", "int"), Key(f"{kind}_nodes_min", "int"), Key(f"{kind}_groups", "list")]
        entries = self._of_kind(kind)
        found = effective(self._setup, self._cluster, kind)
        set_up = {f"{kind}_var_{name}": entry for name, entry in found.items()}
        known = [*keys, *NODE_KEYS, *of_cloud, *(Key(name, "str") for name in set_up)]
        return self._part(f"{self._cluster.name}/{kind}", known, {**entries, **set_up})

    def _of_kind(self, kind: str) -> dict[str, Entry]:
        """Return the entries that count for the nodes of a kind, without variables."""
        own = self._sections.get(f"{self._cluster.name}/{kind}")
        groups, cluster = group_entries(self._setup), for_nodes(self._cluster)
        bare = {f"{kind}_nodes": cluster[kind]} if kind in cluster else {}
        login = {key: self._login.entries[key] for key in OF_LOGIN if key in self._login.entries}
        named = {f"{kind}_groups": groups[kind]}
        return {**bare, **login, **cluster, **(own.entries if own else {}), **named}

    def _part(self, name: str, keys: Iterable[Key], entries: Mapping[str, Entry]) -> Part:
        known = {key.name: key for key in keys}
        whole = with_environment(known.values(), Section(name, _NOWHERE, dict(entries))).entries
        values, _ = entry_values(known.values(), whole, [])
        variable_of = variables_for(known.values(), {key for key, one in entries.items() if one.text})
        settings = (
            self._of_environment(key, variable_of[key.name], values)
            if key.name in variable_of
            else self._setting(name, key, entries.get(key.name), values)
            for key in known.values()
        )
        return Part(name=name, settings=tuple(setting for setting in settings if setting))

    def _setting(
        self, part: str, key: Key, entry: Entry | None, values: Mapping[str, Json]
    ) -> Setting | None:
        """Return a key with its value; None if it has none."""
        secret = is_secret(key.name, key)
        if entry and entry.text:
            value, origin = values.get(key.name, entry.text), self._origin(part, key.name, entry)
            if not secret:
                value = _each(value, lambda text: without(text, self._sections.secrets_in(entry)))
        elif values.get(key.name) in (None, "", [], ()):
            return None
        else:
            value, origin = values[key.name], Origin()
        return Setting(key=key.name, value=value, origin=origin, secret=secret)

    def _of_environment(self, key: Key, variable: str, values: Mapping[str, Json]) -> Setting:
        """Return a key with the value that an environment variable gives it."""
        secret = is_secret(key.name, key) or is_secret(variable)
        value = values.get(key.name, os.environ[variable])
        return Setting(key=key.name, value=value, origin=Origin(environment=(variable,)), secret=secret)

    def _origin(self, part: str, key: str, entry: Entry) -> Origin:
        return Origin(
            at=entry.at,
            section="" if entry.section == part else entry.section,
            key="" if entry.key == key else entry.key,
            environment=self._sections.environment_of(entry),
        )


def _unknown(entries: Mapping[str, Entry], but: Collection[Key]) -> list[Key]:
    """Return keys, taken as text, of which no table says anything; those of ``[DEFAULT]`` are only names."""
    known = {key.name for key in but}
    return [Key(n, "str") for n, entry in entries.items() if n not in known and entry.section != DEFAULT]


def _without_secrets(parts: Iterable[Part], secrets: Collection[str]) -> Iterator[Part]:
    """Yield parts with masks; a secret may have been put into other values too, by its name.

    Args:
        parts: with all their values.
        secrets: secret texts that are in none of them as such.
    """
    known = list(parts)
    settings = [setting for part in known for setting in part.settings]
    hidden = {*secrets, *(as_written(setting.value) for setting in settings if setting.secret)}
    for part in known:
        yield replace(part, settings=tuple(_masked(setting, hidden) for setting in part.settings))


def _masked(setting: Setting, secrets: Collection[str]) -> Setting:
    def shown(text: str) -> str:
        return presentable(setting.key, text, secrets)

    return replace(setting, value=MASK if setting.secret else _each(setting.value, shown))


def _each(value: Json, change: Callable[[str], str]) -> Json:
    """Return a text, or each text of a list, changed."""
    if isinstance(value, list):
        return [_each(item, change) for item in value]
    return change(value) if isinstance(value, str) else value
