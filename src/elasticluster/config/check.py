"""Checks the keys of a section against a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from elasticluster.config.environment import variables_for
from elasticluster.config.keys import Key
from elasticluster.config.problems import Problem, Report, did_you_mean, shown
from elasticluster.config.reader import DEFAULT, Entry, Section
from elasticluster.config.tables import WITHOUT_EFFECT
from elasticluster.config.values import absolute, convert
from elasticluster.config.variables import nearest_variable
from elasticluster.exceptions import ConfigurationError

_FEW = 10  # sections that a message lists

OF_LOGIN = ("image_user", "image_userdata")
"""What nodes have from ``[login/NAME]`` where nothing is said of them."""

Values: TypeAlias = dict[str, Any]
"""Values by name of their key, in the order of the table."""


def section_values(keys: Iterable[Key], section: Section, problems: list[Problem]) -> Values:
    """Return the values of the keys of a table in one section.

    A key with nothing after ``=`` counts as left out. Keys left out have their default; those whose
    default is None are left out of the result.

    Args:
        keys: the table.
        section: where to look, complete.
        problems: gets what is wrong, missing keys among it.
    """
    values, missing = entry_values(keys, section.entries, problems)
    problems += [section.problem(f"is missing: {key.help}", key.name) for key in missing]
    return values


def entry_values(
    keys: Iterable[Key], entries: Mapping[str, Entry], problems: list[Problem]
) -> tuple[Values, list[Key]]:
    """Return the values of the keys of a table, and the required keys that are missing."""
    values: Values = {}
    missing = []
    for key in keys:
        entry = entries.get(key.name)
        if entry and entry.text:
            try:
                values[key.name] = convert(key, entry)
            except ValueError as exc:
                problems.append(entry.problem(str(exc)))
        elif key.required:
            missing.append(key)
        elif key.default is not None:
            values[key.name] = key.default
    return values, missing


def with_environment(keys: Iterable[Key], section: Section) -> Section:
    """Return a section with what environment variables say of keys that it leaves out."""
    table = {key.name: key for key in keys}
    given = {name for name, entry in section.entries.items() if entry.text}
    found = {
        name: Entry(section.name, f"${variable}", _from_here(table[name], variable), section.at)
        for name, variable in variables_for(table.values(), given).items()
    }
    return replace(section, entries={**section.entries, **found})


def _from_here(key: Key, variable: str) -> str:
    """Return the text of a variable; a path in it begins at the present folder, and not at the file's."""
    text = os.environ[variable]
    return absolute(text, Path.cwd()) if key.type == "path" else text


def check_values(
    keys: Iterable[Key],
    section: Section,
    values: Values,
    problems: list[Problem],
    others: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Report values that the provider has something to say about.

    Args:
        keys: the table.
        section: where they are written; a value that is left out is reported for all of it.
        values: of that table, by key.
        problems: gets what is wrong.
        others: values of further tables.
    """
    for key in keys:
        entry = section.entries.get(key.name)
        written = entry is not None and bool(entry.text)
        if not key.check or (key.name not in values and (written or key.required)):
            continue  # what cannot be read, or is missing, was reported already
        message = key.check(values.get(key.name), {**others, **values})
        found = entry.problem(message) if entry and written else section.problem(message, key.name)
        twice = written and any(other.at == found.at for other in problems)
        if message and not twice:
            problems.append(found)


def provider_name(
    key: Key, section: Section, tables: Mapping[str, object], report: Report, others: Iterable[str] = ()
) -> str:
    """Return which provider a section names; empty if there is no such provider.

    Args:
        key: the key that names it.
        section: where to look.
        tables: providers by name.
        report: gets what is wrong.
        others: names of further providers.
    """
    name: str = section_values((key,), section, report.problems).get(key.name, "")
    known = set(others)
    try:
        if not name or name in known or name in tables:
            return name
        there = sorted({*tables, *known})
        message = f"expected one of {', '.join(there)}, not {shown(name)}{did_you_mean(name, there)}"
    except ConfigurationError as error:  # it is there, but cannot be imported
        message = error.message
    report.problems.append(section.entries[key.name].problem(message))
    return ""


def unknown_entries(section: Section, known: Iterable[str]) -> list[Entry]:
    """Return the entries of a section that nobody knows; those of ``[DEFAULT]`` are for other sections."""
    names = set(known)
    return [entry for name, entry in own_entries(section).items() if name not in names]


def own_entries(section: Section) -> dict[str, Entry]:
    """Return the entries of a section without those of ``[DEFAULT]``."""
    return {name: entry for name, entry in section.entries.items() if entry.section != DEFAULT}


def for_nodes(cluster: Section) -> dict[str, Entry]:
    """Return the entries of a ``[cluster/NAME]`` section that count for its nodes.

    What ``[DEFAULT]`` says of users and their scripts is in the login already, where another may be said.
    """
    entries = cluster.entries.items()
    return {name: entry for name, entry in entries if entry.section != DEFAULT or name not in OF_LOGIN}


def reject_unknown(
    section: Section,
    known: Iterable[str],
    report: Report,
    guesses: Iterable[str] | None = None,
    kind: str = "",
) -> None:
    """Report each entry of a section that nobody knows.

    Args:
        section: where to look.
        known: names of keys that somebody knows.
        report: gets what is wrong; keys of older releases that do nothing are warnings.
        guesses: names that the user may have meant; None: those of `known`.
        kind: type of the section, or cloud provider; empty: as the section's name says.
    """
    names = set(known)
    meant = sorted(names if guesses is None else guesses)
    for entry in unknown_entries(section, names):
        if not without_effect(entry, report, kind):
            report.problems.append(entry.problem(f"unknown key{guess(entry, meant, report)}"))


def guess(entry: Entry, meant: Iterable[str], report: Report) -> str:
    """Return ``; did you mean 'X'?`` for a key that nobody knows, or nothing."""
    variable = nearest_variable(entry.key)
    return f"; did you mean '{variable}'?" if variable else report.did_you_mean(entry.key, meant)


def without_effect(entry: Entry, report: Report, kind: str = "") -> bool:
    """Warn of a key of an older release that does nothing; return whether it is one.

    Args:
        entry: a key that nobody knows.
        report: gets the warning.
        kind: type of its section, or cloud provider; empty: as the section's name says.
    """
    reason = WITHOUT_EFFECT.get(kind or entry.section.partition("/")[0], {}).get(entry.key)
    if reason:
        report.warnings.append(entry.problem(f"has no effect: {reason}"))
    return bool(reason)


def refer(
    sections: Mapping[str, Section], cluster: Section, kind: str, problems: list[Problem]
) -> Section | None:
    """Return the section that a cluster section names; None, and a problem, if there is none.

    Args:
        sections: all sections of that kind, by the name after the slash.
        cluster: the section that names it.
        kind: ``cloud``, ``login`` or ``setup``: both the key and the beginning of the section's name.
        problems: gets what is wrong.
    """
    entry = cluster.entries.get(kind)
    if not entry or not entry.text:
        return None  # reported as missing already
    if entry.text in sections:
        return sections[entry.text]
    guess = did_you_mean(entry.text, sections)
    few = ", ".join(islice(sections, _FEW)) + (", …" if len(sections) > _FEW else "")
    there = f" (there are: {few})" if sections and not guess else ""
    problems.append(entry.problem(f"there is no section [{kind}/{entry.text}]{there}{guess}"))
    return None
