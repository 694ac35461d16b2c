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
        environment: environment variables that it is taken from where it is left out, the first that is set;
            see :mod:`elasticluster.config.environment`.
        instead_of: keys of ``[cloud/NAME]`` that make no sense beside it; no environment variable is asked
            for them where it is given.
        check: says what is wrong with its value; it gets that, None where it is left out, and the values of
            ``[cloud/NAME]``, for a key of ``[cluster/NAME]`` also those of a node, which win. It returns an
            empty text if nothing is wrong. A provider may have ``image_id`` or ``flavor`` in its table of
            nodes' keys to check these.
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
    instead_of: tuple[str, ...] = ()
    check: Callable[[Any, Mapping[str, Any]], str] | None = None

    @property
    def identifies(self) -> bool:
        """Whether it says who we are to a cloud: it is a secret, or stands beside or instead of one.

        Such values are taken together from wherever they are to be had, as one is of no use to another's.
        """
        return self.secret or (bool(self.environment or self.instead_of) and not self.place)
