"""ElastiCluster: start, configure, resize and stop compute clusters on clouds or on your own computer.

The names below are loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster, Node, NodeNamingPolicy
    from elasticluster.conf import get_configurator
    from elasticluster.providers.ansible_provider import AnsibleSetupProvider
    from elasticluster.providers.docker import DockerProvider
    from elasticluster.providers.ec2_boto import BotoCloudProvider
    from elasticluster.providers.openstack import OpenStackCloudProvider
    from elasticluster.repository import (
        AbstractClusterRepository,
        ClusterRepository,
        DiskRepository,
        JsonRepository,
        MemRepository,
        MultiDiskRepository,
        PickleRepository,
        SqlRepository,
        YamlRepository,
    )

log = logging.getLogger("elasticluster")
"""The package's logger; set its level to hear more."""

_LATER = {
    "GoogleCloudProvider": "Google Compute Engine",
}
"""Documented names that this version does not have, and what they are for."""

_HOMES = {
    "Cluster": "elasticluster.cluster",
    "Node": "elasticluster.cluster",
    "NodeNamingPolicy": "elasticluster.cluster",
    "AnsibleSetupProvider": "elasticluster.providers.ansible_provider",
    "BotoCloudProvider": "elasticluster.providers.ec2_boto",
    "DockerProvider": "elasticluster.providers.docker",
    "OpenStackCloudProvider": "elasticluster.providers.openstack",
    "AbstractClusterRepository": "elasticluster.repository",
    "ClusterRepository": "elasticluster.repository",
    "DiskRepository": "elasticluster.repository",
    "JsonRepository": "elasticluster.repository",
    "MemRepository": "elasticluster.repository",
    "MultiDiskRepository": "elasticluster.repository",
    "get_configurator": "elasticluster.conf",
    "PickleRepository": "elasticluster.repository",
    "SqlRepository": "elasticluster.repository",
    "YamlRepository": "elasticluster.repository",
}

__all__ = [
    "AbstractClusterRepository",
    "AnsibleSetupProvider",
    "BotoCloudProvider",
    "Cluster",
    "ClusterRepository",
    "DiskRepository",
    "DockerProvider",
    "JsonRepository",
    "MemRepository",
    "MultiDiskRepository",
    "Node",
    "NodeNamingPolicy",
    "OpenStackCloudProvider",
    "PickleRepository",
    "SqlRepository",
    "YamlRepository",
    "get_configurator",
    "log",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("elasticluster")
    if name in _LATER:
        # `hasattr` is to be false, for which it has to be an AttributeError; but of such a one,
        # `from elasticluster import NAME` would tell no more than that it "cannot import" the name.
        imported = sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap"  # noqa: SLF001
        raise (ImportError if imported else AttributeError)(
            f"This version of ElastiCluster has no {name} yet, the provider for {_LATER[name]}. "
            "Use elasticluster.DockerProvider, or a provider of your own.",
        )
    if name not in _HOMES:
        raise AttributeError(f"module 'elasticluster' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
