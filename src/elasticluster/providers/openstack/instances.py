"""Servers as instances: how they are asked for, and what is said of them."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticluster.exceptions import FlavorError, UnsupportedError
from elasticluster.model import Instance, InstanceRequest, InstanceState, Json, NodeSpec
from elasticluster.providers.common.tags import PREFIX, to_strings, to_tags

FIRST = f"{PREFIX}first"
"""Name of the metadata with the place, in its batch, of the first server of the call that made it."""

FLOATING = f"{PREFIX}floating"
"""Name of the metadata with the network that the server's floating IP address comes from, if it has one."""

ANY = "elasticluster"
"""Tag of every server of ours."""

USERDATA_LIMIT = 65535
"""Characters of user data as Base64 (Compute API, "Create server")."""

_INDEX_RE = re.compile(r".*-(\d+)", re.DOTALL)
_DELETING = frozenset({"deleting", "soft-deleting", "force-deleting"})
_GOING = frozenset({"powering-off", "powering-on", "suspending", "resuming", "pausing", "unpausing"})
_STATES = {
    "ACTIVE": InstanceState.RUNNING,
    "PASSWORD": InstanceState.RUNNING,
    "VERIFY_RESIZE": InstanceState.RUNNING,
    "MIGRATING": InstanceState.RUNNING,
    "SHUTOFF": InstanceState.STOPPED,
    "SUSPENDED": InstanceState.STOPPED,
    "PAUSED": InstanceState.STOPPED,
    "SHELVED": InstanceState.STOPPED,
    "SHELVED_OFFLOADED": InstanceState.STOPPED,
    "ERROR": InstanceState.ERROR,
    "DELETED": InstanceState.TERMINATED,
    "SOFT_DELETED": InstanceState.TERMINATED,
}
"""What Nova's words for a server come to (Compute API guide, "Server Concepts"); others are on the way."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the servers of a request have in common, with everything looked up.

    Attributes:
        image: image to boot (openstacksdk's).
        flavor: its flavor (openstacksdk's).
        networks: ids of its networks.
        groups: ids of its security groups.
        key: name of its key pair.
        zone: availability zone; empty: the cloud's choice.
        spread: id of the server group that keeps servers on several hosts; empty for none.
        floating: id of the network that a floating IP address comes from; empty for none.
        tagged: whether the cloud takes tags with the call.
    """

    image: Any
    flavor: Any
    networks: Sequence[str]
    groups: Sequence[str]
    key: str
    zone: str = ""
    spread: str = ""
    floating: str = ""
    tagged: bool = True


def attributes(request: InstanceRequest, options: Options, first: int, count: int) -> dict[str, Json]:
    """Return what is asked of Nova, by openstacksdk's names (``create_server``).

    Args:
        request: which nodes.
        options: what they are made of.
        first: place of the first one in the request.
        count: how many to make at most; Nova makes fewer where the quota does not allow as many.
    """
    names, spec = request.names, request.spec
    alone = count == 1
    name = names[first] if alone else spec.kind or "node"
    asked = {
        "name": f"{request.tags.name}-{name}",
        "flavor_id": options.flavor.id,
        "networks": [{"uuid": network} for network in options.networks],
        "security_groups": [{"name": group} for group in options.groups],
        "key_name": options.key,
        "metadata": _metadata(request, options, first, names[first] if alone else ""),
        "min_count": 1,
        "max_count": count,
        "tags": [ANY, uuid_tag(request.tags.uuid), batch_tag(request.token)] if options.tagged else None,
        "availability_zone": options.zone,
        "user_data": user_data(spec.image_userdata),
        "scheduler_hints": {"group": options.spread} if options.spread else None,
        **_boot(spec, options),
    }
    return {name: value for name, value in asked.items() if value}


def uuid_tag(cluster: str) -> str:
    """Return the tag of all servers of a cluster; one may have 60 characters."""
    return f"{PREFIX}uuid={cluster}"


def batch_tag(token: str) -> str:
    """Return the tag of all servers of a request."""
    return f"{PREFIX}batch={token}"


