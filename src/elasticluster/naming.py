"""Names of clusters, nodes and of what is made for them on a cloud."""

from __future__ import annotations

import re
from typing import Any

from elasticluster.exceptions import ConfigurationError

CLOUD_GROUP = "elasticluster.cloud_providers"
SETUP_GROUP = "elasticluster.setup_providers"
COMMAND_GROUP = "elasticluster.commands"
"""Groups of entry points under which packages offer what they have."""

CLUSTER_NAME_RE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
"""What a cluster may be called: ``slurm13.04``, ``slurm_xl`` and ``slurm+pvfs2`` are in use."""

KIND_RE = re.compile(r"[A-Za-z]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z-]")
"""What a kind of node may be called: it becomes the beginning of a host name (RFC 952, RFC 1123)."""

NODE_NAME_RE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""What a node may be called: it becomes its host name (RFC 952, RFC 1123)."""

_OBJECT_NAME_LIMIT = 63  # GCE resource names and DNS labels, the strictest of all (RFC 1035)


def check_cluster_name(name: str) -> str:
    """Return `name` if a cluster may be called that.

    Raises:
        ConfigurationError: it is empty, too long, or has characters that no file name or label takes.
    """
    if not CLUSTER_NAME_RE.fullmatch(name):
        raise ConfigurationError(
            f"'{name}' cannot be the name of a cluster.",
            hint="Use letters, digits, '.', '_', '+' and '-', beginning with a letter or digit, "
            "100 characters at most.",
        )
    return name


def check_kind(kind: str) -> str:
    """Return `kind` if a kind of node may be called that.

    Raises:
        ValueError: it is empty, has characters that no host name takes, or ends in a digit.
    """
    if not KIND_RE.fullmatch(kind):
        raise ValueError(
            f"'{kind}' cannot be a kind of node: use letters, digits and hyphens; "
            "begin with a letter or digit and do not end in a digit"
        )
    return kind


def check_node_name(name: str) -> str:
    """Return `name` if a node may be called that: it is a host name (RFC 952, RFC 1123).

    Raises:
        ValueError: it is not.
    """
    if not NODE_NAME_RE.fullmatch(name):
        raise ValueError(
            f"'{name}' cannot be the name of a node: use lower-case letters, digits and hyphens, "
            "begin and end with a letter or digit, 63 characters at most"
        )
    return name


def new_uuid() -> str:
    """Return a new random identity for a cluster."""
    import uuid

    return str(uuid.uuid4())


def printable(text: str) -> str:
    """Return a text that anybody may have written without what could confuse a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def is_uuid(text: str) -> bool:
    """Return whether a text is an identity as :func:`new_uuid` makes them."""
    import uuid

    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def object_name(cluster: str, uuid: str, suffix: str = "") -> str:
    """Return the name of something made on a cloud for a cluster.

    Clouds differ in what they take (``+`` is illegal for Docker, ``._+`` on GCE), so one form legal
    on all of them is used everywhere. It is for people to recognise; labels carry the exact names.

    Args:
        cluster: the cluster's name as the user wrote it.
        uuid: the cluster's UUID; its first eight digits keep equal names of two users apart.
        suffix: what it is, e.g. a node's name.

    Returns:
        at most 63 of ``a-z0-9-``, beginning with a letter.

    >>> object_name("slurm+pvfs2", "1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809", "compute001")
    'slurm-pvfs2-1a2b3c4d-compute001'
    >>> object_name("13.04", "1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809")
    'c13-04-1a2b3c4d'
    """
    tail = "-".join(["", uuid[:8], *filter(None, [_label(suffix)])])
    head = _label(cluster) or "cluster"
    if not head[0].isalpha():
        head = f"c{head}"
    return head[: _OBJECT_NAME_LIMIT - len(tail)].rstrip("-") + tail


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class NodeNamingPolicy:
    """Create names for the nodes of a cluster.

    Mark each name in use with :meth:`use`, ask for new ones with :meth:`new`, and give names back
    with :meth:`free`; the calls can be mixed freely. Each name carries a numerical index; no two
    names of a kind in use have the same index, and the indices stay as close to 1, 2, 3 … as they can:

    >>> p = NodeNamingPolicy()
    >>> p.use('foo', 'foo001')
    >>> p.use('foo', 'foo002')
    >>> p.use('foo', 'foo003')
    >>> p.new('foo')
    'foo004'

    Holes are filled first:

    >>> p.free('foo', 'foo002')
    >>> p.new('foo')
    'foo002'
    >>> p.new('foo')
    'foo005'
    >>> p.use('foo', 'foo009')
    >>> p.new('foo') in ['foo006', 'foo007', 'foo008']
    True

    The pattern can be changed, as long as the index stays the last number in the name:

    >>> p = NodeNamingPolicy(pattern='node-{kind}-{index}')
    >>> p.new('foo')
    'node-foo-1'

    Args:
        pattern: a :meth:`str.format` pattern of ``kind``, ``index`` and any keyword given to :meth:`new`.
    """

    _NODE_NAME_RE = re.compile(r"(?P<kind>.*?)(?P<index>\d+)\D*", re.ASCII)

    def __init__(self, pattern: str = "{kind}{index:03d}") -> None:
        self.pattern = pattern
        self._used: dict[str, set[int]] = {}
        self._lowest: dict[str, int] = {}

    @staticmethod
    def format(pattern: str, **args: Any) -> str:
        """Return `pattern` with `args` filled in; the inverse of :meth:`parse`."""
        return pattern.format(**args)

    @staticmethod
    def parse(name: str) -> dict[str, Any]:
        """Return the parts of `name`: ``kind`` (str) and ``index`` (int).

        Raises:
            ValueError: there is no number in the name.
        """
        match = NodeNamingPolicy._NODE_NAME_RE.fullmatch(name)
        if not match:
            raise ValueError(f"cannot find the number in node name '{name}'")
        return {"kind": match["kind"], "index": int(match["index"])}

    def use(self, kind: str, name: str) -> None:
        """Mark a node name as in use.

        Raises:
            ValueError: there is no number in the name.
        """
        self._used.setdefault(kind, set()).add(self.parse(name)["index"])

    def free(self, kind: str, name: str) -> None:
        """Mark a node name as no longer in use, so that it can be given again.

        Raises:
            ValueError: there is no number in the name.
        """
        index = self.parse(name)["index"]
        self._used.setdefault(kind, set()).discard(index)
        self._lowest[kind] = min(index, self._lowest.get(kind, index))

    def new(self, kind: str, **extra: Any) -> str:
        """Return a name for a new node of `kind`, and mark it as in use.

        Args:
            kind: kind of node; available to the pattern as ``kind``.
            **extra: more values for the pattern.

        >>> p = NodeNamingPolicy(pattern='node-{kind}-{index}{spec}')
        >>> p.new('foo', spec='bar')
        'node-foo-1bar'
        >>> p.new('foo', spec='quux')
        'node-foo-2quux'
        """
        used = self._used.setdefault(kind, set())
        index = max(1, self._lowest.get(kind, 1))
        while index in used:
            index += 1
        used.add(index)
        self._lowest[kind] = index + 1
        return self.format(self.pattern, kind=kind, index=index, **extra)
