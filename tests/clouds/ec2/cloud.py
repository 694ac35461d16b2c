"""moto's EC2 backend, its settings of ours, and the time that things take on it."""

from __future__ import annotations

import base64
import ipaddress
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto.ec2.models import (
    availability_zones_and_regions,
    core,
    ec2_backends,
    instance_types,
    key_pairs,
    vpcs,
)
from moto.ec2.models import elastic_ip_addresses as addresses
from moto.ec2.models import elastic_network_interfaces as interfaces
from moto.ec2.models.instances import Instance, InstanceState
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix
from tests.clouds.ec2.messages import Answer

ACCOUNT = "123456789012"
PENDING, RUNNING, SHUTTING_DOWN, TERMINATED, STOPPING, STOPPED = 0, 16, 32, 48, 64, 80
NAMES = {
    PENDING: "pending",
    RUNNING: "running",
    SHUTTING_DOWN: "shutting-down",
    TERMINATED: "terminated",
    STOPPING: "stopping",
    STOPPED: "stopped",
}
OF_OTHER_CLOUDS = {"m1.tiny": "t3.small"}
"""Flavors that clouds with EC2's API have and EC2 has not, each with the one of EC2 that it is like."""


@dataclass
class Settings:
    """How the cloud behaves; a test changes what it is about.

    Attributes:
        latency: seconds before any call is looked at.
        token_bucket: None: nobody is throttled; ``aws``: as AWS documents it; [size, rate]: each action so.
        boot_seconds: time from the launch of an instance until it runs.
        shutdown_seconds: time that stopping and terminating take.
        consistency_seconds: time until listings show a new instance.
        capacity: most instances by availability zone.
        vcpu_limit: most virtual processors of all instances.
    """

    latency: float = 0
    token_bucket: Any = None
    boot_seconds: float = 0
    shutdown_seconds: float = 0
    consistency_seconds: float = 0
    capacity: Mapping[str, int] = field(default_factory=dict)
    vcpu_limit: int | None = None


@dataclass
class Change:
    """An instance on its way to a state.

    Attributes:
        state: the code of that state.
        due: when it will be there.
    """

    state: int
    due: float


class Cloud:
    """What the rules look at.

    Args:
        public: addresses that are handed out as public ones.
        region: a region; it need not be one of AWS.
        vpc: addresses of the default network; empty: as moto has it.
        console: what instances have written to their consoles of which nobody said it.
    """

    def __init__(self, public: str, region: str, vpc: str = "", console: str = "") -> None:
        self.settings = Settings()
        self.placement_groups: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, tuple[Mapping[str, str], Answer]] = {}
        self.consoles: dict[str, str] = {}
        self.console = console
        self._public = ipaddress.ip_network(public)
        self._addresses = itertools.cycle([*self._public.hosts()][1:])  # none is soon given again
        self._skipped = 0.0
        self._changes: dict[str, Change] = {}
        self._born: dict[str, float] = {}
        self._public_keys: dict[str, str] = {}  # as they were at the launch
        interfaces.random_public_ip = addresses.random_ip = self._public_ip  # type: ignore[attr-defined]
        key_pairs.public_key_fingerprint = _fingerprint(key_pairs.public_key_fingerprint)  # type: ignore[attr-defined]
        core.TaggedEC2Resource.get_tags = _tags_of  # type: ignore[assignment, method-assign]
        _offer_region(region)
        _offer_flavors()
        if vpc:
            _place_default_network(vpc)

    def reset(self) -> None:
        """Forget everything."""
        for backends in ec2_backends.values():
            backends.reset()
        self.settings = Settings()
        for memory in (self.placement_groups, self.tokens, self.consoles, self._changes, self._born):
            memory.clear()

    def backend(self, region: str) -> Any:
        """Return moto's backend of a region."""
        return ec2_backends[ACCOUNT][region]

    def instances(self, region: str) -> list[Instance]:
        """Return all instances but those that are gone."""
        found = self.backend(region).all_instances()
        return [one for one in found if one.state_code != TERMINATED]

    # -- time ------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the cloud's time, in seconds since some moment."""
        return time.monotonic() + self._skipped

    def skip(self, seconds: float) -> None:
        """Let time pass at once."""
        self._skipped += seconds

    def launched(self, instance: Instance) -> None:
        """Let an instance that was made boot."""
        key = self.backend(instance.region_name).key_pairs.get(instance.key_name)
        self._born[instance.id] = self.now()
        self._public_keys[instance.id] = key.public_key if key else ""
        self.change(instance, PENDING, RUNNING, self.settings.boot_seconds)

    def change(self, instance: Instance, through: int, state: int, seconds: float) -> None:
        """Let an instance be in one state for a while, then in another."""
        self._changes.pop(instance.id, None)
        if seconds:
            instance._state = InstanceState(NAMES[through], through)
            self._changes[instance.id] = Change(state, self.now() + seconds)

    def tick(self, region: str) -> None:
        """Let those changes happen that are due."""
        due = {one for one, change in self._changes.items() if change.due <= self.now()}
        for instance in self.backend(region).all_instances() if due else ():
            if instance.id in due:
                state = self._changes.pop(instance.id).state
                instance._state = InstanceState(NAMES[state], state)

    @contextmanager
    def without_the_newest(self, region: str) -> Iterator[None]:
        """Hide instances that listings do not show yet."""
        reservations = self.backend(region).reservations
        horizon = self.now() - self.settings.consistency_seconds
        hidden = [
            key
            for key, reservation in reservations.items()
            if any(self._born.get(one.id, 0) > horizon for one in reservation.instances)
        ]
        taken = {key: reservations.pop(key) for key in hidden}
        try:
            yield
        finally:
            reservations.update(taken)

    # -- what the machines' side has to know -----------------------------------------------------------

    def machines(self, region: str) -> list[dict[str, Any]]:
        """Return what a machine needs to be a given instance, for all that are not gone."""
        self.tick(region)
        return [self._machine(region, one) for one in self.instances(region)]

    def _machine(self, region: str, instance: Instance) -> dict[str, Any]:
        backend = self.backend(region)
        image = backend.amis.get(instance.image_id)
        data = str(instance.user_data or "")
        return {
            "instance_id": instance.id,
            "private_ip": instance.private_ip,
            "public_ip": instance.public_ip,
            "public_key": self._public_keys.get(instance.id, ""),
            "user": image.description if image else "admin",
            "user_data": base64.b64decode(data).decode() if data else "",
            "running": instance.state_code in {PENDING, RUNNING},
        }

    def _public_ip(self) -> str:
        """Return an address that nobody has, as long as there are such."""
        backends = [backend for regions in ec2_backends.values() for backend in regions.values()]
        used = {one.public_ip for backend in backends for one in backend.enis.values()}
        used |= {one.public_ip for backend in backends for one in backend.addresses}
        tried = itertools.islice(self._addresses, self._public.num_addresses)
        return str(next((one for one in tried if str(one) not in used), self._public[2]))


