"""An OpenStack cloud for tests: real services on loopback, shared by all processes that want one.

>>> with OpenStackCloud() as cloud:  # doctest: +SKIP
...     project = cloud.new_project()
...     cloud.inject("POST", "/servers$", status=503, times=2)
"""

from __future__ import annotations

import functools
import ipaddress
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.clouds.openstack import running
from tests.clouds.openstack.door import Doors, Fault

HOST = "127.0.0.1"
REGION = "RegionOne"
ADMIN = {"username": "admin", "password": "secret", "project_name": "admin"}
IMAGE = "debian-13"
FLAVOR = "m1.small"
PUBLIC_NETWORK = "public"
SUBNET = "10.20.0.0/16"
DELETION = 60  # seconds that it may take to delete servers


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project of its own, with a user, a network that a router joins to the public one, and quotas.

    Attributes:
        cloud: where it is.
        id: its id.
        name: its name.
        username: its only user.
        password: their password.
        network: name of its network.
        network_id: id of its network.
        subnet_id: id of that network's only subnet.
    """

    cloud: OpenStackCloud
    id: str
    name: str
    username: str
    password: str
    network: str
    network_id: str
    subnet_id: str

    def connect(self) -> Any:
        """Return a connection of openstacksdk as the project's user, straight to the services."""
        return self.cloud.connect(username=self.username, password=self.password, project_name=self.name)

    @property
    def section(self) -> dict[str, str]:
        """Keys of a ``[cloud/NAME]`` section, whose traffic goes through the doors."""
        return {
            "provider": "openstack",
            "auth_url": self.cloud.auth_url,
            "username": self.username,
            "password": self.password,
            "project_name": self.name,
            "region_name": REGION,
        }

    def set_quota(self, **limits: int) -> None:
        """Limit what there may be: Nova's ``instances``, ``cores``, ``ram`` …, else Neutron's."""
        admin = self.cloud.admin
        compute = {name: limits.pop(name) for name in tuple(limits) if name in _NOVA_QUOTAS}
        if compute:
            admin.compute.update_quota_set(self.id, **compute)
        if limits:
            admin.network.update_quota(self.id, **limits)

    def things(self) -> dict[str, list[str]]:
        """Return the names of everything in the project, by what it is; what every project has is left out.

        Servers that are being deleted are waited for: Nova only takes the order.
        """
        user = self.connect()
        deadline = time.monotonic() + DELETION
        while any("DELET" in f"{one.status} {one.task_state}".upper() for one in user.compute.servers()):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        network = user.network
        found = {
            "server": [one.name for one in user.compute.servers()],
            "key pair": [one.name for one in user.compute.keypairs()],
            "server group": [one.name for one in user.compute.server_groups()],
            "security group": [
                one.name for one in network.security_groups(project_id=self.id) if one.name != "default"
            ],
            "floating IP": [one.floating_ip_address for one in network.ips(project_id=self.id)],
            "port": [one.id for one in network.ports(project_id=self.id) if "router" not in one.device_owner],
            "volume": [one.name or one.id for one in user.block_storage.volumes()],
        }
        return {kind: sorted(names) for kind, names in found.items() if names}


