"""How values are shown to people, and which are shown to nobody."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise

from elasticluster.config.keys import Key
from elasticluster.model import Json

MASK = "********"

_WORDS = frozenset(["credential", "credentials", "pass", "pw", "pwd", "token", "tokens"])
_BEGINNINGS = ("passw", "secret")
_KEYS = frozenset(["access", "api", "auth", "encryption", "munge", "private", "secret", "signing"])
_LEAST = 4  # characters of a secret that is looked for in other values: less is in anything
_KEY_MATERIAL = "-----BEGIN "
_ASSIGNED_RE = re.compile(r"""([\w-]+)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&]+)""")
_IN_URL_RE = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
_SCRIPTS = frozenset({"image_userdata"})


def as_written(value: Json) -> str:
    """Return the text of a value as it would be written into a configuration file."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(as_written, value))
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def is_secret(name: str, key: Key | None = None) -> bool:
    """Return whether the value of a key or variable is to be kept back.

    Args:
        name: of the key or variable.
        key: what a table says of it; None: it is in no table. A path is none, whatever its name is.
    """
    if key and (key.secret or key.type == "path"):
        return key.secret
    words = re.split(r"[\W_]+", name.lower())
    named = any(word in _WORDS or word.startswith(_BEGINNINGS) for word in words)
    return named or any(pair[0] in _KEYS and pair[1] == "key" for pair in pairwise(words))


def presentable(name: str, text: str, secrets: Collection[str] = ()) -> str:
    """Return the text of a value as it may be shown.

    Key material is kept back whatever it is called, so are passwords in URLs and what is given to a name
    such as ``db_password=`` within a text. Of a script only its length is told.

    Args:
        name: of the key or variable; whether it is itself a secret is for :func:`is_secret` to say.
        text: the value.
        secrets: secret texts that it may have been put together from.
    """
    if _KEY_MATERIAL in text:
        return MASK
    if name in _SCRIPTS:
        lines = len(text.strip().splitlines())
        return f"(script of {lines} {'line' if lines == 1 else 'lines'})"
    for secret in sorted((s for s in secrets if len(s) >= _LEAST), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _ASSIGNED_RE.sub(_without_secret, _IN_URL_RE.sub(rf"\1{MASK}@", text))


def _without_secret(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{MASK}" if is_secret(match[1]) else match[0]
