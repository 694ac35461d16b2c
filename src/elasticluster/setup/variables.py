"""The variables of the shipped roles: which there are, and what a text in the configuration means."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.literals import TRUTH, WHOLE_RE
from elasticluster.model import Json
from elasticluster.setup.older import OLD
from elasticluster.setup.settings import PLAYBOOKS

if TYPE_CHECKING:
    import yaml

_URL_RE = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]+)?(/[A-Za-z0-9._~/+-]*)?")
_URLS = frozenset({"common_proxy_url", "common_package_mirror", "common_security_mirror"})
_DECIMAL_RE = re.compile(r"(0|-?[1-9][0-9]*)$")
_TRUTH_RE = re.compile(r"(true|True|TRUE|false|False|FALSE)$")
_LOOKS_LIKE_JSON = re.compile(r"-?[1-9][0-9]*|0|true|false|\[.*\]|\{.*\}", re.DOTALL)


@cache
def known_variables(playbooks: Path = PLAYBOOKS) -> Mapping[str, Mapping[str, Any]]:
    """Return the options of the shipped roles' argument specs, by name.

    Args:
        playbooks: folder with a folder ``roles``.
    """
    import yaml

    options: dict[str, Mapping[str, Any]] = {}
    for path in sorted(playbooks.glob("roles/*/meta/argument_specs.yml")):
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        for entry_point in specs.values():
            options.update(entry_point["options"])
    return options


def typed(name: str, value: Json, *, older: bool = True) -> Json:
    """Return the value of a variable as its role expects it.

    A variable that no shipped role knows becomes what it looks like: an integer, ``true`` or ``false``, a
    list or a dictionary; anything else stays text, so that a version ``1.10`` does not become a number.

    Args:
        name: name of the variable, present or older.
        value: text from a configuration file; anything else is returned as it is.
        older: whether an older name means what it did; else it is one that no shipped role knows.

    Raises:
        ValueError: the text is not what the role expects; says what that is.
    """
    if not isinstance(value, str):
        return value
    name = OLD.get(name, name) if older else name
    spec = known_variables().get(name)
    if spec is None:
        return _guessed(value)
    if name in _URLS and value and not _URL_RE.fullmatch(value):
        raise ValueError("expected http://HOST:PORT or the like, without user and password")
    converted = _CONVERTERS[spec.get("type", "str")](value)
    choices = spec.get("choices")
    if choices and converted not in choices:
        raise ValueError(f"expected {', '.join(map(str, choices))}, not '{value}'")
    return converted


def set_for_roles(given: Mapping[str, Json], *, older: bool = True) -> dict[str, Json]:
    """Return variables as they are set on a node: typed, and older ones under their present names too.

    Args:
        given: variables as the user wrote them; of a present and an older name the present one counts.
        older: as for :func:`typed`; else a present name is set only where the value makes sense for it.

    Raises:
        ValueError: as :func:`typed`.
    """
    values = {name: typed(name, value, older=older) for name, value in given.items()}
    return _under_present_names(given) | values


def _under_present_names(given: Mapping[str, Json]) -> dict[str, Json]:
    present = {}
    for name in filter(OLD.__contains__, given):
        with contextlib.suppress(ValueError):  # a playbook of the user's may mean something else by the name
            present[OLD[name]] = typed(name, given[name])
    return present


def _guessed(text: str) -> Json:
    if not _LOOKS_LIKE_JSON.fullmatch(text):
        return text
    try:
        return _flow(text)
    except ValueError:
        return text


def _flow(text: str) -> Json:
    """Read ``[a, b]``, ``{a: b}``, a number or a truth value, as JSON or in YAML's short form."""
    import yaml

    try:
        return _loader()(text).get_single_data()
    except yaml.YAMLError as exc:
        raise ValueError(f"cannot be read: '{text}'") from exc


@cache
def _loader() -> type[yaml.SafeLoader]:
    """Return YAML's loader for which ``12:00:00`` is no number to the base of 60, ``0700`` none to that of 8.

    Times and modes are written like this in the files of services. A date stays text too, as JSON has none.
    So do ``on``, ``off``, ``yes`` and ``no``: services tell them from each other and from ``true``.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [
            (tag, regexp) for tag, regexp in resolvers if not tag.endswith((":int", ":timestamp", ":bool"))
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:int", _DECIMAL_RE, list("-0123456789"))
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _TRUTH_RE, list("tTfF"))
    return Loader


def _integer(text: str) -> int:
    if not WHOLE_RE.fullmatch(text):
        raise ValueError(f"expected a whole number, not '{text}'")
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() not in TRUTH:
        raise ValueError(f"expected yes or no, not '{text}'")
    return TRUTH[text.lower()]


def _list(text: str) -> list[Json]:
    if text.startswith("["):
        value = _flow(text)
        if isinstance(value, list):
            return value
    return [item.strip() for item in text.split(",") if item.strip()]


def _dictionary(text: str) -> dict[str, Json]:
    value: Json = _flow(text)
    if isinstance(value, dict):
        return value
    raise ValueError(f"expected {{name: value, …}}, not '{text}'")


_CONVERTERS: Mapping[str, Callable[[str], Json]] = {
    "str": str,
    "int": _integer,
    "bool": _boolean,
    "list": _list,
    "dict": _dictionary,
}
