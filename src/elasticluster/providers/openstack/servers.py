"""Looking at servers."""

from __future__ import annotations

from typing import Any

from elasticluster.exceptions import InstanceError
from elasticluster.providers.common.tags import to_tags
from elasticluster.providers.openstack.client import TAGS_AT_CREATE, Cloud, unless_missing
from elasticluster.providers.openstack.errors import NOT_FOUND, status_of
from elasticluster.providers.openstack.instances import ANY, batch_tag, uuid_tag

_KEPT = "SOFT_DELETED"

TAGGED = TAGS_AT_CREATE
"""Microversion from which on servers carry tags, which Nova can look for."""


def list_servers(cloud: Cloud, cluster: str | None = None, batch: str = "") -> list[Any]:
    """Return all servers (openstacksdk's) that carry our metadata.

    Nova is told to leave out others where it can: users may filter by tags, but not by metadata
    (Compute API, "List Servers").

    Args:
        cloud: the cloud.
        cluster: UUID of a cluster; None: all.
        batch: token of a create call; empty: all.
    """
    tag = batch_tag(batch) if batch else uuid_tag(cluster) if cluster else ANY
    wanted: dict[str, Any] = {"tags": tag} if cloud.offers(TAGGED) else {}
    with cloud.use("list servers", InstanceError) as api:
        found = [*api.compute.servers(details=True, **wanted)]
    carried = ((server, to_tags(server.metadata or {})) for server in found)
    return [
        server
        for server, tags in carried
        if tags.uuid and cluster in (None, tags.uuid) and (not batch or tags.batch == batch)
    ]


def delete_kept(cloud: Cloud, group: str, cluster: str) -> None:
    """Delete for good the servers of a cluster that the cloud keeps after they were deleted.

    Where its operator wants so (Nova's ``reclaim_instance_interval``), they can be restored for a while. They
    are in no list, but their ports still use the cluster's security group.

    Args:
        cloud: the cloud.
        group: id of that security group.
        cluster: UUID of the cluster.
    """
    with cloud.use("list ports") as api:
        ports = [*api.network.ports(project_id=api.current_project_id)]
    listed = {str(server.id) for server in list_servers(cloud, cluster)}
    users = {str(port.device_id) for port in ports if port.device_id and group in port.security_group_ids}
    for server in filter(None, (get_server(cloud, one) for one in users - listed)):
        if server.status == _KEPT and to_tags(server.metadata or {}).uuid == cluster:
            with cloud.use(f"delete the server '{server.id}' for good", InstanceError) as api:
                unless_missing(api.compute.delete_server, server.id, ignore_missing=False, force=True)


def get_server(cloud: Cloud, instance_id: str) -> Any:
    """Return a server (openstacksdk's); None if there is none of that id."""
    from openstack.exceptions import HttpException

    with cloud.use(f"look at the server '{instance_id}'", InstanceError) as api:
        try:
            return api.compute.get_server(instance_id)
        except HttpException as exc:
            if status_of(exc) == NOT_FOUND:
                return None
            raise
