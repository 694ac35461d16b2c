"""Our tags on what OpenStack can only name or describe: in texts that are there from the first moment.

Security groups and floating IP addresses have a description, which is part of the call that makes them; tags
of their own would be a second call, and lost if the first was the last. Key pairs and server groups have
nothing but a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from elasticluster.model import Tags
from elasticluster.naming import is_uuid
from elasticluster.providers.common.names import shared_name
from elasticluster.providers.common.tags import PREFIX, to_strings, to_tags

_MARK = "elasticluster?"
_LIMIT = 255  # characters of a description (Networking API)
_ORDER = ("uuid", "server", "created", "owner", "name", "kind", "template")
"""What has to be read again comes first: a long name must not cost it its place."""

_DIGITS = 8  # of the UUID, in a name that people read
_NAME_RE = re.compile(r"elasticluster-(.+)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-(.+))?")


def description(tags: Tags, server: str = "") -> str:
    """Return tags as one text of 255 characters at most.

    Args:
        tags: what to write; the name of a node and the token of a call are left out.
        server: id of the server that it is for; empty for none.
    """
    known = {name.removeprefix(PREFIX): text for name, text in to_strings(tags).items()}
    known["server"] = server
    text = _MARK + urlencode({name: known[name] for name in _ORDER if known.get(name)})
    return text if len(text) <= _LIMIT else text[:_LIMIT].rpartition("&")[0]


def described(text: str | None) -> tuple[Tags, str]:
    """Return the tags in a description, and the id of the server that it is for; empty if it is not ours."""
    found = _values(text or "")
    return to_tags({PREFIX + name: value for name, value in found.items()}), found.get("server", "")


def full_name(tags: Tags) -> str:
    """Return the name of what belongs to a cluster and has nothing but a name.

    It is :func:`~elasticluster.providers.common.names.shared_name` with the whole UUID, by which it is found
    and told from what is of another cluster.
    """
    return shared_name(tags)[:-_DIGITS] + tags.uuid


def named(name: str) -> Tags | None:
    """Return what a name made by :func:`full_name` says, also with a kind of node after it; else None."""
    match = _NAME_RE.fullmatch(name)
    if not match or not is_uuid(match[2]):
        return None
    return Tags(uuid=match[2], name=match[1], template="", owner="", created="", kind=match[3] or "")


def _values(text: str) -> Mapping[str, str]:
    return dict(parse_qsl(text.removeprefix(_MARK))) if text.startswith(_MARK) else {}
