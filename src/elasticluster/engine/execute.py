"""The whole ways: start, setup, refresh, stop. Each phase takes the cluster on from where it is.

Each of these can be run again after a failure or a crash and carries on. One outcome is kept for each
node: a node that fails is marked as down with the reason and never stops the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from elasticluster.engine.connect import boot, connect, write_known_hosts
from elasticluster.engine.create import create, requests_for
from elasticluster.engine.events import Phase
from elasticluster.engine.plan import Batch, StartPlan, StopPlan, plan_start, plan_stop
from elasticluster.engine.ports import SetupJob
from elasticluster.engine.run import Run, Tools, hopeful, seen
from elasticluster.engine.wait import wait_until
from elasticluster.exceptions import CloudProviderError, ElastiClusterError, InstanceError
from elasticluster.model import (
    ClusterRecord,
    Failure,
    InstanceState,
    KeyPair,
    NodeRecord,
    NodeState,
    Report,
    SetupResult,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """How to start.

    Attributes:
        configure: whether to run the setup provider.
        max_parallel: at most so many create calls at the same time; 0: as the provider sees fit.
        extra_args: further arguments for the configuration tool.
        verbosity: 0 quiet … 4 everything.
    """

    configure: bool = True
    max_parallel: int = 0
    extra_args: tuple[str, ...] = ()
    verbosity: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """The end of a `stop`: for each node or machine that may still exist, why."""

    failures: Mapping[str, str] = field(default_factory=dict)


def look_ahead(cluster: ClusterRecord, tools: Tools) -> StartPlan:
    """Return what :func:`start` would do now; changes nothing."""
    return plan_start(cluster, tools.provider.list_instances(cluster.uuid))


def start(cluster: ClusterRecord, tools: Tools, options: StartOptions) -> Report:
    """Make what is missing of a cluster, wait for it, configure it and prove that it works.

    Returns:
        one outcome a node and a verdict on the whole. A cluster that is not ready is kept.

    Raises:
        ElastiClusterError: nothing could be begun; a cluster that did not exist before is not kept.
    """
    run = Run(replace(cluster, nodes=tuple(hopeful(node) for node in cluster.nodes)), tools)
    run.save()
    try:
        bring_up(run, options.max_parallel)
    except ElastiClusterError:
        if not any(node.batch or node.instance_id for node in run.cluster.nodes):
            _forget(run)
        raise
    run.save()
    return _configure(run, options)


def bring_up(run: Run, max_parallel: int = 0) -> None:
    """Do all of a start but the configuration: preflight, create, boot, connect."""
    tools, timeout = run.tools, run.cluster.start_timeout
    key = tools.store.key_pair(run.cluster)
    plan = look_ahead(run.cluster, tools)
    for stray in plan.strays:
        run.warn(
            f"Instance {stray.id} carries this cluster's UUID but no node's name; `stop` removes it too."
        )
    run.update(seen(run.node(name), machine) for name, machine in plan.present.items())
    make(run, plan, key, max_parallel)
    boot(run, timeout)
    connect(run, key, timeout)


def make(run: Run, plan: StartPlan, key: KeyPair, max_parallel: int = 0) -> None:
    """Make what a plan says is missing, after everything was checked that can be checked before."""
    provider, tell = run.tools.provider, run.tools.tell
    requests = requests_for(run.cluster, plan.create, key, max_parallel)
    with run.phase(Phase.PREFLIGHT, len(run.cluster.nodes)):
        run.tools.setup.check(run.cluster)
        provider.preflight(run.cluster, requests, tell)
    provider.prepare(run.cluster)
    if plan.discard:
        provider.stop_instances(plan.discard)
    if plan.resume:
        _resume(run, [plan.present[name].id for name in plan.resume])
    create(run, requests)


def _resume(run: Run, machines: list[str]) -> None:
    """Start stopped machines again; one that does not is noticed while we wait for it."""
    for machine, error in run.tools.provider.resume_instances(machines).items():
        run.warn(f"Instance {machine} could not be started again: {error}")


def launch(cluster: ClusterRecord, tools: Tools, names: Collection[str]) -> ClusterRecord:
    """Make the machines of some nodes only, and do not wait for them; nodes that have one keep it."""
    run = Run(replace(cluster, nodes=tuple(hopeful(node) for node in cluster.nodes)), tools)
    run.save()
    plan = plan_start(run.cluster, tools.provider.list_instances(cluster.uuid))
    wanted = tuple(
        Batch(spec=batch.spec, names=tuple(name for name in batch.names if name in names))
        for batch in plan.create
    )
    plan = replace(plan, create=tuple(batch for batch in wanted if batch.names))
    make(run, plan, tools.store.key_pair(run.cluster))
    run.save()
    return run.cluster


def setup(cluster: ClusterRecord, tools: Tools, options: StartOptions) -> Report:
    """Configure a running cluster once more and prove that it works.

    Addresses are read again and every node is tried once more; those that do not answer within a few
    attempts are reported and left out.
    """
    run = Run(replace(cluster, nodes=tuple(hopeful(node) for node in cluster.nodes)), tools)
    _read_addresses(run)
    connect(run, tools.store.key_pair(run.cluster), 3 * cluster.login.probe_timeout)
    return _configure(run, options)


def refresh(cluster: ClusterRecord, tools: Tools) -> ClusterRecord:
    """Read the addresses of all nodes again, with one call, and store them."""
    run = Run(cluster, tools)
    _read_addresses(run)
    write_known_hosts(run)
    run.save()
    return run.cluster


def plan_to_stop(cluster: ClusterRecord, tools: Tools) -> StopPlan:
    """Return what :func:`stop` would destroy now; changes nothing."""
    return plan_stop(cluster, tools.provider.list_instances(cluster.uuid))


def stop(cluster: ClusterRecord, tools: Tools, *, force: bool = False, wait: bool = False) -> StopReport:
    """Destroy all machines of a cluster and what they shared, then forget it.

    Args:
        cluster: the cluster.
        tools: what to work with.
        force: forget it even if some machines could not be destroyed.
        wait: return only when the cloud lists none of them any more.

    Returns:
        what may still exist; if there is anything and `force` is not set, the cluster is kept.
    """
    run = Run(cluster, tools)
    machines = plan_to_stop(cluster, tools).instances
    names = {node.instance_id: node.name for node in cluster.nodes if node.instance_id}
    with run.phase(Phase.STOP, len(machines)):
        failures = tools.provider.stop_instances(machines)
        for machine in machines:
            error = failures.get(machine)
            run.done(Phase.STOP, names.get(machine, machine), str(error) if error else "")
        if wait:
            _wait_until_gone(run)
    left = {names.get(machine, machine): str(error) for machine, error in failures.items()}
    if not left or force:
        left |= _release(run, force=force)
    if not left or force:
        tools.store.delete(cluster.name)
    return StopReport(failures=left)


def destroy(
    cluster: ClusterRecord, tools: Tools, names: Collection[str], *, wait: bool = False
) -> ClusterRecord:
    """Destroy the machines of some nodes; the nodes stay in the cluster, without a machine.

    Raises:
        InstanceError: some machine may still exist; the message names each.
    """
    run = Run(cluster, tools)
    nodes = [node for node in cluster.nodes if node.name in names and node.instance_id]
    failures = tools.provider.stop_instances([node.instance_id for node in nodes if node.instance_id])
    gone = [node for node in nodes if node.instance_id not in failures]
    run.update(NodeRecord(name=node.name, spec=node.spec) for node in gone)
    if wait:
        _wait_until_gone(run)
    run.save()
    if failures:
        reasons = "; ".join(f"{machine}: {error}" for machine, error in failures.items())
        raise InstanceError(f"Some instances of cluster '{cluster.name}' could not be destroyed: {reasons}")
    return run.cluster


def _wait_until_gone(run: Run) -> None:
    provider, uuid = run.tools.provider, run.cluster.uuid

    def gone() -> bool:
        return all(m.state is InstanceState.TERMINATED for m in provider.list_instances(uuid))

    timeout = run.cluster.start_timeout
    wait_until(gone, timeout=timeout, interval=run.tools.polling_interval, clock=run.tools.clock)


def _release(run: Run, *, force: bool) -> dict[str, str]:
    """Remove what the machines shared; return what could not be removed."""
    with run.phase(Phase.RELEASE, 1):
        try:
            run.tools.provider.release(run.cluster.uuid)
        except CloudProviderError as error:
            if force:
                run.warn(str(error))
            return {"shared resources": str(error)}
    return {}


def _forget(run: Run) -> None:
    """Remove every trace of a cluster of which nothing was made."""
    try:
        run.tools.provider.release(run.cluster.uuid)
    except CloudProviderError as error:
        run.warn(error.message)
    run.tools.store.delete(run.cluster.name)


def _read_addresses(run: Run) -> None:
    plan = look_ahead(run.cluster, run.tools)
    run.update(seen(run.node(name), machine) for name, machine in plan.present.items())


def _configure(run: Run, options: StartOptions) -> Report:
    lost = _lost(run.cluster)
    short = too_few(run.cluster)
    if short:
        return Report(cluster=run.cluster, verdict=Verdict.NOT_READY, lost=lost, error=short)
    if not options.configure:
        return Report(cluster=run.cluster, verdict=Verdict.NOT_CONFIGURED, lost=lost)
    _make_secrets(run)
    job = setup_job(run.cluster, run.tools, options)
    with run.phase(Phase.SETUP, sum(node.usable for node in run.cluster.nodes)):
        result = run.tools.setup.setup(job, run.tools.tell)
        _take_over(run, result)
    verdict = _verdict(run.cluster, result)
    run.cluster = replace(run.cluster, ready=verdict in (Verdict.READY, Verdict.PARTLY_READY))
    run.save()
    return Report(
        cluster=run.cluster,
        verdict=verdict,
        lost=_lost(run.cluster),
        unverified=result.unverified,
        error=result.error or too_few(run.cluster),
        changed=result.changed,
    )


def _make_secrets(run: Run) -> None:
    """Store new secrets before anything is configured with them."""
    new = run.tools.setup.make_secrets(run.cluster)
    if new:
        run.cluster = replace(run.cluster, secrets={**run.cluster.secrets, **new})
        run.save()


def setup_job(cluster: ClusterRecord, tools: Tools, options: StartOptions) -> SetupJob:
    """Return what a setup provider works on."""
    sizes = {flavor: tools.provider.node_vars(flavor) for flavor in {n.spec.flavor for n in cluster.nodes}}
    return SetupJob(
        cluster=cluster,
        key=tools.store.key_pair(cluster),
        known_hosts_path=tools.store.known_hosts_path(cluster.name),
        node_vars={node.name: sizes[node.spec.flavor] for node in cluster.nodes},
        extra_args=options.extra_args,
        verbosity=options.verbosity,
    )


def _take_over(run: Run, result: SetupResult) -> None:
    """Mark every node with what setup made of it."""
    run.update(_after_setup(node, result) for node in run.cluster.nodes)
    for node in run.cluster.nodes:
        if node.state in _SET_UP:
            run.done(Phase.SETUP, node.name)


def _after_setup(node: NodeRecord, result: SetupResult) -> NodeRecord:
    failure = result.failures.get(node.name)
    if failure:
        return node.failed(failure.layer, failure.message, failure.evidence)
    if not node.usable:
        return node
    if result.error:
        return replace(node, state=NodeState.REACHABLE)
    return replace(node, state=NodeState.READY if node.name in result.checked else NodeState.CONFIGURED)


_SET_UP = (NodeState.READY, NodeState.CONFIGURED)


def _verdict(cluster: ClusterRecord, result: SetupResult) -> Verdict:
    if result.error or too_few(cluster):
        return Verdict.NOT_READY
    if result.unverified:
        return Verdict.NOT_VERIFIED
    return Verdict.PARTLY_READY if _lost(cluster) else Verdict.READY


def _lost(cluster: ClusterRecord) -> dict[str, Failure]:
    return {node.name: node.failure for node in cluster.nodes if node.failure}


def too_few(cluster: ClusterRecord) -> str:
    """Say which kinds have fewer usable nodes than they need; empty if none has."""
    short = []
    for kind in cluster.kinds:
        nodes = cluster.of_kind(kind)
        usable = sum(node.usable for node in nodes)
        needed = cluster.min_nodes.get(kind, len(nodes))
        if usable < needed:
            short.append(f"{usable} of {len(nodes)} {kind} nodes are usable, at least {needed} are needed")
    return "; ".join(short)
