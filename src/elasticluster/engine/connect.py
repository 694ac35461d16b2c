"""Bring machines up: wait until they run, have an address and let us in, with their host keys pinned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from elasticluster.engine.account import listed
from elasticluster.engine.events import Phase
from elasticluster.engine.host_keys import HostKeys
from elasticluster.engine.patience import Patience
from elasticluster.engine.reach import gateway, targets_of
from elasticluster.engine.run import Run, no_answer, seen
from elasticluster.engine.wait import wait_until
from elasticluster.model import (
    Failure,
    Instance,
    InstanceState,
    KeyPair,
    Layer,
    NodeRecord,
    NodeState,
)

PROBE_INTERVAL = 1.0
"""Seconds between two rounds of SSH attempts."""


class Watch:
    """Looks at a cluster's machines now and then, with one call for all of them.

    Args:
        run: the work at hand.
        phase: whose events are told.
        names: the nodes to look at.
        resumed: those of them that were started again just now; clouds may call them stopped for a while.

    Attributes:
        waiting: names of the nodes that are not running with an address yet.
        reasons: what the cloud last said of each machine, where it said something.
    """

    def __init__(self, run: Run, phase: Phase, names: Collection[str], resumed: Collection[str] = ()) -> None:
        self.waiting = set(names)
        self._run = run
        self._phase = phase
        self._names = set(names)
        self._resumed = set(resumed)
        self._met = {node.name for node in run.cluster.nodes if node.address}
        self.reasons: dict[str, str] = {}
        self._patience = Patience(run)

    def look(self) -> bool:
        """Take over what the cloud says now; nodes whose machine is broken or gone are given up.

        Returns:
            whether no node is waiting any more.

        Raises:
            CloudProviderError: the cloud has not answered for :data:`~.patience.PATIENCE` seconds.
        """
        machines = self._list()
        if machines is None:
            return False
        nodes = [node for node in self._run.cluster.nodes if node.name in self._names]
        judged = {node.name: self._judge(node, machines.get(node.instance_id or "")) for node in nodes}
        lost = {name: verdict for name, verdict in judged.items() if isinstance(verdict, Failure)}
        self._run.update(verdict for verdict in judged.values() if isinstance(verdict, NodeRecord))
        for name in lost:
            self.drop(name)
        self._run.give_up(self._phase, lost)
        self._count(machines)
        return not self.waiting

    def drop(self, name: str) -> None:
        """Look at a node no more."""
        self._names.discard(name)
        self.waiting.discard(name)

    def _list(self) -> dict[str, Instance] | None:
        cluster, provider = self._run.cluster, self._run.tools.provider
        machines = self._patience.ask(lambda: listed(cluster, provider))
        return None if machines is None else {machine.id: machine for machine in machines}

    def _count(self, machines: dict[str, Instance]) -> None:
        """Wait no more for nodes whose machine runs and has an address."""
        for node in self._run.cluster.nodes:
            machine = machines.get(node.instance_id or "")
            running = machine is not None and machine.state is InstanceState.RUNNING
            if running and node.address and node.name in self.waiting:
                self.waiting.discard(node.name)
                if self._phase is Phase.BOOT:
                    self._run.done(Phase.BOOT, node.name)

    def _judge(self, node: NodeRecord, machine: Instance | None) -> NodeRecord | Failure:
        """Return the node as it is now, or why it is lost.

        A machine that a cloud does not list was perhaps made a moment ago; one that it has listed
        before is gone.
        """
        if machine is None:
            return node if node.name not in self._met else gone(node)
        self._met.add(node.name)
        self.reasons[node.name] = machine.reason
        if machine.state is not InstanceState.STOPPED:
            self._resumed.discard(node.name)
        if machine.state in _ENDED and node.name not in self._resumed:
            return ended(machine)
        here = seen(node, machine)
        up = machine.state is InstanceState.RUNNING and here.state is NodeState.CREATING
        return replace(here, state=NodeState.RUNNING) if up else here


def gone(node: NodeRecord) -> Failure:
    """Return the failure of a node whose machine the cloud does not list."""
    what = f"its instance {node.instance_id} is gone" if node.instance_id else "it has no instance"
    return Failure(layer=Layer.BOOT, message=what)


def ended(machine: Instance) -> Failure:
    """Return the failure of a node whose machine does not run and will not by itself."""
    reason = f": {machine.reason}" if machine.reason else ""
    return Failure(layer=Layer.BOOT, message=f"its instance {machine.id} {_ENDED[machine.state]}{reason}")


_ENDED = {
    InstanceState.ERROR: "is broken",
    InstanceState.TERMINATED: "was terminated",
    InstanceState.STOPPED: "has stopped",
}


def boot(
    run: Run, timeout: float, resumed: Collection[str] = (), only: Collection[str] | None = None
) -> None:
    """Wait until every node that has a machine runs and has an address; give up on the others.

    Args:
        run: the work at hand.
        timeout: seconds in all.
        resumed: names of the nodes that were started again just now.
        only: names of the nodes to wait for; all of them if None.
    """
    names = [node.name for node in _expected(run, only) if node.instance_id]
    watch = Watch(run, Phase.BOOT, names, resumed)
    with run.phase(Phase.BOOT, len(names)):
        tools = run.tools
        wait_until(watch.look, timeout=timeout, interval=tools.polling_interval, clock=tools.clock)
        run.give_up(
            Phase.BOOT,
            {
                name: _not_up(run.node(name), timeout, watch.reasons.get(name, ""))
                for name in sorted(watch.waiting)
            },
        )


def _not_up(node: NodeRecord, timeout: float, reason: str) -> Failure:
    said = f": {reason}" if reason else ""
    if node.state is NodeState.RUNNING:
        return Failure(layer=Layer.NO_ADDRESS, message=f"got no address within {timeout:g} s{said}")
    return Failure(layer=Layer.BOOT, message=f"did not run within {timeout:g} s{said}")


_NOT_EXPECTED = (NodeState.DOWN, NodeState.PAUSED, NodeState.LEAVING)


def _expected(run: Run, only: Collection[str] | None) -> list[NodeRecord]:
    """Return the nodes, or those of some names, that are on their way or up."""
    return [
        node
        for node in run.cluster.nodes
        if node.state not in _NOT_EXPECTED and (only is None or node.name in only)
    ]


def connect(run: Run, key: KeyPair, timeout: float, only: Collection[str] | None = None) -> None:
    """Wait until every running node lets us in, pin its host keys, and give up on the others.

    Args:
        run: the work at hand; nodes that are down or have no address are left alone.
        key: key pair to log in with.
        timeout: seconds in all.
        only: names of the nodes to connect to; all of them if None.
    """
    names = [node.name for node in _expected(run, only) if node.address]
    attempt = _Attempt(run, key, names)
    with run.phase(Phase.CONNECT, len(names)):
        wait_until(attempt.round, timeout=timeout, interval=attempt.interval, clock=run.tools.clock)
        attempt.end(timeout)
    write_known_hosts(run)


def write_known_hosts(run: Run) -> None:
    """Bring the cluster's known-hosts file up to date."""
    tools = run.tools
    tools.prober.write_known_hosts(run.cluster, tools.store.known_hosts_path(run.cluster.name))


