"""What a cloud says, in our words: by a table, once, at the edge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from elasticluster.exceptions import CloudProviderError

_OBJECT_RE = re.compile(r"(?: (?:for|from|in|of|to)(?: node)?)? '.*", re.DOTALL)
_ARTICLE_RE = re.compile(r"\b(?:an?|the) ")


@dataclass(frozen=True, slots=True)
class Translation:
    """What something that a cloud says means.

    Attributes:
        pattern: regular expression, looked for in what it says (``CODE: MESSAGE`` where there are codes).
        error: class of the error.
        hint: what to do about it; empty if there is nothing to say.
    """

    pattern: str
    error: type[CloudProviderError]
    hint: str = ""


def translated(
    table: Sequence[Translation],
    said: str,
    doing: str,
    default: type[CloudProviderError] = CloudProviderError,
) -> CloudProviderError:
    """Return the error for what a cloud says, to be raised ``from`` the library's.

    Args:
        table: the first one that fits counts.
        said: what the cloud says; it follows "Cannot DOING: ".
        doing: what could not be done, like ``make the network 'x'``.
        default: class of an error that says nothing more precise.
    """
    for known in table:
        if re.search(known.pattern, said):
            return known.error(f"Cannot {doing}: {said}", hint=known.hint)
    return default(f"Cannot {doing}: {said}")


def verb_of(doing: str) -> str:
    """Return what is done, without articles and to what it is done, so that it can be counted.

    >>> verb_of("make a container for node 'compute001'")
    'make container'
    """
    return _ARTICLE_RE.sub("", _OBJECT_RE.sub("", doing))
