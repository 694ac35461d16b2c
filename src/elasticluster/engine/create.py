"""Make machines: announce them on disk, ask for them in bulk, note what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from elasticluster.engine.events import Phase
from elasticluster.engine.plan import Batch
from elasticluster.engine.pool import run_all
from elasticluster.engine.ports import Created
from elasticluster.engine.run import Run
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import (
    ClusterRecord,
    Failure,
    Instance,
    InstanceRequest,
    KeyPair,
    Layer,
    NodeRecord,
    NodeState,
    Tags,
)
from elasticluster.naming import new_uuid


def requests_for(
    cluster: ClusterRecord, batches: tuple[Batch, ...], key: KeyPair, max_parallel: int = 0
) -> list[InstanceRequest]:
    """Turn the batches of a plan into create calls, each with an idempotency token of its own.

    Args:
        cluster: the cluster that the nodes belong to.
        batches: from :func:`.plan.plan_start`.
        key: key pair to let in.
        max_parallel: 0: as many calls at a time as the provider sees fit; 1: one machine after another.
    """
    split = _one_by_one(batches) if max_parallel == 1 else iter(batches)
    return [_request(cluster, batch, key, max_parallel) for batch in split]


def create(run: Run, requests: list[InstanceRequest]) -> None:
    """Make the machines of all requests; each node ends up with an instance id or a failure.

    What is going to be asked for is on disk before the first call is made, so that whatever a lost
    reply or a crash leaves behind is found again by its tags.
    """
    run.update(_announced(run.node(name), request.token) for request in requests for name in request.names)
    workers = 1 if any(request.max_parallel == 1 for request in requests) else len(requests)
    with run.phase(Phase.CREATE, sum(len(request.names) for request in requests)):
        run_all(lambda request: _create_batch(run, request), requests, workers)


def tags_of(cluster: ClusterRecord) -> Tags:
    """Return what is written on everything made for a cluster."""
    return Tags(
        uuid=cluster.uuid,
        name=cluster.name,
        template=cluster.template,
        owner=cluster.owner,
        created=datetime.fromtimestamp(cluster.created, UTC).isoformat(timespec="seconds"),
    )


def _request(cluster: ClusterRecord, batch: Batch, key: KeyPair, max_parallel: int) -> InstanceRequest:
    token = new_uuid()
    return InstanceRequest(
        token=token,
        spec=batch.spec,
        names=batch.names,
        tags=replace(tags_of(cluster), kind=batch.spec.kind, batch=token),
        key=key,
        max_parallel=max_parallel,
    )


def _one_by_one(batches: tuple[Batch, ...]) -> Iterator[Batch]:
    for batch in batches:
        for name in batch.names:
            yield Batch(spec=batch.spec, names=(name,))


def _announced(node: NodeRecord, token: str) -> NodeRecord:
    return NodeRecord(name=node.name, spec=node.spec, state=NodeState.CREATING, batch=token)


def _create_batch(run: Run, request: InstanceRequest) -> None:
    try:
        created = run.tools.provider.create_instances(request)
    except CloudProviderError as error:
        created = Created(failures=dict.fromkeys(request.names, error))
    made = _by_name(request, created)
    run.update(replace(run.node(name), instance_id=machine.id) for name, machine in made.items())
    for name in made:
        run.done(Phase.CREATE, name)
    run.give_up(
        Phase.CREATE,
        {
            name: Failure(layer=Layer.CREATE, message=str(error))
            for name, error in created.failures.items()
            if name not in made
        },
    )


def _by_name(request: InstanceRequest, created: Created) -> dict[str, Instance]:
    """Give each machine its node: as tagged, the others in launch order to the names left."""
    named = {machine.tags.node: machine for machine in created.instances if machine.tags.node}
    left = iter(name for name in request.names if name not in named and name not in created.failures)
    unnamed = [machine for machine in created.instances if not machine.tags.node]
    unnamed.sort(key=lambda machine: (machine.launch_index, machine.id))
    return named | dict(zip(left, unnamed, strict=False))
