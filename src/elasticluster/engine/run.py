"""One piece of work on one cluster: the tools at hand, and the cluster as it is at this moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from elasticluster.engine.events import (
    Listener,
    NodeDone,
    Notice,
    Phase,
    PhaseEnded,
    PhaseStarted,
    Warned,
    ignore,
)
from elasticluster.engine.ports import Clock, CloudProvider, ClusterStore, SetupProvider, SshProber
from elasticluster.engine.wait import SystemClock
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import ClusterRecord, Failure, Instance, Layer, NodeRecord, NodeState


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
    """

    def __init__(self, cluster: ClusterRecord, tools: Tools) -> None:
        self.cluster = cluster
        self.tools = tools
        self._changing = threading.Lock()

    def update(self, changed: Iterable[NodeRecord]) -> None:
        """Take over and store changed nodes; may be called from any thread."""
        nodes = [node for node in changed if node != self.cluster.node(node.name)]
        if not nodes:
            return
        with self._changing:
            self.cluster = self.cluster.with_nodes(*nodes)
            self.tools.store.journal(self.cluster, [node.name for node in nodes])

    def save(self) -> None:
        """Store the whole cluster."""
        self.tools.store.save(self.cluster)

    def note(self, text: str) -> None:
        """Tell the user something."""
        self.tools.tell(Notice(text))

    def warn(self, text: str) -> None:
        """Tell the user something that wants mending."""
        self.tools.tell(Warned(text))

    @contextlib.contextmanager
    def phase(self, phase: Phase, total: int) -> Iterator[None]:
        """Frame a phase with its events; one that is broken off does not end."""
        began = self.tools.clock.now()
        self.tools.tell(PhaseStarted(phase, total))
        yield
        self.tools.tell(PhaseEnded(phase, self.tools.clock.now() - began))

    def done(self, phase: Phase, node: str, message: str = "") -> None:
        """Tell that a node has come through a phase, or why not."""
        self.tools.tell(NodeDone(phase, node, message))

    def give_up(self, phase: Phase, failures: Mapping[str, Failure]) -> None:
        """Mark nodes as down, with what their consoles say as evidence."""
        for name, failure in failures.items():
            node = self.node(name)
            evidence = failure.evidence or self._console(node)
            self.update([node.failed(failure.layer, failure.message, evidence)])
            self.done(phase, name, str(failure))

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


def seen(node: NodeRecord, machine: Instance) -> NodeRecord:
    """Return a node with what the cloud says of its machine: id, addresses and whether it runs."""
    return replace(
        node,
        instance_id=machine.id,
        public_ip=machine.public_ip,
        private_ip=machine.private_ip,
        ssh_port=machine.ssh_port,
        state=NodeState.CREATING if node.state is NodeState.PLANNED else node.state,
    )


def hopeful(node: NodeRecord) -> NodeRecord:
    """Return a node given another chance: what failed before may have been mended."""
    if node.state is not NodeState.DOWN:
        return node
    return replace(node, state=NodeState.CREATING if node.batch else NodeState.PLANNED, failure=None)


def no_answer() -> Failure:
    """Return the failure of a node of which nothing is known but that time ran out."""
    return Failure(layer=Layer.TIMED_OUT, message="SSH did not answer in time")
