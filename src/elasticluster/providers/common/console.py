"""What machines write to their consoles, as clouds hand it on."""

from __future__ import annotations

import base64
import binascii
import re

_BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
_END = "-----END SSH HOST KEY KEYS-----"
_KEY_RE = re.compile(
    r"(?<!\S)(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]+={0,2})(?!\S)"
)


def host_keys(text: str) -> tuple[str, ...]:
    """Return the SSH host keys that cloud-init has written to a console (its module ``keys_to_console``).

    The last block that is complete counts: a machine may have been booted more than once, and a console
    that is read while it is written ends anywhere. Lines may begin with a time or with the name of a program.

    Returns:
        ``"TYPE BASE64"`` lines, each once; empty if there are none (yet).
    """
    _, begun, rest = text[: text.rfind(_END) + 1].rpartition(_BEGIN)
    if not begun:
        return ()
    found = (f"{kind} {key}" for kind, key in _KEY_RE.findall(rest) if _is_key(kind, key))
    return tuple(dict.fromkeys(found))


def _is_key(kind: str, text: str) -> bool:
    """Return whether a text is a key of a kind: a console may lose characters."""
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return blob.startswith(len(kind).to_bytes(4, "big") + kind.encode())
