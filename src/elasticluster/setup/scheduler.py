"""Asks the scheduler of a cluster how it is, whichever of the shipped services that is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from elasticluster.engine.scheduler import Ask, Scheduler
from elasticluster.model import ClusterRecord
from elasticluster.setup import slurm_status
from elasticluster.setup.inventory import group_members
from elasticluster.setup.settings import Settings

_Status: TypeAlias = Callable[[str, Collection[str], Ask], Scheduler]

_SCHEDULERS: Mapping[str, tuple[str, _Status]] = {"slurm": ("slurm_worker", slurm_status.status)}
"""By role: the group of the nodes that execute jobs, and what asks the service's master."""


def scheduler(settings: Settings, cluster: ClusterRecord, ask: Ask) -> Scheduler | None:
    """Return what the cluster's scheduler says; None if no shipped one is in use.

    Args:
        settings: which services there are.
        cluster: the cluster.
        ask: runs a command on a node.
    """
    groups = group_members([node for node in cluster.nodes if node.staying], settings.groups)
    for service in settings.services:
        if service.role in _SCHEDULERS:
            workers, status = _SCHEDULERS[service.role]
            master = next(iter(groups[service.master]), "")
            return status(master, groups[workers], ask)
    return None
