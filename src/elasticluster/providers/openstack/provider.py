"""Nodes as servers of an OpenStack cloud."""

from __future__ import annotations

from typing import Any

from elasticluster.providers.common.bulk import BulkCloudProvider


class OpenStackCloudProvider(BulkCloudProvider):
    """An OpenStack cloud.

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
    delivers_host_keys = True

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
        super().__init__(**config)
