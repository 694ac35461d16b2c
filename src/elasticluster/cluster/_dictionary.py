"""Objects that are also read like a dictionary, as documented for clusters and nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from typing import Any, cast


class DictionaryStyle(ABC):
    """Lets some attributes be read as from a dictionary: ``node['name']``, ``dict(node)``.

    It is not a :class:`collections.abc.Mapping`: two of these are equal only if they are the same object.
    """

    @abstractmethod
    def keys(self) -> list[str]:
        """Return the names of what can be read, but for secrets."""

    @abstractmethod
    def __getitem__(self, key: str) -> Any: ...

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        try:
            self[cast("str", key)]
        except KeyError:
            return False
        return True

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default` if there is no such key."""
        return self[key] if key in self else default  # noqa: SIM401 - this is what it would call

    def values(self) -> list[Any]:
        """Return the values, in the order of :meth:`keys`."""
        return [self[key] for key in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """Return pairs of key and value, in the order of :meth:`keys`."""
        return [(key, self[key]) for key in self.keys()]

    def to_dict(self, omit: Collection[str] = ()) -> dict[str, Any]:
        """Return a copy as a dictionary, without the keys in `omit` and without secrets.

        Those are told by their names. Texts are in it as they are: a script (``image_userdata``) with a
        password in it, too.
        """
        return {key: self[key] for key in self.keys() if key not in omit}
