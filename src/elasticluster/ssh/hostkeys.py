"""Host keys: how they are written, and the file that OpenSSH and Ansible check them against."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from elasticluster.engine.files import file_errors, write_private
from elasticluster.model import ClusterRecord, NodeRecord


def fingerprint(key: str) -> str:
    """Return what ``ssh-keygen -l`` shows of a ``"TYPE BASE64"`` key: ``SHA256:…``.

    >>> fingerprint("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f")
    'SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA'
    """
    try:
        blob = base64.b64decode(key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return f"'{key}' (no key)"
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def key_types(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the types of ``"TYPE BASE64"`` keys."""
    return tuple(key.split()[0] for key in keys if key.strip())


def place(host: str, port: int) -> str:
    """Return how a known-hosts file names an address: plain for port 22, else ``[HOST]:PORT``.

    >>> place("10.0.0.7", 22), place("127.0.0.1", 32768)
    ('10.0.0.7', '[127.0.0.1]:32768')
    """
    return host if port == 22 else f"[{host}]:{port}"  # noqa: PLR2004 - the port of SSH


def write_known_hosts(cluster: ClusterRecord, path: str) -> None:
    """Write the pinned keys of all nodes under their names and present addresses, all or nothing.

    Raises:
        StateError: the file cannot be written; the old one is untouched.
    """
    write_private(Path(path), known_hosts(cluster))


def known_hosts(cluster: ClusterRecord) -> bytes:
    """Return what is in the known-hosts file of a cluster."""
    lines = [f"{_names(node)} {key}\n" for node in cluster.nodes for key in node.host_keys]
    return "".join(lines).encode()


def read_known_hosts(path: str) -> dict[str, tuple[str, ...]]:
    """Return the ``"TYPE BASE64"`` keys in a known-hosts file by name and address.

    Comments, marked lines (certificate authorities, revoked keys) and hashed names are left out.

    Raises:
        StateError: it cannot be read.
    """
    found: dict[str, tuple[str, ...]] = {}
    with file_errors("read", Path(path)):
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        match line.split():
            case [names, kind, key, *_] if names[0] not in "#@|":
                for name in names.split(","):
                    found[name] = (*found.get(name, ()), f"{kind} {key}")
    return found


def _names(node: NodeRecord) -> str:
    """Return a node's name and address; the name alone while it has no address."""
    return ",".join([node.name, place(node.address, node.ssh_port)] if node.address else [node.name])
