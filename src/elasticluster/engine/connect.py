"""Bring machines up: wait until they run, have an address and let us in, with their host keys pinned."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from elasticluster.engine.events import Phase
from elasticluster.engine.run import Run, no_answer, seen
from elasticluster.engine.wait import wait_until
from elasticluster.exceptions import CloudProviderError, CredentialsError
from elasticluster.model import (
    Failure,
    Instance,
    InstanceState,
    KeyPair,
    Layer,
    NodeRecord,
    NodeState,
    SshTarget,
)

T = TypeVar("T")

PATIENCE = 60
"""Seconds for which a cloud that does not answer is asked again before that is an error."""

PROBE_INTERVAL = 1.0
"""Seconds between two rounds of SSH attempts."""


def target_of(run: Run, node: NodeRecord, key: KeyPair) -> SshTarget:
    """Return where and how to log in to a node that has an address."""
    return SshTarget(
        name=node.name,
        host=node.address or "",
        port=node.ssh_port,
        user=node.spec.image_user,
        key_path=key.identity,
        public_key_path=key.public_path,
        host_keys=node.host_keys,
        proxy_command=run.cluster.login.proxy_command,
        timeout=run.cluster.login.probe_timeout,
    )


class Patience:
    """Asks a cloud again that does not answer, for a while."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._silent_since: float | None = None

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return the answer; None if there was none this time.

        Raises:
            CloudProviderError: there has been none for :data:`PATIENCE` seconds, or credentials are wrong.
        """
        now = self._run.tools.clock.now()
        try:
            answer = question()
        except CredentialsError:
            raise
        except CloudProviderError as error:
            if self._silent_since is None:
                self._silent_since = now
                self._run.warn(f"{error.message} Trying again for {PATIENCE} s.")
            if now - self._silent_since >= PATIENCE:
                raise
            return None
        self._silent_since = None
        return answer


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
            CloudProviderError: the cloud has not answered for :data:`PATIENCE` seconds.
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
        provider, uuid = self._run.tools.provider, self._run.cluster.uuid
        machines = self._patience.ask(lambda: provider.list_instances(uuid))
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
        run.give_up(Phase.CONNECT, attempt.failures(timeout))
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
        self._patience = Patience(run)
        self._first_contacts = 0
        self.interval = min(PROBE_INTERVAL, run.tools.polling_interval)

    def failures(self, timeout: float) -> dict[str, Failure]:
        """Return why each remaining node has not let us in for `timeout` seconds."""
        after = f" (given up after {timeout:g} s)"
        return {
            name: replace(failure, message=failure.message + after) for name, failure in self._last.items()
        }

    def round(self) -> bool:
        """Try every remaining node once; return whether none remains."""
        self._look_sometimes()
        self._fetch_host_keys()
        targets = [target_of(self._run, self._run.node(name), self._key) for name in self._last]
        if self._run.tools.provider.delivers_host_keys:
            targets = [target for target in targets if target.host_keys]
        results = self._run.tools.prober.probe(targets)
        self._last |= {name: result.failure for name, result in results.items() if result.failure}
        self._let_in({name: result.host_keys for name, result in results.items() if not result.failure})
        self._give_up_on_strangers()
        if not self._last and self._first_contacts:
            self._run.note(f"Host keys of {self._first_contacts} nodes were accepted on first contact.")
        return not self._last

    def _look_sometimes(self) -> None:
        """Notice machines that die while we knock, with no more calls than while they boot."""
        now = self._run.tools.clock.now()
        if now - self._looked >= self._run.tools.polling_interval:
            self._looked = now
            self._watch.look()
            for name in [n for n in self._last if self._run.node(n).state is NodeState.DOWN]:
                del self._last[name]

    def _fetch_host_keys(self) -> None:
        provider = self._run.tools.provider
        nodes = [self._run.node(name) for name in self._last]
        ids = {node.instance_id: node for node in nodes if node.instance_id and not node.host_keys}
        if not provider.delivers_host_keys or not ids:
            return
        keys = self._patience.ask(lambda: provider.host_keys(list(ids))) or {}
        self._run.update(replace(ids[i], host_keys=found) for i, found in keys.items())
        for instance_id, node in ids.items():
            if instance_id not in keys:
                self._last[node.name] = Failure(
                    layer=Layer.BOOT, message="has not come up so far as to have a host key"
                )

    def _let_in(self, host_keys: dict[str, tuple[str, ...]]) -> None:
        """Mark the nodes as reachable that have let us in, with the keys that they showed."""
        nodes = [self._run.node(name) for name in host_keys]
        self._first_contacts += sum(not node.host_keys for node in nodes)
        self._run.update(_reachable(node, host_keys[node.name]) for node in nodes)
        for name in host_keys:
            self._run.done(Phase.CONNECT, name)
            self._watch.drop(name)
            del self._last[name]

    def _give_up_on_strangers(self) -> None:
        """A wrong host key does not come right by waiting."""
        for name in [n for n, failure in self._last.items() if failure.layer is Layer.HOST_KEY]:
            if self._run.node(name).host_keys:
                self._run.give_up(Phase.CONNECT, {name: self._last.pop(name)})
                self._watch.drop(name)


def _reachable(node: NodeRecord, shown: tuple[str, ...]) -> NodeRecord:
    state = node.state if node.usable else NodeState.REACHABLE
    return replace(node, state=state, host_keys=node.host_keys or shown, failure=None)
