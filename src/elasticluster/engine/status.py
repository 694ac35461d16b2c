"""Look at a cluster as it is at this moment: machines, SSH, scheduler. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from elasticluster.engine.account import listed
from elasticluster.engine.connect import ended, gone
from elasticluster.engine.plan import plan_start
from elasticluster.engine.reach import target_of, targets_of
from elasticluster.engine.run import Tools
from elasticluster.engine.scheduler import UP, Scheduler, Worker
from elasticluster.exceptions import CloudProviderError, KeypairError, ReadinessError
from elasticluster.model import (
    SET_UP,
    ClusterRecord,
    Failure,
    Instance,
    InstanceState,
    Layer,
    NodeRecord,
    NodeState,
    ProbeResult,
)

ANSWER_SECONDS = 30
"""How long the scheduler may take to say everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """A node as it is at this moment.

    Attributes:
        node: what is stored, with its present address.
        machine: what the cloud says of its machine; None if it lists none, or could not be asked.
        reachable: whether SSH login works; None if it was not tried.
        worker: what the scheduler says; None if it does not know the node, or there is none.
        problem: why it is of no use to the cluster; empty if it is, or is not to be.
    """

    node: NodeRecord
    machine: InstanceState | None = None
    reachable: bool | None = None
    worker: Worker | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A cluster as it is at this moment.

    Attributes:
        cluster: what is stored.
        nodes: one for each node that is stored, in that order.
        scheduler: None if the cluster has none, or was never set up.
        silent: why the cloud could not be asked; None if it answered.
    """

    cluster: ClusterRecord
    nodes: tuple[NodeStatus, ...]
    scheduler: Scheduler | None = None
    silent: CloudProviderError | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems

    @property
    def silent_scheduler(self) -> str:
        """Why the scheduler does not answer; empty if it does, or there is none."""
        return self.scheduler.error if self.scheduler else ""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, one line each: cloud, scheduler, partitions that start no jobs, nodes."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.silent:
            yield "it is not known what the cloud has of it"
        if not self.nodes:
            yield "it has no nodes"
        if self.scheduler and self.silent_scheduler:
            yield f"{self.scheduler.name} does not answer: {self.scheduler.error}"
        for partition in self.scheduler.partitions if self.scheduler else ():
            if partition.state != UP:
                yield f"partition {partition.name}: {partition.state}"
        yield from (f"{one.node.name}: {one.problem}" for one in self.nodes if one.problem)


def look(cluster: ClusterRecord, tools: Tools) -> Status:
    """Return how a cluster is: one call to its cloud, one login to each node, one question to its scheduler.

    Args:
        cluster: as it is stored.
        tools: what to look with.
    """
    machines, silent = _machines(cluster, tools)
    nodes = [_here(node, machines.get(node.name)) for node in cluster.nodes]
    here = replace(cluster, nodes=tuple(nodes))
    probed = _probe(here, tools, [node for node in nodes if _may_answer(node, machines, silent)])
    scheduler = _scheduler(here, tools, probed)
    return Status(
        cluster=cluster,
        nodes=tuple(
            _judged(node, machines.get(node.name), probed.get(node.name), scheduler, known=silent is None)
            for node in nodes
        ),
        scheduler=scheduler,
        silent=silent,
    )


def _machines(
    cluster: ClusterRecord, tools: Tools
) -> tuple[Mapping[str, Instance], CloudProviderError | None]:
    """Return what the cloud says of the nodes' machines, by the nodes' names, and why it says nothing."""
    try:
        there = listed(cluster, tools.provider)
    except CloudProviderError as error:
        return {}, error
    by_id = {machine.id: machine for machine in there}
    ours = {node.name: by_id[node.instance_id] for node in cluster.nodes if node.instance_id in by_id}
    return {**plan_start(cluster, there).present, **ours}, None


def _here(node: NodeRecord, machine: Instance | None) -> NodeRecord:
    """Return a node with its machine's present address; one that does not run keeps the last one known."""
    if machine is None:
        return node
    if machine.state is not InstanceState.RUNNING:
        return replace(node, instance_id=machine.id)
    return replace(
        node,
        instance_id=machine.id,
        public_ip=machine.public_ip,
        private_ip=machine.private_ip,
        ssh_port=machine.ssh_port,
    )