class OpenStackCloud:
    """Real services, joined or started on entering, with doors at which things can be made to go wrong.

    They run until the processes that have used them end: whoever comes next need not wait for them.

    Attributes:
        auth_url: address of Keystone's door.
        doors: the doors.
    """

    auth_url: str
    doors: Doors

    def __enter__(self) -> Self:
        self._ports = running.use().ports()
        self.doors = Doors(self._ports)
        self.auth_url = f"http://{HOST}:{self.doors.ports['keystone']}/v3"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.doors.close()

    def connect(self, **user: str) -> Any:
        """Return a connection of openstacksdk straight to the services, by default the administrator's."""
        import openstack

        login: dict[str, Any] = {**(user or ADMIN)}
        return openstack.connect(
            auth_url=f"http://{HOST}:{self._ports['keystone']}/v3",
            user_domain_id="default",
            project_domain_id="default",
            region_name=REGION,
            load_yaml_config=False,
            load_envvars=False,
            **login,
        )

    def new_project(self, subnet: str = SUBNET, pool: str = "", public: str = "", **quotas: int) -> Project:
        """Make a project; nobody else sees anything of it.

        Args:
            subnet: addresses of its network; projects may have the same.
            pool: those of them that servers get; empty: all.
            public: addresses of an external network of its own (CIDR); empty: it has that of all projects.
            **quotas: limits, as for :meth:`Project.set_quota`.
        """
        admin = self.admin
        name = f"ectest-{uuid.uuid4().hex[:8]}"
        project = admin.identity.create_project(name=name, domain_id="default")
        user = admin.identity.create_user(name=name, password=f"of-{name}", domain_id="default")
        member = admin.identity.find_role("member")
        admin.identity.assign_project_role_to_user(project, user, member)
        external = _external_network(admin, public, project.id) if public else PUBLIC_NETWORK
        login = {"username": name, "password": f"of-{name}", "project_name": name}
        network = _network(self.connect(**login), subnet, pool, external)
        made = Project(cloud=self, id=project.id, name=name, username=name, password=f"of-{name}", **network)
        made.set_quota(**quotas)
        return made

    # -- what goes wrong ---------------------------------------------------------------------------------

    def inject(self, method: str, path: str, **fault: Any) -> Fault:
        """Let requests go wrong from now on; see :class:`tests.clouds.openstack.door.Fault`."""
        made = Fault(method, path, **fault)
        self.doors.faults.append(made)
        return made

    def amend(self, method: str, path: str, change: Callable[[Any], None]) -> Fault:
        """Change the content of answers from now on."""
        return self.inject(method, path, amend=change, times=0)

    def write_console(self, server: str, text: str) -> None:
        """Let the console of a server (a regular expression for its id) show a text for good.

        Nova's stand-in for a hypervisor keeps none.
        """

        def change(content: Any) -> None:
            if "output" in content:
                content["output"] = text

        self.inject("POST", f"/servers/{server}/action$", amend=change, times=0, lasting=True)

    def down(self, seconds: float, *services: str) -> None:
        """Let services (all of them if none is named) end connections without an answer for a while."""
        self.doors.shut(seconds, *services)

    def expire_tokens(self) -> None:
        """Let all tokens that were used up to now have expired."""
        self.doors.expired |= self.doors.tokens

    def revoke(self, token: str) -> None:
        """Let Keystone take back a token for good."""
        self.admin.identity.delete("/auth/tokens", headers={"X-Subject-Token": token}).raise_for_status()

    def reset(self) -> None:
        """Let everything work again, and forget which requests there were."""
        self.doors.faults[:] = [fault for fault in self.doors.faults if fault.lasting]
        self.doors.closed_until.clear()
        self.doors.expired.clear()
        self.doors.forget_calls()

    def servers(self, project: Project) -> list[Any]:
        """Return all servers of a project with what only administrators see: their user data."""
        found = self.admin.compute.servers(all_projects=True, project_id=project.id)
        return [server for server in found if server.project_id == project.id]

    @functools.cached_property
    def admin(self) -> Any:
        """A connection as the administrator."""
        return self.connect()

    def calls(self) -> list[str]:
        """Return the requests that came to the doors: ``"nova POST /v2.1/servers"``."""
        return self.doors.calls()


_NOVA_QUOTAS = {"instances", "cores", "ram", "key_pairs", "server_groups", "server_group_members"}


def _network(user: Any, cidr: str, pool: str, external: str) -> Mapping[str, str]:
    """Make a network, joined to an external one."""
    network = user.network.create_network(name="private")
    addresses = ipaddress.ip_network(pool or cidr)
    pools = [{"start": str(addresses[2]), "end": str(addresses[-3])}]
    subnet = user.network.create_subnet(
        network_id=network.id, name="private-v4", ip_version=4, cidr=cidr, allocation_pools=pools
    )
    outside = user.network.find_network(external, ignore_missing=False)
    router = user.network.create_router(name="way-out", external_gateway_info={"network_id": outside.id})
    user.network.add_interface_to_router(router, subnet=subnet.id)
    return {"network": network.name, "network_id": network.id, "subnet_id": subnet.id}


def _external_network(admin: Any, cidr: str, project: str) -> str:
    """Make a network that floating IPs of a project come from, and no other project sees; return its name."""
    name = f"public-{uuid.uuid4().hex[:8]}"
    network = admin.network.create_network(
        name=name, provider_network_type="flat", provider_physical_network=name, is_router_external=True
    )
    admin.network.create_subnet(
        network_id=network.id, name=name, ip_version=4, cidr=cidr, is_dhcp_enabled=False
    )
    access = {"object_type": "network", "object_id": network.id, "action": "access_as_external"}
    (everybody,) = admin.network.rbac_policies(**access)
    admin.network.create_rbac_policy(**access, target_project_id=project)
    admin.network.delete_rbac_policy(everybody)
    return name
