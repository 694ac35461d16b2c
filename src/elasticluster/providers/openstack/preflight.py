"""What can be checked before the first call that costs money, and how to mend what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from elasticluster.engine.events import Listener, Warned
from elasticluster.exceptions import FlavorError, QuotaError, SecurityGroupError, UnsupportedError
from elasticluster.model import ClusterRecord, InstanceRequest
from elasticluster.providers.base import SSH_PORT
from elasticluster.providers.common import rules
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.common.rules import TCP
from elasticluster.providers.openstack.client import Cloud
from elasticluster.providers.openstack.instances import disk_gb, user_data
from elasticluster.providers.openstack.lookup import Lookup
from elasticluster.providers.openstack.networks import rules_of

_UNLIMITED = -1

_SERVER_LIMITS = {
    "instances": ("instances", "instances_used", "instances"),
    "cores": ("total_cores", "total_cores_used", "processors"),
    "ram": ("total_ram", "total_ram_used", "MB of memory"),
}
"""Nova's limits by openstacksdk's names: the limit, what is in use, and what people call it."""

_NETWORK_LIMITS = {
    "port": "ports",
    "floatingip": "floating IP addresses",
    "security_group": "security groups",
}

_GONE = {
    "compute_api_version": ("2", "Nova"),
    "nova_api_version": ("2", "Nova"),
    "image_api_version": ("2", "Glance"),
    "network_api_version": ("2.0", "Neutron"),
    "volume_api_version": ("3", "Cinder"),
    "identity_api_version": ("3", "Keystone"),
}
"""The versions of the services' APIs that are spoken; there are no others any more."""


def check_requests(requests: Sequence[InstanceRequest], lookup: Lookup) -> None:
    """Check that what some nodes are made of is there and fits together.

    Raises:
        CloudProviderError: it does not; the message says how to mend it.
    """
    floats = [bool(lookup.external_network(request.spec)) for request in requests]
    for request, floating in zip(requests, floats, strict=True):
        spec = request.spec
        image, flavor = lookup.image(spec), lookup.flavor(spec)
        if image.min_ram and image.min_ram > flavor.ram:
            raise FlavorError(
                f"Image '{image.name}' needs {image.min_ram} MB of memory; flavor '{flavor.name}' has "
                f"{flavor.ram}.",
                hint="Choose a larger flavor.",
            )
        disk_gb(spec, flavor, image)
        lookup.check_volume(spec)
        lookup.networks(spec)
        lookup.zone(spec)
        user_data(spec.image_userdata)
        # One without an address of its own is reached through another node, and not from here.
        _check_groups(lookup.groups(spec), outside=floating or not any(floats))


def check_quota(
    cloud: Cloud,
    requests: Sequence[InstanceRequest],
    lookup: Lookup,
    freed: Iterable[Any] = (),
    *,
    new_group: bool = False,
) -> None:
    """Check that the project's quotas allow for some nodes.

    Args:
        cloud: the cloud.
        requests: the nodes.
        lookup: knows their flavors.
        new_group: whether a security group is made for them.
        freed: servers (openstacksdk's) that are destroyed before nodes are made in their place.

    Raises:
        QuotaError: they do not; names the first limit that is in the way.
    """
    wanted = _wanted(requests, lookup)
    wanted["security_group"] = int(new_group)
    for server in freed:
        flavor = server.flavor or {}
        size = {"cores": int(flavor.get("vcpus") or 0), "ram": int(flavor.get("ram") or 0)}
        wanted.subtract({"instances": 1, "port": 1, **size})
    with cloud.use("ask for the project's limits") as api:
        absolute = api.compute.get_limits().absolute
        details = _network_quota(api)
    for name, (limit, used, words) in _SERVER_LIMITS.items():
        _check_limit(words, wanted[name], getattr(absolute, used) or 0, getattr(absolute, limit))
    for name, words in _NETWORK_LIMITS.items():
        quota = details.get(name) or {}
        taken = int(quota.get("used", 0)) + int(quota.get("reserved", 0))
        _check_limit(words, wanted[name], taken, quota.get("limit", _UNLIMITED))


