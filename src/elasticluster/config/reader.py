"""Reads INI files and remembers the file and line of every section and key.

The standard library's :mod:`configparser` throws positions away and offers no way to keep them, so lines
are read here, by its rules (as set up by the original: ``strict=False``, case-sensitive keys):

- ``[section]``, ``key = value`` or ``key: value``; whole lines beginning with ``#`` or ``;`` are comments;
- a line indented deeper than its key continues the key's value, also after blank lines;
- a section or key that comes again is merged; the later value wins, the first place in the order stays.

One rule is added: an indented ``#!`` line continues a value, so that a script can begin on its own line.

A line that is none of these belongs to the problems of its section, and reading goes on: only who needs
that section is told.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from elasticluster.config.problems import Position, Problem, failure

_HEADER_RE = re.compile(r"\[([^\[\]]+)\]\s*(?:[#;].*)?")
_KEY_RE = re.compile(r"([^=:]+?)\s*[=:]\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value, as text.

    Attributes:
        section: name of the section it is in.
        key: as written.
        text: the value, without blanks at its ends; lines of a continued value are joined by newlines.
        at: where the key is.
    """

    section: str
    key: str
    text: str
    at: Position

    def problem(self, message: str) -> Problem:
        """Return a problem with this key."""
        return Problem(self.at, message, self.section, self.key)

    def repeats(self, other: Entry) -> Problem:
        """Return the problem that this key says again, in other words, what `other` says."""
        return self.problem(f"means the same as '{other.key}' ({other.at}); remove one")


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its keys in order, and what is wrong with its lines.

    Attributes:
        name: what is between the brackets.
        at: where it begins (first).
        entries: by the key's name.
        problems: lines that could not be understood.
    """

    name: str
    at: Position
    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

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
    """

    paths: tuple[str, ...]
    sections: dict[str, Section] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def config_files(path: str | Path) -> list[Path]:
    """Return the files that make up a configuration: `path` and, sorted, ``path.d/*.conf``.

    `path` itself is left out if it does not exist but the folder has files. Nothing is opened.
    """
    main = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser() raises for unknown users
    more = sorted(Path(f"{main}.d").glob("*.conf"))
    if os.path.exists(main) or not more:  # noqa: PTH110 - Path.exists() raises where it may not look
        return [main, *more]
    return more


def read_files(paths: Iterable[Path]) -> Document:
    """Read configuration files; later ones win.

    Raises:
        ConfigurationError: a file is missing, is a directory, cannot be read, or is not UTF-8 text.
    """
    files = list(paths)
    document = Document(tuple(map(str, files)))
    for path in files:
        scanner = _Scanner(str(path), document)
        for number, line in enumerate(io.StringIO(_text(path), newline=None), start=1):
            scanner.feed(number, line)
    return document


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except FileNotFoundError as exc:
        raise failure([Problem(Position(str(path)), "there is no such file")]) from exc
    except OSError as exc:
        raise failure([Problem(Position(str(path)), f"cannot be read: {exc.strerror}")]) from exc
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise failure([Problem(Position(str(path), line), "is not UTF-8 text")]) from exc


class _Scanner:
    """Sorts the lines of one file into a document."""

    def __init__(self, path: str, document: Document) -> None:
        self._path = path
        self._document = document
        self._section: Section | None = None  # None again after a broken header: its keys belong nowhere
        self._broken_header = False
        self._key = ""  # the one that an indented line would continue
        self._indent = 0
        self._blanks = 0  # blank lines since; they are part of the value if it goes on

    def feed(self, number: int, line: str) -> None:
        """Take the next line."""
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        continues = bool(self._key) and indent > self._indent
        if not text:
            self._blanks += 1
        elif text[0] in "#;" and not (continues and text.startswith("#!")):
            return
        elif continues:
            self._continue(text)
        else:
            self._indent, self._key, self._blanks = indent, "", 0
            self._begin(text, Position(self._path, number))

    def _begin(self, text: str, at: Position) -> None:
        """Take a line that continues nothing."""
        if text.startswith("["):
            self._open(text, at)
        elif match := _KEY_RE.fullmatch(text):
            self._add(match[1], match[2], at)
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
            self._key = key
            self._section.entries[key] = Entry(self._section.name, key, value, at)
        elif not self._broken_header:
            self._complain(at, f"key '{key}' comes before the first [SECTION]")

    def _continue(self, text: str) -> None:
        if self._section:
            old = self._section.entries[self._key]
            joined = old.text + "\n" * (self._blanks + 1) + text
            self._section.entries[self._key] = replace(old, text=joined)
        self._blanks = 0

    def _complain(self, at: Position, message: str) -> None:
        if self._section:
            self._section.problems.append(Problem(at, message, self._section.name))
        else:
            self._document.problems.append(Problem(at, message))
