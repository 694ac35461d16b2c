"""Connections for users: command lines for OpenSSH's own programs, and a Paramiko client for programs."""

from __future__ import annotations

import contextlib
import getopt
import logging
import subprocess
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.engine.openssh import NOTHING, connection_options, destination, settings
from elasticluster.exceptions import ReadinessError, UsageError
from elasticluster.model import Failure, SshTarget
from elasticluster.ssh.hostkeys import place, read_known_hosts
from elasticluster.ssh.line import Line
from elasticluster.ssh.login import LOG, DeniedError, authenticate, hang_up, load_key
from elasticluster.ssh.tunnel import lines_to

if TYPE_CHECKING:
    import paramiko

_SSH_OPTIONS = "1246AaB:b:C:c:D:E:e:F:fGgI:i:J:Kkl:L:m:MNnO:o:P:p:Q:qR:S:sTtVvW:w:XxYy"
_SFTP_OPTIONS = "1246AaB:b:Cc:D:F:fhi:J:l:No:P:pqR:rS:s:vX:"
"""Options of ``ssh`` and ``sftp``, from their manual pages (9.9); a colon follows those with a value."""

_log = logging.getLogger(__name__)


def ssh_command(
    target: SshTarget, known_hosts: str, args: Sequence[str] = (), limits: Mapping[str, str] = NOTHING
) -> list[str]:
    """Return the command line that opens a shell on a node, or runs a command there.

    Args:
        target: the node.
        known_hosts: path of the cluster's known-hosts file.
        args: what the user gave: options of ``ssh``, then a command. The options come before ours, and
            OpenSSH takes the first value that it meets: the user has the last word.
        limits: further settings, also for the connection to the node's gateway, if it has one.

    Raises:
        UsageError: ``ssh`` has no such option, or one lacks its value.
    """
    options, command = _split("ssh", args, _SSH_OPTIONS)
    return [
        "ssh",
        *options,
        *connection_options(target, known_hosts, limits),
        destination(target),
        *(["--", *command] if command else []),
    ]


def sftp_command(target: SshTarget, known_hosts: str, args: Sequence[str] = ()) -> list[str]:
    """Return the command line that opens a file-transfer session with a node.

    Args:
        target: the node.
        known_hosts: path of the cluster's known-hosts file.
        args: what the user gave: options of ``sftp``, then at most one path on the node.

    Raises:
        UsageError: ``sftp`` has no such option, one lacks its value, or there is more than one path.
    """
    options, paths = _split("sftp", args, _SFTP_OPTIONS)
    if len(paths) > 1:
        raise UsageError(
            f"sftp takes at most one path on the node, got {len(paths)}: {' '.join(paths)}.",
            hint="To run several commands, give them on standard input or with `-b FILE`.",
        )
    host = f"[{target.host}]" if ":" in target.host else target.host
    place = f"{target.user}@{host}" + (f":{paths[0]}" if paths else "")
    return ["sftp", *options, *connection_options(target, known_hosts), place]


def _split(program: str, args: Sequence[str], letters: str) -> tuple[list[str], list[str]]:
    """Return the options in `args`, and what follows them."""
    try:
        found, rest = getopt.getopt(list(args), letters)
    except getopt.GetoptError as exc:
        raise UsageError(f"{program}: {exc.msg}.", hint=f"See `man {program}` for its options.") from exc
    return [word for option, value in found for word in (option, value) if word], rest


def config_block(target: SshTarget, known_hosts: str, aliases: Sequence[str]) -> str:
    """Return the lines for OpenSSH's configuration by which its programs log in to a node as ours do.

    Args:
        target: the node.
        known_hosts: path of the cluster's known-hosts file.
        aliases: what the node is called there.

    Raises:
        UsageError: a value has several lines, which such a file cannot hold.
    """
    place = {"HostName": target.host.replace("%", "%%"), "Port": str(target.port), "User": target.user}
    values = place | settings(target, known_hosts)
    for name, value in values.items():
        if "\n" in value:
            raise UsageError(
                f"The {name} of node {target.name} has several lines, "
                "which a configuration file of OpenSSH cannot hold."
            )
    lines = [f"    {name} {value}" for name, value in values.items()]
    return "\n".join([f"Host {' '.join(aliases)}", *lines, ""])


