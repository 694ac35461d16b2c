"""Reads INI files and remembers the file and line of every section and key.

The standard library's :mod:`configparser` throws positions away and offers no way to keep them, so lines
are read here, by its rules (as set up by the original: ``strict=False``, case-sensitive keys):

- ``[section]``, ``key = value`` or ``key: value``; whole lines beginning with ``#`` or ``;`` are comments;
- a line indented deeper than its key continues the key's value, also after blank lines;
- a section or key that comes again is merged; the later value wins, the first place in the order stays.

One rule is added: an indented line ``#!…`` or ``#cloud-config`` continues a value, so that a script can
begin on its own line.

A line that is none of these, or not text, belongs to the problems of its section, and reading goes on: only
who needs that section is told. A key or section that says something else than it did before in the same file
gets a warning.

Reading takes time in proportion to the size of the files, whatever is in them.
"""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from elasticluster.config.problems import Position, Problem, failure, shown

DEFAULT = "DEFAULT"
"""Name of the section whose keys count for the others too."""

_HEADER_RE = re.compile(r"\[([^\[\]]+)\]\s*(?:[#;].*)?")
_SEPARATOR_RE = re.compile(r"[=:]")
_MOST_BYTES = 100_000_000  # of a file; a larger one, or one without an end, is no configuration
_MOST_PROBLEMS = 100  # lines of a section, or outside of any, that are told; then nobody reads on
_FIRST_LINES = ("#!", "#cloud-config")  # of what may stand in a value: no comments
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value, as text.

    Attributes:
        section: name of the section it is in.
        key: as written.
        text: the value, without blanks at its ends; lines of a continued value are joined by newlines.
        at: where the key is.
        file: number of its file, in the order in which they are read.
    """

    section: str
    key: str
    text: str
    at: Position
    file: int = 0

    @property
    def weight(self) -> tuple[bool, int]:
        """Which of two that mean the same counts, the greater: a default counts least, a later file more."""
        return self.section != DEFAULT, self.file

    def problem(self, message: str) -> Problem:
        """Return a problem with this key.

        A key with blanks in it is a line without ``=``, which may well hold a secret: only the first word is
        shown.
        """
        word, *more = self.key.split(maxsplit=1)
        return Problem(self.at, message, self.section, f"{word} …" if more else self.key)

    def repeats(self, other: Entry) -> Problem:
        """Return the problem that this key says again, in other words, what `other` says."""
        return self.problem(f"means the same as '{other.key}' ({other.at}); remove one")

    def contradicts(self, other: Entry) -> Problem:
        """Return the problem that `other` means the opposite of this key, and both say yes, or both no."""
        return self.problem(f"means the opposite of '{other.key}' ({other.at}); remove one")


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its keys in order, and what is wrong with its lines.

    Attributes:
        name: what is between the brackets.
        at: where it begins (first).
        entries: by the key's name.
        problems: lines that could not be understood.
        warnings: what is likely not meant, though it can be understood.
    """

    name: str
    at: Position
    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, message: str, key: str = "") -> Problem:
        """Return a problem with this section, or with a `key` that is missing in it."""
        return Problem(self.at, message, self.name, key)

    def text(self, key: str) -> str:
        """Return the value of `key`; empty if it is not there."""
        entry = self.entries.get(key)
        return entry.text if entry else ""


@dataclass(frozen=True, slots=True)
class Document:
    """All sections of all files.

    Attributes:
        paths: the files, in the order read.
        sections: by name, in the order of the files.
        problems: what is wrong outside of any section.
        literal: whether values mean what they say: nothing in them stands for something else.
    """

    paths: tuple[str, ...]
    sections: dict[str, Section] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    literal: bool = False


def config_files(path: str | Path) -> list[Path]:
    """Return the files that make up a configuration: `path` and, sorted, ``path.d/*.conf``.

    `path` itself is left out if it does not exist but the folder has files. No file is opened.

    Raises:
        ConfigurationError: the folder is there, but cannot be looked at.
    """
    main = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser() raises for unknown users
    more = _conf_files(f"{main}.d")
    if os.path.lexists(main) or not more:  # a link to nowhere is told, not passed over
        return [main, *more]
    return more


def _conf_files(folder: str) -> list[Path]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a glob keeps quiet about a folder that cannot be read
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError as exc:
        raise failure([Problem(Position(folder), f"cannot be read: {exc.strerror}")]) from exc
    return [Path(folder, name) for name in sorted(names) if name.endswith(".conf")]


