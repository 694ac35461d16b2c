"""Cluster records as JSON, and JSON as cluster records.

A document is ``{"version": N, "cluster": {…}}`` with every attribute of the records under its own name.
Reading is strict: what is missing, superfluous or of another type is an error, so that nothing is quietly
lost. A record that gains, loses or changes an attribute needs a new version, that is one more function in
:data:`MIGRATIONS`.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from math import isfinite
from typing import Any, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from elasticluster.exceptions import StateError
from elasticluster.model import ClusterRecord, Json
from elasticluster.naming import printable

Migration: TypeAlias = Callable[[dict[str, Json]], dict[str, Json]]
"""Turns the ``cluster`` part of a document of one version into that of the next."""


def _to_version_2(cluster: dict[str, Json]) -> dict[str, Json]:
    """Add what becomes of machines after a failed start. Nodes may be ``leaving`` from this version on."""
    return {**cluster, "start_failure": "keep"}


MIGRATIONS: tuple[Migration, ...] = (_to_version_2,)
"""The first one turns version 1 into version 2, and so on; their number says what version is current."""

_MOST_VERSIONS = 1 << 31  # larger numbers may have more digits than can be shown

_Decoder: TypeAlias = Callable[[Json], Any]


def current_version(migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Return the version that is written."""
    return 1 + len(migrations)


def encode(cluster: ClusterRecord, migrations: Sequence[Migration] = MIGRATIONS) -> dict[str, Json]:
    """Return a document that holds `cluster`.

    Raises:
        StateError: there is something in it that JSON does not hold.
    """
    try:
        return {"version": current_version(migrations), "cluster": plain(cluster)}
    except TypeError as exc:
        where = _way_to_trouble(cluster, "cluster")
        raise StateError(
            f"Cluster `{cluster.name}` cannot be stored: {where}: {exc}.",
            hint="Give texts, numbers, lists and dictionaries of those.",
        ) from exc


def decode(document: Json, source: str, migrations: Sequence[Migration] = MIGRATIONS) -> ClusterRecord:
    """Return the cluster that a document holds.

    Args:
        document: what was read.
        source: where from; named in errors.
        migrations: the steps from version 1 to the current one.

    Raises:
        StateError: it is not a cluster of a version that can be read.
    """
    version = version_of(document, source, migrations)
    cluster = document.get("cluster")
    try:
        for migrate in migrations[version - 1 :] if isinstance(cluster, dict) else ():
            cluster = migrate(cluster)
        record = cast("ClusterRecord", _record(ClusterRecord)(cluster))
    except _WrongError as exc:
        raise corrupt(source, exc.text("cluster")) from exc
    except (AttributeError, KeyError, TypeError, ValueError) as exc:  # a migration met what it did not expect
        raise corrupt(source, f"version {version} could not be brought up to date ({exc!r})") from exc
    twice = [name for name, count in Counter(node.name for node in record.nodes).items() if count > 1]
    if twice:
        raise corrupt(source, f"it holds two nodes called {twice[0]}")
    return record


