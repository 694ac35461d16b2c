"""The blocks of `ssh-config`: OpenSSH's programs understand them, and log in as our own command lines do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from elasticluster.exceptions import UsageError
from elasticluster.model import SshTarget
from elasticluster.ssh.client import config_block, ssh_command

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
TARGET = SshTarget(name="compute001", host="127.0.0.1", port=32768, user="debian", key_path="/k")
GATEWAY = SshTarget(
    name="frontend001", host="fe80::1%eth0", port=2222, user="me", key_path='/it\'s/100%h/a "key"'
)


def understood(*argv: str) -> dict[str, list[str]]:
    """Return what OpenSSH makes of a command line and configuration: values by name of the setting."""
    done = subprocess.run(["ssh", "-G", *argv], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    "target",
    [
        TARGET,
        SshTarget(name="a", host="2001:db8::1", port=22, user="me", key_path=""),
        SshTarget(name="a", host="fe80::1%eth0", port=22, user="me", key_path="/with blank/100%h/k"),
        SshTarget(
            name="a",
            host="10.0.0.1",
            port=22,
            user="me",
            key_path="/k",
            proxy_command="gate %h:%p %n 9%% '%s'",
        ),
        SshTarget(name="a", host="10.0.0.1", port=22, user="me", key_path="/k", via=GATEWAY),
    ],
    ids=["local", "IPv6, no key", "scope, odd path", "proxy", "gateway"],
)
@pytest.mark.parametrize("known_hosts", ["/h", '/with "quotes"/and blanks/100%n'])
@pytest.mark.parametrize("alias", ["slurm", "Slurm_13.04+x-compute001"])
def test_block_means_what_the_command_line_of_ssh_means(
    target: SshTarget, known_hosts: str, alias: str, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(config_block(target, known_hosts, [alias, "other"]))
    by_file = understood("-F", str(tmp_path / "config"), alias)
    by_line = understood("-F", "none", *ssh_command(target, known_hosts)[1:])
    for found in (by_file, by_line):
        found.pop("host", None)  # the name that was given
    assert by_file == by_line
    assert by_file["hostkeyalias"] == [target.name]


@pytest.fixture
def config(server: Any, tmp_path: Path) -> Path:
    """Return a configuration file for a running server, in a folder with an odd name."""
    folder = tmp_path / "100% odd"
    folder.mkdir()
    (folder / "hosts").write_text(f"compute001 {server.host_key}\n")
    path = folder / "ssh.conf"
    path.write_text(config_block(server.target(), str(folder / "hosts"), ["slurm-compute001", "compute001"]))
    return path


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("alias", ["slurm-compute001", "compute001"])
def test_ssh_logs_in_by_each_alias(config: Path, alias: str) -> None:
    done = run("ssh", "-o", "BatchMode=yes", "-F", str(config), alias, "echo hello; exit 3")
    assert (done.stdout, done.returncode) == ("hello\n", 3)


def test_ssh_logs_in_where_the_file_is_included(config: Path, tmp_path: Path) -> None:
    outer = tmp_path / "config"
    outer.write_text(f'Include "{config}"\n\nHost *\n    User nobody-here\n')
    assert run("ssh", "-o", "BatchMode=yes", "-F", str(outer), "slurm-compute001", "true").returncode == 0


def test_scp_copies_both_ways(config: Path, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("data")
    remote = f"slurm-compute001:{tmp_path}/there"
    for source, target in ((f"{tmp_path}/here", remote), (remote, f"{tmp_path}/back")):
        done = run("scp", "-q", "-o", "BatchMode=yes", "-F", str(config), source, target)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "back").read_text() == "data"


def test_another_host_key_is_refused(config: Path) -> None:
    config.with_name("hosts").write_text(f"compute001 {OTHER_KEY}\n")
    done = run("ssh", "-o", "BatchMode=yes", "-F", str(config), "compute001", "true")
    assert done.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_value_of_several_lines_is_refused() -> None:
    target = SshTarget(name="a", host="h", port=22, user="me", key_path="", proxy_command="x\nHost *")
    with pytest.raises(UsageError) as caught:
        config_block(target, "/h", ["a"])
    assert caught.value.message == (
        "The ProxyCommand of node a has several lines, which a configuration file of OpenSSH cannot hold."
    )
