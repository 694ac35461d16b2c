"""What the configuration says of a kind of node, as EC2 needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from elasticluster.model import Json, NodeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Keys of the node's section, else of the cloud's.

    Attributes:
        groups: names or ids of security groups; empty: the cluster's own.
        subnets: names or ids of subnets; empty: as the cloud sees fit.
        zone: availability zone; empty: as the cloud sees fit.
        wants_address: whether a public address was asked for.
        price: most that a spot machine may cost an hour, in US dollars; 0: no spot machine.
        timeout: seconds to wait for a spot machine; 0: as long as a start may take.
        instance_profile: name or ARN of an IAM instance profile; empty for none.
        placement_group: its name; empty for none.
        disk_size: size of the boot disk in GiB; 0: the image's.
        disk_type: type of the boot disk; empty: the image's.
        disk_device: device of the boot disk; empty: the image's.
        disk_iops: operations a second of the boot disk; 0: as the type has it.
    """

    groups: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    zone: str = ""
    wants_address: bool = False
    price: float = 0
    timeout: float = 0
    instance_profile: str = ""
    placement_group: str = ""
    disk_size: int = 0
    disk_type: str = ""
    disk_device: str = ""
    disk_iops: int = 0

    @classmethod
    def of(cls, spec: NodeSpec, cloud: Mapping[str, Json]) -> Self:
        """Return the options of a kind of node.

        Args:
            spec: the node.
            cloud: keys of ``[cloud/NAME]``.
        """
        given: dict[str, Any] = {**cloud, **spec.extra}
        return cls(
            groups=_listed(spec.security_group),
            subnets=_listed(given.get("network_ids")),
            zone=str(given.get("availability_zone") or ""),
            wants_address=bool(given.get("request_floating_ip")),
            price=float(given.get("price") or 0),
            timeout=float(given.get("timeout") or 0),
            instance_profile=str(given.get("instance_profile") or ""),
            placement_group=str(given.get("placement_group") or ""),
            disk_size=int(given.get("boot_disk_size") or 0),
            disk_type=str(given.get("boot_disk_type") or ""),
            disk_device=str(given.get("boot_disk_device") or ""),
            disk_iops=int(given.get("boot_disk_iops") or 0),
        )


def _listed(value: Any) -> tuple[str, ...]:
    """Return a list, or a text with commas as ``start_instance`` is given it, as names."""
    names = value.split(",") if isinstance(value, str) else value or ()
    return tuple(name.strip() for name in names if name.strip())
