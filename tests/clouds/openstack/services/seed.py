"""What is on the cloud before anybody uses it: service users, catalog, images, the public network."""

from __future__ import annotations

from typing import Any

import settings

IMAGES = {"debian-12": {}, "debian-13": {}, "needs-a-large-disk": {"min_disk": 500}}
PUBLIC = "198.18.0.0/16"  # RFC 2544: for tests, so nobody's


def connect(ports: dict[str, int]) -> Any:
    """Return a connection as the cloud's administrator."""
    import openstack

    return openstack.connect(
        auth_url=settings.url(ports, "keystone"),
        username="admin",
        password=settings.PASSWORD,
        project_name="admin",
        user_domain_id="default",
        project_domain_id="default",
        region_name=settings.REGION,
        load_yaml_config=False,
        load_envvars=False,
    )


def first_requests(ports: dict[str, int]) -> None:
    """Ask every service something, one after the other.

    What a service loads with its first request is not made for two at the same time: Neutron denies the
    second one everything, as it has no policy yet.
    """
    cloud = connect(ports)
    for things in (
        cloud.network.networks,
        cloud.compute.servers,
        cloud.image.images,
        cloud.block_storage.volumes,
    ):
        list(things())


def identity(ports: dict[str, int]) -> None:
    """Make a user for each service, and the catalog; services other than Keystone need both."""
    cloud = connect(ports).identity
    project = cloud.create_project(name="service", domain_id="default")
    roles = [cloud.find_role(name) for name in ("admin", "service")]
    for name, (kind, _) in settings.CATALOG.items():
        if name == "keystone":
            continue
        user = cloud.create_user(name=name, password=settings.PASSWORD, domain_id="default")
        for role in roles:
            cloud.assign_project_role_to_user(project, user, role)
        service = cloud.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            cloud.create_endpoint(
                service_id=service.id,
                region_id=settings.REGION,
                interface=interface,
                url=settings.url(ports, name),
            )


def resources(ports: dict[str, int]) -> None:
    """Make images and the public network."""
    cloud = connect(ports)
    for name, fields in IMAGES.items():
        cloud.image.create_image(
            name=name,
            disk_format="raw",
            container_format="bare",
            visibility="public",
            data=b"\0" * 1024,
            validate_checksum=False,
            **fields,
        )
    public = cloud.network.create_network(
        name="public",
        provider_network_type="flat",
        provider_physical_network="public",
        is_router_external=True,
    )
    cloud.network.create_subnet(
        network_id=public.id, name="public-v4", ip_version=4, cidr=PUBLIC, is_dhcp_enabled=False
    )
