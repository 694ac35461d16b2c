"""Nodes as instances of EC2, or of a cloud that has its API."""

from __future__ import annotations

from typing import Any

from elasticluster.providers.common.bulk import BulkCloudProvider


class BotoCloudProvider(BulkCloudProvider):
    """EC2, and clouds that have its API.

    Args:
        ec2_url: address of the service; empty: as the SDK knows it for the region.
        ec2_region: region.
        ec2_access_key: id of an access key; empty: ``EC2_ACCESS_KEY``, else as the SDK finds credentials.
        ec2_secret_key: the access key itself; empty: ``EC2_SECRET_KEY``.
        storage_path: accepted for older programs; nothing is stored.
        request_floating_ip: whether nodes get a public address where they get none by themselves.
        **config: further keys of the cloud section.
    """

    polling_interval = 5.0
    delivers_host_keys = True

    def __init__(
        self,
        ec2_url: str = "",
        ec2_region: str = "",
        ec2_access_key: str | None = None,
        ec2_secret_key: str | None = None,
        storage_path: str | None = None,
        request_floating_ip: bool = False,  # noqa: FBT001, FBT002 - documented
        **config: Any,
    ) -> None:
        super().__init__(**config)
