"""Checks the keys of a section against a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from elasticluster.config.expand import DEFAULT
from elasticluster.config.keys import Key
from elasticluster.config.problems import Problem, did_you_mean
from elasticluster.config.reader import Entry, Section
from elasticluster.config.values import convert

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


def unknown_entries(section: Section, known: Iterable[str]) -> list[Entry]:
    """Return the entries of a section that nobody knows; those of ``[DEFAULT]`` are for other sections."""
    names = set(known)
    return [e for name, e in section.entries.items() if name not in names and e.section != DEFAULT]


def reject_unknown(
    section: Section, known: Iterable[str], problems: list[Problem], guesses: Iterable[str] | None = None
) -> None:
    """Add a problem for each entry of a section that nobody knows.

    Args:
        section: where to look.
        known: names of keys that somebody knows.
        problems: gets what is wrong.
        guesses: names that the user may have meant; None: those of `known`.
    """
    names = set(known)
    meant = sorted(names if guesses is None else guesses)
    unknown = unknown_entries(section, names)
    problems += [entry.problem(f"unknown key{did_you_mean(entry.key, meant)}") for entry in unknown]


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
    there = f" (there are: {', '.join(sections)})" if sections and not guess else ""
    problems.append(entry.problem(f"there is no section [{kind}/{entry.text}]{there}{guess}"))
    return None
