"""The prober finds its way into real servers, or says why not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.engine.children import child
from elasticluster.model import Layer, ProbeResult, SshTarget
from elasticluster.ssh.client import paramiko_client
from elasticluster.ssh.hostkeys import fingerprint
from elasticluster.ssh.probe import ParamikoProber, answers

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


def probe(target: SshTarget) -> ProbeResult:
    return ParamikoProber().probe([target])[target.name]


def failure_of(target: SshTarget) -> tuple[Layer, str]:
    failure = probe(target).failure
    assert failure
    return failure.layer, failure.message


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Fail if a test leaves a thread, a socket or a file behind; the servers' watchdogs have pipes."""
    before = set(threading.enumerate()), open_files()
    yield
    assert (set(threading.enumerate()), open_files()) == before


def open_files() -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum(link.is_symlink() and not str(link.readlink()).startswith("pipe:") for link in links)


# -- the way in --------------------------------------------------------------------------------------


def test_first_contact_reports_the_host_key(server: Any) -> None:
    assert probe(server.target()) == ProbeResult(host_keys=(server.host_key,))


def test_pinned_host_key_is_accepted(server: Any) -> None:
    target = server.target(host_keys=(OTHER_KEY, server.host_key))
    assert probe(target) == ProbeResult(host_keys=(server.host_key,))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_key_of_a_pinned_type_is_asked_for(start_server: Any, tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "ed")], check=True)
    server = start_server(f"HostKey {tmp_path / 'ed'}", kind=kind)
    assert probe(server.target(host_keys=(server.host_key,))).host_keys == (server.host_key,)
    assert probe(server.target()).host_keys[0].startswith("ssh-ed25519 ")


def test_name_is_resolved(server: Any) -> None:
    assert probe(server.target(host="localhost")).failure is None


def test_proxy_command_is_used(server: Any, tmp_path: Path) -> None:
    relay = tmp_path / "my relay"
    relay.write_text(
        "import socket, sys, threading\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := sys.stdin.buffer.raw.read(65536): s.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): sys.stdout.buffer.write(data); sys.stdout.flush()\n"
    )
    command = f"{sys.executable} '{relay}' 127.0.0.1 %p"
    target = server.target(host="node.invalid", proxy_command=command, host_keys=(server.host_key,))
    assert probe(target) == ProbeResult(host_keys=(server.host_key,))
    assert answers(target)


@pytest.mark.full
def test_hundred_targets_are_logged_in_to_in_one_round(server: Any) -> None:
    targets = [server.target(f"compute{number:03d}", timeout=30) for number in range(100)]
    cpu = time.process_time()
    results = ParamikoProber().probe(targets)
    assert list(results) == [target.name for target in targets]
    assert {result.host_keys for result in results.values()} == {(server.host_key,)}
    assert time.process_time() - cpu < 3  # ours; the server's own share is many times that


def test_slow_targets_do_not_hold_up_one_another(server: Any, silent: int) -> None:
    deaf = [server.target(f"compute{number:03d}", port=silent, timeout=0.5) for number in range(90)]
    good = [server.target(f"good{number:03d}") for number in range(10)]
    began = time.monotonic()
    results = ParamikoProber().probe([*deaf, *good])
    assert time.monotonic() - began < 6
    assert [results[target.name].failure for target in good] == [None] * 10
    assert {failure.layer for t in deaf if (failure := results[t.name].failure)} == {Layer.TIMED_OUT}


# -- what fails --------------------------------------------------------------------------------------


def test_wrong_host_key_names_both_fingerprints(server: Any) -> None:
    layer, message = failure_of(server.target(host_keys=(OTHER_KEY,)))
    assert layer is Layer.HOST_KEY
    assert message == (
        f"127.0.0.1:{server.port} shows host key {fingerprint(server.host_key)}, "
        f"but {fingerprint(OTHER_KEY)} is pinned for compute001: another machine answers at this address"
    )


def test_wrong_key_names_user_and_key(server: Any, tmp_path: Path) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    layer, message = failure_of(server.target(key_path=str(key)))
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} does not let user {server.user} in with key {key}: "
        "no such user there, or one that does not accept it"
    )


def test_missing_user_names_user_and_key(server: Any) -> None:
    layer, message = failure_of(server.target(user="nobody-here"))
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} does not let user nobody-here in with key {server.key}: "
        "no such user there, or one that does not accept it"
    )


def test_connection_that_ends_during_the_login_is_told(
    start_server: Any, tmp_path: Path, agent: None
) -> None:
    server = start_server("MaxAuthTries 2")
    layer, message = failure_of(server.target(key_path=""))
    assert layer is Layer.LOGIN
    assert message.startswith(f"127.0.0.1:{server.port} broke off the login of user {server.user}: ")


def test_user_who_may_run_nothing_is_told(start_server: Any) -> None:
    server = start_server("ForceCommand echo 'This account is closed.' >&2; exit 3")
    layer, message = failure_of(server.target())
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} lets user {server.user} in, but `true` ended with 3 there: "
        "This account is closed."
    )


def test_command_that_hangs_is_timed_out(start_server: Any) -> None:
    server = start_server("ForceCommand sleep 3")
    layer, message = failure_of(server.target(timeout=1))
    assert layer is Layer.TIMED_OUT
    assert message == (f"127.0.0.1:{server.port} lets user {server.user} in, but ran no command within 1 s")


