"""Messages that the manual quotes are messages of the program."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from tests.docs.blocks import ROOT, claiming

ENOUGH = 6
"""Letters that a text in the source has to have, besides what is filled in, to count."""
EXAMPLES = re.compile("debian|elasticluster|frontend|key|password|refused|slrum|slurm|start|ubuntu")
"""Plain words that the manual fills in; others show by a sign, a digit or a capital that they are none."""


@cache
def messages() -> list[re.Pattern[str]]:
    """Return an expression for each text in the source; its groups are what is filled in."""
    found = set()
    for path in sorted((ROOT / "src" / "elasticluster").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for parts in (parts_of(node) for node in nodes if id(node) not in docstrings):
            if sum(letter.isalpha() for part in parts for letter in part or "") >= ENOUGH:
                found.add("".join("(.*?)" if part is None else re.escape(part) for part in parts))
    return [re.compile(pattern) for pattern in sorted(found)]


def parts_of(text: ast.AST) -> list[str | None]:
    """Return the parts of a text or f-string up to its first line's end; None for what is filled in."""
    values = text.values if isinstance(text, ast.JoinedStr) else [text]
    parts: list[str | None] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            parts.append(None)
        elif isinstance(value.value, str):
            line, end, _ = value.value.partition("\n")
            parts.append(line)
            if end:
                break
    return parts if any(parts) else []


def is_said(text: str) -> bool:
    """Return whether the program may say this: all of its words stand in the source or are examples."""
    text = text.strip()
    words = [word.strip(",.;:") for word in text.split()]
    if all(EXAMPLES.fullmatch(word) or not (word.isalpha() and word.islower()) for word in words):
        return True
    for pattern in messages():
        found = pattern.fullmatch(text)
        if found and text not in found.groups() and all(map(is_said, found.groups())):
            return True
    return False


QUOTED = [(str(block), line) for block in claiming("messages") for line in block.text.splitlines()]


@pytest.mark.parametrize(("place", "line"), QUOTED)
def test_quoted_message_is_one_of_the_program(place: str, line: str) -> None:
    assert is_said(line), f"{place}: nothing in the program says so"


@pytest.mark.parametrize(
    "line",
    [
        "its instance 1f0c5d3a9b72 is a banana",
        "its instance 1f0c5d3a9b72 banana.",
        "no such thing in any role; did you mean 'slurm_mpi'?",
        "The key is bad: nobody in the world accepts it, is protected by a passphrase, and x.",
    ],
)
def test_message_that_only_looks_like_one_of_the_program_is_found_out(line: str) -> None:
    assert not is_said(line)


def test_messages_are_quoted() -> None:
    assert len(QUOTED) > ENOUGH
