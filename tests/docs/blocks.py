"""The fenced blocks of the manual, and what each claims of itself.

Above each fence stands a comment, invisible to readers, which says how the block is held to the truth::

    <!-- block: CLAIM -->  or  <!-- block: CLAIM: ARGUMENT -->

| claim | what is done with the block |
|---|---|
| `shell` | run by a new user without a cluster, in the order of the page; the argument is the exit code (0) |
| `tour` | run by a user with a real Slurm cluster: first the page `tour.md`, then the others |
| `end of the tour` | the same, after all other pages |
| `as in the tour` | each of its commands begins one of the tour's own page |
| `file` | written to the path in the argument, for the blocks that follow it on the page |
| `configuration` | added to the default configuration: it has to load, without a problem |
| `python` | run by `shell`'s user, all blocks of the page as one program |
| `python with a cluster` | run on real nodes, all blocks of the page as one program |
| `messages` | each line is a message of the program: it stands in its source |
| `test` | the test that is named does the same; its file has the names of the commands |
| `needs a cloud` | not run; the argument says which account is needed |
| `illustration` | not run; the argument says why there is nothing to run |

The blocks of `shell` and `tour` are commands (language `sh`), or commands after `$ ` with what they print
(`console`): see `assert_printed`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANUAL = [ROOT / "README.md", ROOT / "HACKING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CLAIMS = {
    "shell": {"sh", "console"},
    "tour": {"sh", "console"},
    "end of the tour": {"sh", "console"},
    "as in the tour": {"sh"},
    "file": {"ini", "yaml", "python", "text", "sh"},
    "configuration": {"ini"},
    "python": {"python"},
    "python with a cluster": {"python"},
    "messages": {"text"},
    "test": {"sh", "console", "text"},
    "needs a cloud": {"sh", "console", "ini", "python"},
    "illustration": {"sh", "console", "ini", "python", "yaml", "json", "text"},
}
"""What a block may claim, and the languages that may."""
NEEDS_ARGUMENT = {"file", "test", "needs a cloud", "illustration"}

_FENCE = re.compile(
    r"^(?:<!-- block: (?P<claim>[a-z ]+)(?:: (?P<argument>[^>]*))? -->\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_VARYING = [
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+(:\d+)?\b"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^\s,]*"), "MOMENT"),
    (re.compile(r"\b\d+(\.\d+)? (s|seconds|minutes|hours)\b"), "A WHILE"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
]


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, what it claims, and its text."""

    page: Path
    line: int
    language: str
    claim: str
    argument: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[tuple[str, str | None]]:
        """Return the commands with what the page says that they print; None if it does not say."""
        if self.language == "sh":
            return [(self.text, None)]
        return [
            (command.replace("\n> ", "\n"), printed)
            for command, printed in re.findall(
                r"^\$ (.*(?:\n> .*)*)\n((?:(?!\$ ).*\n)*)", self.text, flags=re.MULTILINE
            )
        ]


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in their order; Sphinx' own directives are none."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["claim"] or "",
            (found["argument"] or "").strip(),
            found["text"],
        )
        for found in _FENCE.finditer(text)
        if not found["language"].startswith("{")
    ]


def claiming(*claims: str, pages: Sequence[Path] = MANUAL) -> list[Block]:
    """Return the blocks that claim one of these, in the order of the pages."""
    return [block for page in pages for block in blocks_of(page) if block.claim in claims]


def without_varying(text: str, home: Path) -> str:
    """Return text with one word each for what differs from run to run: addresses, ids, times, the home."""
    text = text.replace(str(home), "/home/me")
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text.strip("\n")


def assert_printed(expected: str, printed: str, home: Path) -> None:
    """Compare what a page says with what came: `…` in a line is anything, a line `…` any number of lines."""
    lines = without_varying(expected, home).split("\n")
    pattern = "".join("(?:.*\n)*" if line == "…" else line_pattern(line) for line in lines)
    got = without_varying(printed, home) + "\n"
    assert re.fullmatch(pattern, got), f"the page says:\n{expected}\nbut it is:\n{printed}"


def line_pattern(line: str) -> str:
    """Return the expression for one line with its end."""
    return ".*".join(map(re.escape, line.split("…"))) + "\n"
