"""Make the setup provider of a cluster usable for the engine, whoever wrote it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from elasticluster.engine.events import Listener
from elasticluster.engine.ports import SetupJob, SetupProvider
from elasticluster.model import ClusterRecord, SetupResult

if TYPE_CHECKING:
    from elasticluster.cluster._cluster import Cluster


def setup_port(cluster: Cluster) -> SetupProvider:
    """Return the cluster's setup provider as the engine wants it."""
    provider: Any = cluster.setup_provider if cluster.can_be_set_up else None
    if all(hasattr(provider, verb) for verb in ("check", "make_secrets", "setup")):
        return cast("SetupProvider", provider)
    return _DocumentedVerbsOnly(cluster)


def clean_up(cluster: Cluster) -> None:
    """Let the setup provider remove what it kept for a cluster; both documented signatures are understood."""
    cleanup = getattr(cluster.setup_provider, "cleanup", None) if cluster.can_be_set_up else None
    if cleanup is None:
        return
    if inspect.signature(cleanup).parameters:
        cleanup(cluster)
    else:
        cleanup()


class _DocumentedVerbsOnly:
    """A third party's setup provider, which configures a whole cluster and says yes or no.

    It cannot say which node failed or prove that a node works: its groups are "not verified".
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def check(self, cluster: ClusterRecord) -> None:
        """Find nothing wrong: it brings no description of its variables."""

    def make_secrets(self, cluster: ClusterRecord) -> Mapping[str, str]:
        """Make none: it knows no secrets."""
        return {}

    def setup(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Let it configure the cluster."""
        provider = self._cluster.setup_provider
        takes_arguments = len(inspect.signature(provider.setup_cluster).parameters) > 1
        if takes_arguments:
            configured = provider.setup_cluster(self._cluster, list(job.extra_args))
        else:
            configured = provider.setup_cluster(self._cluster)
        name = type(provider).__name__
        if configured:
            return SetupResult(unverified=(name,))
        return SetupResult(error=f"{name} reported a failure")
