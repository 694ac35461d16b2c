"""Ways in which files are damaged, by accident or on purpose."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["\ud800", "-x", "../x", "a\nb", "1" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
"""Any value that a file can hold, difficult ones among them."""


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Return `whole` with some bytes changed, added, left out, or cut off."""
    change = st.tuples(st.integers(0, len(whole)), st.integers(0, 4), st.binary(max_size=4))
    changes = st.lists(change, min_size=1, max_size=5)
    return st.builds(_changed, st.just(whole), changes, st.integers(0, len(whole)) | st.just(len(whole)))


def _changed(whole: bytes, changes: list[tuple[int, int, bytes]], end: int) -> bytes:
    data = bytearray(whole)
    for place, gone, new in changes:
        data[place : place + gone] = new
    return bytes(data[:end])


def altered(document: Any) -> st.SearchStrategy[Any]:
    """Return a document of tables and lists in which one thing is another one, or is missing."""
    return st.builds(_altered, st.just(document), st.sampled_from(list(_ways(document))), JSON | st.just(...))


def _ways(value: Any) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (step,)
        yield from ((step, *way) for way in _ways(inner))


def _altered(document: Any, way: tuple[Any, ...], new: Any) -> Any:
    document = copy.deepcopy(document)
    place = document
    for step in way[:-1]:
        place = place[step]
    if new is ...:
        del place[way[-1]]
    else:
        place[way[-1]] = new
    return document
