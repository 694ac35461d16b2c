"""What carries our tags on a cloud, although nobody here remembers the cluster it belongs to."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from elasticluster.engine.ports import CloudProvider
from elasticluster.engine.run import seen
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import (
    ClusterRecord,
    Instance,
    InstanceState,
    NodeRecord,
    NodeSpec,
    NodeState,
    Resource,
    Tags,
)
from elasticluster.naming import NodeNamingPolicy, check_node_name, is_uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A cluster that only its tags tell of.

    Attributes:
        tags: what is written on its parts; of a machine's own tags only what all have in common.
        instances: its machines, without those that are gone.
        resources: what its machines share.
    """

    tags: Tags
    instances: tuple[Instance, ...] = ()
    resources: tuple[Resource, ...] = ()

    @property
    def created(self) -> float | None:
        """When it was made, seconds since the epoch; None if the tag does not tell."""
        try:
            made = datetime.fromisoformat(self.tags.created)
        except ValueError:
            return None
        return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()

    @property
    def forged(self) -> bool:
        """Whether this program can not have written these tags; somebody else has."""
        return not is_uuid(self.tags.uuid)


def find(provider: CloudProvider) -> list[Orphan]:
    """Return everything with our tags on a cloud, a cluster at a time, sorted by name and age.

    Compare it with the records *after* this: a cluster is on disk before anything of it is on the cloud.

    Raises:
        CloudProviderError: the cloud cannot be asked.
    """
    return grouped(provider.list_instances(), provider.list_resources())


def grouped(instances: Iterable[Instance], resources: Iterable[Resource]) -> list[Orphan]:
    """Sort what carries our tags into clusters; machines that are gone do not count."""
    machines: dict[str, list[Instance]] = defaultdict(list)
    shared: dict[str, list[Resource]] = defaultdict(list)
    for machine in instances:
        if machine.state is not InstanceState.TERMINATED:
            machines[machine.tags.uuid].append(machine)
    for resource in resources:
        shared[resource.tags.uuid].append(resource)
    found = [_orphan(machines[uuid], shared[uuid]) for uuid in {**machines, **shared}]
    return sorted(found, key=lambda one: (one.tags.name, one.tags.created, one.tags.uuid))


def remove(orphan: Orphan, provider: CloudProvider) -> dict[str, str]:
    """Destroy the machines of a cluster and what they share.

    Returns:
        why something may still exist, by instance id; what is shared is kept as long as a machine is left.
    """
    failures = provider.stop_instances([machine.id for machine in orphan.instances])
    left = {machine: str(error) for machine, error in failures.items()}
    if not left:
        try:
            provider.release(orphan.tags.uuid)
        except CloudProviderError as error:
            left["shared resources"] = str(error)
    return left


def rebuild(orphan: Orphan, base: ClusterRecord, specs: Mapping[str, NodeSpec]) -> ClusterRecord:
    """Return the record of a cluster as its tags tell it.

    Args:
        orphan: the cluster.
        base: what its template says of a cluster, without nodes.
        specs: what the template says of the nodes of each kind, in its order; a node of another kind can
            be listed and destroyed, but not be made anew.
    """
    nodes = _nodes(orphan.instances, specs)
    kinds = dict.fromkeys([*specs, *(node.kind for node in nodes)])
    return replace(
        base,
        uuid=orphan.tags.uuid,
        owner=orphan.tags.owner,
        created=orphan.created or 0.0,
        kinds=tuple(kinds),
        nodes=tuple(nodes),
        ready=False,
    ).without(())


def _orphan(machines: Sequence[Instance], shared: Sequence[Resource]) -> Orphan:
    tags = [*(one.tags for one in shared), *(one.tags for one in machines)]
    return Orphan(
        tags=replace(tags[0], kind="", batch="", node=""), instances=tuple(machines), resources=tuple(shared)
    )


def _nodes(machines: Sequence[Instance], specs: Mapping[str, NodeSpec]) -> list[NodeRecord]:
    """Return a node for each machine: as tagged; those of no or the same name get the next free one."""
    ordered = sorted(machines, key=lambda one: (one.tags.kind, one.tags.node, one.launch_index, one.id))
    named: dict[str, Instance] = {}
    unnamed = []
    for machine in ordered:
        if _can_be_called(machine.tags.node) and machine.tags.node not in named:
            named[machine.tags.node] = machine
        else:
            unnamed.append(machine)
    naming = NodeNamingPolicy()
    for name in named:
        with contextlib.suppress(ValueError):
            naming.use(naming.parse(name)["kind"], name)
    for machine in unnamed:
        named[naming.new(_kind(machine).lower())] = machine
    return [_node(name, machine, specs) for name, machine in named.items()]


def _node(name: str, machine: Instance, specs: Mapping[str, NodeSpec]) -> NodeRecord:
    kind = _kind(machine)
    unknown = NodeSpec(kind=kind, image_id="", image_user=_any_user(specs.values()), flavor="")
    node = NodeRecord(name=name, spec=specs.get(kind, unknown), batch=machine.tags.batch or None)
    paused = machine.state is InstanceState.STOPPED
    here = seen(replace(node, state=NodeState.CREATING), machine)
    return replace(here, state=NodeState.PAUSED) if paused else here


def _kind(machine: Instance) -> str:
    return machine.tags.kind or "node"


def _any_user(specs: Collection[NodeSpec]) -> str:
    return next((spec.image_user for spec in specs), "")


def _can_be_called(name: str) -> bool:
    try:
        check_node_name(name)
    except ValueError:
        return False
    return True
