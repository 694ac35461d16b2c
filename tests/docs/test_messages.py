"""Messages that the manual quotes are messages of the program."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from tests.docs.blocks import ROOT, claiming

ENOUGH = 12
"""Letters that a message has to have, besides what is filled in, to tell it from others."""


@cache
def messages() -> list[tuple[re.Pattern[str], int]]:
    """Return an expression for each text in the source, with the number of its own letters."""
    found = []
    for path in sorted((ROOT / "src" / "elasticluster").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for parts in (parts_of(node) for node in nodes if id(node) not in docstrings):
            size = sum(len(part.strip()) for part in parts if part is not None)
            if size >= ENOUGH:
                pattern = "".join(".+?" if part is None else re.escape(part) for part in parts)
                found.append((re.compile(pattern), size))
    return found


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


QUOTED = [(str(block), line) for block in claiming("messages") for line in block.text.splitlines()]


@pytest.mark.parametrize(("place", "line"), QUOTED)
def test_quoted_message_is_one_of_the_program(place: str, line: str) -> None:
    said = [size for pattern, size in messages() if pattern.search(line)]
    assert said, f"{place}: nothing in the program says so"
    assert max(said) >= len(line) / 4, f"{place}: only a part of it is in the program"


def test_messages_are_quoted() -> None:
    assert len(QUOTED) > ENOUGH
