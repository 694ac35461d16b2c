"""What is wrong in a configuration, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from elasticluster.exceptions import ConfigurationError

_SHOWN = 60  # characters of a value that are shown in a message


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A line of a file; line 0 is the file as a whole."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True, order=True)
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
        section = f" [{self.section}]" if self.section else ""
        key = f" {self.key}:" if self.key else ""
        return f"{self.at}:{section}{key} {self.message}"


def failure(problems: Sequence[Problem], *, hint: str = "") -> ConfigurationError:
    """Return one error that tells all of `problems`, each on a line of its own.

    It is a :class:`voluptuous.MultipleInvalid` too, as documented for :mod:`elasticluster.conf`.
    """
    from elasticluster.config.invalid import InvalidConfigurationError

    return InvalidConfigurationError(problems, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'X'?`` with the one of `known` that is nearest to `word`, or nothing."""
    from difflib import get_close_matches

    folded = {name.casefold(): name for name in known}
    match = get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean '{folded[match[0]]}'?" if match else ""


def shown(text: str) -> str:
    """Return `text` in quotes, on one line and not too long."""
    line = " ".join(text.split())
    return f"'{line}'" if len(line) <= _SHOWN else f"'{line[:_SHOWN]}…'"
