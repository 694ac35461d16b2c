"""The SSH certificate authority of a cluster: it vouches for the host keys that were pinned.

Whoever trusts it knows every node of the cluster, also those that come later. Private keys are texts in
OpenSSH's format, without a passphrase; public ones are ``"TYPE BASE64"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from elasticluster.model import NodeRecord

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import SSHCertPublicKeyTypes

_FOR_EVER = 2**64 - 1  # a certificate is worth as much as its node: it goes with it


def new_key() -> str:
    """Return a new private key (Ed25519)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_part(key: str) -> str:
    """Return the public part of a private key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _load(key).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def host_certificates(key: str, nodes: Iterable[NodeRecord]) -> dict[str, list[str]]:
    """Sign the pinned host keys of nodes, each for the node's name and its address inside the cluster.

    Args:
        key: private key of the authority.
        nodes: nodes of its cluster.

    Returns:
        by the node's name, a certificate for each of its keys; none for those that cannot be signed.
    """
    authority = _load(key)
    return {node.name: list(_certificates(authority, node)) for node in nodes}


def _load(key: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    found = load_ssh_private_key(key.encode(), password=None)
    if not isinstance(found, Ed25519PrivateKey):
        raise TypeError(f"expected an Ed25519 key, found {type(found).__name__}")
    return found


def _certificates(authority: Ed25519PrivateKey, node: NodeRecord) -> Iterator[str]:
    from cryptography.hazmat.primitives.serialization import SSHCertificateBuilder, SSHCertificateType

    certificate = (
        SSHCertificateBuilder()
        .type(SSHCertificateType.HOST)
        .key_id(node.name.encode())
        .valid_principals([name.encode() for name in (node.name, node.private_ip) if name])
        .valid_after(0)
        .valid_before(_FOR_EVER)
    )
    for host_key in map(_public_key, node.host_keys):
        if host_key:
            yield certificate.public_key(host_key).sign(authority).public_bytes().decode()


def _public_key(line: str) -> SSHCertPublicKeyTypes | None:
    """Return a host key; None if it is of a kind that no certificate is made for."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_identity
    from cryptography.hazmat.primitives.serialization.ssh import SSHCertificate

    try:
        found = load_ssh_public_identity(line.encode())
    except (UnsupportedAlgorithm, ValueError):
        return None
    return None if isinstance(found, DSAPublicKey | SSHCertificate) else found
