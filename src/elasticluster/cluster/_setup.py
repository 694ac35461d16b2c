"""Make the setup provider of a cluster usable for the engine, whoever wrote it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from elasticluster.engine.events import Listener
from elasticluster.engine.ports import SetupJob, SetupProvider
from elasticluster.engine.scheduler import Ask, Scheduler
from elasticluster.exceptions import ElastiClusterError
from elasticluster.model import ClusterRecord, SetupResult

if TYPE_CHECKING:
    from elasticluster.cluster._life import LivingCluster


log = logging.getLogger("elasticluster")


_PORT = ("check", "make_secrets", "setup", "busy", "leave")


class SetupPort:
    """A cluster's setup provider as the engine wants it; made when it is first used.

    So a cluster whose provider is not installed any more can still be listed, used and stopped.
    """

    def __init__(self, cluster: LivingCluster) -> None:
        self._cluster = cluster

    @cached_property
    def _port(self) -> SetupProvider:
        provider: Any = self._cluster.setup_provider
        if all(hasattr(provider, verb) for verb in _PORT):
            return cast("SetupProvider", provider)
        return _DocumentedVerbsOnly(self._cluster)

    def check(self, cluster: ClusterRecord) -> None:
        """Check groups, variables and playbooks; a cluster without a provider has none."""
        if self._cluster.can_be_set_up:
            self._port.check(cluster)

    def make_secrets(self, cluster: ClusterRecord) -> Mapping[str, str]:
        """Return secrets that the cluster needs and does not have yet."""
        return self._port.make_secrets(cluster)

    def image_key(self, kind: str) -> str:
        """Return what changes with what is installed on nodes of a kind; nothing if no provider can tell."""
        can_tell = self._cluster.can_be_set_up and hasattr(self._port, "image_key")
        return self._port.image_key(kind) if can_tell else ""

    def bake(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Install what the usable nodes need, and make them fit to be made images of."""
        return self._port.bake(job, tell)

    def setup(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Configure the usable nodes, or those that join, and check them."""
        return self._port.setup(job, tell)

    def busy(self, job: SetupJob, tell: Listener) -> Mapping[str, str]:
        """Return what nodes are at work on; a cluster without a provider has no services."""
        return self._port.busy(job, tell) if self._cluster.can_be_set_up else {}

    def scheduler(self, cluster: ClusterRecord, ask: Ask) -> Scheduler | None:
        """Return what the scheduler says; None if there is none, or no provider that can ask it."""
        can_ask = self._cluster.can_be_set_up and hasattr(self._port, "scheduler")
        return self._port.scheduler(cluster, ask) if can_ask else None

    def leave(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Take nodes out of the services; a cluster without a provider has none."""
        return self._port.leave(job, tell) if self._cluster.can_be_set_up else SetupResult()


def clean_up(cluster: LivingCluster) -> None:
    """Let the setup provider remove what it kept for a cluster that is gone.

    Both documented signatures are understood. A provider that fails or is not installed any more must not
    keep a cluster from being stopped: that is only logged.
    """
    if not cluster.can_be_set_up:
        return
    try:
        cleanup = cluster.setup_provider.cleanup
        takes_cluster = bool(inspect.signature(cleanup).parameters)
        cleanup(cluster) if takes_cluster else cleanup()
    except Exception as error:  # noqa: BLE001 - a third party's code; the cluster is gone already
        from elasticluster.providers.base import told

        said = told(error, cluster._setup_provider)
        log.warning("The setup provider of cluster '%s' could not clean up: %s", cluster.name, said)


class _DocumentedVerbsOnly:
    """A third party's setup provider, which configures a whole cluster and says yes or no.

    It cannot say which node failed or prove that a node works: its groups are "not verified".
    """

    def __init__(self, cluster: LivingCluster) -> None:
        self._cluster = cluster

    def check(self, cluster: ClusterRecord) -> None:
        """Find nothing wrong: it brings no description of its variables."""

    def make_secrets(self, cluster: ClusterRecord) -> Mapping[str, str]:
        """Make none: it knows no secrets."""
        return {}

    def image_key(self, kind: str) -> str:
        """Return nothing: it has no verb that only installs."""
        return ""

    def bake(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Install nothing; nobody asks for it."""
        return SetupResult()

    def busy(self, job: SetupJob, tell: Listener) -> Mapping[str, str]:
        """Know of no work: it has no verb to ask with."""
        return {}

    def scheduler(self, cluster: ClusterRecord, ask: Ask) -> Scheduler | None:
        """Know of none: it has no verb to ask with."""
        return None

    def leave(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Do nothing: the next :meth:`setup` finds the nodes gone."""
        return SetupResult()

    def setup(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Let it configure the cluster; it knows no smaller part than the whole."""
        self._cluster._adopt(job.cluster)  # it asks this object where the nodes are
        provider = self._cluster.setup_provider
        name = type(provider).__name__
        takes_arguments = len(inspect.signature(provider.setup_cluster).parameters) > 1
        arguments: list[Any] = [list(job.extra_args)] if takes_arguments else []
        try:
            configured = provider.setup_cluster(self._cluster, *arguments)
        except ElastiClusterError:
            raise
        except Exception as error:  # a third party's code may raise anything
            from elasticluster.providers.base import told

            log.debug("%s has failed", name, exc_info=True)
            return SetupResult(error=f"{name} has failed: {told(error, provider)}")
        if configured:
            return SetupResult(unverified=(name,))
        return SetupResult(error=f"{name} reported a failure")