def user_data(script: str) -> str:
    """Return a script as Nova takes it.

    Raises:
        UnsupportedError: it is too long.
    """
    encoded = base64.b64encode(script.encode()).decode()
    if len(encoded) > USERDATA_LIMIT:
        raise UnsupportedError(
            f"`image_userdata` has {len(script.encode())} bytes; OpenStack takes "
            f"{USERDATA_LIMIT // 4 * 3} at most.",
            hint="Let the script fetch what is too large for it.",
        )
    return encoded


def disk_gb(spec: NodeSpec, flavor: Any, image: Any) -> int:
    """Return the size of a boot volume in GB; 0: the node boots from the flavor's own disk.

    Raises:
        FlavorError: the disk is too small for the image, or its size is not known.
    """
    size = int(spec.extra.get("boot_disk_size") or 0)
    if spec.extra.get("boot_disk_type") and not size:
        size = flavor.disk or image.min_disk
        if not size:
            raise FlavorError(
                f"Flavor '{flavor.name}' has no disk of its own.", hint="Set `boot_disk_size`, in GB."
            )
    have = size or flavor.disk  # a flavor of 0 GB takes the image's own size
    if have and image.min_disk > have:
        raise FlavorError(
            f"Image '{image.name}' needs a disk of {image.min_disk} GB; "
            f"{'`boot_disk_size` says' if size else f'flavor {flavor.name!r} has'} {have}.",
            hint="Choose a larger flavor, or set `boot_disk_size`.",
        )
    return size


def to_instance(server: Any) -> Instance:
    """Return a server (openstacksdk's, with details) as an instance."""
    tags = to_tags(server.metadata or {})
    state = _state(server)
    fixed, floating = _addresses(server) if state is InstanceState.RUNNING else ([], [])
    public = [*floating, *(one for one in fixed if ipaddress.ip_address(one).is_global)]
    fault = (server.fault or {}).get("message", "") if state is InstanceState.ERROR else ""
    return Instance(
        id=str(server.id),
        state=state,
        tags=tags,
        public_ip=public[0] if public else None,
        private_ip=fixed[0] if fixed else None,
        launch_index=launch_index(server),
        reason=str(fault),
    )


def launch_index(server: Any) -> int:
    """Return a server's place in its batch: Nova tells it only operators, but it is in the name."""
    first = str((server.metadata or {}).get(FIRST, ""))
    match = _INDEX_RE.fullmatch(server.name or "")
    place = int(match[1]) - 1 if match and not to_tags(server.metadata or {}).node else 0
    return (int(first) if first.isdecimal() else 0) + max(place, 0)


def has_floating(server: Any) -> bool:
    """Return whether Nova shows a floating IP address of a server."""
    return bool(_addresses(server)[1])


def _metadata(request: InstanceRequest, options: Options, first: int, node: str) -> dict[str, str]:
    known = to_strings(request.tags)
    known |= {f"{PREFIX}batch": request.token, FIRST: str(first), FLOATING: options.floating}
    return {name: value for name, value in (known | {f"{PREFIX}node": node}).items() if value}


def _boot(spec: NodeSpec, options: Options) -> Mapping[str, Json]:
    """Return what to boot: the image, or a volume that Nova makes of it and removes with the server."""
    size = disk_gb(spec, options.flavor, options.image)
    if not size:
        return {"image_id": options.image.id}
    volume = {
        "boot_index": 0,
        "uuid": options.image.id,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": size,
        "delete_on_termination": True,
    }
    kind = spec.extra.get("boot_disk_type")
    return {"block_device_mapping": [{**volume, **({"volume_type": kind} if kind else {})}]}


def _state(server: Any) -> InstanceState:
    status, task = str(server.status), str(server.task_state or "")
    if task in _DELETING:
        return InstanceState.TERMINATED
    if task in _GOING:
        return InstanceState.PENDING
    return _STATES.get(status, InstanceState.PENDING)


def _addresses(server: Any) -> tuple[list[str], list[str]]:
    """Return a server's fixed and its floating addresses, IPv4 first, each in the order of its networks."""
    listed = [one for network in (server.addresses or {}).values() for one in network]
    fixed = _sorted(one["addr"] for one in listed if one.get("OS-EXT-IPS:type") != "floating")
    return fixed, _sorted(one["addr"] for one in listed if one.get("OS-EXT-IPS:type") == "floating")


def _sorted(addresses: Iterable[str]) -> list[str]:
    return sorted(addresses, key=lambda one: ipaddress.ip_address(one).version)