def read_files(paths: Iterable[Path]) -> Document:
    """Read configuration files; later ones win.

    Raises:
        ConfigurationError: a file is missing, is a directory, cannot be read, or is no text at all.
    """
    files = list(paths)
    document = Document(tuple(map(str, files)))
    for order, path in enumerate(files):
        scanner = _Scanner(str(path), document, order)
        for number, line in enumerate(io.StringIO(_text(path), newline=None), start=1):
            scanner.feed(number, line)
        scanner.finish()
    return document


def _text(path: Path) -> str:
    """Return what is in a file; bytes that are not UTF-8 are there as lone surrogates."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError as exc:
        raise failure([Problem(Position(str(path)), "there is no such file")]) from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise failure([Problem(Position(str(path)), f"cannot be read: {reason}")]) from exc
    if content.startswith(_UTF16):
        raise failure([Problem(Position(str(path), 1), "is not UTF-8 text but UTF-16: save it as UTF-8")])
    if len(content) > _MOST_BYTES:
        message = f"is larger than {_MOST_BYTES // 1_000_000} MB: it cannot be a configuration"
        raise failure([Problem(Position(str(path)), message)])
    return content.decode("utf-8-sig", "surrogateescape")


def _no_text(line: str) -> str:
    """Return why a line is no text; empty if it is."""
    if "\0" in line:
        return "has a NUL byte: expected text"
    if line.isascii():
        return ""
    try:
        line.encode()
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    return ""


class _Scanner:
    """Sorts the lines of one file into a document."""

    def __init__(self, path: str, document: Document, order: int) -> None:
        self._path = path
        self._order = order
        self._document = document
        self._section: Section | None = None  # None again after a broken header: its keys belong nowhere
        self._broken_header = False
        self._key = ""  # the one that an indented line would continue
        self._value: list[str] = []  # its lines so far
        self._at = Position(path)
        self._indent = 0
        self._blanks = 0  # blank lines since; they are part of the value if it goes on

    def feed(self, number: int, line: str) -> None:
        """Take the next line."""
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        continues = bool(self._key) and indent > self._indent
        if not text:
            self._blanks += 1
        elif text[0] in "#;" and not (continues and text.startswith(_FIRST_LINES)):
            return
        elif reason := _no_text(text):
            self._refuse(text, Position(self._path, number), reason)
        elif continues:
            self._value += ["" for _ in range(self._blanks)] + [text]
            self._blanks = 0
        else:
            self.finish()
            self._indent = indent
            self._begin(text, Position(self._path, number))

    def finish(self) -> None:
        """Add the key whose value no further line continues."""
        section, key = self._section, self._key
        if section and key:
            entry = Entry(section.name, key, "\n".join(self._value), self._at, self._order)
            old = section.entries.get(key)
            if old and old.text != entry.text and old.at.path == self._path:
                section.warnings.append(entry.problem(f"takes the place of line {old.at.line}"))
            section.entries[key] = entry
        self._key, self._value, self._blanks = "", [], 0

    def _begin(self, text: str, at: Position) -> None:
        """Take a line that continues nothing."""
        separator = _SEPARATOR_RE.search(text)
        if text.startswith("["):
            self._open(text, at)
        elif separator and separator.start():
            self._add(text[: separator.start()].rstrip(), text[separator.end() :].lstrip(), at)
        else:
            self._complain(at, "expected [SECTION], KEY=VALUE or a comment")

    def _open(self, text: str, at: Position) -> None:
        match = _HEADER_RE.fullmatch(text)
        name = match[1].strip() if match else ""
        self._broken_header = not name
        if name:
            self._section = self._document.sections.setdefault(name, Section(name, at))
        else:
            self._section = None
            self._complain(at, "expected a section such as [cluster/NAME]")

    def _add(self, key: str, value: str, at: Position) -> None:
        if self._section:
            self._key, self._value, self._at = key, [value], at
        elif not self._broken_header:
            self._complain(at, f"key {shown(key)} comes before the first [SECTION]")

    def _refuse(self, text: str, at: Position, reason: str) -> None:
        """Take a line that is no text; the keys after a header that is none belong to no section."""
        if text.startswith("["):
            self.finish()
            self._section, self._broken_header = None, True
        self._complain(at, reason)

    def _complain(self, at: Position, message: str) -> None:
        """Add a problem; after many of them, that there are more."""
        found = self._section.problems if self._section else self._document.problems
        if len(found) == _MOST_PROBLEMS:
            message = "this line and others cannot be understood either: is this a configuration file?"
        if len(found) <= _MOST_PROBLEMS:
            found.append(Problem(at, message, self._section.name if self._section else ""))
