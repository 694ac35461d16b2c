"""Key pairs that open the nodes: the template's, checked, or the cluster's own, generated."""

from __future__ import annotations

import base64
import binascii
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from elasticluster.engine.files import write_private
from elasticluster.exceptions import KeypairError
from elasticluster.model import ClusterRecord, KeyPair
from elasticluster.naming import object_name

_TYPES = frozenset(
    {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
)
_MAGIC = b"openssh-key-v1\0"  # the beginning of OpenSSH's own format, PROTOCOL.key in its sources
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_NO_AGENT = 2  # how `ssh-add` says so
_DSA = b"\0\0\0\7ssh-dss"  # how every DSA key begins; the rest does not matter


def given_pair(cluster: ClusterRecord) -> KeyPair | None:
    """Return the key pair that the cluster's template names, after checking it; None if it names none.

    Without a private key file, an SSH agent has to hold the private key.

    Raises:
        KeypairError: see :func:`check_pair`.
    """
    login = cluster.login
    if not login.user_key_public and not login.user_key_private:
        return None
    if not login.user_key_public:
        raise KeypairError(
            f"The template names the private key {login.user_key_private}, but no public key.",
            hint="Set `user_key_public`, usually to the same path with `.pub` at its end.",
        )
    public = Path(login.user_key_public).expanduser()
    private = Path(login.user_key_private).expanduser() if login.user_key_private else None
    check_pair(public, private)
    return KeyPair(
        name=login.user_key_name, public_path=str(public), private_path=str(private) if private else ""
    )


def own_pair(cluster: ClusterRecord, private: Path) -> KeyPair:
    """Return the key pair of the cluster itself, kept in `private` and ``….pub``; made if it is missing.

    A public half that is gone is made again from the private one.

    Raises:
        KeypairError: it is gone although machines were made that open to no other, or it is damaged.
        StateError: it cannot be written.
    """
    public = private.with_name(f"{private.name}.pub")
    if not private.exists():
        if any(node.instance_id for node in cluster.nodes):
            raise KeypairError(
                f"The private key of cluster `{cluster.name}` is gone: {private}. Its nodes accept no other.",
                hint="Put it back from a copy. Without it the cluster can still be listed and stopped.",
            )
        _generate(private, public, comment=f"elasticluster {cluster.name}")
    elif not public.exists():
        shown = _read_private(private).public
        if shown is not None:
            write_private(public, _public_line(shown, comment=f"elasticluster {cluster.name}"))
    check_pair(public, private)
    name = object_name(cluster.name, cluster.uuid)
    return KeyPair(name=name, public_path=str(public), private_path=str(private))


def check_pair(public: Path, private: Path | None) -> None:
    """Check that a key pair can be used to log in.

    Public keys are compared, not fingerprints. OpenSSH's key format shows its public half without the
    passphrase; a protected key in another format is taken to be the half of `public`.

    Raises:
        KeypairError: a file is missing, unreadable, open to others, or of a type that SSH servers refuse;
            the two do not match; or the private key is protected or not given, and no SSH agent holds it.
    """
    shown = read_public(public)
    if private is None:
        lacks = _agent_lacks(shown)
        if lacks:
            raise KeypairError(
                f"Of the key {public} the template names no private half, and {lacks}.",
                hint=f"Run `ssh-add PRIVATE_KEY` first. {_AGENT_HINT}",
            )
        return
    key = _read_private(private)
    if key.public not in (None, shown):
        raise KeypairError(
            f"The private key {private} and the public key {public} do not belong together.",
            hint=f"`ssh-keygen -y -f {private}` prints the public key of a private one.",
        )
    lacks = _agent_lacks(shown) if key.protected else ""
    if lacks:
        raise KeypairError(
            f"The private key {private} is protected by a passphrase, and {lacks}.",
            hint=f"Run `ssh-add {private}` first. {_AGENT_HINT}",
        )


_AGENT_HINT = "`eval $(ssh-agent)` starts an agent, `ssh-add -L` shows what it holds."


@dataclass(frozen=True, slots=True)
class _Private:
    """What a private key file tells: its public half (OpenSSH's binary form), and whether it is protected."""

    public: bytes | None
    protected: bool


def read_public(path: Path) -> bytes:
    """Return a public key in OpenSSH's binary form.

    Raises:
        KeypairError: the file is missing, unreadable, no public key, or of a type that SSH servers refuse.
    """
    words = _read(path, "public").split()
    try:
        if len(words) > 1:
            blob = base64.b64decode(words[1], validate=True)
            if words[0] == _type_of(blob).encode():
                _check_type(path, blob)
                return blob
    except (binascii.Error, struct.error):
        pass
    raise KeypairError(
        f"{path} is not a public key: expected `ssh-ed25519 AAAA…` or the like on one line.",
        hint="`ssh-keygen -y -f PRIVATE_KEY` prints the public key of a private one.",
    )


def _read_private(path: Path) -> _Private:
    data = _read(path, "private")
    _check_mode(path)
    try:
        key = _openssh(data) if data.lstrip().startswith(_OPENSSH) else _pem(data)
    except (ValueError, struct.error) as exc:
        raise KeypairError(
            f"{path} is not a private key: expected a file that begins with `-----BEGIN … PRIVATE KEY-----`.",
            hint="`user_key_private` is the file without `.pub` at its end.",
        ) from exc
    if key.public is not None:
        _check_type(path, key.public)
    return key


def _read(path: Path, half: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise KeypairError(
            f"The {half} key {path} cannot be read: {exc.strerror}.",
            hint=f"Correct `user_key_{half}` in the configuration, or remove both `user_key_private` and "
            "`user_key_public`: each cluster then gets a key pair of its own.",
        ) from exc


def _check_mode(path: Path) -> None:
    """Refuse what OpenSSH refuses: a private key of ours that others can read."""
    status = path.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        mode = f"{status.st_mode & 0o777:04o}"
        raise KeypairError(
            f"The private key {path} is open to others (mode {mode}); OpenSSH refuses it.",
            hint=f"Run `chmod 600 {path}`.",
        )


def _check_type(path: Path, blob: bytes) -> None:
    kind = _type_of(blob)
    if kind in _TYPES:
        return
    name = "a DSA key, which SSH servers refuse since OpenSSH 7.0" if kind == "ssh-dss" else f"of type {kind}"
    raise KeypairError(
        f"The key {path} is {name}; use ed25519, RSA or ECDSA.",
        hint="Make a new one with `ssh-keygen -t ed25519`, or name none: each cluster then gets its own.",
    )


def _openssh(data: bytes) -> _Private:
    """Read what is not encrypted in OpenSSH's own format: cipher and public key."""
    raw = base64.b64decode(b"".join(data.split(b"-----")[2].split()), validate=True)
    if not raw.startswith(_MAGIC):
        raise ValueError("no OpenSSH key")
    cipher, offset = _string(raw, len(_MAGIC))
    _, offset = _string(raw, offset)  # key derivation
    _, offset = _string(raw, offset)  # and its parameters
    blob, _ = _string(raw, offset + 4)  # after the number of keys
    return _Private(blob, protected=cipher != b"none")


def _pem(data: bytes) -> _Private:
    """Read a key in one of OpenSSL's formats."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey

    if b"BEGIN DSA PRIVATE KEY" in data:
        return _Private(_DSA, protected=False)
    if b"ENCRYPTED" in data:
        return _Private(None, protected=True)
    try:
        key = serialization.load_pem_private_key(data, None).public_key()
        if isinstance(key, DSAPublicKey):
            return _Private(_DSA, protected=False)
        line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    except UnsupportedAlgorithm as exc:
        raise ValueError(str(exc)) from exc
    return _Private(base64.b64decode(line.split()[1]), protected=False)


def _public_line(blob: bytes, comment: str) -> bytes:
    return b" ".join([_type_of(blob).encode(), base64.b64encode(blob), comment.encode()]) + b"\n"


def _type_of(blob: bytes) -> str:
    return _string(blob, 0)[0].decode("ascii", "replace")


def _string(data: bytes, offset: int) -> tuple[bytes, int]:
    """Return the string at an offset, and the offset after it (RFC 4251, section 5)."""
    (size,) = struct.unpack_from(">I", data, offset)
    end = offset + 4 + size
    if end > len(data):
        raise struct.error("cut short")
    return data[offset + 4 : end], end


def _agent_lacks(public: bytes) -> str:
    """Return why no SSH agent can be used with a key; empty if one holds it."""
    import subprocess

    socket = os.environ.get("SSH_AUTH_SOCK")
    if not socket:
        return "no SSH agent is known: SSH_AUTH_SOCK is not set"
    try:
        listing = subprocess.run(["ssh-add", "-L"], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"the SSH agent cannot be asked: {exc}"
    if listing.returncode == _NO_AGENT:
        return f"no SSH agent answers at SSH_AUTH_SOCK={socket}"
    holds = base64.b64encode(public) in listing.stdout.split()
    return "" if holds else f"the SSH agent at SSH_AUTH_SOCK={socket} does not hold it"


def _generate(private: Path, public: Path, comment: str) -> None:
    """Make an ed25519 key pair; the private half comes last, so that where it is both are."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    write_private(public, line + f" {comment}\n".encode())
    write_private(private, secret)
