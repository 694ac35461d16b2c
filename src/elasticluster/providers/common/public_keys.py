"""Public keys, and the fingerprints under which clouds know them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from elasticluster.state.keys import read_public

RSA = "ssh-rsa"
ED25519 = "ssh-ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key.

    Attributes:
        blob: the key in OpenSSH's binary form (RFC 4253, 6.6).
    """

    blob: bytes

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a file as ``ssh-keygen`` writes it.

        Raises:
            KeypairError: it is missing, unreadable, no public key, or of a type that SSH servers refuse.
        """
        return cls(read_public(Path(path).expanduser()))

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """Return the key in a ``"TYPE BASE64 COMMENT"`` line, as clouds hand them out; None if it is none."""
        words = line.split()
        try:
            found = cls(base64.b64decode(words[1], validate=True))
        except (IndexError, binascii.Error):
            return None
        return found if found.type == words[0] else None

    @property
    def type(self) -> str:
        """Its type, like ``ssh-ed25519``."""
        length = int.from_bytes(self.blob[:4], "big")
        return self.blob[4 : 4 + length].decode("ascii", "replace")

    @property
    def line(self) -> str:
        """The key as ``"TYPE BASE64"``."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def md5(self) -> str:
        """Colon-separated MD5 as of ``ssh-keygen -l -E md5`` (OpenStack's API reference, "Keypairs")."""
        return _hex(hashlib.md5(self.blob, usedforsecurity=False).digest())

    @property
    def md5_der(self) -> str:
        """Colon-separated MD5 of the key's DER form, as EC2 has it of an imported RSA key; else empty.

        EC2's user guide, "Verify the fingerprint of your key pair".
        """
        return _hex(hashlib.md5(self._der, usedforsecurity=False).digest()) if self.type == RSA else ""

    @property
    def sha256(self) -> str:
        """Base64 SHA256 without padding, as of ``ssh-keygen -l``; EC2 has it of ed25519 keys."""
        return base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def matches(self, fingerprint: str) -> bool:
        """Return whether a fingerprint is this key's, in any form that a cloud may use.

        These are the forms above, and hexadecimal SHA256 of either form of the key, which clouds with EC2's
        API have of ed25519 keys.
        """
        bare = fingerprint.strip().removeprefix("SHA256:").removeprefix("MD5:")
        if bare.rstrip("=") == self.sha256:
            return True
        long = (hashlib.sha256(form).hexdigest() for form in (self.blob, self._der))
        return _plain(bare) in {_plain(known) for known in (self.md5, self.md5_der, *long) if known}

    @property
    def _der(self) -> bytes:
        """The key as X.509 has it (RFC 5280, SubjectPublicKeyInfo)."""
        from cryptography.hazmat.primitives import serialization

        key = serialization.load_ssh_public_key(self.line.encode())
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _hex(digest: bytes) -> str:
    return digest.hex(":")


def _plain(fingerprint: str) -> str:
    return fingerprint.replace(":", "").lower()
