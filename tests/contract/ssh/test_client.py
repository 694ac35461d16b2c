"""The command lines work: with OpenSSH's programs, and its server."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from elasticluster.exceptions import ReadinessError
from elasticluster.ssh.client import output_of, paramiko_client, sftp_command, ssh_command

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture
def known_hosts(server: Any, tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(f"compute001 {server.host_key}\n")
    return path


def run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    quiet = [command[0], "-o", "BatchMode=yes", "-F", "none", *command[1:]]
    return subprocess.run(quiet, input=text, capture_output=True, check=False, text=True, timeout=30)


def test_ssh_runs_a_command_and_passes_its_status_on(server: Any, known_hosts: Path) -> None:
    done = run(ssh_command(server.target(), str(known_hosts), ["echo", "a b;", "exit", "3"]))
    assert (done.stdout, done.returncode) == ("a b\n", 3)


def test_ssh_takes_commands_from_standard_input(server: Any, known_hosts: Path) -> None:
    done = run(ssh_command(server.target(), str(known_hosts), ["-T"]), "echo one\necho two\n")
    assert done.stdout == "one\ntwo\n"


def test_ssh_refuses_another_host_key(server: Any, known_hosts: Path) -> None:
    known_hosts.write_text(f"compute001 {OTHER_KEY}\n")
    done = run(ssh_command(server.target(), str(known_hosts), ["true"]))
    assert done.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_user_has_the_last_word(server: Any, known_hosts: Path) -> None:
    known_hosts.write_text("")
    options = ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "true"]
    assert run(ssh_command(server.target(), str(known_hosts), options)).returncode == 0


@pytest.mark.parametrize("name", ["with blank", "100%h", 'quo"te', "back\\slash", "UPPER"])
def test_odd_paths_and_names_survive(server: Any, tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    (directory / "key").write_bytes(server.key.read_bytes())
    (directory / "key").chmod(0o600)
    (directory / "hosts").write_text(f"Compute-A001 {server.host_key}\n")
    target = server.target("Compute-A001", key_path=str(directory / "key"))
    done = run(ssh_command(target, str(directory / "hosts"), ["true"]))
    assert (done.stderr, done.returncode) == ("", 0)


def test_sftp_transfers_both_ways(server: Any, known_hosts: Path, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("data")
    batch = f"put {tmp_path}/here {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\n"
    done = run(sftp_command(server.target(), str(known_hosts)), batch)
    assert (done.returncode, (tmp_path / "back").read_text()) == (0, "data")


def test_sftp_fetches_a_path(server: Any, known_hosts: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("data")
    command = sftp_command(server.target(), str(known_hosts), [str(tmp_path / "there")])
    (tmp_path / "here").mkdir()
    subprocess.run(command, check=True, cwd=tmp_path / "here", capture_output=True)
    assert (tmp_path / "here" / "there").read_text() == "data"


def test_paramiko_client_runs_commands(server: Any) -> None:
    client = paramiko_client(server.target(host_keys=(server.host_key,)))
    assert client
    with client:
        _, out, _ = client.exec_command("echo hello")
        assert out.read() == b"hello\n"


def test_paramiko_client_takes_keys_from_a_file(server: Any, known_hosts: Path) -> None:
    client = paramiko_client(server.target(host_keys=(OTHER_KEY,)), str(known_hosts))
    assert client
    client.close()


@pytest.mark.parametrize(
    "changes",
    [{"port": 1}, {"host_keys": (OTHER_KEY,)}, {"user": "nobody-here"}, {"key_path": "/nowhere"}],
)
def test_paramiko_client_is_none_on_failure(server: Any, changes: dict[str, object]) -> None:
    assert paramiko_client(server.target(**changes)) is None


def test_output_of_a_command_is_what_it_prints_and_nothing_is_read(server: Any, known_hosts: Path) -> None:
    command = "cat; printf 'a b\\n'; echo noise >&2"
    assert output_of(server.target(), str(known_hosts), command, 30) == "a b\n"


@pytest.mark.parametrize(
    ("command", "seconds", "changes", "said"),
    [
        ("echo first >&2; echo last words >&2; exit 3", 30, {}, "node compute001: last words"),
        ("exit 3", 30, {}, "node compute001: exit status 3"),
        ("exec sleep 600", 0.5, {}, "node compute001 gave no answer within 0.5 s"),
        (
            "true",
            30,
            {"user": "nobody-here"},
            "node compute001: nobody-here@127.0.0.1: Permission denied (publickey,keyboard-interactive).",
        ),
    ],
    ids=["words", "status", "time", "login"],
)
def test_command_without_output_says_why(
    server: Any, known_hosts: Path, command: str, seconds: float, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(ReadinessError) as caught:
        output_of(server.target(**changes), str(known_hosts), command, seconds)
    assert caught.value.message == said
