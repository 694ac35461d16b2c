"""The configuration as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from elasticluster.config.check import reject_unknown, section_values
from elasticluster.config.counts import cluster_counts
from elasticluster.config.expand import Sections
from elasticluster.config.problems import Problem, Report, did_you_mean, failure, in_order, nearest
from elasticluster.config.reader import DEFAULT, Document, Section, config_files, read_files
from elasticluster.config.resolve import (
    TemplateResolver,
    check_cloud,
    check_login,
    is_available,
    overruled,
)
from elasticluster.config.setup_section import SetupSection, group_entries, groups_for
from elasticluster.config.tables import STORAGE_KEYS, ProviderTables, SetupTables
from elasticluster.config.template import KindTemplate, Template, TemplateSummary
from elasticluster.config.unused import unused_defaults
from elasticluster.exceptions import ConfigurationError, TemplateNotFound
from elasticluster.model import ComponentRef, Login

if TYPE_CHECKING:
    from elasticluster.config.show import Part

__all__ = ["Configuration", "KindTemplate", "Storage", "Template", "TemplateSummary"]

_NO_PROVIDERS: ProviderTables = MappingProxyType({})
_ANSIBLE: SetupTables = MappingProxyType({"ansible": None})
_TYPES = {"cloud": (1,), "login": (1,), "setup": (1,), "cluster": (1, 2)}  # how many names follow
_ALONE = (DEFAULT, "storage")


@dataclass(frozen=True, slots=True)
class Storage:
    """The ``[storage]`` section: where clusters are remembered and how; empty where it does not say.

    Attributes:
        path: folder, or URL of a database.
        type: format of the files.
        warnings: sections that may have been meant to be this one.
    """

    path: str = ""
    type: str = ""
    warnings: tuple[Problem, ...] = ()


class Configuration:
    """Everything that the configuration files say; checked when it is asked for.

    Args:
        document: what was read.
        providers: keys of the cloud providers that this version has.
        setups: tables of the setup providers that this version has.

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
            setups: setup providers by name: what ``[setup/NAME]`` may say; None: not to be checked.

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
        template, report = self._resolve(name)
        if report.problems:
            raise failure(report.problems)
        return replace(template, warnings=tuple(in_order([*template.warnings, *self.strays])))

    def explain(self, name: str) -> tuple[Part, ...]:
        """Return all values that a template comes to, without secrets, and where each came from.

        Raises:
            TemplateNotFound: there is none of that name.
            ConfigurationError: something is wrong in it.
        """
        from elasticluster.config.show import explain

        return explain(self.template(name), self._sections, self._providers, self._setups)

    def secret_names(self, name: str) -> set[str]:
        """Return the names of a template's keys that are secret, or whose values have a secret in them.

        Raises:
            TemplateNotFound: there is none of that name.
            ConfigurationError: something is wrong in it.
        """
        from elasticluster.config.show import masked_names

        return masked_names(self.explain(name))

    def secret_texts(self, name: str) -> set[str]:
        """Return texts that are secret and may have been put into values of a template.

        Raises:
            TemplateNotFound: there is none of that name.
            ConfigurationError: something is wrong in it.
        """
        from elasticluster.config.show import named_secrets

        return named_secrets(self.template(name), self._sections)

    def cloud_names(self) -> list[str]:
        """Return the names of all ``[cloud/NAME]`` sections, sorted."""
        return sorted(self._sections.of_type("cloud"))

    def usable_cloud_names(self) -> list[str]:
        """Return the same, without those of documented providers that this version does not have yet."""
        sections = self._sections.of_type("cloud")
        return [n for n in self.cloud_names() if is_available(sections[n].text("provider"), self._providers)]

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
        report = Report()
        cloud = check_cloud(sections[name], self._providers, report)
        if report.problems or cloud is None:
            raise failure(report.problems)
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
        storage, report = self._storage()
        if report.problems:
            raise failure(report.problems)
        return storage

    def section(self, name: str, defaults: Callable[[str], object] = bool) -> Mapping[str, str]:
        """Return the texts of a section's keys under their present names; empty if there is no section.

        Args:
            name: of the section.
            defaults: tells of the name of a key whether it counts where it stands in ``[DEFAULT]`` only.
        """
        section = self._sections.get(name)
        entries = section.entries if section else {}
        return {key: one.text for key, one in entries.items() if one.section != DEFAULT or defaults(key)}

    def problems(self, template: str | None = None) -> list[Problem]:
        """Return everything that is wrong, in the order of files and lines.

        Args:
            template: name of the template to look at; None: look everywhere.

        Raises:
            TemplateNotFound: there is no template of that name.
        """
        report = self._report if template is None else self._resolve(template)[1]
        return report.problems

    def warnings(self, template: str | None = None) -> list[Problem]:
        """Return what is likely not meant, or does nothing in this version, in the order of files and lines.

        Args:
            template: name of the template to look at; None: look everywhere.

        Raises:
            TemplateNotFound: there is no template of that name.
        """
        if template is None:
            overruled = (one for name in self.cloud_names() for one in self._overruled(name))
            return in_order([*self._report.warnings, *overruled])
        warnings = self._resolve(template)[1].warnings
        return in_order([*warnings, *self.strays, *self._overruled(self._clusters()[template].text("cloud"))])

    @cached_property
    def strays(self) -> tuple[Problem, ...]:
        """What is wrong with sections that are of no type, or of no cluster: nobody looks at them."""
        found = (problem for name in self._sections.names() for problem in self._stray(name))
        return tuple(in_order(found))

    @cached_property
    def _report(self) -> Report:
        """Everything there is to say about all sections."""
        found = Report(list(self.general_problems))
        reports = [self._storage()[1], *map(self._section_report, self._sections.names())]
        for report in reports:
            found.problems.extend(report.problems)
            found.warnings.extend(report.warnings)
        found.warnings.extend(unused_defaults(self._document, self._providers, self._setups))
        return found.sorted()

    def _clusters(self) -> Mapping[str, Section]:
        return self._sections.of_type("cluster")

    def _resolve(self, name: str) -> tuple[Template, Report]:
        clusters = self._clusters()
        if name not in clusters:
            raise self._not_found(name)
        resolver = TemplateResolver(clusters[name], self._sections, self._providers, self._setups)
        template = resolver.resolve()
        report = resolver.report
        return template, Report([*self.general_problems, *report.problems], report.warnings).sorted()

    def _not_found(self, name: str) -> TemplateNotFound:
        names = self.template_names()
        message = f"There is no template '{name}' in {', '.join(self.paths)}{did_you_mean(name, names)}"
        hint = f"Templates: {', '.join(names)}." if names else "No [cluster/NAME] section was found there."
        lines = map(str, [*self.general_problems, *self._misspelt_types(name)])
        return TemplateNotFound("\n".join([message, *lines]), hint=hint)

    def _misspelt_types(self, name: str) -> list[Problem]:
        """Return what is wrong with sections like ``[clutser/NAME]``."""
        alike = [section for section in self._sections.names() if section.endswith(f"/{name}")]
        unknown = [section for section in alike if section.removesuffix(f"/{name}") not in _TYPES]
        return [problem for section in unknown for problem in self._stray(section)]

    def _summary(self, name: str, cluster: Section) -> TemplateSummary:
        counts = cluster_counts(cluster, groups_for(cluster, self._sections))
        return TemplateSummary(
            name=name,
            cloud=cluster.text("cloud"),
            counts={kind: count.number for kind, count in counts.kinds.items()},
            problems=tuple(in_order([*cluster.problems, *counts.problems])),
        )

    def _storage(self) -> tuple[Storage, Report]:
        section = self._sections.get("storage")
        alone = (name for name in self._sections.names() if "/" not in name and name not in _ALONE)
        meant = tuple(problem for name in alone if nearest(name, _ALONE) for problem in self._stray(name))
        if not section:
            return Storage(warnings=meant), Report()
        report = Report(list(section.problems), list(section.warnings))
        values = section_values(STORAGE_KEYS, section, report.problems)
        reject_unknown(section, (key.name for key in STORAGE_KEYS), report)
        return Storage(values.get("storage_path", ""), values.get("storage_type", ""), meant), report

    def _section_report(self, name: str) -> Report:
        """Return what there is to say about a section, whether or not a template uses it."""
        stray = self._stray(name)
        kind, *rest = name.split("/")
        if stray or name in _ALONE or len(rest) > 1:  # a kind's is told with the cluster
            return Report(stray)
        return self._checks[kind](self._sections[name])

    def _stray(self, name: str) -> list[Problem]:
        """Return what is wrong with the name of a section; then nobody looks into it."""
        kind, *rest = name.split("/")
        if name in _ALONE:
            return []
        section = self._sections[name]
        if kind not in _TYPES or not all(rest) or len(rest) not in _TYPES[kind]:
            expected = (
                "expected [cloud/NAME], [login/NAME], [setup/NAME], [cluster/NAME] or [cluster/NAME/KIND]"
            )
            guess = did_you_mean(kind, _TYPES if rest else (*_TYPES, *_ALONE))
            return [section.problem(f"no such section; {expected}{guess}")]
        clusters = self._clusters()
        if kind == "cluster" and len(rest) > 1 and rest[0] not in clusters:
            return [
                section.problem(f"there is no section [cluster/{rest[0]}]{did_you_mean(rest[0], clusters)}")
            ]
        return []

    @property
    def _checks(self) -> Mapping[str, Callable[[Section], Report]]:
        return {
            "cluster": lambda section: self._resolve(section.name.partition("/")[2])[1],
            "cloud": self._cloud_report,
            "login": self._login_report,
            "setup": self._setup_report,
        }

    def _cloud_report(self, section: Section) -> Report:
        report = Report()
        check_cloud(section, self._providers, report)
        return report

    def _overruled(self, cloud: str) -> list[Problem]:
        """Return which keys of a cloud say something else than the environment, which once counted more."""
        sections = self._sections.of_type("cloud")
        return overruled(sections[cloud], self._providers) if cloud in sections else []

    def _login_report(self, section: Section) -> Report:
        report = Report()
        check_login(section, report)
        return report

    def _setup_report(self, section: Section) -> Report:
        """Check a setup section that no template uses; otherwise it is checked for those that do."""
        report = Report()
        if section.name.partition("/")[2] not in self._setups_in_use:
            kinds = list(group_entries(section))
            SetupSection(section, None, kinds, self._setups, report).component(Login())
        return report

    @cached_property
    def _setups_in_use(self) -> frozenset[str]:
        return frozenset(cluster.text("setup") for cluster in self._clusters().values())