class _Attempt:
    """Rounds of SSH attempts, until everyone has let us in."""

    def __init__(self, run: Run, key: KeyPair, names: Collection[str]) -> None:
        self._run = run
        self._key = key
        self._last: dict[str, Failure] = dict.fromkeys(names, no_answer())
        self._watch = Watch(run, Phase.CONNECT, names)
        self._looked = run.tools.clock.now()
        self._host_keys = HostKeys(run)
        self.interval = min(PROBE_INTERVAL, run.tools.polling_interval)

    def end(self, timeout: float) -> None:
        """Give up on the remaining nodes, which have not let us in for `timeout` seconds."""
        barred = [name for name, why in self._last.items() if why.layer is Layer.GATEWAY]
        self._let_in(self._host_keys.accept_rest(self._last))
        self._try_behind(barred)
        after = f" (given up after {timeout:g} s)"
        late = {name: replace(why, message=why.message + after) for name, why in self._last.items()}
        self._run.give_up(Phase.CONNECT, late)
        self._host_keys.tell()

    def round(self) -> bool:
        """Try every remaining node once; return whether none remains."""
        self._look_sometimes()
        self._last |= self._host_keys.fetch(self._last)
        inner = self._inner()
        self._try([name for name in self._last if name not in inner])
        self._try(self._not_barred(inner))  # the gateway's own host key is known only now
        self._give_up_on_strangers()
        self._give_up_behind_lost()
        return not self._last

    def _try_behind(self, barred: Collection[str]) -> None:
        """Try nodes for the first time whose gateway was believed only now."""
        entrance = gateway(self._run.cluster)
        if barred and entrance and entrance.usable and entrance.name not in self._last:
            self._try(barred)
            self._let_in(self._host_keys.accept_rest(self._last))

    def _look_sometimes(self) -> None:
        """Notice machines that die while we knock, with no more calls than while they boot."""
        now = self._run.tools.clock.now()
        if now - self._looked >= self._run.tools.polling_interval:
            self._looked = now
            self._watch.look()
            for name in [n for n in self._last if self._run.node(n).state is NodeState.DOWN]:
                del self._last[name]

    def _inner(self) -> frozenset[str]:
        """Return the names of the remaining nodes that are reached through another one."""
        if gateway(self._run.cluster) is None:
            return frozenset()
        return frozenset(name for name in self._last if not self._run.node(name).public_ip)

    def _not_barred(self, inner: Collection[str]) -> Collection[str]:
        """Return the names of inner nodes that are to be tried: none before the gateway has let us in."""
        entrance = gateway(self._run.cluster)
        if entrance is None or entrance.name not in self._last:
            return [name for name in inner if name in self._last]
        why = f"through {entrance.name}: {self._last[entrance.name].message}"
        self._last |= dict.fromkeys(inner, Failure(layer=Layer.GATEWAY, message=why))
        return ()

    def _try(self, names: Collection[str]) -> None:
        """Try some nodes once, and let in those whose host keys are to be believed."""
        run = self._run
        nodes = [run.node(name) for name in names if self._host_keys.may_be_tried(name)]
        results = run.tools.prober.probe(targets_of(run.cluster, nodes, self._key))
        self._last |= {name: result.failure for name, result in results.items() if result.failure}
        shown = {name: result.host_keys for name, result in results.items() if not result.failure}
        self._let_in(self._host_keys.believed(shown, self._last))

    def _let_in(self, host_keys: Mapping[str, tuple[str, ...]]) -> None:
        """Mark the nodes as reachable that have let us in, with the keys that they showed."""
        self._run.update(_reachable(self._run.node(name), shown) for name, shown in host_keys.items())
        for name in host_keys:
            self._run.done(Phase.CONNECT, name)
            self._watch.drop(name)
            del self._last[name]

    def _give_up_on_strangers(self) -> None:
        """A wrong host key does not come right by waiting."""
        wrong = [name for name, failure in self._last.items() if failure.layer is Layer.HOST_KEY]
        self._give_up([name for name in wrong if self._run.node(name).host_keys])

    def _give_up_behind_lost(self) -> None:
        """A gateway that was given up lets nobody through by waiting."""
        if _lost(gateway(self._run.cluster)):
            self._give_up([name for name, why in self._last.items() if why.layer is Layer.GATEWAY])

    def _give_up(self, names: Collection[str]) -> None:
        if names:
            self._run.give_up(Phase.CONNECT, {name: self._last.pop(name) for name in names})
        for name in names:
            self._watch.drop(name)


def _lost(node: NodeRecord | None) -> bool:
    """Return whether a node was given up before anybody could log in to it."""
    late = (Layer.SETUP, Layer.CHECK)
    return bool(node and node.state is NodeState.DOWN and node.failure and node.failure.layer not in late)


def _reachable(node: NodeRecord, shown: tuple[str, ...]) -> NodeRecord:
    state = node.state if node.usable else NodeState.REACHABLE
    return replace(node, state=state, host_keys=node.host_keys or shown, failure=None)
