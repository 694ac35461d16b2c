"""Makes a section complete: defaults, names that stand for values, old names of keys.

In this order, for each value:

1. ``%(NAME)s`` becomes the value of that key in the same section, else in ``[DEFAULT]``. ``%%`` becomes
   ``%``. Any other ``%`` stays, so that ``%h`` in a proxy command and passwords need no care. (The
   original demanded ``%%`` for each; files written that way mean the same here.)
2. ``$NAME`` and ``${NAME}`` become the environment variable of that name; unknown ones stay as they are.
   Not in ``image_userdata``: in a shell script they are the node's variables. There ``%(NAME)s`` that stands
   for nothing stays, too.

``elasticluster_playbooks`` (once ``ansible_pb_dir``) is known in both forms: the folder with the playbooks
that come with the program.

The keys of ``[DEFAULT]`` count for all sections but ``[cluster/NAME/KIND]``, which would otherwise override
``[cluster/NAME]`` with them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from elasticluster.config.problems import Problem, did_you_mean
from elasticluster.config.reader import DEFAULT, Document, Entry, Section
from elasticluster.config.slips import SCRIPTS, slips, unset_variables
from elasticluster.config.tables import INVERTED, RENAMED, RENAMED_SUFFIX
from elasticluster.config.values import truth
from elasticluster.config.variables import is_variable

_PLAYBOOKS = str(Path(__file__).resolve().parent.parent / "playbooks")
_BUILT_IN = {"elasticluster_playbooks": _PLAYBOOKS, "ansible_pb_dir": _PLAYBOOKS}

_NAME_RE = re.compile(r"%%|%\(([^()]*)\)s")
_VARIABLE_RE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_KIND_PARTS = 3  # of a section's name: cluster/NAME/KIND
_DEPTH = 10  # names within names; as in configparser
_LONGEST = 1_000_000  # characters that names may make of a value


class SectionsByName(Mapping[str, Section]):
    """Some of the sections, by a part of their name; each is made complete when it is looked at.

    Args:
        sections: all of them.
        full: the whole name of each.
    """

    def __init__(self, sections: Sections, full: Mapping[str, str]) -> None:
        self._sections = sections
        self._full = full

    def __getitem__(self, name: str) -> Section:
        return self._sections[self._full[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._full)

    def __len__(self) -> int:
        return len(self._full)


class Sections:
    """The sections of a document, complete.

    Args:
        document: what was read.
    """

    def __init__(self, document: Document) -> None:
        default = document.sections.get(DEFAULT)
        self._inherited = default.entries if default else {}
        self._raw = document.sections
        self._literal = document.literal
        self._complete: dict[str, Section] = {}
        self._by_type: dict[str, dict[str, str]] = {}
        self._by_cluster: dict[str, dict[str, str]] = {}
        for name in self._raw:
            kind, *rest = name.split("/", _KIND_PARTS - 1)
            if len(rest) == 1 and rest[0]:
                self._by_type.setdefault(kind, {})[rest[0]] = name
            elif kind == "cluster" and rest:
                self._by_cluster.setdefault(rest[0], {})["/".join(rest[1:])] = name

    def __getitem__(self, name: str) -> Section:
        if name not in self._complete:
            self._complete[name] = _complete(self._raw[name], self._inherited, literal=self._literal)
        return self._complete[name]

    def get(self, name: str) -> Section | None:
        """Return the section called `name`; None if there is none."""
        return self[name] if name in self._raw else None

    def environment_of(self, entry: Entry) -> tuple[str, ...]:
        """Return the names of the environment variables that are in the value of an entry."""
        if self._literal or entry.key in SCRIPTS:
            return ()
        known = self._raw[entry.section].entries
        text = _Names({**self._inherited, **known}).filled_in(known[entry.key].text)
        names = (match[1] or match[2] for match in _VARIABLE_RE.finditer(text))
        return tuple(dict.fromkeys(name for name in names if name not in _BUILT_IN and name in os.environ))

    def secrets_in(self, entry: Entry) -> set[str]:
        """Return the texts of secret keys and variables that the value of an entry is made with."""
        from elasticluster.config.masking import is_secret

        if self._literal:
            return set()
        known = {**self._inherited, **self._raw[entry.section].entries}
        names = _Names(known)
        used = [known[name] for name in names.within(known[entry.key].text) if is_secret(name)]
        variables = [name for name in self.environment_of(entry) if is_secret(name)]
        return {*(_expanded(one, names) for one in used), *(os.environ[name] for name in variables)}

    def names(self) -> list[str]:
        """Return the names of all sections, in the order of the files."""
        return list(self._raw)

    def of_type(self, kind: str) -> Mapping[str, Section]:
        """Return the sections ``[KIND/NAME]`` by NAME."""
        return SectionsByName(self, self._by_type.get(kind, {}))

    def of_cluster(self, template: str) -> Mapping[str, Section]:
        """Return the sections ``[cluster/TEMPLATE/KIND]`` by KIND."""
        return SectionsByName(self, self._by_cluster.get(template, {}))


def _complete(raw: Section, inherited: Mapping[str, Entry], *, literal: bool) -> Section:
    """Return a section with its values expanded, unless `literal`, and its keys under their present names."""
    section = Section(raw.name, raw.at, problems=list(raw.problems), warnings=list(raw.warnings))
    parts = raw.name.split("/")
    known = {**inherited, **raw.entries}
    names = _Names(known)
    for entry in (known if len(parts) < _KIND_PARTS else raw.entries).values():
        try:
            complete = entry if literal else replace(entry, text=_expanded(entry, names))
            section.warnings.extend(() if literal else _warnings(entry, names))
        except ValueError as exc:
            section.problems.append(entry.problem(str(exc)))
            complete = entry
        _add(section, parts[0], complete)
    return section


def _warnings(entry: Entry, names: _Names) -> Iterator[Problem]:
    yield from map(entry.problem, slips(entry))
    text = "" if entry.key in SCRIPTS else names.filled_in(entry.text)
    for name in unset_variables(text, _BUILT_IN):
        yield entry.problem(f"the environment variable '{name}' is not set, so this stays as it is written")


def _expanded(entry: Entry, names: _Names) -> str:
    if entry.key in SCRIPTS:
        return names.filled_in(entry.text, strict=False)
    return _VARIABLE_RE.sub(_variable, names.filled_in(entry.text))


class _Names:
    """Replaces ``%(NAME)s``.

    Args:
        known: what the names stand for.
    """

    def __init__(self, known: Mapping[str, Entry]) -> None:
        self._known = known
        self._values: dict[str, str] = {}  # each name once: they may be in each other many times

    def filled_in(self, text: str, depth: int = _DEPTH, *, strict: bool = True) -> str:
        """Return `text` with all names replaced.

        Args:
            text: what the user wrote.
            depth: how many levels of names within names there may be.
            strict: whether an unknown name is an error; else it stays as it is.

        Raises:
            ValueError: a name is unknown, or stands for itself, or for far too much.
        """
        if not depth:
            raise ValueError("names within %(…)s go round in a circle, or too deep")
        parts, length, end = [], 0, 0
        for match in _NAME_RE.finditer(text):
            stays = not (strict or match[1] in {None, *self._known, *_BUILT_IN})
            parts += [text[end : match.start()], match[0] if stays else self._value(match[1], depth)]
            length += len(parts[-1])
            if length > _LONGEST:
                raise ValueError(f"names within %(…)s make it longer than {_LONGEST} characters")
            end = match.end()
        return "".join([*parts, text[end:]])

    def within(self, text: str) -> set[str]:
        """Return the names of the keys that :meth:`filled_in` takes values of, also within those values."""
        found: set[str] = set()
        waiting = [text]
        while waiting:
            new = {name for name in _NAME_RE.findall(waiting.pop()) if name in self._known} - found
            waiting += [self._known[name].text for name in new]
            found |= new
        return found

    def _value(self, name: str | None, depth: int) -> str:
        if name is None:
            return "%"
        if name not in self._values:
            if name in self._known:
                self._values[name] = self.filled_in(self._known[name].text, depth - 1)
            elif name in _BUILT_IN:
                self._values[name] = _BUILT_IN[name]
            else:
                guess = did_you_mean(name, {**self._known, **_BUILT_IN})
                raise ValueError(f"%({name})s names no key of this section or of [{DEFAULT}]{guess}")
        return self._values[name]


def _variable(match: re.Match[str]) -> str:
    name = match[1] or match[2]
    return _BUILT_IN.get(name) or os.environ.get(name, match[0])


def _add(section: Section, kind: str, entry: Entry) -> None:
    """Add an entry under its present name; of an old and a new name with two meanings, one has to go."""
    name = _new_name(kind, entry.key)
    inverted = INVERTED.get(kind, {})
    if entry.key in inverted:
        entry = _inverted(entry)
    other = section.entries.get(name)
    if other and other.weight == entry.weight and _meaning(other.text) != _meaning(entry.text):
        opposite = (entry.key in inverted) != (other.key in inverted)
        section.problems.append(entry.contradicts(other) if opposite else entry.repeats(other))
    if not other or other.weight <= entry.weight:
        section.entries[name] = entry


def _meaning(text: str) -> str | bool:
    try:
        return truth(text)
    except ValueError:
        return text


def _new_name(kind: str, key: str) -> str:
    """Return today's name of a key; one of a variable is never changed."""
    if is_variable(key):
        return key
    for old, new in RENAMED_SUFFIX.get(kind, {}).items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return RENAMED.get(kind, {}).get(key) or INVERTED.get(kind, {}).get(key, key)


def _inverted(entry: Entry) -> Entry:
    """Return an entry that says the opposite; one that is neither yes nor no is told later."""
    try:
        return replace(entry, text="no" if truth(entry.text) else "yes")
    except ValueError:
        return entry
