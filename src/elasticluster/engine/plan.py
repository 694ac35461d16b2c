"""Decide what has to be done: pure functions from what is wanted and what is there to a plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from elasticluster.model import ClusterRecord, Instance, InstanceState, NodeRecord, NodeSpec

_DEAD = frozenset({InstanceState.ERROR, InstanceState.TERMINATED})
_AS_RECORDED: Mapping[str, NodeSpec] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Nodes to be made by one create call."""

    spec: NodeSpec
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPlan:
    """What a `start` will do.

    Attributes:
        present: for each node that has a machine, the machine; also those found by their tags only.
        resume: nodes whose machine is there but stopped.
        create: nodes to be made, batch by batch.
        discard: machines of nodes that are to be made anew, broken beyond use.
        leaving: instance ids of the nodes that are about to be removed, by name; empty where none is known.
        strays: machines that carry this cluster's UUID and belong to no node of it.
        kinds_there: kinds of nodes of which there is a machine; others of these kinds are made like them.
    """

    present: Mapping[str, Instance] = field(default_factory=dict)
    resume: tuple[str, ...] = ()
    create: tuple[Batch, ...] = ()
    discard: tuple[str, ...] = ()
    leaving: Mapping[str, str] = field(default_factory=dict)
    strays: tuple[Instance, ...] = ()
    kinds_there: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlan:
    """What a `stop` will destroy: instance ids, those known by record and those found by tag."""

    instances: tuple[str, ...] = ()


def plan_start(
    cluster: ClusterRecord, instances: Sequence[Instance], specs: Mapping[str, NodeSpec] = _AS_RECORDED
) -> StartPlan:
    """Compare the nodes that a cluster should have with the machines that carry its UUID.

    Args:
        cluster: the cluster, with a node record for each node wanted.
        instances: all machines with the cluster's UUID, in any order.
        specs: what nodes are to be made of, by kind, where no node of the kind has a machine. Others are
            made as recorded, like those that are there.
    """
    living = [machine for machine in instances if machine.state not in _DEAD]
    broken = [machine for machine in instances if machine.state is InstanceState.ERROR]
    found, strays = _match(cluster.nodes, living)
    present = {node.name: found[node.name] for node in cluster.nodes if node.staying and node.name in found}
    missing = [node for node in cluster.nodes if node.staying and node.name not in present]
    wanted = {node.instance_id for node in missing} | {node.name for node in missing}
    kinds_there = frozenset(node.kind for node in cluster.nodes if node.name in found)
    new = {kind: spec for kind, spec in specs.items() if kind not in kinds_there}
    replaced = [machine for machine in broken if machine.id in wanted or machine.tags.node in wanted]
    return StartPlan(
        present=present,
        resume=tuple(n for n, machine in present.items() if machine.state is InstanceState.STOPPED),
        create=_batches(missing, new),
        discard=tuple(machine.id for machine in replaced),
        leaving=machines_of(cluster, [node.name for node in cluster.nodes if not node.staying], instances),
        strays=(*strays, *(machine for machine in broken if machine not in replaced)),
        kinds_there=kinds_there,
    )


def machines_of(
    cluster: ClusterRecord, names: Collection[str], instances: Iterable[Instance]
) -> dict[str, str]:
    """Return the instance ids of some nodes by name: of what is there, else as recorded, else empty."""
    there = [machine for machine in instances if machine.state is not InstanceState.TERMINATED]
    found, _ = _match(cluster.nodes, there)
    return {
        node.name: found[node.name].id if node.name in found else node.instance_id or ""
        for node in cluster.nodes
        if node.name in names
    }


def plan_stop(cluster: ClusterRecord, instances: Sequence[Instance]) -> StopPlan:
    """Name every machine of a cluster: recorded, or found by its UUID."""
    recorded = [node.instance_id for node in cluster.nodes if node.instance_id]
    found = [machine.id for machine in instances if machine.state is not InstanceState.TERMINATED]
    return StopPlan(instances=tuple(dict.fromkeys([*recorded, *found])))


def _match(
    nodes: Sequence[NodeRecord], instances: Sequence[Instance]
) -> tuple[dict[str, Instance], tuple[Instance, ...]]:
    """Find each node's machine: by its id, else by name and batch in its tags, else by its batch.

    Machines of one create call that could not be tagged one by one are given out in launch order, to
    the nodes that were announced for that call, in their order.
    """
    free = {machine.id: machine for machine in sorted(instances, key=lambda m: (m.launch_index, m.id))}
    matched: dict[str, Instance] = {}
    for node in nodes:
        if node.instance_id in free:
            matched[node.name] = free.pop(node.instance_id)
    by_name: dict[str, list[Instance]] = defaultdict(list)
    by_batch: dict[str, list[Instance]] = defaultdict(list)
    for machine in free.values():
        if machine.tags.node:
            by_name[machine.tags.node].append(machine)
        elif machine.tags.batch:
            by_batch[machine.tags.batch].append(machine)
    for node in nodes:
        # A node has the token of the call on disk before its machine is asked for: another is not its own.
        ours = [one for one in by_name[node.name] if node.batch in (None, one.tags.batch)]
        candidates = ours or by_batch[node.batch or ""]
        if node.name not in matched and candidates:
            matched[node.name] = free.pop(candidates.pop(0).id)
    in_order = {node.name: matched[node.name] for node in nodes if node.name in matched}
    return in_order, tuple(free.values())


def _batches(nodes: Iterable[NodeRecord], specs: Mapping[str, NodeSpec]) -> tuple[Batch, ...]:
    """Group nodes that differ only in name."""
    groups: list[tuple[NodeSpec, list[str]]] = []
    for node in nodes:
        wanted = specs.get(node.kind, node.spec)
        for spec, names in groups:
            if spec == wanted:
                names.append(node.name)
                break
        else:
            groups.append((wanted, [node.name]))
    return tuple(Batch(spec=spec, names=tuple(names)) for spec, names in groups)
