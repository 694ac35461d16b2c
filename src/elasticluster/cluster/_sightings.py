"""Which machines of a cluster run, asked of its cloud no more often than it likes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Container
from typing import TYPE_CHECKING

from elasticluster.engine.account import listed
from elasticluster.exceptions import ClusterLocked
from elasticluster.model import Instance, InstanceState, NodeRecord

if TYPE_CHECKING:
    from elasticluster.cluster._life import LivingCluster

log = logging.getLogger("elasticluster")


class Sightings:
    """What the cloud has said of a cluster's machines; asked again after each polling interval.

    Args:
        cluster: the cluster; its addresses are read again when they have changed.
    """

    def __init__(self, cluster: LivingCluster) -> None:
        self._cluster = cluster
        self._last: tuple[float, frozenset[str]] | None = None

    def forget(self) -> None:
        """Ask anew the next time: something was done to the machines."""
        self._last = None

    def running(self) -> frozenset[str]:
        """Return the ids of the machines that run, with one listing for all of them."""
        now = time.monotonic()
        if self._last is None or now - self._last[0] >= self._cluster.seconds_between_looks:
            running = self._look()
            self._last = now, running
        return self._last[1]

    def _look(self) -> frozenset[str]:
        record, provider = self._cluster.record, self._cluster.cloud_provider
        provider.adopt(record)
        there = {machine.id: machine for machine in listed(record, provider)}
        _tell_of_unseen(there.values())
        if any(_moved(node, there.get(node.instance_id or "")) for node in record.nodes):
            with contextlib.suppress(ClusterLocked):  # whoever works on it reads the addresses too
                self._cluster.update()
        tagged = {one.id for one in there.values() if one.state is InstanceState.RUNNING}
        return frozenset(tagged | self._untagged(record.nodes, there))

    def _untagged(self, nodes: Collection[NodeRecord], there: Container[str]) -> set[str]:
        """Return the ids of running machines that no listing shows, as they carry no tags."""
        ids = {node.instance_id for node in nodes if node.untagged and node.instance_id}
        ask = self._cluster.cloud_provider.is_instance_running
        return {one for one in ids if one not in there and ask(one)}


def _tell_of_unseen(machines: Collection[Instance]) -> None:
    for machine in machines:
        if machine.state is InstanceState.PENDING and machine.reason:
            log.warning("Instance %s cannot be looked at: %s", machine.id, machine.reason)


def _moved(node: NodeRecord, machine: Instance | None) -> bool:
    """Return whether a node's machine runs under other addresses than those known."""
    if machine is None or machine.state is not InstanceState.RUNNING:
        return False
    here = (machine.public_ip, machine.private_ip, machine.ssh_port)
    return here != (node.public_ip, node.private_ip, node.ssh_port)