def output_of(target: SshTarget, known_hosts: str, command: str, seconds: float) -> str:
    """Run a shell command on a node, without a terminal and without input; return its standard output.

    Args:
        target: the node.
        known_hosts: path of the cluster's known-hosts file.
        command: what its shell is to run.
        seconds: how long that may take, with the login.

    Raises:
        ReadinessError: the node does not let us in, the command fails, or takes longer.
    """
    from elasticluster.engine.children import child

    limits = {"BatchMode": "yes", "ConnectTimeout": str(max(1, round(target.timeout)))}
    argv = ssh_command(target, known_hosts, ["-T", "--", command], limits)
    pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    try:
        with child(argv, stdin=subprocess.DEVNULL, text=True, errors="replace", **pipes) as process:
            said, complaints = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as exc:
        raise ReadinessError(f"node {target.name} gave no answer within {seconds:g} s") from exc
    except OSError as exc:
        raise ReadinessError(f"OpenSSH's `ssh` cannot be run: {exc.strerror}") from exc
    if process.returncode:
        words = complaints.strip().splitlines() or [f"exit status {process.returncode}"]
        raise ReadinessError(f"node {target.name}: {words[-1].strip()}")
    return str(said)


def paramiko_client(target: SshTarget, known_hosts: str | None = None) -> paramiko.SSHClient | None:
    """Log in to a node.

    Args:
        target: the node. Without pinned host keys, here or in `known_hosts`, the one shown is accepted.
        known_hosts: path of a file with further host keys to accept.

    Returns:
        a connected client, which the caller closes; None if it did not work (the log says why).

    Raises:
        StateError: `known_hosts` cannot be read.
    """
    accepted = (*target.host_keys, *_known(target, known_hosts))
    if target.via:
        known = (*target.via.host_keys, *_known(target.via, known_hosts))
        target = replace(target, via=replace(target.via, host_keys=known))
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(lines_to([target]))[target.name]
        if isinstance(line, Failure):
            _log.info("Cannot connect to node %s: %s", target.name, line)
            return None
        held = contextlib.ExitStack()
        client = _client(line, accepted, held)
        if client is not None:
            held.push(stack.pop_all())
            weakref.finalize(client, held.close)
        return client


def _known(target: SshTarget, path: str | None) -> tuple[str, ...]:
    if path is None:
        return ()
    known = read_known_hosts(path)
    return (*known.get(target.name, ()), *known.get(place(target.host, target.port), ()))


def _client(line: Line, accepted: Sequence[str], held: contextlib.ExitStack) -> paramiko.SSHClient | None:
    """Return a client that is logged in; when it is closed, so is what it `held`."""
    import paramiko

    class Client(paramiko.SSHClient):
        def close(self) -> None:
            super().close()
            held.close()

    client = Client()
    client.set_log_channel(LOG)
    client.set_missing_host_key_policy(paramiko.RejectPolicy() if accepted else paramiko.AutoAddPolicy())
    try:
        _accept(client, line.target, accepted)
        _log_in(client, line)
    except (DeniedError, paramiko.SSHException, EOFError, OSError) as exc:
        _log.info("Cannot log in to node %s: %s", line.target.name, exc)
        transport = client.get_transport()
        if transport is not None:
            hang_up(transport, line)
        client.close()
        return None
    return client


def _accept(client: paramiko.SSHClient, target: SshTarget, keys: Sequence[str]) -> None:
    from paramiko.hostkeys import HostKeyEntry

    name = place(target.host, target.port)
    for key in keys:
        entry = HostKeyEntry.from_line(f"{name} {key}")
        if entry is not None and entry.key is not None:
            client.get_host_keys().add(name, entry.key.get_name(), entry.key)


def _log_in(client: paramiko.SSHClient, line: Line) -> None:
    from paramiko import SSHConfig
    from paramiko.auth_strategy import AuthResult, AuthSource, AuthStrategy

    target, key = line.target, load_key(line.target.key_path)

    class SameKeysAsProbe(AuthStrategy):
        def authenticate(self, transport: paramiko.Transport) -> AuthResult:
            authenticate(transport, line, key)
            return AuthResult(self)

        def get_sources(self) -> Iterator[AuthSource]:
            return iter(())  # only the method above, which is ours, would ask

    client.connect(
        target.host,
        target.port,
        target.user,
        auth_strategy=SameKeysAsProbe(SSHConfig()),
        sock=line.socket,
        timeout=target.timeout,
        banner_timeout=target.timeout,
        auth_timeout=target.timeout,
    )
