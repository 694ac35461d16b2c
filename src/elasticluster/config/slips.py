"""What in the text of a value is likely not meant, whatever its key is."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from elasticluster.config.reader import Entry

SCRIPTS = frozenset({"image_userdata"})
"""Keys of shell scripts, in which ``$`` and what cannot be understood are left alone."""

_QUOTED = SCRIPTS | {"ansible_command", "ansible_extra_args", "ssh_proxy_command"}  # as for a shell
_COMMENT_RE = re.compile(r"\s([#;])")
_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019")  # also typographic ones
_UNSET_RE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_UNSET_AT_FRONT_RE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)(?:/.*)?", re.DOTALL)


def slips(entry: Entry) -> Iterator[str]:
    """Yield what is likely not meant with a value as it is written; never the value itself.

    Older files have comments behind values, since Python 2 cut off what came after `` ;``.
    """
    text = entry.text
    if entry.key in _QUOTED or "\n" in text:
        return
    if match := _COMMENT_RE.search(text):
        yield f"'{match[1]}' and what follows belong to the value: a comment needs a line of its own"
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        yield "the quotes belong to the value: write it without"


def unset_variables(text: str, known: Collection[str] = ()) -> Iterator[str]:
    """Yield the names of environment variables that a text surely means, and that are not set.

    A ``$`` in a password need not mean one; ``${NAME}`` does, and so does ``$NAME`` that is all there is, or
    begins a path.

    Args:
        text: the value, without ``%(NAME)s``.
        known: names that mean something else.
    """
    names = _UNSET_RE.findall(text)
    if match := _UNSET_AT_FRONT_RE.fullmatch(text):
        names.append(match[1])
    yield from (name for name in dict.fromkeys(names) if name not in known and name not in os.environ)
