"""Make machines: announce them on disk, ask for them in bulk, note what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from elasticluster.engine.events import Phase
from elasticluster.engine.plan import Batch
from elasticluster.engine.pool import default_workers, run_all
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
    cluster: ClusterRecord,
    batches: Sequence[Batch],
    key: KeyPair,
    max_parallel: int = 0,
    *,
    single: bool = False,
) -> list[InstanceRequest]:
    """Turn the batches of a plan into create calls, each with a token of its own.

    Args:
        cluster: the cluster that the nodes belong to.
        batches: from :func:`.plan.plan_start`.
        key: key pair to let in.
        max_parallel: 0: as many calls at a time as the provider sees fit; 1 or less: one machine after
            another.
        single: one call for each node, because a lost reply would not be found again by listing.
    """
    limit = max(max_parallel, 1) if max_parallel else 0
    split = _one_by_one(batches) if single or limit == 1 else batches
    return [_request(cluster, batch, key, limit) for batch in split]


def create(run: Run, requests: list[InstanceRequest]) -> None:
    """Make the machines of all requests; each node ends up with an instance id or a failure.

    What is going to be asked for is on disk before the first call is made, so that whatever a lost
    reply or a crash leaves behind is found again by its tags.
    """
    run.made.update(name for request in requests for name in request.names)
    run.update(_announced(name, request) for request in requests for name in request.names)
    with run.phase(Phase.CREATE, sum(len(request.names) for request in requests)):
        run_all(lambda request: _create_batch(run, request), requests, _workers(requests))


def _workers(requests: list[InstanceRequest]) -> int:
    """Return how many calls to make at a time; a bulk call keeps to the limit by itself."""
    limit = max((request.max_parallel for request in requests), default=0)
    if not limit:
        return default_workers()
    return limit if all(len(request.names) == 1 for request in requests) else 1


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


def _one_by_one(batches: Sequence[Batch]) -> Iterator[Batch]:
    for batch in batches:
        for name in batch.names:
            yield Batch(spec=batch.spec, names=(name,))


def _announced(name: str, request: InstanceRequest) -> NodeRecord:
    return NodeRecord(name=name, spec=request.spec, state=NodeState.CREATING, batch=request.token)


def _create_batch(run: Run, request: InstanceRequest) -> None:
    try:
        created = run.tools.provider.create_instances(request)
    except CloudProviderError as error:
        created = Created(failures=dict.fromkeys(request.names, error))
    made = _by_name(request, created)
    run.update(replace(run.node(name), instance_id=machine.id) for name, machine in made.items())
    for name in made:
        run.done(Phase.CREATE, name)
    errors = {name: created.failures.get(name, _NO_REASON) for name in request.names if name not in made}
    run.give_up(
        Phase.CREATE,
        {name: Failure(layer=Layer.CREATE, message=str(error)) for name, error in errors.items()},
    )


_NO_REASON = "the cloud made no instance for it and gave no reason"


def _by_name(request: InstanceRequest, created: Created) -> dict[str, Instance]:
    """Give each machine its node: as tagged, the others in launch order to the names left."""
    named = {machine.tags.node: machine for machine in created.instances if machine.tags.node}
    left = iter(name for name in request.names if name not in named and name not in created.failures)
    unnamed = [machine for machine in created.instances if not machine.tags.node]
    unnamed.sort(key=lambda machine: (machine.launch_index, machine.id))
    return named | dict(zip(left, unnamed, strict=False))
