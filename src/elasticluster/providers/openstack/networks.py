"""Networks, subnets and security groups of the user: found by name or id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from elasticluster.exceptions import SecurityGroupError, SubnetError, UnsupportedError
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.common.rules import Rule
from elasticluster.providers.openstack.client import Cloud
from elasticluster.providers.openstack.images import only

_ANYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
_INTERFACES = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)
"""Owners of a router's ports on its inner networks (Networking API, "Ports")."""


def find_networks(cloud: Cloud, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of the networks that machines are connected to.

    Args:
        cloud: the cloud.
        wanted: networks or subnets, by id or name; none: the only network that there is.

    Raises:
        SubnetError: one is unknown or ambiguous; or none is given, and there is not just one.
    """
    with cloud.use("list networks", SubnetError) as api:
        networks = [*api.network.networks()]
        subnets = [*api.network.subnets()] if wanted else []
        project = str(api.current_project_id)
    if not wanted:
        return (_only_network(networks, project),)
    return tuple(dict.fromkeys(_network_of(one, networks, subnets) for one in wanted))


def find_external_network(cloud: Cloud, wanted: str, networks: Sequence[str]) -> str:
    """Return the id of the network that public addresses come from.

    Args:
        cloud: the cloud.
        wanted: its id or name; empty: the one behind the router of the machines' networks.
        networks: ids of the machines' networks.

    Raises:
        SubnetError: there is none, or not just one.
    """
    with cloud.use("list external networks", SubnetError) as api:
        external = [*api.network.networks(is_router_external=True)]
        routed = () if wanted else _gateways(api, networks)
    names = [one.name for one in external]
    if wanted:
        found = [one for one in external if wanted in (one.id, one.name)]
        if not found:
            raise SubnetError(
                f"`floating_network_id`: there is no external network '{wanted}'.",
                hint=suggestion(wanted, names, "external networks"),
            )
        return str(only(found, wanted, "network", SubnetError).id)
    found = [one for one in external if one.id in routed] or external
    if len(found) != 1:
        raise SubnetError(
            "Public addresses were asked for, but it is not clear from which network.",
            hint=f"Set `floating_network_id` to one of: {', '.join(sorted(names))}."
            if names
            else "This project sees no external network.",
        )
    return str(found[0].id)


def find_groups(cloud: Cloud, wanted: Sequence[str]) -> list[Any]:
    """Return security groups (openstacksdk's) by name or id.

    Raises:
        SecurityGroupError: one is unknown or ambiguous.
    """
    with cloud.use("list security groups", SecurityGroupError) as api:
        known = [*api.network.security_groups()]
        # Operators are shown those of all projects, each of which has a "default".
        own = [one for one in known if one.project_id == api.current_project_id]
    return [_group(one, own if any(one in (each.id, each.name) for each in own) else known) for one in wanted]


def rules_of(group: Any) -> list[Rule]:
    """Return what a security group (openstacksdk's) lets in."""
    return [
        Rule(
            protocol=rule["protocol"] or "",
            first=rule["port_range_min"],
            last=rule["port_range_max"],
            source=rule["remote_ip_prefix"]
            or (None if rule["remote_group_id"] else _ANYWHERE[rule["ethertype"]]),
        )
        for rule in group.security_group_rules
        if rule["direction"] == "ingress"
    ]


def _group(wanted: str, known: Sequence[Any]) -> Any:
    found = [one for one in known if one.id == wanted] or [one for one in known if one.name == wanted]
    if not found:
        raise SecurityGroupError(
            f"There is no security group '{wanted}' in this project.",
            hint=suggestion(wanted, [one.name for one in known], "security groups"),
        )
    return only(found, wanted, "security group", SecurityGroupError)


def _only_network(networks: Sequence[Any], project: str) -> str:
    """Return the network to take if none is named: the project's own, else one that all projects share."""
    inner = [one for one in networks if not one.is_router_external]
    own = [one for one in inner if one.project_id == project]
    found = own or inner or [one for one in networks if one.is_shared]
    if len(found) == 1:
        return str(found[0].id)
    names = ", ".join(sorted(f"{one.name} ({one.id})" for one in found))
    raise SubnetError(
        "There are several networks that machines could be connected to."
        if found
        else "There is no network that machines could be connected to.",
        hint=f"Set `network_ids` to one or more of: {names}." if found else "Make a network in the project.",
    )


def _network_of(wanted: str, networks: Sequence[Any], subnets: Sequence[Any]) -> str:
    for known in (networks, subnets):
        for found in (
            [one for one in known if one.id == wanted],
            [one for one in known if one.name == wanted],
        ):
            if found:
                one = only(found, wanted, "network" if known is networks else "subnet", SubnetError)
                return str(one.id) if known is networks else _of_subnet(one, subnets)
    names = [one.name for one in (*networks, *subnets)]
    raise SubnetError(
        f"`network_ids`: there is no network or subnet '{wanted}'.",
        hint=suggestion(wanted, names, "networks and subnets"),
    )


def _of_subnet(subnet: Any, subnets: Iterable[Any]) -> str:
    """Return the network of a subnet: servers made together can be told only their networks.

    Raises:
        UnsupportedError: the network has another subnet that machines would get addresses of as well.
    """
    others = [
        one.name or one.id
        for one in subnets
        if one.network_id == subnet.network_id and one.ip_version == subnet.ip_version and one.id != subnet.id
    ]
    if others:
        raise UnsupportedError(
            f"`network_ids`: subnet '{subnet.name or subnet.id}' shares its network with "
            f"{', '.join(sorted(others))}, and Nova chooses among the subnets of a network itself.",
            hint="Name the network, or a subnet with a network of its own.",
        )
    return str(subnet.network_id)


def _gateways(api: Any, networks: Sequence[str]) -> set[str]:
    """Return the ids of the outer networks of all routers that some networks are connected to."""
    ports = [port for owner in _INTERFACES for port in api.network.ports(device_owner=owner)]
    routers = {port.device_id for port in ports if port.network_id in networks}
    found = (one.external_gateway_info for one in api.network.routers() if one.id in routers)
    return {str(gateway["network_id"]) for gateway in found if gateway}
