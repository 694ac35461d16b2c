"""The tokens in a proxy command mean the same to us and to OpenSSH."""

from __future__ import annotations

import subprocess

import pytest

from elasticluster.engine.proxy import filled_in, for_openssh
from elasticluster.model import SshTarget

COMMANDS = {
    "%h %p %r %n": "10.0.0.7 2222 me node1",
    "%%": "%",
    "%%h %%%h": "%h %10.0.0.7",
    "date +%s": "date +%s",
    "100%": "100%",
}


def target(command: str) -> SshTarget:
    return SshTarget(name="node1", host="10.0.0.7", port=2222, user="me", key_path="", proxy_command=command)


@pytest.mark.parametrize(("command", "expected"), list(COMMANDS.items()))
def test_tokens_are_filled_in(command: str, expected: str) -> None:
    assert filled_in(target(command)) == expected


@pytest.mark.parametrize(("command", "expected"), list(COMMANDS.items()))
def test_openssh_fills_in_the_same(command: str, expected: str) -> None:
    """The command says on its standard error what OpenSSH gave it, before that complains of the silence."""
    telling = for_openssh(f"sh -c 'printf %%s \"$1\" >&2' told '{command}'", "node1")
    options = ["-F", "none", "-o", f"ProxyCommand={telling}", "-p", "2222", "-l", "me"]
    ssh = ["ssh", "-T", *options, "10.0.0.7"]
    ran = subprocess.run(ssh, capture_output=True, text=True, check=False, timeout=30)
    assert ran.stderr.startswith((f"{expected}kex_exchange", f"{expected}banner exchange"))
