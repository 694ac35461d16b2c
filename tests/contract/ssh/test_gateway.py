"""Nodes are reached through another one: by the prober, by programs, and by OpenSSH's own programs."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.engine.children import child
from elasticluster.exceptions import ReadinessError
from elasticluster.model import Layer, ProbeResult, SshTarget
from elasticluster.ssh.client import config_block, output_of, paramiko_client, sftp_command, ssh_command
from elasticluster.ssh.hostkeys import fingerprint
from elasticluster.ssh.probe import ParamikoProber, answers

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture(scope="module")
def entrance(start_server: Any) -> Any:
    """A server that drops who comes while two others log in."""
    return start_server(startups="2")


@pytest.fixture
def gateway(entrance: Any) -> SshTarget:
    target: SshTarget = entrance.target("frontend001", host_keys=(entrance.host_key,))
    return target


@pytest.fixture
def inner(server: Any, gateway: SshTarget) -> SshTarget:
    target: SshTarget = server.target(host_keys=(server.host_key,), via=gateway)
    return target


@pytest.fixture
def known_hosts(server: Any, entrance: Any, tmp_path: Path) -> str:
    """The keys of both, in a file that takes some quoting."""
    folder = tmp_path / '100%h "odd" $HOME'
    folder.mkdir()
    path = folder / "it's hosts"
    path.write_text(f"frontend001 {entrance.host_key}\ncompute001 {server.host_key}\n")
    return str(path)


@pytest.fixture(autouse=True)
def no_thread_left_over() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def failure_of(target: SshTarget) -> tuple[Layer, str]:
    failure = ParamikoProber().probe([target])[target.name].failure
    assert failure
    return failure.layer, failure.message


def stranger(server: Any, name: str) -> str:
    """Return what is said of a server in place of the node of that name."""
    return (
        f"shows host key {fingerprint(server.host_key)}, but {fingerprint(OTHER_KEY)} is pinned for {name}: "
        "another machine answers at this address"
    )


# -- the prober --------------------------------------------------------------------------------------


def test_node_is_let_in_to_through_its_gateway(inner: SshTarget, server: Any) -> None:
    found = ParamikoProber().probe([inner, replace(inner, name="compute002", host_keys=())])
    assert found == dict.fromkeys(["compute001", "compute002"], ProbeResult(host_keys=(server.host_key,)))
    assert answers(inner)


def test_many_nodes_share_one_connection_to_the_gateway(inner: SshTarget, entrance: Any) -> None:
    before = entrance.logins
    targets = [replace(inner, name=f"compute{number:03d}", timeout=30) for number in range(20)]
    found = ParamikoProber().probe(targets)
    assert [result.failure for result in found.values()] == [None] * 20
    assert entrance.logins == before + 1


@pytest.mark.full
def test_hundreds_of_nodes_are_logged_in_to_through_one_gateway(inner: SshTarget) -> None:
    targets = [replace(inner, name=f"compute{number:03d}", timeout=60) for number in range(250)]
    found = ParamikoProber().probe(targets)
    assert [result.failure for result in found.values()] == [None] * 250


def test_gateway_and_those_behind_it_are_tried_in_one_round(inner: SshTarget, gateway: SshTarget) -> None:
    found = ParamikoProber().probe([inner, gateway])
    assert {name: result.failure for name, result in found.items()} == {
        "compute001": None,
        "frontend001": None,
    }


def test_gateway_that_refuses_bars_all_behind_it_at_once(inner: SshTarget, gateway: SshTarget) -> None:
    closed = replace(gateway, port=1)
    targets = [replace(inner, name=f"compute{number:03d}", via=closed) for number in range(50)]
    began = time.monotonic()
    found = ParamikoProber().probe(targets)
    assert time.monotonic() - began < inner.timeout
    assert {(failure.layer, failure.message) for result in found.values() if (failure := result.failure)} == {
        (Layer.GATEWAY, "through frontend001: 127.0.0.1:1 refuses connections")
    }
    assert not answers(targets[0])


def test_gateway_is_never_believed_on_first_contact(inner: SshTarget, gateway: SshTarget) -> None:
    assert failure_of(replace(inner, via=replace(gateway, host_keys=()))) == (
        Layer.GATEWAY,
        f"through frontend001: 127.0.0.1:{gateway.port} is not gone through: its host key is not known",
    )


def test_another_machine_in_place_of_the_gateway_is_told(
    inner: SshTarget, gateway: SshTarget, entrance: Any
) -> None:
    assert failure_of(replace(inner, via=replace(gateway, host_keys=(OTHER_KEY,)))) == (
        Layer.GATEWAY,
        f"through frontend001: 127.0.0.1:{gateway.port} {stranger(entrance, 'frontend001')}",
    )


def test_gateway_that_knows_no_such_user_is_told(inner: SshTarget, gateway: SshTarget) -> None:
    layer, message = failure_of(replace(inner, via=replace(gateway, user="nobody-here")))
    assert layer is Layer.GATEWAY
    assert message == (
        f"through frontend001: 127.0.0.1:{gateway.port} does not let user nobody-here in with key "
        f"{gateway.key_path}: no such user there, or one that does not accept it"
    )


def test_gateway_that_does_not_forward_is_told(start_server: Any, inner: SshTarget) -> None:
    strict = start_server("AllowTcpForwarding no")
    via = strict.target("frontend001", host_keys=(strict.host_key,))
    assert failure_of(replace(inner, via=via)) == (
        Layer.GATEWAY,
        f"through frontend001: 127.0.0.1:{inner.port} sshd there does not forward to it (AllowTcpForwarding)",
    )


def test_node_that_the_gateway_does_not_reach_is_told(inner: SshTarget) -> None:
    assert failure_of(replace(inner, port=1)) == (
        Layer.TIMED_OUT,
        "through frontend001: 127.0.0.1:1 cannot be reached from there",
    )


def test_node_that_does_not_speak_is_timed_out(inner: SshTarget, silent: int) -> None:
    layer, message = failure_of(replace(inner, port=silent, timeout=1))
    assert layer is Layer.TIMED_OUT
    assert message.startswith(f"through frontend001: 127.0.0.1:{silent} did not agree on keys within 1 s")


def test_another_machine_in_place_of_a_node_is_told(inner: SshTarget, server: Any) -> None:
    assert failure_of(replace(inner, host_keys=(OTHER_KEY,))) == (
        Layer.HOST_KEY,
        f"through frontend001: 127.0.0.1:{inner.port} {stranger(server, 'compute001')}",
    )
    assert not answers(replace(inner, host_keys=(OTHER_KEY,)))


# -- programs ----------------------------------------------------------------------------------------


def test_client_runs_commands_through_the_gateway_and_hangs_up_there(inner: SshTarget) -> None:
    client = paramiko_client(inner)
    assert client
    with client:
        _, out, _ = client.exec_command("echo hello")
        assert out.read() == b"hello\n"


def test_client_takes_the_gateways_key_from_a_file(inner: SshTarget, known_hosts: str) -> None:
    assert inner.via
    unknown = replace(inner, host_keys=(), via=replace(inner.via, host_keys=()))
    assert paramiko_client(unknown) is None
    client = paramiko_client(unknown, known_hosts)
    assert client
    client.close()


def run(argv: list[str], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, **changes)


def test_ssh_goes_through_the_gateway(inner: SshTarget, known_hosts: str) -> None:
    done = run(ssh_command(inner, known_hosts, ["-o", "BatchMode=yes", "echo", "hello;", "exit", "3"]))
    assert (done.stdout, done.returncode) == ("hello\n", 3)


def test_ssh_asks_the_gateway_for_its_host_key(inner: SshTarget, server: Any, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"frontend001 {OTHER_KEY}\ncompute001 {server.host_key}\n")
    done = run(ssh_command(inner, str(hosts), ["-o", "BatchMode=yes", "true"]))
    assert done.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_sftp_goes_through_the_gateway(inner: SshTarget, known_hosts: str, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("data")
    argv = sftp_command(inner, known_hosts, ["-b", "-"])
    done = run(argv, input=f"put {tmp_path}/here {tmp_path}/there\n")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there").read_text() == "data"


def test_configuration_of_openssh_goes_through_the_gateway(
    inner: SshTarget, known_hosts: str, tmp_path: Path
) -> None:
    config = tmp_path / "ssh.conf"
    config.write_text(config_block(inner, known_hosts, ["slurm-compute001"]))
    (tmp_path / "here").write_text("data")
    done = run(
        ["scp", "-q", "-B", "-F", str(config), f"{tmp_path}/here", f"slurm-compute001:{tmp_path}/copy"]
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy").read_text() == "data"


def test_output_of_a_command_comes_through_the_gateway(inner: SshTarget, known_hosts: str) -> None:
    assert output_of(inner, known_hosts, "echo hello", 20) == "hello\n"


def test_question_of_the_gateway_is_never_waited_for(
    inner: SshTarget, known_hosts: str, tmp_path: Path
) -> None:
    assert inner.via
    key = str(tmp_path / "locked")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key], check=True)
    locked = replace(inner, via=replace(inner.via, key_path=key))
    with pytest.raises(ReadinessError) as caught:
        output_of(locked, known_hosts, "echo hello", 20)
    assert "no answer" not in caught.value.message


def test_agent_opens_the_gateway_too(
    inner: SshTarget, known_hosts: str, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inner.via
    public = replace(
        inner, key_path=f"{inner.key_path}.pub", via=replace(inner.via, key_path=f"{inner.via.key_path}.pub")
    )
    with child(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        subprocess.run(["ssh-add", "-q", inner.key_path, inner.via.key_path], check=True)
        assert ParamikoProber().probe([public])["compute001"].failure is None
        assert output_of(public, known_hosts, "echo hello", 20) == "hello\n"
