"""The configuration as a whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from elasticluster.config.check import reject_unknown, section_values
from elasticluster.config.counts import cluster_counts
from elasticluster.config.expand import DEFAULT, Sections
from elasticluster.config.problems import Problem, did_you_mean, failure
from elasticluster.config.reader import Document, Section, config_files, read_files
from elasticluster.config.resolve import TemplateResolver, check_cloud, check_login
from elasticluster.config.setup_section import groups_for
from elasticluster.config.tables import STORAGE_KEYS, ProviderTables, SetupTables
from elasticluster.config.template import KindTemplate, Template, TemplateSummary
from elasticluster.exceptions import ConfigurationError, TemplateNotFound
from elasticluster.model import ComponentRef

__all__ = ["Configuration", "KindTemplate", "Storage", "Template", "TemplateSummary"]

_NO_PROVIDERS: ProviderTables = MappingProxyType({})
_ANSIBLE: SetupTables = MappingProxyType({"ansible": None})
_TYPES = {"cloud": (1,), "login": (1,), "setup": (1,), "cluster": (1, 2)}  # how many names follow


@dataclass(frozen=True, slots=True)
class Storage:
    """The ``[storage]`` section: where clusters are remembered and how; empty where it does not say."""

    path: str = ""
    type: str = ""


class Configuration:
    """Everything that the configuration files say; checked when it is asked for.

    Args:
        document: what was read.
        providers: keys of the cloud providers that this version has.
        setups: keys of the setup providers that this version has.

    Attributes:
        general_problems: what is wrong outside of sections; no template can be trusted then.
    """

    def __init__(
        self, document: Document, providers: ProviderTables = _NO_PROVIDERS, setups: SetupTables = _ANSIBLE
    ) -> None:
        self._document = document
        self._providers = providers
        self._setups = setups
        self._sections = Sections(document)
        default = document.sections.get(DEFAULT)
        self.general_problems = (*document.problems, *(default.problems if default else ()))

    @classmethod
    def read(
        cls, *paths: str | Path, providers: ProviderTables = _NO_PROVIDERS, setups: SetupTables = _ANSIBLE
    ) -> Self:
        """Read configuration files, and with each ``PATH`` also ``PATH.d/*.conf``; later files win.

        Args:
            *paths: files; ``~`` is the home directory.
            providers: cloud providers by name: their keys in ``[cloud/NAME]`` and in ``[cluster/NAME]``;
                None: not to be checked. Only tables of providers that a template uses are looked at.
            setups: setup providers by name: their keys in ``[setup/NAME]``; None: not to be checked.

        Raises:
            ConfigurationError: a file is missing, cannot be read, or is not UTF-8 text. What is wrong
                inside a file is told when somebody needs it.
        """
        files = [file for path in paths for file in config_files(path)]
        return cls(read_files(files), providers, setups)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that were read, in that order."""
        return self._document.paths

    def template_names(self) -> list[str]:
        """Return the names of all ``[cluster/NAME]`` sections, sorted."""
        return sorted(self._clusters())

    def template(self, name: str) -> Template:
        """Return a template; only the sections that it needs are checked.

        Raises:
            TemplateNotFound: there is none of that name.
            ConfigurationError: something is wrong in it; all problems are named. It is a
                :class:`voluptuous.MultipleInvalid` too.
        """
        template, problems = self._resolve(name)
        if problems:
            raise failure(problems)
        return template

    def cloud_names(self) -> list[str]:
        """Return the names of all ``[cloud/NAME]`` sections, sorted."""
        return sorted(self._sections.of_type("cloud"))

    def cloud(self, name: str) -> ComponentRef:
        """Return how to make the provider of a ``[cloud/NAME]`` section.

        Raises:
            ConfigurationError: something is wrong in it, or this version does not have that provider.
        """
        sections = self._sections.of_type("cloud")
        if name not in sections:
            raise ConfigurationError(
                f"There is no section [cloud/{name}] in {', '.join(self.paths)}{did_you_mean(name, sections)}"
            )
        problems: list[Problem] = []
        cloud = check_cloud(sections[name], self._providers, problems)
        if problems or cloud is None:
            raise failure(problems)
        if not cloud.available:
            raise ConfigurationError(
                f"[cloud/{name}] is of provider '{cloud.ref.type}', which this version does not have yet."
            )
        return cloud.ref

    def summaries(self) -> list[TemplateSummary]:
        """Return what each template is about, sorted by name, without checking more than that."""
        return [self._summary(name, section) for name, section in sorted(self._clusters().items())]

    def storage(self) -> Storage:
        """Return what the ``[storage]`` section says.

        Raises:
            ConfigurationError: something is wrong in it.
        """
        storage, problems = self._storage()
        if problems:
            raise failure(problems)
        return storage

    def section(self, name: str) -> Mapping[str, str]:
        """Return the texts of a section's keys under their present names; empty if there is no section."""
        section = self._sections.get(name)
        return {key: entry.text for key, entry in section.entries.items()} if section else {}

    def problems(self) -> list[Problem]:
        """Return everything that is wrong anywhere, in the order of files and lines."""
        found = [*self.general_problems, *self._storage()[1]]
        for name in self._sections.names():
            found += self._section_problems(name)
        return sorted(set(found))

    def _clusters(self) -> dict[str, Section]:
        return self._sections.of_type("cluster")

    def _resolve(self, name: str) -> tuple[Template, list[Problem]]:
        clusters = self._clusters()
        if name not in clusters:
            raise self._not_found(name)
        resolver = TemplateResolver(clusters[name], self._sections, self._providers, self._setups)
        template = resolver.resolve()
        return template, sorted({*self.general_problems, *resolver.problems})

    def _not_found(self, name: str) -> TemplateNotFound:
        names = self.template_names()
        message = f"There is no template '{name}' in {', '.join(self.paths)}{did_you_mean(name, names)}"
        hint = f"Templates: {', '.join(names)}." if names else "No [cluster/NAME] section was found there."
        return TemplateNotFound("\n".join([message, *map(str, self.general_problems)]), hint=hint)

    def _summary(self, name: str, cluster: Section) -> TemplateSummary:
        counts = cluster_counts(cluster, groups_for(cluster, self._sections))
        return TemplateSummary(
            name=name,
            cloud=cluster.text("cloud"),
            counts={kind: count.number for kind, count in counts.kinds.items()},
            problems=tuple(sorted({*cluster.problems, *counts.problems})),
        )

    def _storage(self) -> tuple[Storage, list[Problem]]:
        section = self._sections.get("storage")
        if not section:
            return Storage(), []
        problems = list(section.problems)
        values = section_values(STORAGE_KEYS, section, problems)
        reject_unknown(section, (key.name for key in STORAGE_KEYS), problems)
        path = os.path.expanduser(values.get("storage_path", ""))  # noqa: PTH111 - Path("") would be "."
        return Storage(path, values.get("storage_type", "")), problems

    def _section_problems(self, name: str) -> list[Problem]:
        """Return what is wrong with a section, whether or not a template uses it."""
        section = self._sections.get(name)
        kind, *rest = name.split("/")
        if section is None or name in {DEFAULT, "storage"}:
            return []
        if kind not in _TYPES or not all(rest) or len(rest) not in _TYPES[kind]:
            guess = did_you_mean(kind, _TYPES)
            expected = (
                "expected [cloud/NAME], [login/NAME], [setup/NAME], [cluster/NAME] or [cluster/NAME/KIND]"
            )
            return [section.problem(f"no such section; {expected}{guess}")]
        if kind == "cluster" and rest[0] not in self._clusters():
            return [section.problem(f"there is no section [cluster/{rest[0]}]")]
        problems = list(section.problems)
        if kind == "cluster":
            problems += self._resolve(rest[0])[1]
        elif kind == "cloud":
            check_cloud(section, self._providers, problems)
        elif kind == "login":
            check_login(section, problems)
        return problems
