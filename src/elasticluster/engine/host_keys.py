"""Which host keys to pin: those that the cloud tells, else those that a node shows at first contact."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from elasticluster.engine.patience import Patience
from elasticluster.engine.reach import gateway
from elasticluster.engine.run import Run
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import Failure, Layer, NodeRecord


@dataclass(slots=True)
class _Stranger:
    """A node that has let us in, and of whose host keys the cloud has not told yet.

    Attributes:
        shown: the keys that it showed.
        until: when they are believed.
    """

    shown: tuple[str, ...]
    until: float


class HostKeys:
    """Finds out host keys while nodes come up.

    A cloud that is certain to tell them is asked until it does, and no node is logged in to before. Another
    one is asked when a node first lets us in, and once again when its `host_key_patience` is over: what such
    a login tells a wrong machine is no secret. What the cloud tells is pinned, and the node has to show it.

    Args:
        run: the work at hand.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._provider = run.tools.provider
        self._patience = Patience(run)
        self._hopeful = self._provider.host_key_patience > 0 and not self._provider.delivers_host_keys
        self._strangers: dict[str, _Stranger] = {}
        self._accepted: list[str] = []

    def fetch(self, names: Collection[str]) -> dict[str, Failure]:
        """Pin the keys of some nodes that are still missing, where the cloud is certain to tell them.

        Returns:
            for each node that has none yet, what is wrong with it.

        Raises:
            CloudProviderError: the cloud has not answered for :data:`~.patience.PATIENCE` seconds.
        """
        nodes = [node for node in self._unpinned(names) if node.instance_id]
        if not self._provider.delivers_host_keys or not nodes:
            return {}
        told = self._patience.ask(lambda: self._provider.host_keys(_ids(nodes))) or {}
        self._pin(nodes, told)
        slow = Failure(layer=Layer.BOOT, message="has not come up so far as to have a host key")
        return {node.name: slow for node in nodes if node.instance_id not in told}

    def may_be_tried(self, name: str) -> bool:
        """Return whether a node is to be logged in to now."""
        pinned = self._run.node(name).host_keys
        return name not in self._strangers and bool(pinned or not self._provider.delivers_host_keys)

    def believed(
        self, shown: Mapping[str, tuple[str, ...]], waiting: Collection[str]
    ) -> dict[str, tuple[str, ...]]:
        """Return the keys that are believed by now, of nodes that have let us in.

        Args:
            shown: the keys that nodes have shown that have just let us in.
            waiting: names of the nodes that are still waited for.
        """
        now = self._run.tools.clock.now()
        new = [node.name for node in self._unpinned(shown)]
        until = now + self._provider.host_key_patience
        self._strangers |= {name: _Stranger(shown[name], until) for name in new}
        for name in self._strangers.keys() - set(waiting):
            del self._strangers[name]
        due = [name for name, one in self._strangers.items() if one.until <= now]
        confirmed = self._ask(dict.fromkeys([*new, *due]))
        late = due if self._hopeful else list(self._strangers)
        accepted = self._accept([name for name in late if name in self._strangers])
        return {name: keys for name, keys in shown.items() if name not in new} | confirmed | accepted

    def accept_rest(self, waiting: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the keys that nodes have shown, and no cloud was patient enough to confirm."""
        return self._accept([name for name in self._strangers if name in waiting])

    def tell(self) -> None:
        """Say openly how many keys were believed because a node has shown them."""
        if not self._accepted:
            return
        nodes = [self._run.node(name) for name in self._accepted]
        entrance = gateway(self._run.cluster)
        behind = sum(not node.public_ip for node in nodes) if entrance else 0
        through = f", {behind} of them through {entrance.name}" if entrance and behind else ""
        of = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
        self._run.note(f"Host keys of {of} were accepted on first contact{through}.")

    def _ask(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Pin what the cloud tells of some strangers; return the keys of those that have shown the same."""
        if not self._hopeful or not names:
            return {}
        nodes = [self._run.node(name) for name in names]
        try:
            told = self._provider.host_keys(_ids(nodes))
        except CloudProviderError as error:  # the nodes are there all the same
            self._hopeful = False
            self._run.warn(f"{error.message} Host keys are accepted on first contact.")
            return {}
        pinned = self._pin(nodes, told)
        shown = {name: self._strangers.pop(name).shown for name in pinned}
        return {name: keys for name, keys in shown.items() if set(keys) <= set(pinned[name])}

    def _accept(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        self._accepted += names
        return {name: self._strangers.pop(name).shown for name in names}

    def _unpinned(self, names: Collection[str]) -> list[NodeRecord]:
        return [node for node in map(self._run.node, names) if not node.host_keys]

    def _pin(
        self, nodes: Collection[NodeRecord], told: Mapping[str, tuple[str, ...]]
    ) -> dict[str, tuple[str, ...]]:
        """Pin what the cloud has told by instance; return it by node."""
        pinned = {node.name: keys for node in nodes if (keys := told.get(node.instance_id or ""))}
        self._run.update(replace(node, host_keys=pinned[node.name]) for node in nodes if node.name in pinned)
        return pinned


def _ids(nodes: Collection[NodeRecord]) -> list[str]:
    return [node.instance_id for node in nodes if node.instance_id]
