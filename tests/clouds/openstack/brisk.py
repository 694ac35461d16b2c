"""The provider of OpenStack clouds, for tests that wait for many servers: it looks more often."""

from __future__ import annotations

from elasticluster.providers.openstack import CLOUD_KEYS, NODE_KEYS
from elasticluster.providers.openstack.provider import OpenStackCloudProvider

__all__ = ["CLOUD_KEYS", "NODE_KEYS", "Brisk"]

PROVIDER = "tests.clouds.openstack.brisk:Brisk"


class Brisk(OpenStackCloudProvider):
    """The provider; the services of the test cloud are at the other end of a wire, not of a country."""

    polling_interval = 0.5