def _fingerprint(of_moto: Callable[..., str]) -> Callable[..., str]:
    """EC2 gives the SHA-256 of an ED25519 key in base64 (User Guide, "Verify the fingerprint")."""

    def fingerprint(*args: Any, **kwargs: Any) -> str:
        text = of_moto(*args, **kwargs)
        digest = bytes.fromhex(text.replace(":", ""))
        return base64.b64encode(digest).decode() if len(digest) == 32 else text

    return fingerprint


def _tags_of(resource: Any) -> list[dict[str, str]]:
    """Return the tags of a resource; moto looks for each through those of all, a minute for 1000 machines."""
    found = resource.ec2_backend.tags.get(resource.id, {}) if resource.id else {}
    kind = EC2_PREFIX_TO_RESOURCE[get_prefix(resource.id)] if found else ""
    return [
        {"resource_id": resource.id, "key": key, "value": value, "resource_type": kind}
        for key, value in found.items()
    ]


def _offer_region(region: str) -> None:
    """Let there be a region of one zone, with all flavors, as clouds with EC2's API have it."""
    zones = availability_zones_and_regions.RegionsAndZonesBackend.zones
    if region in zones:
        return
    zones[region] = [availability_zones_and_regions.Zone(region, region, f"{region}-1")]
    for kind, places in instance_types.INSTANCE_TYPE_OFFERINGS.items():
        location = region if kind in {"region", "availability-zone"} else f"{region}-1"
        offered = {one["InstanceType"] for one in places["us-east-1"]}
        places[region] = [
            {"InstanceType": name, "LocationType": kind, "Location": location} for name in sorted(offered)
        ]


def _offer_flavors() -> None:
    for name, like in OF_OTHER_CLOUDS.items():
        instance_types.INSTANCE_TYPES[name] = instance_types.INSTANCE_TYPES[like] | {"InstanceType": name}
        instance_types.InstanceTypeBackend.instance_types.append(instance_types.InstanceType(name))
        for places in instance_types.INSTANCE_TYPE_OFFERINGS.values():
            for offered in places.values():
                alike = [one for one in offered if one["InstanceType"] == like]
                offered.extend(one | {"InstanceType": name} for one in alike)


def _place_default_network(cidr: str) -> None:
    """Let the default network have given addresses: machines of flesh and blood have to be in it."""
    create = vpcs.VPCBackend.create_vpc

    def create_vpc(self: Any, cidr_block: str, *args: Any, **kwargs: Any) -> Any:
        return create(self, cidr if kwargs.get("is_default") else cidr_block, *args, **kwargs)

    vpcs.VPCBackend.create_vpc = create_vpc  # type: ignore[method-assign]
