"""What the documented ways of making clusters and nodes have in common, and where they differ."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from elasticluster.exceptions import ConfigurationError

Init = TypeVar("Init", bound=Callable[..., None])

DEFAULT_KEY_NAME = "elasticluster-key"
DEFAULT_KEYS = ("~/.ssh/id_rsa.pub", "~/.ssh/id_rsa")

_OLDER_ORDER = (
    "cloud_provider",
    "setup_provider",
    "user_key_name",
    "user_key_public",
    "user_key_private",
    "repository",
)
"""Arguments of a cluster after its name, as they stood in 2016."""


def in_either_order(init: Callable[..., None]) -> Callable[..., None]:
    """Let a cluster's constructor also take its arguments in the order of 2016.

    The two are told by the argument after the name: it is a text (the key's name) in the present order.
    """

    @functools.wraps(init)
    def taking_both(self: Any, *args: Any, **named: Any) -> None:
        if len(args) > 1 and not isinstance(args[1], str):
            named = _named(args[1:], named)
            args = args[:1]
        init(self, *args, **named)

    return taking_both


def _named(args: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    if len(args) > len(_OLDER_ORDER):
        most = len(_OLDER_ORDER) + 1
        raise TypeError(f"Cluster() takes at most {most} arguments in the older order, not {len(args) + 1}")
    given = dict(zip(_OLDER_ORDER, args, strict=False))
    if twice := given.keys() & named.keys():
        raise TypeError(f"Cluster() got multiple values for argument '{min(twice)}'")
    return {**given, **named}


def with_older_names(**names: str) -> Callable[[Init], Init]:
    """Let a function take some keyword arguments under the names that they once had.

    Args:
        **names: present names by older ones.
    """

    def decorate(function: Init) -> Init:
        @functools.wraps(function)
        def taking_both(*args: Any, **named: Any) -> None:
            function(*args, **{names.get(name, name): value for name, value in named.items()})

        return cast("Init", taking_both)

    return decorate


def existing_keys(public: str, private: str) -> tuple[str, str]:
    """Return the paths of the key files; empty if the default ones were meant and do not exist."""
    if (public, private) == DEFAULT_KEYS and not Path(private).expanduser().exists():
        return "", ""
    return os.path.expanduser(public), os.path.expanduser(private)  # noqa: PTH111 - plain strings are stored


def start_failure_of(text: str) -> str:
    """Return `text` if it says what becomes of machines made by a start that fails.

    Raises:
        ConfigurationError: it does not.
    """
    if text not in ("keep", "stop"):
        raise ConfigurationError(f"`start_failure` is '{text}'; expected 'keep' or 'stop'.")
    return text


def seconds_of(name: str, value: float | str) -> float:
    """Return a number of seconds; a text is understood, too, as dictionaries of configurations once had.

    Args:
        name: of the argument or key; named in the error.
        value: the number.

    Raises:
        ConfigurationError: it is no number, or not above 0.
    """
    try:
        seconds = value if isinstance(value, (int, float)) else float(value)
    except (TypeError, ValueError):
        seconds = 0
    if not 0 < seconds < math.inf:
        raise ConfigurationError(f"`{name}` is {value!r}; expected more than 0 seconds.")
    return seconds


def least_numbers_of(wanted: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of nodes that are enough, if there can be so many.

    Args:
        wanted: the numbers, by kind.
        counts: numbers of the nodes that there are, by kind.

    Raises:
        ConfigurationError: there is no such kind, or it has not so many nodes.
    """
    for kind, least in wanted.items():
        if kind not in counts:
            known = ", ".join(counts) or "none"
            raise ConfigurationError(
                f"`min_nodes` names the kind '{kind}', of which there are no nodes.", hint=f"Kinds: {known}."
            )
        if not isinstance(least, int) or not 0 <= least <= counts[kind]:
            raise ConfigurationError(
                f"`min_nodes` is {least!r} for kind '{kind}'; expected a number from 0 to {counts[kind]}, "
                "as it has so many nodes."
            )
    return dict(wanted)
