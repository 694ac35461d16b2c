"""The whole ways: start, setup, launch, refresh. Each phase takes the cluster on from where it is.

Each of these can be run again after a failure or a crash and carries on. One outcome is kept for each
node: a node that fails is marked as down with the reason and never stops the others.
"""

from __future__ import annotations

from collections.abc import Collection

from elasticluster.engine.configure import StartOptions, configure
from elasticluster.engine.connect import boot, connect, ended, gone, write_known_hosts
from elasticluster.engine.create import create, requests_for
from elasticluster.engine.events import Phase
from elasticluster.engine.plan import Batch, StartPlan, plan_start
from elasticluster.engine.run import Run, Tools, seen
from elasticluster.exceptions import CloudProviderError, ElastiClusterError
from elasticluster.model import ClusterRecord, InstanceState, KeyPair, NodeState, Report


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
    existed = cluster.name in tools.store.names()
    run = Run.begin(cluster, tools)
    run.save()
    try:
        _bring_up(run, options.max_parallel)
    except ElastiClusterError:
        if not existed and not any(node.batch or node.instance_id for node in run.cluster.nodes):
            _forget(run)
        raise
    return configure(run, options)


def setup(cluster: ClusterRecord, tools: Tools, options: StartOptions) -> Report:
    """Configure a running cluster once more and prove that it works.

    Addresses are read again and every node is tried once more; those that do not answer within a few
    attempts are reported and left out.
    """
    run = Run.begin(cluster, tools)
    tools.setup.check(run.cluster)
    _read_addresses(run)
    connect(run, tools.store.key_pair(run.cluster), 3 * cluster.login.probe_timeout)
    return configure(run, options)


def launch(cluster: ClusterRecord, tools: Tools, names: Collection[str]) -> ClusterRecord:
    """Make the machines of some nodes only, and do not wait for them; nodes that have one keep it."""
    others = [node for node in cluster.nodes if node.name not in names]
    run = Run.begin(cluster, tools)
    run.cluster = run.cluster.with_nodes(*others)
    run.save()
    plan = _only(names, look_ahead(run.cluster, tools), run.cluster)
    _make(run, plan, tools.store.key_pair(run.cluster))
    run.save()
    return run.cluster


def refresh(cluster: ClusterRecord, tools: Tools) -> ClusterRecord:
    """Read the addresses of all nodes again, with one call, and store them."""
    run = Run(cluster, tools)
    _read_addresses(run)
    write_known_hosts(run)
    run.save()
    return run.cluster


def _bring_up(run: Run, max_parallel: int) -> None:
    """Do all of a start but the configuration: preflight, create, boot, connect."""
    timeout = run.cluster.start_timeout
    key = run.tools.store.key_pair(run.cluster)
    plan = look_ahead(run.cluster, run.tools)
    for stray in plan.strays:
        run.warn(
            f"Instance {stray.id} carries this cluster's UUID but no node's name; `stop` removes it too."
        )
    resumed = _make(run, plan, key, max_parallel)
    boot(run, timeout, resumed)
    connect(run, key, timeout)


def _make(run: Run, plan: StartPlan, key: KeyPair, max_parallel: int = 0) -> Collection[str]:
    """Make what a plan says is missing, after everything was checked that can be checked before.

    Returns:
        names of the nodes whose machines were started again.
    """
    provider = run.tools.provider
    run.update(seen(run.node(name), machine) for name, machine in plan.present.items())
    single = not provider.tags_instances
    requests = requests_for(run.cluster, plan.create, key, max_parallel, single=single)
    with run.phase(Phase.PREFLIGHT, len(run.cluster.nodes)):
        run.tools.setup.check(run.cluster)
        provider.preflight(run.cluster, requests, run.tell)
    run.preparing = True
    provider.prepare(run.cluster)
    for machine, error in (provider.stop_instances(plan.discard) if plan.discard else {}).items():
        run.warn(f"The broken instance {machine} could not be destroyed: {error}")
    resumed = _resume(run, plan)
    create(run, requests)
    return resumed


def _resume(run: Run, plan: StartPlan) -> Collection[str]:
    """Start stopped machines again; return the names of the nodes that this was accepted for."""
    ids = {name: plan.present[name].id for name in plan.resume}
    failures = run.tools.provider.resume_instances(list(ids.values())) if ids else {}
    for machine, error in failures.items():
        run.warn(f"Instance {machine} could not be started again: {error}")
    return {name for name, machine in ids.items() if machine not in failures}


def _only(names: Collection[str], plan: StartPlan, cluster: ClusterRecord) -> StartPlan:
    """Return the part of a plan that concerns some nodes."""
    kept = (Batch(spec=b.spec, names=tuple(n for n in b.names if n in names)) for b in plan.create)
    recorded = {node.instance_id for node in cluster.nodes if node.name in names}
    return StartPlan(
        present={name: machine for name, machine in plan.present.items() if name in names},
        resume=tuple(name for name in plan.resume if name in names),
        create=tuple(batch for batch in kept if batch.names),
        discard=tuple(machine for machine in plan.discard if machine in recorded),
    )


def _forget(run: Run) -> None:
    """Remove every trace of a cluster of which no machine was made; keep it if something may be left."""
    try:
        if run.preparing:
            run.tools.provider.release(run.cluster.uuid)
    except CloudProviderError as error:
        run.warn(
            f"{error.message} What was begun is kept: `elasticluster stop {run.cluster.name}` removes it."
        )
        return
    run.tools.store.delete(run.cluster.name)


def _read_addresses(run: Run) -> None:
    """Take over what the cloud says of all machines; nodes without one that runs are down."""
    machines = look_ahead(run.cluster, run.tools).present
    run.update(seen(run.node(name), machine) for name, machine in machines.items())
    failures = {}
    for node in run.cluster.nodes:
        machine = machines.get(node.name)
        if machine is None and (node.batch or node.instance_id):
            failures[node.name] = gone(node)
        elif machine and machine.state is InstanceState.STOPPED and node.state is not NodeState.PAUSED:
            failures[node.name] = ended(machine)
    run.give_up(Phase.BOOT, failures)
