"""Turns the text of a value into what its key's type says."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from elasticluster.config.keys import Key
from elasticluster.config.problems import did_you_mean, shown
from elasticluster.config.reader import Entry
from elasticluster.literals import NUMBER_RE, TRUTH, WHOLE_RE

_DATABASES = ("sqlite", "postgres", "postgresql")
_URL_RE = re.compile(r"(?P<scheme>[a-z][a-z0-9]+)(?:\+\w+)?:(?P<slashes>//)?", re.IGNORECASE)


def convert(key: Key, entry: Entry) -> Any:
    """Return the value of `entry`.

    Args:
        key: what it should be.
        entry: the text; not empty.

    Raises:
        ValueError: it is something else; the message says what was expected.
    """
    text = entry.text
    if key.choices and text not in key.choices:
        expected = ", ".join(key.choices)
        raise ValueError(f"expected one of {expected}, not {shown(text)}{did_you_mean(text, key.choices)}")
    if key.type in _PATHS:
        return _PATHS[key.type](text, Path(entry.at.path).parent)
    value = _CONVERTERS[key.type](text)
    if key.minimum is not None and value < key.minimum:
        raise ValueError(f"expected {key.minimum:g} or more, not {shown(text)}")
    return value


def whole_number(text: str) -> int:
    """Return an int.

    Raises:
        ValueError: it is none.
    """
    if not WHOLE_RE.fullmatch(text):
        raise ValueError(f"expected a whole number, not {shown(text)}")
    return int(text)


def split_list(text: str) -> list[str]:
    """Return the items of a comma-separated list, without blanks around them and without empty ones."""
    return [item.strip() for item in text.split(",") if item.strip()]


def readable_file(text: str, base: Path) -> str:
    """Return the absolute path of a file that can be read.

    Args:
        text: path; ``~`` is a home directory.
        base: folder that a relative path starts from: the one of the configuration file.

    Raises:
        ValueError: there is no such file, or it is no file, or it cannot be read.
    """
    path = absolute(text, base)
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists() raises where it may not look
        raise ValueError(f"there is no file '{path}'")
    if not os.path.isfile(path):  # noqa: PTH113 - same
        raise ValueError(f"'{path}' is not a file")
    if not os.access(path, os.R_OK):
        raise ValueError(f"'{path}' cannot be read: permission denied")
    return path


def absolute(text: str, base: Path) -> str:
    """Return the absolute path of a file or folder, whether or not it is there.

    Args:
        text: path; ``~`` is a home directory.
        base: folder that a relative path starts from.
    """
    return os.path.abspath(base / os.path.expanduser(text))  # noqa: PTH100, PTH111 - links stay as they are


def is_database(text: str) -> bool:
    """Return whether a text is the URL of a database, and not the path of a folder.

    Raises:
        ValueError: it is the URL of something else, or looks like one that was misspelt.
    """
    match = _URL_RE.match(text)
    if not match or not (match["slashes"] or match["scheme"] in _DATABASES):
        return False
    if match["slashes"] and match["scheme"] in _DATABASES:
        return True
    told = shown(match[0])  # and no more: there may be a password
    raise ValueError(f"expected a folder, sqlite:///PATH or postgresql://HOST/NAME, not {told}…")


def _folder(text: str, base: Path) -> str:
    """Return the absolute path of a folder, or the URL of a database; SQLite's also with an absolute path."""
    if not is_database(text):
        return absolute(text, base)
    scheme, slashes, path = text.partition(":///")
    if not scheme.startswith("sqlite") or not path or path == ":memory:":
        return text
    return f"{scheme}{slashes}{absolute(path, base)}"


def truth(text: str) -> bool:
    """Return whether a text says yes.

    Raises:
        ValueError: it says neither yes nor no.
    """
    if text.lower() not in TRUTH:
        raise ValueError(f"expected yes or no, not {shown(text)}")
    return TRUTH[text.lower()]


def _number(text: str) -> float:
    number = float(text) if NUMBER_RE.fullmatch(text) else math.inf
    if math.isinf(number):
        raise ValueError(f"expected a number, not {shown(text)}")
    return number


def _url(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
    except ValueError as exc:
        raise ValueError(f"expected a URL such as https://host/path, not {shown(text)}") from exc
    if not (parts.scheme and parts.netloc):
        raise ValueError(f"expected a URL such as https://host/path, not {shown(text)}")
    return text


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": whole_number,
    "float": _number,
    "bool": truth,
    "url": _url,
    "list": split_list,
}

_PATHS: Mapping[str, Callable[[str, Path], str]] = {"path": readable_file, "folder": _folder}
