"""Makes a section complete: defaults, names that stand for values, old names of keys.

In this order, for each value:

1. ``%(NAME)s`` becomes the value of that key in the same section, else in ``[DEFAULT]``. ``%%`` becomes
   ``%``. Any other ``%`` stays, so that ``%h`` in a proxy command and passwords need no care. (The
   original demanded ``%%`` for each; files written that way mean the same here.)
2. ``$NAME`` and ``${NAME}`` become the environment variable of that name; unknown ones stay as they are.
   Not in ``image_userdata``: in a shell script they are the node's variables.

``elasticluster_playbooks`` (once ``ansible_pb_dir``) is known in both forms: the folder with the playbooks
that come with the program.

The keys of ``[DEFAULT]`` count for all sections but ``[cluster/NAME/KIND]``, which would otherwise override
``[cluster/NAME]`` with them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from elasticluster.config.problems import did_you_mean
from elasticluster.config.reader import Document, Entry, Section
from elasticluster.config.tables import RENAMED, RENAMED_SUFFIX

_PLAYBOOKS = str(Path(__file__).resolve().parent.parent / "playbooks")
_BUILT_IN = {"elasticluster_playbooks": _PLAYBOOKS, "ansible_pb_dir": _PLAYBOOKS}

DEFAULT = "DEFAULT"
"""Name of the section whose keys count for the others too."""

_NAME_RE = re.compile(r"%%|%\(([^()]*)\)s")
_VARIABLE_RE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_SCRIPTS = frozenset({"image_userdata"})
_KIND_PARTS = 3  # of a section's name: cluster/NAME/KIND
_DEPTH = 10  # names within names; as in configparser


class Sections:
    """The sections of a document, complete.

    Args:
        document: what was read.
    """

    def __init__(self, document: Document) -> None:
        default = document.sections.get(DEFAULT)
        inherited = default.entries if default else {}
        self._all = {name: _complete(raw, inherited) for name, raw in document.sections.items()}

    def get(self, name: str) -> Section | None:
        """Return the section called `name`; None if there is none."""
        return self._all.get(name)

    def names(self) -> list[str]:
        """Return the names of all sections, in the order of the files."""
        return list(self._all)

    def of_type(self, kind: str) -> dict[str, Section]:
        """Return the sections ``[KIND/NAME]`` by NAME."""
        return {name: s for name, s in self._below(f"{kind}/").items() if name and "/" not in name}

    def of_cluster(self, template: str) -> dict[str, Section]:
        """Return the sections ``[cluster/TEMPLATE/KIND]`` by KIND."""
        return self._below(f"cluster/{template}/")

    def _below(self, start: str) -> dict[str, Section]:
        return {name.removeprefix(start): s for name, s in self._all.items() if name.startswith(start)}


def _complete(raw: Section, inherited: Mapping[str, Entry]) -> Section:
    """Return a section with its values expanded and its keys under their present names."""
    section = Section(raw.name, raw.at, problems=list(raw.problems))
    known = {**inherited, **raw.entries}
    parts = raw.name.split("/")
    for entry in (known if len(parts) < _KIND_PARTS else raw.entries).values():
        try:
            complete = replace(entry, text=_expanded(entry, known))
        except ValueError as exc:
            section.problems.append(entry.problem(str(exc)))
            complete = entry
        _add(section, _new_name(parts[0], entry.key), complete)
    return section


def _expanded(entry: Entry, known: Mapping[str, Entry]) -> str:
    text = _with_names(entry.text, known, _DEPTH)
    if entry.key in _SCRIPTS:
        return text
    return _VARIABLE_RE.sub(_variable, text)


def _with_names(text: str, known: Mapping[str, Entry], depth: int) -> str:
    """Return `text` with ``%(NAME)s`` replaced.

    Raises:
        ValueError: a name is unknown, or stands for itself.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "%"
        if name in known:
            return _with_names(known[name].text, known, depth - 1)
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        guess = did_you_mean(name, {**known, **_BUILT_IN})
        raise ValueError(f"%({name})s names no key of this section or of [{DEFAULT}]{guess}")

    if not depth:
        raise ValueError("names within %(…)s go round in a circle, or too deep")
    return _NAME_RE.sub(value, text)


def _variable(match: re.Match[str]) -> str:
    name = match[1] or match[2]
    return _BUILT_IN.get(name) or os.environ.get(name, match[0])


def _new_name(kind: str, key: str) -> str:
    """Return today's name of a key."""
    for old, new in RENAMED_SUFFIX.get(kind, {}).items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return RENAMED.get(kind, {}).get(key, key)


def _add(section: Section, name: str, entry: Entry) -> None:
    """Add an entry under its present name; of an old and a new name, one has to go."""
    other = section.entries.get(name)
    if other and other.section == entry.section and other.text != entry.text:
        section.problems.append(entry.repeats(other))
    section.entries[name] = entry
