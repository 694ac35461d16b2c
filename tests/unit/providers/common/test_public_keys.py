"""Public keys and their fingerprints, compared with OpenSSH's and OpenSSL's own."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from elasticluster.exceptions import KeypairError
from elasticluster.providers.common.public_keys import PublicKey

KINDS = {"ed25519": "ssh-ed25519", "rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256"}


@pytest.fixture(scope="module", params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public key, with a comment."""
    private = tmp_path_factory.mktemp("keys") / request.param
    subprocess.run(["ssh-keygen", "-q", "-t", request.param, "-N", "", "-f", private], check=True)
    return private.with_name(f"{private.name}.pub")


@pytest.fixture
def key(path: Path) -> PublicKey:
    return PublicKey.read(str(path))


def shown(path: Path, kind: str) -> str:
    """Return the fingerprint that ssh-keygen prints, with its kind."""
    command = ["ssh-keygen", "-l", "-E", kind, "-f", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]


def der(path: Path) -> bytes:
    """Return the key as OpenSSL writes it."""
    pem = subprocess.run(["ssh-keygen", "-e", "-m", "PKCS8", "-f", path], check=True, capture_output=True)
    command = ["openssl", "pkey", "-pubin", "-outform", "DER"]
    return subprocess.run(command, input=pem.stdout, check=True, capture_output=True).stdout


def test_key_is_read_without_its_comment(path: Path, key: PublicKey) -> None:
    assert key.line == " ".join(path.read_text().split()[:2])
    assert key.type == KINDS[path.stem]


def test_fingerprints_are_those_of_ssh_keygen(path: Path, key: PublicKey) -> None:
    assert f"MD5:{key.md5}" == shown(path, "md5")
    assert f"SHA256:{key.sha256}" == shown(path, "sha256")


@pytest.mark.parametrize("path", ["rsa"], indirect=True)
def test_fingerprint_of_the_der_form_is_that_of_openssl(path: Path, key: PublicKey) -> None:
    digest = hashlib.md5(der(path), usedforsecurity=False).hexdigest()
    assert key.md5_der.replace(":", "") == digest
    assert key.matches(key.md5_der)


def test_fingerprint_of_the_der_form_is_of_rsa_keys_only(path: Path, key: PublicKey) -> None:
    assert bool(key.md5_der) == (key.type == "ssh-rsa")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda key: key.md5, id="MD5"),
        pytest.param(lambda key: key.md5.upper(), id="MD5 in capitals"),
        pytest.param(lambda key: f"MD5:{key.md5}", id="MD5 with its name"),
        pytest.param(lambda key: key.sha256, id="SHA256"),
        pytest.param(lambda key: f"{key.sha256}=", id="SHA256 padded"),
        pytest.param(lambda key: f"SHA256:{key.sha256}", id="SHA256 with its name"),
        pytest.param(lambda key: hashlib.sha256(key.blob).digest().hex(":"), id="SHA256 in hexadecimal"),
    ],
)
def test_key_matches_its_fingerprint_in_every_form(path: Path, key: PublicKey, form: object) -> None:
    assert callable(form)
    assert key.matches(form(key))


def test_key_matches_the_hexadecimal_sha256_of_its_der_form(path: Path, key: PublicKey) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization

    public = serialization.load_ssh_public_key(path.read_bytes())
    form = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert key.matches(hashlib.sha256(form).digest().hex(":"))


def test_key_does_not_match_what_is_not_its_fingerprint(path: Path, key: PublicKey, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    other = PublicKey.read(str(tmp_path / "other.pub"))
    for fingerprint in ("", ":", "SHA256:", "MD5:", other.md5, other.sha256, key.md5[:-1]):
        assert not key.matches(fingerprint), fingerprint


def test_key_that_a_cloud_hands_out_equals_that_of_the_file(path: Path, key: PublicKey) -> None:
    assert PublicKey.parse(f"{key.line} whatever comment") == key
    assert PublicKey.parse(key.line.replace(key.type, "ssh-dss", 1)) is None
    for nonsense in ("", "ssh-rsa", "ssh-rsa ****"):
        assert PublicKey.parse(nonsense) is None


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeypairError) as caught:
        PublicKey.read(f"{tmp_path}/none.pub")
    assert (
        caught.value.message
        == f"The public key {tmp_path}/none.pub cannot be read: No such file or directory."
    )


def test_file_that_is_no_public_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(KeypairError) as caught:
        PublicKey.read(f"{tmp_path}/key.pub")
    assert caught.value.message == (
        f"{tmp_path}/key.pub is not a public key: expected `ssh-ed25519 AAAA…` or the like on one line."
    )
