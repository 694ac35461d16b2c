"""What the documented ways of making a cluster have in common, and where they differ."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

DEFAULT_KEY_NAME = "elasticluster-key"
DEFAULT_KEYS = ("~/.ssh/id_rsa.pub", "~/.ssh/id_rsa")


def in_one_order(arguments: tuple[Any, ...]) -> tuple[str, str, str, Any, Any]:
    """Return (key name, public, private, cloud, setup), whichever documented order was used."""
    first, second, third, fourth, fifth = arguments
    if isinstance(first, str):
        return first, str(second), third, fourth, fifth
    key_name = third if third != DEFAULT_KEYS[1] else DEFAULT_KEY_NAME
    return key_name, fourth or DEFAULT_KEYS[0], fifth or DEFAULT_KEYS[1], first, second


def existing_keys(public: str, private: str) -> tuple[str, str]:
    """Return the paths of the key files; empty if the default ones were meant and do not exist."""
    if (public, private) == DEFAULT_KEYS and not Path(private).expanduser().exists():
        return "", ""
    return os.path.expanduser(public), os.path.expanduser(private)  # noqa: PTH111 - plain strings are stored
