"""How a snapshot is written: as JSON, YAML or pickle. A library is imported when its format is met."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from elasticluster.exceptions import ConfigurationError, StateError
from elasticluster.model import Json
from elasticluster.naming import printable
from elasticluster.state.codec import corrupt

SUFFIXES: Mapping[str, str] = {"json": ".json", "yaml": ".yaml", "pickle": ".pickle"}
"""Ends of the names of snapshots, by format."""

_Parser: TypeAlias = Callable[[bytes], Json]

_DEEP = re.compile(rb"(?:[\[{]\s*|[-?] +){1000}")  # on which the C library ends the whole program
_SURROGATE = re.compile(rb"\\u[dD][89abAB]")  # half a character, from a file name that is no UTF-8


def check_format(form: str) -> str:
    """Return `form` if there is such a format.

    Raises:
        ConfigurationError: there is none.
    """
    if form not in SUFFIXES:
        raise ConfigurationError(
            f"Clusters cannot be stored as '{form}'.", hint=f"Use one of {', '.join(SUFFIXES)}."
        )
    return form


def dump(document: Json, form: str) -> bytes:
    """Return a document, which is made of what JSON knows, in a format."""
    if form == "yaml":
        return _dump_yaml(document)
    if form == "pickle":
        import pickle

        return pickle.dumps(document, protocol=4)
    return json.dumps(document).encode()


def parse(data: bytes, form: str, source: str) -> Json:
    """Return the document in a file; it is not checked beyond its form.

    Args:
        data: contents of the file.
        form: its format.
        source: its name, for errors.

    Raises:
        StateError: it is not of that format, or a pickle asks for something that may do harm.
    """
    what, parser = _PARSERS[form]
    if not data.strip():
        raise corrupt(source, "it is empty")
    try:
        return parser(data)
    except RecursionError as exc:
        raise corrupt(source, "it is nested too deeply") from exc
    except ValueError as exc:
        raise corrupt(source, f"it is not {what} ({exc})") from exc
    except PermissionError as exc:
        raise StateError(
            f"{source} asks for {printable(str(exc))}, which does not belong into a cluster's file. "
            "Nothing of it was used.",
            hint="Somebody may want to run a program as you. Put back a good copy of the file, or remove it.",
        ) from exc


def _dump_yaml(document: Json) -> bytes:
    import yaml

    fast: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    try:
        return _yaml_text(document, fast)
    except UnicodeEncodeError:  # the C library writes no halves of characters; the slow one does
        return _yaml_text(document, yaml.SafeDumper)


def _yaml_text(document: Json, base: Any) -> bytes:
    import yaml

    dumper = type("Dumper", (base,), {"ignore_aliases": lambda *_unused: True})
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, width=100)
    return text.encode("ascii")


def _parse_yaml(data: bytes) -> Json:
    """Read YAML; only plain values are made of it.

    Raises:
        ValueError: it is not YAML.
        RecursionError: it is nested too deeply.
    """
    import yaml

    if _DEEP.search(data):
        raise RecursionError
    halves = _SURROGATE.search(data)  # the C library does not read them
    base: Any = yaml.SafeLoader if halves else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {})
    for tag in ("unicode", "str"):  # as Python 2 wrote texts
        loader.add_constructor(f"tag:yaml.org,2002:python/{tag}", base.construct_yaml_str)
    try:
        return yaml.load(data, Loader=loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"{getattr(exc, 'problem', None) or 'bad character'}{where}") from exc


def _parse_pickle(data: bytes) -> Json:
    from elasticluster.state.unpickle import loads

    return loads(data)


_PARSERS: Mapping[str, tuple[str, _Parser]] = {
    "json": ("JSON", json.loads),
    "yaml": ("YAML", _parse_yaml),
    "pickle": ("a pickle", _parse_pickle),
}