def version_of(document: Json, source: str, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Return the version of a document that can be read.

    Raises:
        StateError: it has none, or a newer one.
    """
    version = document.get("version") if type(document) is dict else None
    if type(version) is not int or not 1 <= version < _MOST_VERSIONS:
        raise corrupt(source, "it has no version, so this program did not write it")
    current = current_version(migrations)
    if version > current:
        raise StateError(
            f"{source} was written by a newer version of ElastiCluster "
            f"(state version {version}, this one knows up to {current}).",
            hint="Use that version for this cluster, or install it here.",
        )
    return version


def corrupt(source: str, problem: str) -> StateError:
    """Return the error for stored state that makes no sense."""
    return StateError(
        f"{source} is damaged: {printable(' '.join(problem.split()))}.",
        hint="Put back a good copy of the file. Without one, move it away; the cluster's machines, if there "
        "are any, are then only known to the cloud.",
    )


def plain(value: Any) -> Json:
    """Return a record, or anything in one, as what JSON knows.

    Raises:
        TypeError: JSON knows nothing like it.
    """
    if isinstance(value, StrEnum):
        return value.value
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in _names(cast("type", type(value)))}
    what = value if isinstance(value, float) else f"something of type '{type(value).__name__}'"
    raise TypeError(f"{what} cannot be written as JSON")


def _way_to_trouble(value: Any, way: str) -> str:
    """Return where the first thing is that :func:`plain` refuses, in words; `way` leads to `value`."""
    inner: Iterable[tuple[str, Any]] = ()
    if is_dataclass(value):
        inner = ((f"{way}.{name}", getattr(value, name)) for name in _names(cast("type", type(value))))
    elif isinstance(value, Mapping):
        inner = ((f"{way}.{key}", item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        named = ((getattr(item, "name", index), item) for index, item in enumerate(value))
        inner = ((f"{way}[{name}]", item) for name, item in named)
    for step, item in inner:
        try:
            plain(item)
        except TypeError:
            return _way_to_trouble(item, step)
    return way


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise TypeError(f"the key {key!r} is not a text")


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


class _WrongError(Exception):
    """Something is not what it should be; gathers the way to it while it rises."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.way = ""

    def inside(self, step: str) -> _WrongError:
        self.way = step + self.way
        return self

    def text(self, root: str) -> str:
        return f"{root}{self.way}: {self.problem}"


@cache
def _record(kind: type) -> _Decoder:
    """Return what makes records of a class out of JSON."""
    hints = get_type_hints(kind)
    decoders = {name: _decoder(hints[name]) for name in _names(kind)}

    def decode_record(value: Json) -> Any:
        _expect(dict, value)
        if value.keys() != decoders.keys():
            raise _WrongError(_difference(decoders.keys() - value.keys(), value.keys() - decoders.keys()))
        return kind(**_each(decoders, value))

    return decode_record


def _each(decoders: Mapping[str, _Decoder], value: Mapping[str, Json]) -> dict[str, Any]:
    found = {}
    for name, decoder in decoders.items():
        try:
            found[name] = decoder(value[name])
        except _WrongError as exc:
            raise exc.inside(f".{name}")  # noqa: B904 - the same error, on its way up
    return found


def _difference(missing: set[str], unknown: set[str]) -> str:
    parts = [("missing", missing), ("not known", unknown)]
    return "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in parts if names)


def _decoder(hint: Any) -> _Decoder:
    """Return what turns JSON into a value of the annotated type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(_decoder(args[0]))
    if origin is tuple:
        return _tuple_of(_decoder(args[0]))
    if origin is Mapping:
        return _mapping_of(_decoder(args[1]))
    return _plain_decoder(hint)


def _plain_decoder(hint: Any) -> _Decoder:
    if hint is Any:
        return lambda value: value
    if is_dataclass(hint):
        return _record(cast("type", hint))
    if issubclass(hint, StrEnum):
        return _one_of(hint)
    return _float if hint is float else _exactly(hint)


def _optional(inner: _Decoder) -> _Decoder:
    return lambda value: None if value is None else inner(value)


def _tuple_of(inner: _Decoder) -> _Decoder:
    def decode_tuple(value: Json) -> tuple[Any, ...]:
        _expect(list, value)
        found = []
        for index, item in enumerate(value):
            try:
                found.append(inner(item))
            except _WrongError as exc:
                raise exc.inside(f"[{index}]")  # noqa: B904 - the same error, on its way up
        return tuple(found)

    return decode_tuple


def _mapping_of(inner: _Decoder) -> _Decoder:
    def decode_mapping(value: Json) -> dict[str, Any]:
        _expect(dict, value)
        return _each(dict.fromkeys(value, inner), value)

    return decode_mapping


def _one_of(enum: type[StrEnum]) -> _Decoder:
    def decode_enum(value: Json) -> StrEnum:
        _expect(str, value)
        try:
            return enum(value)
        except ValueError as exc:
            raise _WrongError(f"expected one of {', '.join(enum)}, found '{value}'") from exc

    return decode_enum


def _float(value: Json) -> float:
    if type(value) is not int:  # JSON writes 600.0 by hand as 600
        _expect(float, value)
    return float(value)


def _exactly(kind: type) -> _Decoder:
    def decode_scalar(value: Json) -> Any:
        if type(value) is not kind:
            _expect(kind, value)
        return value

    return decode_scalar


_WORDS = {
    dict: "a table",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}


def _expect(kind: type, value: Json) -> None:
    """Raise if a value is not exactly of a type; its type is told and not the value, which may be secret."""
    if type(value) is not kind:
        raise _WrongError(f"expected {_WORDS[kind]}, found {_WORDS[type(value)]}")
