"""Machines for the servers of the OpenStack test cloud, as Nova's stand-in for a hypervisor makes none."""

from __future__ import annotations

import base64
import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.clouds.machines import Machines, Wanted, console
from tests.clouds.openstack.cloud import OpenStackCloud, Project
from tests.clouds.stand_in import StandIn

USER = "debian"
PAUSE = 0.5  # seconds between two looks: each costs the services as much as one of a client


@dataclass
class Guests:
    """A cloud whose servers have machines.

    Attributes:
        cloud: the cloud.
        new_project: makes a project; its servers have machines until another one is made.
        silent: addresses of which no machine answers, for projects whose servers are to be so.
        floating: options of `new_project` with which floating IP addresses are answered, too.
    """

    cloud: OpenStackCloud
    new_project: Callable[..., Project]
    silent: str = ""
    floating: Mapping[str, str] = field(default_factory=dict)


class _Look:
    """What the cloud says that there is, in the project that was made last."""

    def __init__(self, cloud: OpenStackCloud, **network: str) -> None:
        self._cloud = cloud
        self._network = network
        self._project: Project | None = None
        self._user: Any = None

    def new_project(self, **options: Any) -> Project:
        project = self._cloud.new_project(**(self._network | options))
        self._user, self._project = project.connect(), project
        return project

    def machines(self) -> list[Wanted]:
        time.sleep(PAUSE)
        project, user = self._project, self._user
        if project is None:
            return []
        keys = {key.name: key.public_key for key in user.compute.keypairs()}
        found = [_machine(server, keys.get(server.key_name, "")) for server in self._cloud.servers(project)]
        return [machine for machine in found if machine]


def _machine(server: Any, public_key: str) -> Wanted | None:
    """Return the machine that a server is to have; None while it has none."""
    addresses = [one for network in (server.addresses or {}).values() for one in network]
    of_type = {one["OS-EXT-IPS:type"]: one["addr"] for one in addresses}
    if server.status not in {"ACTIVE", "SHUTOFF"} or "fixed" not in of_type:
        return None
    return Wanted(
        instance_id=server.id,
        private_ip=of_type["fixed"],
        public_ip=of_type.get("floating"),
        public_key=public_key,
        user=USER,
        user_data=base64.b64decode(server.user_data or "").decode(),
        running=server.status == "ACTIVE",
    )


@contextmanager
def containers(prefix: str, flavor: str = "1cpu-1ram") -> Iterator[Guests]:
    """Run a cloud whose servers are containers, each with its private and its floating IP address."""
    with Machines(prefix, flavor=flavor) as machines, OpenStackCloud() as cloud:
        look = _Look(cloud, subnet=machines.subnet, public=machines.public)
        with machines.following(look.machines, cloud.write_console):
            yield Guests(cloud, look.new_project)


@contextmanager
def stand_in(prefix: str) -> Iterator[Guests]:
    """Run a cloud whose servers are all one machine, which has their private addresses."""
    with StandIn(prefix) as machine, OpenStackCloud() as cloud:
        eighths = [str(one) for one in ipaddress.ip_network(machine.subnet).subnets(3)]
        cloud.write_console("[^/]*", console("machine", [machine.host_key]))

        def new_project(**options: Any) -> Project:
            return cloud.new_project(**({"subnet": machine.subnet, "pool": eighths[0]} | options))

        floating = {"subnet": eighths[0], "pool": "", "public": eighths[1]}
        yield Guests(cloud, new_project, silent=eighths[6], floating=floating)
