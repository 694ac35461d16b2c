"""Where SSH is let in from: what the template says, else this computer."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from elasticluster.exceptions import CloudProviderError, ConfigurationError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

ECHO_URL = "https://checkip.amazonaws.com"
"""Service that answers with the address that it is asked from (EC2 user guide, "Security group rules")."""

_PORTS = {"http": 80, "https": 443}
_TIMEOUT = 5  # seconds
_LONGEST = 64  # more than any address has
_HINT = (
    "Set `ssh_from` in the section of the cloud to the networks that you connect from, like 203.0.113.0/24."
)


def ssh_sources(ssh_from: Sequence[str], endpoint: str, echo_url: str = ECHO_URL) -> tuple[str, ...]:
    """Return the networks that a cluster's own security group lets SSH in from.

    Args:
        ssh_from: as configured: networks or single addresses; empty: this computer.
        endpoint: URL of the cloud. What this computer is called on the way there is what the cloud's machines
            see, too, unless its address is translated on the way to the public internet.
        echo_url: service that answers with the address that it is asked from; asked only in that case.

    Returns:
        networks with prefix lengths (CIDR), each once.

    Raises:
        ConfigurationError: an entry of `ssh_from` is no network.
        CloudProviderError: this computer's public address cannot be found out.
    """
    if ssh_from:
        return tuple(dict.fromkeys(_network(entry) for entry in ssh_from))
    places = _resolved(endpoint)
    own = next((found for found in map(_own_address, places) if found), None)
    if any(address.is_global for address, _ in places) and not (own and own.is_global):
        own = public_address(echo_url)
    if not own:
        raise CloudProviderError(f"There is no way from this computer to {endpoint}.", hint=_HINT)
    return (f"{own}/{own.max_prefixlen}",)


def public_address(url: str = ECHO_URL) -> Address:
    """Return the address that a service on the internet sees, past any proxy: SSH takes none.

    Raises:
        CloudProviderError: the service does not answer with an address.
    """
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_TIMEOUT) as answer:
            return ipaddress.ip_address(answer.read(_LONGEST).decode("ascii").strip())
    except (OSError, ValueError) as exc:
        raise CloudProviderError(
            f"This computer's public address is not known: {url} does not tell it ({exc}).", hint=_HINT
        ) from exc


def _network(entry: str) -> str:
    try:
        return str(ipaddress.ip_network(entry.strip(), strict=False))
    except ValueError as exc:
        raise ConfigurationError(
            f"`ssh_from`: '{entry}' is no network.",
            hint="Write networks as 203.0.113.0/24 or 2001:db8::/48, and everywhere as 0.0.0.0/0.",
        ) from exc


def _resolved(endpoint: str) -> list[tuple[Address, int]]:
    """Return the addresses of a service, each with its port, the best one first."""
    parts = urlsplit(endpoint)
    port = parts.port or _PORTS.get(parts.scheme, _PORTS["https"])
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)
    except OSError as exc:
        raise CloudProviderError(
            f"The address of {endpoint} cannot be found: {exc.strerror or exc}.",
            hint="Correct the address of the service in the section of the cloud.",
        ) from exc
    return [(_parsed(str(one[4][0])), port) for one in found]


def _own_address(there: tuple[Address, int]) -> Address | None:
    """Return this computer's address on the way to another: connecting a datagram socket sends nothing."""
    address, port = there
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((str(address), port))
        return _parsed(str(probe.getsockname()[0]))
    return None


def _parsed(text: str) -> Address:
    """Return an address without the scope that one of the own link may have."""
    return ipaddress.ip_address(text.partition("%")[0])
