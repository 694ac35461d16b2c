"""Read pickles without running what is in them.

Ours hold nothing but what JSON knows. Those of the original ElastiCluster hold its objects: for each of its
classes, and of the providers of installed packages, a stand-in is made, which keeps attributes and does
nothing. A pickle that asks for anything else is refused before it gets it.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any, Self

from elasticluster.model import Json
from elasticluster.naming import CLOUD_GROUP, SETUP_GROUP

_ORIGINAL = frozenset({"elasticluster", "gc3"})
"""Packages whose classes are replaced by stand-ins."""


class Inert:
    """Stands for an object of the original; whatever it was told to be is in its attributes."""

    def __new__(cls, *_unused: Any, **_ignored: Any) -> Self:
        """Take any arguments and forget them."""
        return object.__new__(cls)

    def __init__(self, *_unused: Any, **_ignored: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                vars(self).update(part)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str):
            vars(self)[key] = value

    def append(self, _item: Any) -> None:
        """Forget an item: no list of the original's own matters."""

    def extend(self, _items: Any) -> None:
        """Forget items."""


def loads(data: bytes) -> Json:
    """Return what a pickle holds, as what JSON knows.

    Raises:
        ValueError: it is not a pickle, or a torn one.
        PermissionError: it asks for a class or function that may do harm; its name is the message.
    """
    reader = _Reader(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")
    try:
        found = reader.load()
    except (PermissionError, RecursionError):
        raise
    except Exception as exc:  # a damaged pickle may end in any error whatever
        raise ValueError(str(exc) or type(exc).__name__) from exc
    return _Plain().of(found) if reader.foreign else found


class _Reader(pickle.Unpickler):
    """Knows a few harmless names; ``foreign`` tells whether any was asked for."""

    foreign = False

    def find_class(self, module: str, name: str) -> Any:
        self.foreign = True
        known = _HARMLESS.get(f"{module}.{name}")
        if known is not None:
            return known
        if module.partition(".")[0] in _ORIGINAL or _is_registered(f"{module}:{name}"):
            return type(name, (Inert,), {})
        raise PermissionError(f"{module}.{name}")


def _is_registered(path: str) -> bool:
    """Return whether an installed package offers a class as a provider; its code is not run."""
    from importlib.metadata import entry_points

    groups = (entry_points(group=group) for group in (CLOUD_GROUP, SETUP_GROUP))
    return any(point.value == path for points in groups for point in points)


def _reconstruct(kind: Any, _base: Any, state: Any) -> Inert:
    """Do what ``copyreg._reconstructor`` does, for stand-ins only."""
    made = _new(kind)
    made.__setstate__(state)
    return made


def _new(kind: Any, *_unused: Any) -> Inert:
    if isinstance(kind, type) and issubclass(kind, Inert):
        return kind()
    raise PermissionError(f"an object of {kind!r}")


def _latin(text: str, encoding: str) -> bytes:
    """Do what Python 3 asks of ``_codecs.encode`` when it writes bytes for Python 2."""
    if encoding != "latin1":
        raise PermissionError(f"the encoding {encoding}")
    return text.encode("latin1")


def _defaultdict(_factory: Any = None, *items: Any) -> dict[Any, Any]:
    return dict(*items)


_HARMLESS: Mapping[str, Any] = {
    "copyreg._reconstructor": _reconstruct,
    "copy_reg._reconstructor": _reconstruct,
    "copyreg.__newobj__": _new,
    "copy_reg.__newobj__": _new,
    "_codecs.encode": _latin,
    "collections.OrderedDict": dict,
    "collections.defaultdict": _defaultdict,
    "__builtin__.unicode": str,
    "__builtin__.long": int,
} | {
    f"{module}.{kind.__name__}": kind
    for module in ("builtins", "__builtin__")
    for kind in (object, dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, bool, complex)
}


class _Plain:
    """Turns stand-ins into tables; one that contains itself contains nothing there."""

    def __init__(self) -> None:
        self._done: dict[int, Json] = {}

    def of(self, value: Any) -> Json:
        if isinstance(value, bytes | bytearray):
            return value.decode("utf-8", "surrogateescape")
        if not isinstance(value, Inert | dict | list | tuple | set | frozenset):
            return value
        if id(value) not in self._done:
            self._done[id(value)] = None
            self._done[id(value)] = self._container(value)
        return self._done[id(value)]

    def _container(self, value: Any) -> Json:
        if isinstance(value, Inert):
            value = vars(value)
        if isinstance(value, dict):
            return {
                self.of(key) if isinstance(key, bytes) else key: self.of(item) for key, item in value.items()
            }
        return [self.of(item) for item in value]
