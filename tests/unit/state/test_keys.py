from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from elasticluster.engine.children import child
from elasticluster.exceptions import KeypairError
from elasticluster.model import ClusterRecord, ComponentRef, KeyPair, Login
from elasticluster.state.keys import check_pair, given_pair, own_pair

PEM = serialization.Encoding.PEM
AGENT_HINT = "`eval $(ssh-agent)` starts an agent, `ssh-add -L` shows what it holds."
ADD_HINT = f"Run `ssh-add PRIVATE_KEY` first. {AGENT_HINT}"
NO_AGENT = "no SSH agent is known: SSH_AUTH_SOCK is not set"
OWN_HINT = (
    "in the configuration, or remove both `user_key_private` and `user_key_public`: each cluster then gets a "
    "key pair of its own."
)
NOT_PRIVATE = "is not a private key: expected a file that begins with `-----BEGIN … PRIVATE KEY-----`."
NOT_PUBLIC = "is not a public key: expected `ssh-ed25519 AAAA…` or the like on one line."

Maker = Callable[..., Path]


@pytest.fixture
def key(tmp_path: Path) -> Maker:
    """Make key pairs with OpenSSH's own program."""

    def make(name: str = "key", kind: str = "ed25519", passphrase: str = "", *more: str) -> Path:
        path = tmp_path / name
        command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path), *more]
        subprocess.run(command, check=True)
        return path

    return make


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run an SSH agent that the environment points at."""
    socket = tmp_path / "agent"
    with child(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def public(private: Path) -> Path:
    return private.with_name(f"{private.name}.pub")


def cluster(private: str = "", public: str = "") -> ClusterRecord:
    return ClusterRecord(
        uuid="11111111-2222-3333-4444-555555555555",
        name="slurm",
        template="slurm",
        cloud=ComponentRef(type="docker"),
        setup=ComponentRef(type="ansible"),
        login=Login(user_key_name="mine", user_key_private=private, user_key_public=public),
    )


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: str, passphrase: bytes = b"") -> bytes:
    protection = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(PEM, getattr(serialization.PrivateFormat, form), protection)


@pytest.mark.parametrize(("kind", "more"), [("ed25519", []), ("ecdsa", []), ("rsa", ["-b", "2048"])])
def test_supported_pair_is_accepted(key: Maker, kind: str, more: list[str]) -> None:
    private = key("key", kind, "", *more)
    pair = given_pair(cluster(str(private), str(public(private))))
    assert pair == KeyPair(name="mine", public_path=str(public(private)), private_path=str(private))


@pytest.mark.parametrize("form", ["TraditionalOpenSSL", "PKCS8"])
def test_older_formats_are_compared_too(tmp_path: Path, key: Maker, form: str) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    private = write(tmp_path / "old", pem(made, form))
    line = made.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    right, wrong = write(tmp_path / "old.pub", line), public(key())
    check_pair(right, private)
    with pytest.raises(KeypairError, match="do not belong together"):
        check_pair(wrong, private)


def test_home_is_expanded(key: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    key("id_x")
    path = tmp_path / "id_x"
    assert given_pair(cluster("~/id_x", "~/id_x.pub")) == KeyPair(
        name="mine", public_path=f"{path}.pub", private_path=str(path)
    )


def test_no_pair_named_is_none() -> None:
    assert given_pair(cluster()) is None


def test_private_key_alone_is_refused() -> None:
    with pytest.raises(KeypairError) as caught:
        given_pair(cluster(private="~/.ssh/id_x"))
    assert str(caught.value) == (
        "The template names the private key ~/.ssh/id_x, but no public key.\n"
        "Set `user_key_public`, usually to the same path with `.pub` at its end."
    )


def test_pair_that_does_not_match_is_refused(key: Maker) -> None:
    one, two = key("one"), key("two")
    with pytest.raises(KeypairError) as caught:
        check_pair(public(two), one)
    assert str(caught.value) == (
        f"The private key {one} and the public key {public(two)} do not belong together.\n"
        f"`ssh-keygen -y -f {one}` prints the public key of a private one."
    )


@pytest.mark.parametrize("half", ["private", "public"])
def test_missing_file_is_named(key: Maker, half: str) -> None:
    private = key()
    missing = private if half == "private" else public(private)
    missing.unlink()
    with pytest.raises(KeypairError) as caught:
        check_pair(public(private), private)
    assert str(caught.value) == (
        f"The {half} key {missing} cannot be read: No such file or directory.\n"
        f"Correct `user_key_{half}` {OWN_HINT}"
    )


def test_private_key_open_to_others_is_refused(key: Maker) -> None:
    private = key()
    private.chmod(0o644)
    with pytest.raises(KeypairError) as caught:
        check_pair(public(private), private)
    assert str(caught.value) == (
        f"The private key {private} is open to others (mode 0644); OpenSSH refuses it.\n"
        f"Run `chmod 600 {private}`."
    )


DSA_PUBLIC = b"ssh-dss AAAAB3NzaC1kc3MAAAABAQ== old\n"
DSA = "a DSA key, which SSH servers refuse since OpenSSH 7.0; use ed25519, RSA or ECDSA."
NEW_KEY = "Make a new one with `ssh-keygen -t ed25519`, or name none: each cluster then gets its own."


def test_dsa_public_key_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "id_dsa.pub", DSA_PUBLIC)
    with pytest.raises(KeypairError) as caught:
        check_pair(path, tmp_path / "id_dsa")
    assert str(caught.value) == f"The key {path} is {DSA}\n{NEW_KEY}"


@pytest.mark.parametrize("form", ["TraditionalOpenSSL", "PKCS8"])
def test_dsa_private_key_is_refused_by_name(key: Maker, tmp_path: Path, form: str) -> None:
    made = dsa.generate_private_key(2048)
    data = made.private_bytes(PEM, getattr(serialization.PrivateFormat, form), serialization.NoEncryption())
    path = write(tmp_path / "id_dsa", data)
    with pytest.raises(KeypairError) as caught:
        check_pair(public(key()), path)
    assert str(caught.value) == f"The key {path} is {DSA}\n{NEW_KEY}"


def test_other_type_is_refused_by_name(tmp_path: Path) -> None:
    line = b"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t\n"
    path = write(tmp_path / "sk.pub", line)
    with pytest.raises(KeypairError) as caught:
        check_pair(path, None)
    kind = "sk-ssh-ed25519@openssh.com"
    assert caught.value.message == f"The key {path} is of type {kind}; use ed25519, RSA or ECDSA."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"ssh-ed25519",
        b"ssh-ed25519 !!!!",
        b"ssh-ed25519 AAAA",
        b"ssh-rsa AAAAC3NzaC1lZDI1NTE5",
    ],
)
def test_what_is_no_public_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "key.pub", content)
    with pytest.raises(KeypairError) as caught:
        check_pair(path, None)
    assert caught.value.message == f"{path} {NOT_PUBLIC}"


OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n"
RSA = b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ssh-ed25519 AAAA",
        OPENSSH % b"AAAA",
        OPENSSH % b"!",
        OPENSSH % b"b3BlbnNzaC1rZXktdjEA",
        OPENSSH[:40],
        RSA,
    ],
)
def test_what_is_no_private_key_is_refused(key: Maker, tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "bad", content)
    with pytest.raises(KeypairError) as caught:
        check_pair(public(key()), path)
    assert str(caught.value) == (
        f"{path} {NOT_PRIVATE}\n`user_key_private` is the file without `.pub` at its end."
    )


def test_protected_key_without_agent_is_refused(key: Maker) -> None:
    private = key("key", "ed25519", "secret")
    with pytest.raises(KeypairError) as caught:
        check_pair(public(private), private)
    assert str(caught.value) == (
        f"The private key {private} is protected by a passphrase, and {NO_AGENT}.\n"
        f"Run `ssh-add {private}` first. {AGENT_HINT}"
    )


def test_protected_key_that_the_agent_holds_is_accepted(key: Maker, agent: None) -> None:
    private = key()
    subprocess.run(["ssh-add", "-q", str(private)], check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(private)], check=True)
    check_pair(public(private), private)


def test_protected_key_is_compared_without_its_passphrase(key: Maker) -> None:
    private, other = key("key", "ed25519", "secret"), key("other")
    with pytest.raises(KeypairError, match="do not belong together"):
        check_pair(public(other), private)


def test_protected_key_in_an_older_format_is_taken_on_trust(key: Maker, tmp_path: Path) -> None:
    private = write(tmp_path / "old", pem(ec.generate_private_key(ec.SECP256R1()), "PKCS8", b"secret"))
    with pytest.raises(KeypairError, match=f"is protected by a passphrase, and {NO_AGENT}"):
        check_pair(public(key()), private)


def test_public_key_alone_needs_an_agent(key: Maker) -> None:
    path = public(key())
    with pytest.raises(KeypairError) as caught:
        given_pair(cluster(public=str(path)))
    assert str(caught.value) == (
        f"Of the key {path} the template names no private half, and {NO_AGENT}.\n{ADD_HINT}"
    )


def test_agent_that_is_gone_is_named(key: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    with pytest.raises(KeypairError) as caught:
        check_pair(public(key()), None)
    assert caught.value.message.endswith(f"and no SSH agent answers at SSH_AUTH_SOCK={tmp_path / 'gone'}.")


def test_agent_that_lacks_the_key_is_named(key: Maker, agent: None) -> None:
    subprocess.run(["ssh-add", "-q", str(key("other"))], check=True)
    with pytest.raises(KeypairError) as caught:
        check_pair(public(key()), None)
    socket = os.environ["SSH_AUTH_SOCK"]
    assert caught.value.message.endswith(f"and the SSH agent at SSH_AUTH_SOCK={socket} does not hold it.")


def test_public_key_alone_is_enough_with_an_agent(key: Maker, agent: None) -> None:
    private = key()
    subprocess.run(["ssh-add", "-q", str(private)], check=True)
    assert given_pair(cluster(public=str(public(private)))) == KeyPair(
        name="mine", public_path=str(public(private)), private_path=""
    )


def test_interrupted_generation_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "slurm.key"
    public(path).write_text("ssh-ed25519 AAAA left over\n")
    pair = own_pair(cluster(), path)
    assert re.fullmatch(r"ssh-ed25519 \S+ elasticluster slurm\n", public(path).read_text())
    assert own_pair(cluster(), path) == pair


def test_lost_public_half_is_made_again_from_the_private_one(tmp_path: Path) -> None:
    path = tmp_path / "slurm.key"
    pair = own_pair(cluster(), path)
    line = public(path).read_bytes()
    public(path).unlink()
    assert own_pair(cluster(), path) == pair
    assert public(path).read_bytes() == line


def test_lost_public_half_of_a_damaged_private_one_blames_the_private_one(tmp_path: Path) -> None:
    path = write(tmp_path / "slurm.key", b"hello")
    with pytest.raises(KeypairError) as caught:
        own_pair(cluster(), path)
    assert caught.value.message == f"{path} {NOT_PRIVATE}"


def test_generated_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        own_pair(cluster(), tmp_path / "slurm.key")
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