def check_volumes(cloud: Cloud, requests: Sequence[InstanceRequest], lookup: Lookup) -> None:
    """Check that the cloud makes the boot volumes of some nodes: where it does not, servers only break.

    Raises:
        UnsupportedError: it has no volumes, or none of a type.
        QuotaError: the project's quotas do not allow for them.
    """
    sizes = ((r, disk_gb(r.spec, lookup.flavor(r.spec), lookup.image(r.spec))) for r in requests)
    volumes = [(request, size) for request, size in sizes if size]
    if not volumes:
        return
    with cloud.use("ask for the project's limits of volumes") as api:
        if not api.endpoint_for("block-storage"):
            raise UnsupportedError(
                "This cloud has no volumes to boot from.",
                hint="Leave out `boot_disk_size` and `boot_disk_type`.",
            )
        absolute = api.block_storage.get_limits().absolute
        known = [*api.block_storage.types()]
    for request, _ in volumes:
        wanted = str(request.spec.extra.get("boot_disk_type") or "")
        if wanted and not any(wanted in (one.id, one.name) for one in known):
            raise UnsupportedError(
                f"There is no volume type '{wanted}' on this cloud.",
                hint=suggestion(wanted, [one.name for one in known], "volume types"),
            )
    number = sum(len(request.names) for request, _ in volumes)
    gigabytes = sum(len(request.names) * size for request, size in volumes)
    _check_limit("volumes", number, absolute.total_volumes_used, absolute.max_total_volumes)
    _check_limit(
        "GB of volumes", gigabytes, absolute.total_gigabytes_used, absolute.max_total_volume_gigabytes
    )


def check_spread(cloud: Cloud, cluster: ClusterRecord, requests: Sequence[InstanceRequest]) -> None:
    """Check that the nodes of each kind fit into one server group, with those that are in it already.

    Raises:
        QuotaError: they do not.
    """
    members = {(node.kind, node.name): bool(node.instance_id) for node in cluster.nodes}
    members |= {(request.spec.kind, name): False for request in requests for name in request.names}
    with cloud.use("ask for the project's limits") as api:
        limit = api.compute.get_limits().absolute.server_group_members
    for kind in dict.fromkeys(request.spec.kind for request in requests):
        there = [known for (of, _), known in members.items() if of == kind]
        _check_limit(
            f"members of a server group (kind '{kind}')", there.count(False), there.count(True), limit
        )


def warn_of_versions(section: Mapping[str, Any], tell: Listener) -> None:
    """Tell that another version of an API is spoken than a section says."""
    for key, (spoken, service) in _GONE.items():
        if str(section.get(key) or spoken) != spoken:
            tell(
                Warned(
                    f"`{key}={section[key]}` counts no more: clouds have version {spoken} of {service}'s "
                    "API, and that is used."
                )
            )


def _check_groups(groups: Sequence[Any], *, outside: bool) -> None:
    """Check that security groups let SSH in; none: the cluster's own does."""
    if not groups:
        return
    found = [rule for group in groups for rule in rules_of(group)]
    members = not outside and any(rule.source is None and rule.covers(SSH_PORT) for rule in found)
    if not rules.sources(found) and not members:
        names = ", ".join(f"'{group.name}'" for group in groups)
        raise SecurityGroupError(
            f"Security group {names} does not let SSH in (TCP port {SSH_PORT}).",
            hint=f"Add a rule with `openstack security group rule create --protocol {TCP} --dst-port "
            f"{SSH_PORT} --remote-ip YOUR-ADDRESS {groups[0].name}`, or leave out `security_group`: "
            "then the cluster gets a group of its own.",
        )


def _wanted(requests: Sequence[InstanceRequest], lookup: Lookup) -> Counter[str]:
    wanted: Counter[str] = Counter()
    for request in requests:
        number, spec = len(request.names), request.spec
        flavor = lookup.flavor(spec)
        wanted.update(
            instances=number,
            cores=number * int(flavor.vcpus),
            ram=number * int(flavor.ram),
            port=number * len(lookup.networks(spec)),
            floatingip=number if lookup.external_network(spec) else 0,
        )
    return wanted


def _network_quota(api: Any) -> Mapping[str, Mapping[str, int]]:
    """Return Neutron's quotas with what is in use; none where it does not tell (``quota_details``)."""
    answer = api.network.get(f"/quotas/{api.current_project_id}/details.json")
    found: Mapping[str, Mapping[str, int]] = answer.json().get("quota", {}) if answer.ok else {}
    return found


def _check_limit(words: str, wanted: int, used: int, limit: int | None) -> None:
    if limit is None or limit < 0 or wanted <= 0 or used + wanted <= limit:
        return
    raise QuotaError(
        f"The project's quota of {words} is too small: {wanted} needed, {used} of {limit} in use.",
        hint="Ask for fewer or smaller nodes, have the quota raised, or remove what nobody needs.",
    )
