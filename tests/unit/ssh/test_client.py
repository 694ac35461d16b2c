from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

import pytest

from elasticluster.exceptions import UsageError
from elasticluster.model import SshTarget
from elasticluster.ssh.client import sftp_command, ssh_command

Command = Callable[[SshTarget, str, Sequence[str]], list[str]]

TARGET = SshTarget(name="compute001", host="127.0.0.1", port=32768, user="debian", key_path="/k")
OURS = (
    "-o Port=32768 -o HostKeyAlias=compute001 -o StrictHostKeyChecking=yes -o 'UserKnownHostsFile=\"/h\"' "
    "-o GlobalKnownHostsFile=/dev/null -o 'IdentityFile=\"/k\"' -o IdentitiesOnly=yes"
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", f"ssh {OURS} debian@127.0.0.1"),
        ("hostname -f", f"ssh {OURS} debian@127.0.0.1 -- hostname -f"),
        ("-v -A", f"ssh -v -A {OURS} debian@127.0.0.1"),
        ("-vA hostname", f"ssh -v -A {OURS} debian@127.0.0.1 -- hostname"),
        ("-L 8080:localhost:80 -N", f"ssh -L 8080:localhost:80 -N {OURS} debian@127.0.0.1"),
        ("-oBatchMode=yes -l root id -u", f"ssh -o BatchMode=yes -l root {OURS} debian@127.0.0.1 -- id -u"),
        ("-t -- -odd", f"ssh -t {OURS} debian@127.0.0.1 -- -odd"),
        ("ls -l '*.txt'", f"ssh {OURS} debian@127.0.0.1 -- ls -l '*.txt'"),
    ],
)
def test_ssh_options_come_first_and_the_command_last(given: str, expected: str) -> None:
    assert ssh_command(TARGET, "/h", shlex.split(given)) == shlex.split(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", f"sftp {OURS} debian@127.0.0.1"),
        ("-b batch", f"sftp -b batch {OURS} debian@127.0.0.1"),
        ("-r data/in", f"sftp -r {OURS} debian@127.0.0.1:data/in"),
        ("'/my data'", f"sftp {OURS} 'debian@127.0.0.1:/my data'"),
    ],
)
def test_sftp_options_come_first_and_a_path_joins_the_destination(given: str, expected: str) -> None:
    assert sftp_command(TARGET, "/h", shlex.split(given)) == shlex.split(expected)


def test_ipv6_address_is_bracketed_for_sftp_only() -> None:
    target = SshTarget(name="a", host="2001:db8::1", port=22, user="me", key_path="")
    assert ssh_command(target, "/h")[-1] == "me@2001:db8::1"
    assert sftp_command(target, "/h", ["x"])[-1] == "me@[2001:db8::1]:x"


def test_without_key_the_choice_is_left_to_openssh() -> None:
    target = SshTarget(name="a", host="10.0.0.1", port=22, user="me", key_path="")
    assert not [word for word in ssh_command(target, "/h") if word.startswith("Identit")]


def test_proxy_command_is_passed_on() -> None:
    target = SshTarget(
        name="a", host="10.0.0.1", port=22, user="me", key_path="", proxy_command="gate %h:%p %r %n 9%% %s"
    )
    assert "ProxyCommand=gate %h:%p %r a 9%% %%s" in sftp_command(target, "/h")


@pytest.mark.parametrize(
    ("command", "given", "message"),
    [
        (ssh_command, ["-Z"], "ssh: option -Z not recognized."),
        (ssh_command, ["-p"], "ssh: option -p requires argument."),
        (sftp_command, ["-t"], "sftp: option -t not recognized."),
        (sftp_command, ["a", "b"], "sftp takes at most one path on the node, got 2: a b."),
    ],
)
def test_what_openssh_would_not_take_is_refused(command: Command, given: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        command(TARGET, "/h", given)
    assert caught.value.message == message
