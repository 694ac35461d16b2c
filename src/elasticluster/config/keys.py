"""Tables of configuration keys, as data: providers and roles hand theirs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

KeyType: TypeAlias = Literal["str", "int", "float", "bool", "path", "folder", "url", "list"]
"""What the text after ``=`` becomes; ``path`` is a file that must exist, ``folder`` may be made
later or be the URL of a database, ``list`` is comma-separated."""


@dataclass(frozen=True)
class Key:
    """One key of a configuration section.

    Attributes:
        name: as written in the file.
        type: what its text is turned into.
        required: whether leaving it out is an error.
        default: value if it is left out; None leaves it out of the result too.
        help: one sentence for people.
        choices: the only texts allowed; empty for any.
        place: whether it says which cloud is meant, so that it cannot change under a running cluster.
        secret: whether its value is shown to nobody.
        minimum: the least number allowed, of an ``int`` or ``float``; None for any.
        environment: environment variables that the provider takes it from where it is left out.
        check: says what is wrong with its value, of a key of ``[cluster/NAME]``; it gets that and the values
            of ``[cloud/NAME]``, and returns an empty text if nothing is. A provider may have ``image_id`` or
            ``flavor`` in its table to check these.
    """

    name: str
    type: KeyType
    required: bool = False
    default: Any = None
    help: str = ""
    choices: tuple[str, ...] = ()
    place: bool = False
    secret: bool = False
    minimum: float | None = None
    environment: tuple[str, ...] = ()
    check: Callable[[Any, Mapping[str, Any]], str] | None = None
