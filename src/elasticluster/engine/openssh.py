"""What OpenSSH has to be told to log in to a node, whoever runs it: users, other programs or Ansible."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from elasticluster.engine.proxy import for_openssh
from elasticluster.exceptions import UsageError
from elasticluster.model import SshTarget

NOTHING: Mapping[str, str] = MappingProxyType({})
UNATTENDED: Mapping[str, str] = MappingProxyType({"BatchMode": "yes", "ConnectTimeout": "10"})
"""Settings for a connection that nobody watches: no questions are asked."""


def settings(target: SshTarget, known_hosts: str, gateway_too: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """Return what OpenSSH has to know to log in to a node, as its configuration takes it.

    Address, port and user are not in it.

    Args:
        target: the node.
        known_hosts: path of the cluster's known-hosts file.
        gateway_too: further settings for the connection to the node's gateway, if it has one.

    Raises:
        UsageError: OpenSSH cannot use a path.
    """
    found = {
        "HostKeyAlias": target.name,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": quoted(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
    }
    if target.key_path:
        found |= {"IdentityFile": quoted(target.key_path), "IdentitiesOnly": "yes"}
    if target.proxy_command:
        found["ProxyCommand"] = for_openssh(target.proxy_command, target.name)
    elif target.via:
        found["ProxyCommand"] = _through(target.via, known_hosts, gateway_too)
    return found


def connection_options(
    target: SshTarget, known_hosts: str, further: Mapping[str, str] = NOTHING
) -> list[str]:
    """Return the options by which OpenSSH's programs connect to a node, as words of a command line.

    Args:
        target: the node.
        known_hosts: path of the cluster's known-hosts file.
        further: further settings, also for the connection to the node's gateway, if it has one.

    Raises:
        UsageError: OpenSSH cannot use a path.
    """
    port = {"Port": str(target.port)}
    return options({**port, **settings(target, known_hosts, further), **further})


def options(found: Mapping[str, str]) -> list[str]:
    """Return settings as words of a command line."""
    return [word for name, value in found.items() for word in ("-o", f"{name}={value}")]


def destination(target: SshTarget) -> str:
    """Return user and address as ``ssh`` takes them."""
    return f"{target.user}@{target.host}"


def _through(gateway: SshTarget, known_hosts: str, further: Mapping[str, str]) -> str:
    """Return the proxy command that goes through a gateway.

    ``ProxyJump`` would not do: there is no telling it the gateway's key, known hosts and alias.
    """
    before = shlex.join(connection_options(gateway, known_hosts, further))
    after = shlex.quote(destination(gateway))
    return f"ssh {tokens_doubled(before)} -W '[%h]:%p' {tokens_doubled(after)}"


def quoted(path: str) -> str:
    """Return a path as OpenSSH's configuration takes it: in quotes, and ``%`` doubled as it begins a token.

    ``-i`` would not do: OpenSSH looks for that file before it undoes the doubling.

    Raises:
        UsageError: OpenSSH would take a part of it as the name of a variable, whatever is done.
    """
    if "${" in path:
        raise UsageError(
            f"OpenSSH cannot use the file {path}: it would put a variable's value in place of `${{…}}`.",
            hint="Rename the folder or file, or choose another place with `--storage`.",
        )
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{tokens_doubled(escaped)}"'


def tokens_doubled(path: str) -> str:
    """Return a path in which OpenSSH finds no token: they begin with ``%``."""
    return path.replace("%", "%%")