def _may_answer(
    node: NodeRecord, machines: Mapping[str, Instance], silent: CloudProviderError | None
) -> bool:
    machine = machines.get(node.name)
    runs = silent is not None or (machine is not None and machine.state is InstanceState.RUNNING)
    return bool(node.address) and runs and node.state not in _OUT_OF_USE


_OUT_OF_USE = (NodeState.PAUSED, NodeState.LEAVING)


def _probe(cluster: ClusterRecord, tools: Tools, nodes: Sequence[NodeRecord]) -> Mapping[str, ProbeResult]:
    """Try to log in to some nodes, once."""
    if not nodes:
        return {}
    try:
        key = tools.store.key_pair(cluster)
    except KeypairError as error:
        failure = Failure(layer=Layer.LOGIN, message=error.message)
        return {node.name: ProbeResult(failure=failure) for node in nodes}
    return tools.prober.probe(targets_of(cluster, nodes, key))


def _scheduler(cluster: ClusterRecord, tools: Tools, probed: Mapping[str, ProbeResult]) -> Scheduler | None:
    """Let the setup provider ask the scheduler, if there may be one."""
    if not was_set_up(cluster):
        return None

    def ask(name: str, command: str) -> str:
        node, result = cluster.node(name), probed.get(name)
        if node is not None and node.state is NodeState.PAUSED:
            raise ReadinessError(f"node {name} is paused")
        if node is None or result is None or result.failure:
            raise ReadinessError(f"node {name} cannot be logged in to")
        target = target_of(cluster, node, tools.store.key_pair(cluster))
        path = tools.store.known_hosts_path(cluster.name)
        return tools.prober.output(target, path, command, ANSWER_SECONDS)

    return tools.setup.scheduler(cluster, ask)


def was_set_up(cluster: ClusterRecord) -> bool:
    """Return whether a setup was ever begun: the first one makes secrets, which only `export` leaves out."""
    return bool(cluster.secrets) or any(node.state in SET_UP for node in cluster.nodes)


def _judged(
    node: NodeRecord,
    machine: Instance | None,
    result: ProbeResult | None,
    scheduler: Scheduler | None,
    *,
    known: bool,
) -> NodeStatus:
    worker = scheduler.workers.get(node.name) if scheduler else None
    problems = (
        _machine_problem(node, machine) if known else "",
        _login_problem(node, result),
        _service_problem(scheduler, worker),
        _past_problem(node, scheduler),
    )
    return NodeStatus(
        node=node,
        machine=machine.state if machine else None,
        reachable=None if result is None else result.failure is None,
        worker=worker,
        problem=next(filter(None, problems), "") if node.staying else "",
    )


def _machine_problem(node: NodeRecord, machine: Instance | None) -> str:
    """Return what is wrong with a node's machine; that of a paused node has nothing to do but to be there."""
    if machine is None:
        return str(node.failure or gone(node)) if not node.instance_id else str(gone(node))
    if machine.state is InstanceState.PENDING:
        return f"its instance {machine.id} is about to start"
    if machine.state is InstanceState.RUNNING or node.state is NodeState.PAUSED:
        return ""
    return str(ended(machine))


def _login_problem(node: NodeRecord, result: ProbeResult | None) -> str:
    """Return why a node cannot be logged in to."""
    if node.state is NodeState.PAUSED:
        return "paused"
    return str(result.failure) if result and result.failure else ""


def _service_problem(scheduler: Scheduler | None, worker: Worker | None) -> str:
    """Return why the scheduler starts no jobs on a node."""
    if scheduler and worker and not worker.usable and not scheduler.error:
        return f"{scheduler.name}: {worker}"
    return ""


def _past_problem(node: NodeRecord, scheduler: Scheduler | None) -> str:
    """Return why a node with which nothing is wrong now is not a part of the cluster all the same."""
    if node.failure:
        return f"when it was worked on last: {node.failure}"
    return "not configured" if scheduler and node.state not in SET_UP else ""
