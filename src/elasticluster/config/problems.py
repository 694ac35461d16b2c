"""What is wrong in a configuration, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from elasticluster.exceptions import ConfigurationError
from elasticluster.naming import printable

_SHOWN = 60  # characters of a value that are shown in a message
_GUESSES = 500  # names that are looked at for one that may have been meant: a comparison is slow
_SUGGESTIONS = 100  # problems with one; somebody who has more will not read them all


@dataclass(frozen=True, slots=True)
class Position:
    """A line of a file; line 0 is the file as a whole."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: ``file:line: [section] key: message``.

    Attributes:
        at: where.
        message: what, and what was expected; one line.
        section: name of the section; empty if it is in none.
        key: as written in the file; empty if it is not about one key.
    """

    at: Position
    message: str
    section: str = ""
    key: str = ""

    def __str__(self) -> str:
        section = f" [{shortened(self.section)}]" if self.section else ""
        key = f" {shortened(self.key)}:" if self.key else ""
        text = f"{self.at}:{section}{key} {self.message}"
        return text if text.isprintable() else printable(text)


@dataclass(slots=True)
class Report:
    """What was found, in the order in which it was.

    Attributes:
        problems: what is wrong.
        warnings: what is likely not meant, or does nothing in this version.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """Return the same as :func:`did_you_mean`, or nothing where there are too many problems already."""
        return did_you_mean(word, known) if len(self.problems) < _SUGGESTIONS else ""

    def sorted(self) -> Report:
        """Return the same, each thing once, in the order of files and lines."""
        return Report(in_order(self.problems), in_order(self.warnings))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return each of `problems` once, in the order of files and lines."""
    return sorted(dict.fromkeys(problems), key=_place)


def _place(problem: Problem) -> tuple[str, int, str, str, str]:
    return problem.at.path, problem.at.line, problem.message, problem.section, problem.key


def failure(problems: Sequence[Problem], *, hint: str = "") -> ConfigurationError:
    """Return one error that tells all of `problems`, each on a line of its own.

    It is a :class:`voluptuous.MultipleInvalid` too, as documented for :mod:`elasticluster.conf`.
    """
    from elasticluster.config.invalid import InvalidConfigurationError

    return InvalidConfigurationError(problems, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'X'?`` with the one of `known` that is nearest to `word`, or nothing."""
    near = nearest(word, known)
    return f"; did you mean '{near}'?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that is nearest to `word`, not that word itself; empty if none is."""
    from difflib import get_close_matches
    from itertools import islice

    if len(word) > _SHOWN:
        return ""
    folded = {name.casefold(): name for name in islice(known, _GUESSES) if name != word}
    match = get_close_matches(word.casefold(), folded, n=1)
    return folded[match[0]] if match else ""


def shown(text: str) -> str:
    """Return `text` in quotes, on one line and not too long."""
    return f"'{shortened(text)}'"


def shortened(text: str) -> str:
    """Return `text` on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
