"""One piece of work on one cluster: the tools at hand, and the cluster as it is at this moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from elasticluster.engine.events import (
    Event,
    Listener,
    NodeDone,
    Notice,
    Phase,
    PhaseEnded,
    PhaseStarted,
    Warned,
    ignore,
)
from elasticluster.engine.pool import default_workers, run_all
from elasticluster.engine.ports import Clock, CloudProvider, ClusterStore, SetupProvider, SshProber
from elasticluster.engine.wait import SystemClock
from elasticluster.exceptions import CloudProviderError, ClusterConflict
from elasticluster.model import (
    ClusterRecord,
    Failure,
    Instance,
    InstanceState,
    Layer,
    NodeRecord,
    NodeState,
)

BAKE = "bake"
"""Marks, in what is further known of a cluster, that it is there only to make images of its machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the engine works with; see :mod:`.ports`.

    Attributes:
        interval: seconds between two looks at machines, if the provider's own is not wanted.
    """

    provider: CloudProvider
    prober: SshProber
    setup: SetupProvider
    store: ClusterStore
    clock: Clock = field(default_factory=SystemClock)
    tell: Listener = ignore
    interval: float | None = None

    @property
    def polling_interval(self) -> float:
        """Seconds between two looks at machines that are on their way."""
        return self.provider.polling_interval if self.interval is None else self.interval


class Run:
    """The cluster while it is being worked on; every change is on disk before it is believed.

    Attributes:
        cluster: the cluster as it is now.
        tools: what to work with.
        preparing: whether something that the cluster's machines share may have been made.
        made: names of the nodes whose machines were asked for by this run.
        fresh: whether nobody knew the cluster before this run.
        baking: whether its machines are there to make images of: they begin without, each for itself.
        bases: while baking: what the cloud said, right before it made them, that they are made of, by kind.
    """

    def __init__(self, cluster: ClusterRecord, tools: Tools) -> None:
        self.cluster = cluster
        self.tools = tools
        self.preparing = False
        self.made: set[str] = set()
        self.fresh = False
        self.baking = False
        self.bases: Mapping[str, str] = {}
        self._changing = threading.Lock()
        self._telling = threading.Lock()

    @classmethod
    def begin(cls, cluster: ClusterRecord, tools: Tools, names: Collection[str] | None = None) -> Self:
        """Begin to work on a cluster: it is not called ready any more until that is proved anew.

        Nodes that were down get another chance: what failed before may have been mended. Paused ones are
        paused until the cloud has accepted to start them again.

        Args:
            cluster: the cluster.
            tools: what to work with.
            names: the nodes to work on; all of them if None.

        Raises:
            ClusterConflict: it is there only to make images.
        """
        refuse_bake(cluster)
        nodes = tuple(
            _hopeful(node) if names is None or node.name in names else node for node in cluster.nodes
        )
        return cls(replace(cluster, nodes=nodes, ready=False), tools)

    def update(self, changed: Iterable[NodeRecord]) -> None:
        """Store changed nodes and then take them over; may be called from any thread."""
        with self._changing:
            now = {node.name: node for node in self.cluster.nodes}
            nodes = [node for node in changed if node != now[node.name]]
            if nodes:
                cluster = self.cluster.with_nodes(*nodes)
                self.tools.store.journal(cluster, [node.name for node in nodes])
                self.cluster = cluster

    def remove(self, names: Collection[str]) -> None:
        """Forget nodes that have no machine (any more), on disk first."""
        with self._changing:
            cluster = self.cluster.without(names)
            self.tools.store.save(cluster)
            self.cluster = cluster

    def save(self) -> None:
        """Store the whole cluster."""
        self.tools.store.save(self.cluster)

    def tell(self, event: Event) -> None:
        """Tell the listener, one event at a time, from any thread."""
        with self._telling:
            self.tools.tell(event)

    def note(self, text: str) -> None:
        """Tell the user something."""
        self.tell(Notice(text))

    def warn(self, text: str) -> None:
        """Tell the user something that wants mending."""
        self.tell(Warned(text))

    @contextlib.contextmanager
    def phase(self, phase: Phase, total: int) -> Iterator[None]:
        """Frame a phase with its events; one that is broken off does not end."""
        began = self.tools.clock.now()
        self.tell(PhaseStarted(phase, total))
        yield
        self.tell(PhaseEnded(phase, self.tools.clock.now() - began))

    def done(self, phase: Phase, node: str, message: str = "") -> None:
        """Tell that a node has come through a phase, or why not."""
        self.tell(NodeDone(phase, node, message))

    def give_up(self, phase: Phase, failures: Mapping[str, Failure]) -> None:
        """Mark nodes as down, with what their consoles say as evidence."""
        self.update(run_all(lambda name: self._down(name, failures[name]), failures, default_workers()))
        for name, failure in failures.items():
            self.done(phase, name, str(failure))

    def _down(self, name: str, failure: Failure) -> NodeRecord:
        node = self.node(name)
        return node.failed(failure.layer, failure.message, failure.evidence or self._console(node))

    def node(self, name: str) -> NodeRecord:
        """Return the node of that name, which exists."""
        node = self.cluster.node(name)
        if node is None:
            raise KeyError(name)
        return node

    def _console(self, node: NodeRecord) -> str:
        """Return what a node's console says; nothing if that cannot be had either."""
        if not node.instance_id:
            return ""
        try:
            return self.tools.provider.console_output(node.instance_id)
        except CloudProviderError as error:
            return f"(console output cannot be had: {error.message})"


def is_bake(cluster: ClusterRecord) -> bool:
    """Return whether a cluster is there only to make images of its machines."""
    return bool(cluster.extra.get(BAKE))


def refuse_bake(cluster: ClusterRecord) -> None:
    """Make sure that nobody takes for a cluster of his what the next bake destroys without asking.

    Raises:
        ClusterConflict: the cluster is there only to make images.
    """
    if is_bake(cluster):
        raise ClusterConflict(
            f"Cluster '{cluster.name}' is what a bake has left; it is of no other use.",
            hint=f"Remove it: elasticluster stop {cluster.name}\n"
            f"Or make the images: elasticluster bake {cluster.template}",
        )


def seen(node: NodeRecord, machine: Instance) -> NodeRecord:
    """Return a node with what the cloud says of its machine: id, addresses and whether it runs.

    A machine that could not be looked at this time is pending for a reason; what is known of it is kept.
    """
    if machine.state is InstanceState.PENDING and machine.reason:
        return replace(node, instance_id=machine.id)
    here = replace(
        node,
        instance_id=machine.id,
        public_ip=machine.public_ip,
        private_ip=machine.private_ip,
        ssh_port=machine.ssh_port,
    )
    runs = machine.state is InstanceState.RUNNING
    resumed = node.state is NodeState.PAUSED and (runs or machine.state is InstanceState.PENDING)
    up_to_now = node.state is not NodeState.PLANNED and (runs or not node.usable) and not resumed
    return here if up_to_now else replace(here, state=NodeState.CREATING)


def _hopeful(node: NodeRecord) -> NodeRecord:
    if node.state is NodeState.PAUSED:
        return replace(node, failure=None)
    if node.state is not NodeState.DOWN:
        return node
    begun = node.batch or node.instance_id
    return replace(node, state=NodeState.CREATING if begun else NodeState.PLANNED, failure=None)


def no_answer() -> Failure:
    """Return the failure of a node of which nothing is known but that time ran out."""
    return Failure(layer=Layer.TIMED_OUT, message="SSH did not answer in time")
