"""Secrets of a cluster: how each is made, and which of them its nodes may know."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from elasticluster.setup.authority import new_key

AUTHORITY_KEY = "ssh_ca_key"
"""Name of the private key that signs the host keys of a cluster's nodes."""

USER_KEY = "ssh_user_key"
"""Name of the private key by which a cluster's user gets from node to node."""

ALWAYS = (AUTHORITY_KEY, USER_KEY)
"""Names of the secrets that every cluster has, whatever runs on it."""


def _token() -> str:
    return secrets.token_hex(64)


_MAKERS = {AUTHORITY_KEY: new_key, USER_KEY: new_key}


def make(names: Iterable[str]) -> dict[str, str]:
    """Return new secrets by name: keys where it is a key's, else 128 random hexadecimal digits."""
    return {name: _MAKERS.get(name, _token)() for name in sorted(names)}


def for_nodes(known: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that nodes may know: all but the key that signs, with which a node could be any."""
    return {name: value for name, value in known.items() if name != AUTHORITY_KEY}
