"""Bring the machines of a cluster up, as a plan says: all of them, or those of some nodes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from elasticluster.engine.account import listed, remember_account
from elasticluster.engine.connect import boot, connect, write_known_hosts
from elasticluster.engine.create import create, requests_for
from elasticluster.engine.events import Phase
from elasticluster.engine.images import bases_of, with_images
from elasticluster.engine.plan import Batch, StartPlan, plan_start
from elasticluster.engine.run import Run, Tools, seen
from elasticluster.exceptions import CloudProviderError, ClusterError
from elasticluster.model import ClusterRecord, Failure, InstanceState, KeyPair, Layer, NodeSpec, NodeState


def look_ahead(
    cluster: ClusterRecord, tools: Tools, specs: Mapping[str, NodeSpec] | None = None
) -> StartPlan:
    """Return what a `start` would do now; changes nothing. `specs` are as for :func:`.plan.plan_start`."""
    return plan_start(cluster, listed(cluster, tools.provider), specs or {})


def bring_up(
    run: Run,
    max_parallel: int,
    only: Collection[str] | None = None,
    specs: Mapping[str, NodeSpec] | None = None,
) -> None:
    """Do all of a start but the configuration: preflight, create, boot, connect.

    Args:
        run: the work at hand.
        max_parallel: at most so many create calls at the same time; 0: as the provider sees fit.
        only: names of the nodes to bring up; all of them if None.
        specs: what nodes of kinds without any machine are to be made of; None: all are made as recorded.
    """
    timeout = run.cluster.start_timeout
    key = run.tools.store.key_pair(run.cluster)
    plan = look_ahead(run.cluster, run.tools, specs)
    for stray in plan.strays:
        run.warn(
            f"Instance {stray.id} carries this cluster's UUID but belongs to no node; `stop` removes it too."
        )
    locate(run, plan)
    resumed = make(run, plan if only is None else restrict(plan, only, run.cluster), key, max_parallel)
    boot(run, timeout, resumed, only)
    connect(run, key, timeout, only)


def warn_of_untraceable(run: Run) -> None:
    """Tell of machines that may have been made when a command was killed, where no listing shows them."""
    names = [node.name for node in run.cluster.nodes if node.batch and not node.instance_id]
    if names and not run.tools.provider.tags_instances:
        run.warn(
            f"A command was ended while it made {', '.join(names)}. This cloud's provider cannot tell "
            "whether machines were made: look there for some that belong to nobody."
        )


def _refuse_untagged(run: Run, plan: StartPlan) -> None:
    """Make no machine a second time that may well exist.

    Raises:
        ClusterError: some node's machine was made by a program that writes no tags.
    """
    names = [name for batch in plan.create for name in batch.names if run.node(name).untagged]
    if names:
        raise ClusterError(
            f"The machines of {', '.join(names)} carry no tags of this program, so it cannot tell whether "
            "they exist, and would make them a second time.",
            hint=f"Cluster '{run.cluster.name}' can be listed, used, set up and stopped as it is.",
        )


def locate(run: Run, plan: StartPlan | None = None) -> None:
    """Take over where usable nodes are to be found now; those whose machine does not run stay as they are.

    Args:
        run: the work at hand.
        plan: what the cloud has just said; asked for if None.
    """
    present = (plan or look_ahead(run.cluster, run.tools)).present
    running = {name: one for name, one in present.items() if one.state is InstanceState.RUNNING}
    before = run.cluster
    run.update(
        seen(node, running[node.name]) for node in before.nodes if node.usable and node.name in running
    )
    if run.cluster != before:
        write_known_hosts(run)


def make(run: Run, plan: StartPlan, key: KeyPair, max_parallel: int = 0) -> Collection[str]:
    """Make what a plan says is missing, after everything was checked that can be checked before.

    Returns:
        names of the nodes whose machines were started again.
    """
    provider = run.tools.provider
    _refuse_untagged(run, plan)
    run.update(seen(run.node(name), machine) for name, machine in plan.present.items())
    single = not provider.tags_instances
    warn_of_untraceable(run)
    with run.phase(Phase.PREFLIGHT, len(run.cluster.nodes)):
        if not run.baking:  # it has not the nodes that a service needs
            run.tools.setup.check(run.cluster)
        requests = requests_for(run.cluster, plan.create, key, max_parallel, single=single)
        requests = with_images(run, requests)
        provider.preflight(run.cluster, requests, run.tell)
        if run.baking:
            run.bases = bases_of(requests, run.tools)
    remember_account(run, plan)
    run.preparing = True
    provider.prepare(run.cluster, key)
    for machine, error in (provider.stop_instances(plan.discard) if plan.discard else {}).items():
        run.warn(f"The broken instance {machine} could not be destroyed: {error}")
    dismiss(run, plan.leaving)
    resumed = _resume(run, plan)
    create(run, requests)
    return resumed


def dismiss(run: Run, machines: Mapping[str, str]) -> dict[str, str]:
    """Destroy the machines of nodes that no service counts on any more, and forget these nodes.

    Args:
        run: the work at hand; the nodes are :attr:`~elasticluster.model.NodeState.LEAVING` on disk already.
        machines: their instance ids by name; empty where none is known.

    Returns:
        why a node's machine may still exist, by name; such a node stays in the cluster as it is, and is
        dismissed by the next `start`.
    """
    if not machines:
        return {}
    with run.phase(Phase.STOP, len(machines)):
        failed = run.tools.provider.stop_instances([machine for machine in machines.values() if machine])
        errors = {name: str(failed[machine]) for name, machine in machines.items() if machine in failed}
        run.remove([name for name in machines if name not in errors])
        for name in machines:
            run.done(Phase.STOP, name, errors.get(name, ""))
    return errors


def restrict(plan: StartPlan, names: Collection[str], cluster: ClusterRecord) -> StartPlan:
    """Return the part of a plan that concerns some nodes."""
    kept = (Batch(spec=b.spec, names=tuple(n for n in b.names if n in names)) for b in plan.create)
    recorded = {node.instance_id for node in cluster.nodes if node.name in names}
    return StartPlan(
        present={name: machine for name, machine in plan.present.items() if name in names},
        resume=tuple(name for name in plan.resume if name in names),
        create=tuple(batch for batch in kept if batch.names),
        discard=tuple(machine for machine in plan.discard if machine in recorded),
    )


def _resume(run: Run, plan: StartPlan) -> Collection[str]:
    """Start stopped machines again; return the names of the nodes that this was accepted for."""
    ids = {name: plan.present[name].id for name in plan.resume}
    failures = run.tools.provider.resume_instances(list(ids.values())) if ids else {}
    accepted = {name for name, machine in ids.items() if machine not in failures}
    run.update(replace(run.node(name), state=NodeState.CREATING) for name in accepted)
    run.update(
        replace(run.node(name), state=NodeState.PAUSED, failure=_still_paused(machine, failures[machine]))
        for name, machine in ids.items()
        if machine in failures
    )
    for machine, error in failures.items():
        run.warn(f"Instance {machine} could not be started again: {error}")
    return accepted


def _still_paused(machine: str, error: CloudProviderError) -> Failure:
    return Failure(layer=Layer.BOOT, message=f"its instance {machine} could not be started again: {error}")
