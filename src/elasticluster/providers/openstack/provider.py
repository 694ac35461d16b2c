"""Nodes as servers of an OpenStack cloud."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from elasticluster.engine.create import tags_of
from elasticluster.engine.events import Listener
from elasticluster.engine.pool import run_all
from elasticluster.engine.ports import Created
from elasticluster.engine.wait import wait_until
from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    InstanceError,
    InstanceNotFoundError,
    QuotaError,
    SubnetError,
)
from elasticluster.model import (
    ClusterRecord,
    Instance,
    InstanceRequest,
    InstanceState,
    Json,
    KeyPair,
    Resource,
)
from elasticluster.providers.base import attempt_all, errors_of
from elasticluster.providers.common.access import ssh_sources
from elasticluster.providers.common.bulk import BulkCloudProvider
from elasticluster.providers.common.console import host_keys
from elasticluster.providers.common.names import KeyName
from elasticluster.providers.openstack import addresses, preflight, shared
from elasticluster.providers.openstack.addresses import Wish
from elasticluster.providers.openstack.client import PATIENCE, WORKERS, Cloud, unless_missing
from elasticluster.providers.openstack.create import create
from elasticluster.providers.openstack.described import full_name
from elasticluster.providers.openstack.instances import FLOATING, Options, has_floating, to_instance
from elasticluster.providers.openstack.lookup import Lookup, texts
from elasticluster.providers.openstack.servers import TAGGED, get_server, list_servers

_CONSOLE_LINES = 200
_POWERING_OFF = "powering-off"
_PAUSE_INTERVAL = 2  # seconds between two looks
_PAUSE_SECONDS = 180  # Nova lets a system shut down for a minute, then it cuts the power

_START_VERBS = {
    "SHUTOFF": "start_server",
    "SUSPENDED": "resume_server",
    "PAUSED": "unpause_server",
    "SHELVED": "unshelve_server",
    "SHELVED_OFFLOADED": "unshelve_server",
}
"""What starts a server again, by how it was stopped (Compute API, "Servers - run an action")."""


class OpenStackCloudProvider(BulkCloudProvider):
    """An OpenStack cloud.

    A server is a node. A cluster has a security group and, unless the user names one, a key pair of its own;
    with ``use_anti_affinity_groups`` a server group for each kind of nodes. A floating IP address is
    allocated for one server and goes with it.

    Args:
        username: user; empty: as the environment or ``clouds.yaml`` says, as for all that follows.
        password: their password.
        project_name: project.
        auth_url: address of the identity service.
        region_name: region.
        storage_path: accepted for older programs; nothing is stored.
        request_floating_ip: whether nodes get a floating IP address.
        **config: further keys of the cloud section.
    """

    polling_interval = 5.0
    patience = PATIENCE
    """Seconds that the cloud may be down, or ask to slow down, before a call of it fails."""

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        project_name: str | None = None,
        auth_url: str | None = None,
        region_name: str | None = None,
        storage_path: str | None = None,
        request_floating_ip: bool = False,  # noqa: FBT001, FBT002 - documented
        **config: Any,
    ) -> None:
        given = {
            "username": username,
            "password": password,
            "project_name": project_name,
            "auth_url": auth_url,
            "region_name": region_name,
        }
        named = {name: value for name, value in given.items() if value}
        super().__init__(**named, request_floating_ip=request_floating_ip, **config)
        self._cloud = Cloud(self.config, self.patience)
        self._lookup = Lookup(self._cloud, self.config)
        self._guard = threading.Lock()
        self._prepared: set[str] = set()
        self._floating: dict[str, str] = {}

    def account(self) -> str:
        """Return the id of the project that the credentials are for, with the region; logging in tells both.

        Another region has none of the machines either, and an entry of ``clouds.yaml`` may bring one along.
        """
        project, region = self._cloud.project_id(), self._cloud.region()
        return f"{project} ({region})" if project and region else project

    def preflight(self, cluster: ClusterRecord, requests: Sequence[InstanceRequest], tell: Listener) -> None:
        """Check credentials, images, flavors, key, networks, groups and quotas; makes nothing.

        Raises:
            CloudProviderError: it will not work; the message says how to mend it.
        """
        preflight.warn_of_versions(self.config, tell)
        if not requests:
            self._cloud.project_id()
            return
        self._lookup = Lookup(self._cloud, self.config)  # an image may have been replaced since
        preflight.check_requests(requests, self._lookup)
        key = requests[0].key
        name = shared.key_name(cluster, key)
        if not name.own:
            shared.check_key(self._cloud, key, name)
        own_group = any(not request.spec.security_group for request in requests)
        if own_group:
            self._ssh_sources()
        new_group = own_group and not shared.find_group(self._cloud, cluster.uuid)
        names = {name for request in requests for name in request.names}
        ids = {node.instance_id for node in cluster.nodes if node.name in names}
        broken = [one for one in list_servers(self._cloud, cluster.uuid) if one.id in ids]
        preflight.check_quota(self._cloud, requests, self._lookup, broken, new_group=new_group)
        preflight.check_volumes(self._cloud, requests, self._lookup)
        if self.config.get("use_anti_affinity_groups"):
            preflight.check_spread(self._cloud, cluster, requests)

    def prepare(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Make the cluster's security group, key pair and server groups; does nothing where they exist."""
        tags = tags_of(cluster)
        with self._guard:  # two threads would find nothing and make two
            self._prepared.add(cluster.uuid)
            if any(not node.spec.security_group for node in cluster.nodes):
                shared.make_group(self._cloud, tags, self._ssh_sources())
            shared.make_key(self._cloud, key, shared.key_name(cluster, key))
            if self.config.get("use_anti_affinity_groups"):
                shared.make_spread(self._cloud, tags, [node.kind or "node" for node in cluster.nodes])

    def create_instances(self, request: InstanceRequest) -> Created:
        """Make servers, many with a call; what was asked for is found again if a reply is lost."""
        try:
            options = self._options(request)
        except CloudProviderError as exc:
            return Created(failures=dict.fromkeys(request.names, exc))
        return create(self._cloud, request, options)

    def list_instances(self, cluster: str | None = None) -> list[Instance]:
        """Return all servers that carry our metadata, a thousand with a call.

        Servers of a cluster that this object has prepared get the floating IP address that they are to have:
        it can be attached only once they have a port.
        """
        servers = list_servers(self._cloud, cluster)
        return self._addressed(servers, [to_instance(server) for server in servers])

    def stop_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Delete servers, and give their floating IP addresses back; one that is gone counts as deleted."""
        listed = self._listed(ids)
        errors = errors_of(attempt_all(lambda one: self._remove(one, listed), ids, WORKERS))
        gone = {one for one in ids if one not in errors}
        left = [
            (resource.id, server) for resource, server in self._list_addresses() if gone and server in gone
        ]
        kept = addresses.remove_addresses(self._cloud, [one for one, _ in left])
        return errors | {server: kept[one] for one, server in left if one in kept}

    def pause_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Shut servers down; they keep their disks and addresses. Returns when they are off."""
        listed = self._listed(ids)
        errors = errors_of(attempt_all(lambda one: self._pause(one, listed), ids, WORKERS))
        return errors | self._still_on([one for one in ids if one not in errors])

    def resume_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Start servers again, however they were stopped; one that runs counts as started."""
        listed = self._listed(ids)
        return errors_of(attempt_all(lambda one: self._resume(one, listed), ids, WORKERS))

    def list_resources(self, cluster: str | None = None) -> list[Resource]:
        """Return security groups, server groups, key pairs and floating IP addresses that are ours.

        What has only a name tells the UUID; the rest is taken from what else there is of that cluster.
        """
        found = [*shared.list_shared(self._cloud), *(one for one, _ in self._list_addresses())]
        known = {one.tags.uuid: one.tags for one in reversed(found) if one.tags.owner}
        told = (replace(one, tags=known.get(one.tags.uuid, one.tags)) for one in found)
        return [
            replace(one, tags=replace(one.tags, kind=""))
            for one in told
            if cluster is None or one.tags.uuid == cluster
        ]

    def release(self, cluster: str) -> None:
        """Remove what the cluster of that UUID has of its own; waits until no server uses it any more."""
        left = [one.id for one, _ in self._list_addresses() if one.tags.uuid == cluster]
        for error in addresses.remove_addresses(self._cloud, left).values():
            raise error
        found = [one for one in shared.list_shared(self._cloud) if one.tags.uuid == cluster]
        shared.remove_shared(self._cloud, found)
        self._prepared.discard(cluster)

    def host_keys(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the host keys that cloud-init has written to the consoles of servers; one call for each."""
        texts_of = run_all(self.console_output, ids, WORKERS)
        keys = {one: host_keys(text) for one, text in zip(ids, texts_of, strict=True)}
        return {one: found for one, found in keys.items() if found}

    def console_output(self, instance_id: str) -> str:
        """Return the end of what a server wrote to its console; empty where the cloud has none."""
        from openstack.exceptions import HttpException

        with self._cloud.use(f"read the console of '{instance_id}'") as api:
            try:
                answer = api.compute.get_server_console_output(instance_id, length=_CONSOLE_LINES)
            except HttpException:  # gone, not booted yet, or a hypervisor that keeps no console
                return ""
        return str((answer or {}).get("output") or "")

    def node_vars(self, node_flavor: str) -> Mapping[str, Json]:
        """Return ``cpus``, ``memory_mb`` and, if the cloud tells, ``gpus`` of a flavor.

        Raises:
            FlavorError: there is no such flavor.
        """
        return self._lookup.flavors.variables(node_flavor)

    def _ssh_sources(self) -> tuple[str, ...]:
        self._cloud.project_id()  # logs in: only now the address of the cloud is known for sure
        return ssh_sources(texts(self.config.get("ssh_from")), self._cloud.url)

    def _options(self, request: InstanceRequest) -> Options:
        spec, tags, lookup = request.spec, request.tags, self._lookup
        named = [str(group.id) for group in lookup.groups(spec)]
        key = KeyName.of_request(request)
        spread = (
            shared.find_spread(self._cloud, tags.uuid) if self.config.get("use_anti_affinity_groups") else {}
        )
        return Options(
            image=lookup.image(spec),
            flavor=lookup.flavor(spec),
            networks=lookup.networks(spec),
            groups=named or [shared.find_group(self._cloud, tags.uuid)],
            key=full_name(tags) if key.own else key.name,
            zone=lookup.zone(spec),
            spread=spread.get(spec.kind or "node", ""),
            floating=lookup.external_network(spec),
            tagged=self._cloud.offers(TAGGED),
        )

    def _addressed(self, servers: Sequence[Any], machines: Sequence[Instance]) -> list[Instance]:
        """Return machines with the floating IP addresses that Nova does not show (yet).

        One that is to get one and has none is on its way; where there will never be one, it is broken.
        """
        lacking = {
            str(server.id): Wish(str(server.id), str(server.metadata[FLOATING]), machine.tags)
            for server, machine in zip(servers, machines, strict=True)
            if machine.state is InstanceState.RUNNING
            and (server.metadata or {}).get(FLOATING)
            and not has_floating(server)
        }
        errors = self._attach([wish for wish in lacking.values() if wish.server not in self._floating])

        def completed(one: Instance) -> Instance:
            error = errors.get(one.id)
            if one.id not in lacking:
                return one
            if one.id in self._floating:
                return replace(one, public_ip=self._floating[one.id])
            hopeless = isinstance(error, (QuotaError, CapacityError, SubnetError))
            state = InstanceState.ERROR if hopeless else InstanceState.PENDING
            return replace(one, state=state, reason=str(error or "it has no floating IP address yet"))

        return [completed(one) for one in machines]

    def _attach(self, wishes: Sequence[Wish]) -> Mapping[str, CloudProviderError]:
        """Find the floating IP addresses of servers; allocate those of clusters that are being started."""
        if not wishes:
            return {}
        ours = [wish for wish in wishes if wish.tags.uuid in self._prepared]
        found: dict[str, str] = {}
        errors: Mapping[str, CloudProviderError] = {}
        with self._guard:  # two threads would find none and allocate two
            if ours:
                found, errors = addresses.attach(self._cloud, ours)
            others = {wish.server for wish in wishes} - {wish.server for wish in ours}
            found |= addresses.addresses_of(self._cloud, others) if others else {}
            self._floating |= found
        return errors

    def _list_addresses(self) -> list[tuple[Resource, str]]:
        return addresses.list_addresses(self._cloud)

    def _listed(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return our servers by id, with one call; none if nobody asks for any."""
        return {str(server.id): server for server in list_servers(self._cloud)} if ids else {}

    def _remove(self, instance_id: str, listed: Mapping[str, Any]) -> None:
        if self._own(instance_id, listed) is None:
            return
        with self._cloud.use(f"delete the server '{instance_id}'", InstanceError) as api:
            unless_missing(api.compute.delete_server, instance_id, ignore_missing=False)
        self._floating.pop(instance_id, None)

    def _own(self, instance_id: str, listed: Mapping[str, Any]) -> Any:
        """Return a server of ours; None if it does not exist. A record may name any, whoever wrote it.

        Raises:
            InstanceError: it is not one of ours, or of another cluster than the one whose record names it.
        """
        server = listed.get(instance_id) or get_server(self._cloud, instance_id)
        if server is None:
            return None
        uuid = to_instance(server).tags.uuid
        known = self._known.get(instance_id)
        untagged = not uuid and known and not known.batch  # made by a program that writes no metadata
        if not untagged and (not uuid or (known and known.uuid != uuid)):
            raise InstanceError(
                f"The server '{instance_id}' is left alone: it is no node of this cluster.",
                hint=f"`openstack server show {instance_id}` says what it is.",
            )
        return server

    def _must_own(self, instance_id: str, listed: Mapping[str, Any]) -> Any:
        server = self._own(instance_id, listed)
        if server is None:
            raise InstanceNotFoundError(f"There is no server '{instance_id}' on this cloud.")
        return server

    def _pause(self, instance_id: str, listed: Mapping[str, Any]) -> None:
        server = self._must_own(instance_id, listed)
        if server.status in _START_VERBS or server.task_state == _POWERING_OFF:
            return
        with self._cloud.use(f"stop the server '{instance_id}'", InstanceError) as api:
            api.compute.stop_server(instance_id)

    def _still_on(self, ids: Sequence[str]) -> dict[str, CloudProviderError]:
        """Wait until servers are off; return those that are not in time."""
        left = set(ids)

        def all_off() -> bool:
            states = {str(one.id): to_instance(one).state for one in list_servers(self._cloud)}
            on = (InstanceState.RUNNING, InstanceState.PENDING)
            left.intersection_update([one for one in ids if states.get(one) in on])
            return not left

        if ids:
            wait_until(all_off, timeout=_PAUSE_SECONDS, interval=_PAUSE_INTERVAL, clock=self._cloud.clock)
        return {one: InstanceError(f"still on after {_PAUSE_SECONDS} s") for one in left}

    def _resume(self, instance_id: str, listed: Mapping[str, Any]) -> None:
        server = self._must_own(instance_id, listed)
        if server.task_state == _POWERING_OFF:
            self._still_on([instance_id])
            server = self._must_own(instance_id, {})
        verb = _START_VERBS.get(str(server.status))
        if verb and not server.task_state:
            with self._cloud.use(f"start the server '{instance_id}'", InstanceError) as api:
                getattr(api.compute, verb)(instance_id)

    def _find(self, instance_id: str) -> Instance | None:
        server = get_server(self._cloud, instance_id)
        machine = to_instance(server) if server else None
        if not machine or not machine.tags.uuid or machine.state is InstanceState.TERMINATED:
            return None
        return self._addressed([server], [machine])[0]
