"""What environment variables say of keys that are left out: the one place that reads them for providers.

What is written down wins. It is the same in every terminal, and a command that stops a cluster a week later
looks for its machines where the one that started it has made them. So what says *which cloud* is meant is
stored with a cluster, wherever it came from; secrets are not, and are looked for again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from elasticluster.config.keys import Key

_closed: ContextVar[bool] = ContextVar("closed", default=False)


@contextmanager
def closed() -> Iterator[None]:
    """Let nothing be found in the environment meanwhile: what is made has all that it is to have.

    A record of a cluster may come from anybody. A provider that is made of one must not send passwords of
    this computer's environment to the cloud that the record names.
    """
    token = _closed.set(True)
    try:
        yield
    finally:
        _closed.reset(token)


def here() -> Mapping[str, str]:
    """Return the environment variables; none within :func:`closed`."""
    return {} if _closed.get() else os.environ


def variables_for(keys: Iterable[Key], given: Collection[str]) -> dict[str, str]:
    """Return the names of the environment variables that count, by the names of their keys.

    A key that another one stands for (:attr:`Key.instead_of`) is not looked for: a user's name and password,
    say, where an application credential is given.

    Args:
        keys: a provider's table; of two that stand for each other the earlier counts.
        given: names of the keys that have a value already.
    """
    table, environ = [*keys], here()
    needless = {name for key in table if key.name in given for name in key.instead_of}
    found: dict[str, str] = {}
    for key in table:
        variable = next((name for name in key.environment if environ.get(name)), "")
        if variable and key.name not in given and key.name not in needless:
            found[key.name] = variable
            needless |= {*key.instead_of}
    return found


def supplied(keys: Iterable[Key], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of environment variables that count, by the names of their keys.

    Args:
        keys: a provider's table.
        given: values by key; empty ones count as left out.
    """
    there = {name for name, value in given.items() if value not in (None, "")}
    return {name: os.environ[variable] for name, variable in variables_for(keys, there).items()}


def differing(keys: Iterable[Key], texts: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that say something else than what is written, by the names of their keys."""
    found = {}
    for key in keys:
        variable = next((name for name in key.environment if os.environ.get(name)), "")
        written = texts.get(key.name)
        if variable and written and os.environ[variable] != written:
            found[key.name] = variable
    return found