def test_server_without_keys_is_told(start_server: Any) -> None:
    server = start_server("PubkeyAuthentication no\nKbdInteractiveAuthentication yes")
    layer, message = failure_of(server.target())
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} takes no keys from {server.user}, only: keyboard-interactive"
    )


def test_missing_key_file_is_told(server: Any) -> None:
    layer, message = failure_of(server.target(key_path="/nowhere/key"))
    assert layer is Layer.LOGIN
    assert message == ("the private key /nowhere/key cannot be used: No such file or directory")


def test_damaged_key_file_is_told(server: Any, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("nonsense")
    layer, message = failure_of(server.target(key_path=str(tmp_path / "bad")))
    assert layer is Layer.LOGIN
    assert message.startswith(f"the private key {tmp_path / 'bad'} cannot be used: ")


# -- agents ------------------------------------------------------------------------------------------


@pytest.fixture
def agent(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run an SSH agent that holds the right key behind many others: six failures end a connection."""
    with child(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        for number in range(7):
            path = str(tmp_path / f"other{number}")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
            subprocess.run(["ssh-add", "-q", path], check=True)
        subprocess.run(["ssh-add", "-q", str(server.key)], check=True)
        yield


@pytest.fixture
def protected(server: Any, tmp_path: Path) -> Path:
    """The server's key, with a passphrase."""
    path = tmp_path / "protected"
    path.write_bytes(server.key.read_bytes())
    path.chmod(0o600)
    path.with_name("protected.pub").write_text(server.key.with_name("user.pub").read_text())
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(path)], check=True, capture_output=True
    )
    return path


def test_protected_key_is_used_through_the_agent(server: Any, protected: Path, agent: None) -> None:
    assert probe(server.target(key_path=str(protected))).failure is None


def test_public_half_of_a_protected_key_may_be_anywhere(server: Any, protected: Path, agent: None) -> None:
    public = protected.with_name("protected.pub").rename(protected.with_name("elsewhere"))
    target = server.target(key_path=str(protected), public_key_path=str(public))
    assert probe(target).failure is None


def test_protected_key_whose_public_half_is_missing_tries_no_key(
    server: Any, protected: Path, agent: None
) -> None:
    protected.with_name("protected.pub").unlink()
    layer, message = failure_of(server.target(key_path=str(protected)))
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} was not tried: key {protected} is protected by a passphrase, "
        "and no public half says which of the agent it is"
    )


def test_client_logs_in_with_the_key_of_the_agent_that_is_meant(server: Any, agent: None) -> None:
    public = server.key.with_name("user.pub")
    client = paramiko_client(server.target(key_path=str(public)))
    assert client
    with client:
        _, out, _ = client.exec_command("echo hello")
        assert out.read() == b"hello\n"
        transport = client.get_transport()
    assert transport
    transport.join(5)


def test_client_tries_no_other_key_of_the_agent(server: Any, tmp_path: Path, agent: None) -> None:
    accepted = server.key.with_name("authorized_keys")
    before = accepted.read_text()
    accepted.write_text(before + (tmp_path / "other1.pub").read_text())
    try:
        assert paramiko_client(server.target(key_path=str(tmp_path / "other0.pub"))) is None
        assert probe(server.target(key_path=str(tmp_path / "other1.pub"))).failure is None
    finally:
        accepted.write_text(before)


def test_public_key_names_the_one_that_the_agent_is_to_use(server: Any, agent: None) -> None:
    public = server.key.with_name("user.pub")
    assert probe(server.target(key_path=str(public))).failure is None


def test_agent_without_the_key_is_told(server: Any, tmp_path: Path, agent: None) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "new")], check=True)
    layer, message = failure_of(server.target(key_path=str(tmp_path / "new.pub")))
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} was not tried: of key {tmp_path / 'new.pub'} there is no private half "
        "here, and the SSH agent does not hold it; run `ssh-add PRIVATE_KEY`"
    )


def test_protected_key_without_agent_is_told(server: Any, protected: Path) -> None:
    layer, message = failure_of(server.target(key_path=str(protected)))
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} was not tried: key {protected} is protected by a passphrase, "
        f"and no SSH agent holds a key; run `ssh-add {protected}`"
    )


def test_no_key_and_no_agent_is_told(server: Any) -> None:
    layer, message = failure_of(server.target(key_path=""))
    assert layer is Layer.LOGIN
    assert message == (
        f"127.0.0.1:{server.port} was not tried: no key file is given, and no SSH agent holds a key"
    )


# -- answers -----------------------------------------------------------------------------------------


def test_pinned_host_answers_without_login(server: Any) -> None:
    assert answers(server.target(host_keys=(server.host_key,), user="nobody-here", key_path="/nowhere"))


def test_stranger_silence_and_refusal_are_no_answers(server: Any, silent: int) -> None:
    target = server.target(host_keys=(server.host_key,), timeout=0.3)
    assert not answers(replace(target, host_keys=(OTHER_KEY,)))
    assert not answers(replace(target, host_keys=()))
    assert not answers(replace(target, port=1))
    assert not answers(replace(target, port=silent))
