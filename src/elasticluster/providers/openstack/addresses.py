"""Floating IP addresses: ours are allocated for one server, described as such, and go with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticluster.exceptions import CloudProviderError, SubnetError
from elasticluster.model import Resource, Tags
from elasticluster.providers.base import attempt_all, errors_of
from elasticluster.providers.openstack.client import WORKERS, Cloud, unless_missing
from elasticluster.providers.openstack.described import described, description

ADDRESS = "floating IP address"

_PORTS_A_CALL = 50  # ids in one query, so that its URL stays short


@dataclass(frozen=True, slots=True)
class Wish:
    """A server that is to have a floating IP address.

    Attributes:
        server: its id.
        network: id of the external network that the address comes from.
        tags: what is written on the address.
    """

    server: str
    network: str
    tags: Tags


def addresses_of(cloud: Cloud, servers: Collection[str]) -> dict[str, str]:
    """Return the floating IP addresses that some servers have, by server; whoever gave them these.

    Two calls, however many there are: what Nova says of a server's addresses lags behind.
    """
    ports = _ports(cloud, servers)
    server_of = {port.id: server for server, owned in ports.items() for port in owned}
    return {
        server_of[one.port_id]: one.floating_ip_address for one in _all(cloud) if one.port_id in server_of
    }


def attach(cloud: Cloud, wishes: Sequence[Wish]) -> tuple[dict[str, str], dict[str, CloudProviderError]]:
    """Give servers a floating IP address each, those that have one excepted; one call for each.

    A free address of the user's is never taken.

    Returns:
        addresses by server, and what went wrong, by server. A server whose port is not there yet is in
        neither.
    """
    wanted = {wish.server: wish for wish in wishes}
    present = addresses_of(cloud, wanted)
    ports = _ports(cloud, [one for one in wanted if one not in present])
    made = attempt_all(lambda one: _allocate(cloud, wanted[one], ports[one]), [*ports], WORKERS)
    errors = errors_of(made)
    return present | {server: str(one) for server, one in made.items() if server not in errors}, errors


def list_addresses(cloud: Cloud) -> list[tuple[Resource, str]]:
    """Return all floating IP addresses that are ours, each with the id of the server it was allocated for."""
    found = [(one, *described(one.description)) for one in _all(cloud)]
    return [
        (Resource(type=ADDRESS, id=str(one.id), tags=tags), server)
        for one, tags, server in found
        if tags.uuid
    ]


def remove_addresses(cloud: Cloud, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
    """Give addresses back; one that is gone is no error.

    Returns:
        for each that may still be ours, the error.
    """

    def remove(one: str) -> None:
        with cloud.use(f"release the floating IP address '{one}'") as api:
            unless_missing(api.network.delete_ip, one, ignore_missing=False)

    return errors_of(attempt_all(remove, ids, WORKERS))


def _all(cloud: Cloud) -> list[Any]:
    with cloud.use("list floating IP addresses") as api:
        return [*api.network.ips(project_id=api.current_project_id)]


def _ports(cloud: Cloud, servers: Collection[str]) -> dict[str, list[Any]]:
    """Return the ports of servers, by server; one without ports is left out."""
    found: dict[str, list[Any]] = {}
    ids = sorted(servers)
    for start in range(0, len(ids), _PORTS_A_CALL):
        with cloud.use("list ports") as api:
            for port in api.network.ports(device_id=ids[start : start + _PORTS_A_CALL]):
                found.setdefault(port.device_id, []).append(port)
    return found


def _allocate(cloud: Cloud, wish: Wish, ports: Sequence[Any]) -> str:
    """Allocate an address and attach it to the first port that can be reached from its network, in one call.

    Raises:
        CloudProviderError: no port can be reached, or there are no addresses left.
    """
    last: CloudProviderError = SubnetError(f"Server '{wish.server}' has no port for a floating IP address.")
    for port in sorted(ports, key=lambda port: str(port.created_at)):
        try:
            return cloud.once(lambda: _of_port(cloud, port.id), lambda: _make(cloud, wish, port.id))  # noqa: B023 - called at once
        except SubnetError as exc:
            last = exc
    raise last


def _of_port(cloud: Cloud, port: str) -> str:
    with cloud.use("look for the floating IP address of a port") as api:
        return next((str(one.floating_ip_address) for one in api.network.ips(port_id=port)), "")


def _make(cloud: Cloud, wish: Wish, port: str) -> str:
    with cloud.use(f"allocate a floating IP address for '{wish.server}'") as api:
        made = api.network.create_ip(
            floating_network_id=wish.network,
            port_id=port,
            description=description(wish.tags, wish.server),
        )
    return str(made.floating_ip_address)
