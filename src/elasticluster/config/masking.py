"""How values are shown to people, and which are shown to nobody: the one place that knows secrets.

A value is kept back for its name, for what a table says of its key, or for what is to be seen in its text.
In doubt it is kept back. All work is linear in the length of a text, as there may be whole files in values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from elasticluster.config.keys import Key
from elasticluster.model import Json

MASK = "********"

_NAME_RE = re.compile(
    r"""passw | passphrase | passcode | pwd | secret | token | bearer | credential | cookie | authorization
    | (?<!com)(?<!by)pass(?![a-z])
    | (?<![a-z])(?:pw|sig|sas)(?![a-z]) | (?<![a-z])auth$
    | (?:access|api|auth|encryption|munge|private|secret|signing)[\W_]?key
    | key$""",
    re.VERBOSE,
)
_OTHERS_RE = re.compile(
    r"(?:file|path|dir|folder)$|pub(?:lic)?[\W_]?key$|(?<![a-z])(?:mon|tur|don|hoc|joc)key$"
)
_TEXTS = frozenset({"str", "list", "url"})  # types of keys whose values can be secrets
_LEAST = 8  # characters of a secret that is looked for in other values: a shorter one is in many a word
_KEY_MATERIAL = "-----BEGIN "
_SCRIPTS = frozenset({"image_userdata"})

_WORD_RE = re.compile(r"\S+")
_LOGIN_RE = re.compile(r"://[^\s:/@]*+:")
_GIVEN_RE = re.compile(  # NAME=, NAME:, "NAME": and --NAME with a blank
    r"""(?<![\w-])(?: (["']?)([\w-]++)(["']?)\s*+[=:](\s*+) | (--[\w-]++|bearer)[ \t]++(?!-) )""",
    re.VERBOSE | re.IGNORECASE,
)
_QUOTED = r""""(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?"""
_VALUE_RE = re.compile(rf"""{_QUOTED}|\[[^\]]*\]?|\{{[^}}]*\}}?|[^\s&]+""", re.DOTALL)
_LINE_RE = re.compile(rf"""{_QUOTED}|\[[^\]]*\]?|\{{[^}}]*\}}?|[^\n"'}}]+""", re.DOTALL)
_REST_RE = {quote: re.compile(rf"[^{quote}\n]+") for quote in "\"'"}
_PLAIN = frozenset({"yes", "no", "true", "false", "none", "null", "on", "off", "0", "1"})
_ASKING = ("--ask", "--private-key")  # options of Ansible that say where a secret is, and not what
_USER_RE = re.compile(r"(?<!\S)((?:-u|--user)[\s=]*+[^\s:]++:)\S+")
_SHORT_RE = re.compile(r"(?<!\S)(-p\s*+)(?!\d+(?!\S))\S+")
_TAKES_SHORT_RE = re.compile(r"sshpass|mysql|mariadb")  # with `-p` for a password


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
        key: what a table says of it; None: it is in no table. Paths, numbers and truth values are none,
            whatever their names are.
    """
    if key and (key.secret or key.type not in _TEXTS):
        return key.secret
    lower = name.lower()
    return bool(_NAME_RE.search(lower)) and not _OTHERS_RE.search(lower)


def secret_texts(*tables: Mapping[str, Json], names: Collection[str] = ()) -> set[str]:
    """Return the secret texts in some tables, and in tables within them.

    Args:
        tables: values by name.
        names: what is secret besides that whose name says so.
    """
    return {text for table in tables for text in _secret_texts(table, names, everything=False)}


def _secret_texts(table: Mapping[str, Json], names: Collection[str], *, everything: bool) -> Iterator[str]:
    for name, value in table.items():
        secret = everything or name in names or is_secret(name)
        if isinstance(value, Mapping):
            yield from _secret_texts(value, names, everything=secret)
        elif secret and value:
            yield from map(as_written, value if isinstance(value, (list, tuple)) else [value])


def public(table: Mapping[str, Json]) -> dict[str, Json]:
    """Return a table without what its names say is secret, also in tables within it."""
    return {
        name: public(value) if isinstance(value, Mapping) else value
        for name, value in table.items()
        if not is_secret(name)
    }


def without(text: str, secrets: Collection[str]) -> str:
    """Return a text with a mask in place of secrets that are known to be in it."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def presentable(name: str, text: str, secrets: Collection[str] = ()) -> str:
    """Return the text of a value as it may be shown.

    Key material is kept back whatever it is called, so are passwords in URLs and what is given to a name
    such as ``db_password=`` or ``--become-password`` within a text. Of a script only its length is told.

    Args:
        name: of the key or variable; whether it is itself a secret is for :func:`is_secret` to say.
        text: the value.
        secrets: secret texts that it may have been put together from; short ones are not looked for, as a
            mask in a word that everybody knows would tell them.
    """
    if _KEY_MATERIAL in text:
        return MASK
    if name in _SCRIPTS:
        lines = len(text.strip().splitlines())
        return f"(script of {lines} {'line' if lines == 1 else 'lines'})"
    text = without(text, [secret for secret in secrets if len(secret) >= _LEAST])
    if "://" in text:
        text = _WORD_RE.sub(_without_login, text)
    if _NAME_RE.search(text.lower()):
        text = _without_given(text)
    if _TAKES_SHORT_RE.search(text):
        text = _SHORT_RE.sub(rf"\1{MASK}", text)
    return _USER_RE.sub(rf"\1{MASK}", text)


def _without_login(word: re.Match[str]) -> str:
    """Mask the password of a URL: it goes to the last ``@``, as it may hold some itself."""
    login, at = _LOGIN_RE.search(word[0]), word[0].rfind("@")
    return f"{word[0][: login.end()]}{MASK}{word[0][at:]}" if login and login.end() < at else word[0]


def _without_given(text: str) -> str:
    """Mask what is given to secret names."""
    parts, end = [], 0
    for match in _GIVEN_RE.finditer(text):
        value = _given(match) if match.start() >= end else None
        if value and value[0].lower() not in _PLAIN:
            parts += [text[end : match.end()], MASK]
            end = value.end()
    return "".join([*parts, text[end:]])


def _given(match: re.Match[str]) -> re.Match[str] | None:
    """Return the value after a name; None if there is none, or the name is not that of a secret."""
    before, name, after, blank, option = match.groups()
    if not is_secret(name or option) or (option or "").startswith(_ASKING):
        return None
    if before and not after:
        return _REST_RE[before].match(match.string, match.end())
    return (_LINE_RE if blank and ":" in match[0] else _VALUE_RE).match(match.string, match.end())
