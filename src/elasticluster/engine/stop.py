"""Destroy machines, of a whole cluster or of some nodes, and stop them for a while."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from elasticluster.engine.account import check_account, listed
from elasticluster.engine.connect import write_known_hosts
from elasticluster.engine.events import Phase
from elasticluster.engine.machines import dismiss, warn_of_untraceable
from elasticluster.engine.plan import StopPlan, machines_of, plan_start, plan_stop
from elasticluster.engine.run import Run, Tools, refuse_bake
from elasticluster.engine.wait import wait_until
from elasticluster.exceptions import CloudProviderError, CredentialsError, InstanceError
from elasticluster.model import ClusterRecord, Instance, InstanceState, NodeRecord, NodeState

_LOOKS = 3
"""How often `stop` looks for machines of which it knows only that they were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """The end of a `stop`: for each node or machine that may still exist, why."""

    failures: Mapping[str, str] = field(default_factory=dict)


def plan_to_stop(cluster: ClusterRecord, tools: Tools) -> StopPlan:
    """Return what :func:`stop` would destroy now; changes nothing."""
    return plan_stop(cluster, listed(cluster, tools.provider))


def stop(cluster: ClusterRecord, tools: Tools, *, force: bool = False, wait: bool = False) -> StopReport:
    """Destroy all machines of a cluster and what they shared, then forget it.

    Args:
        cluster: the cluster.
        tools: what to work with.
        force: forget it even if some machines could not be destroyed.
        wait: return only when the cloud lists none of them any more.

    Returns:
        what may still exist; if there is anything and `force` is not set, the cluster is kept.

    Raises:
        CloudProviderError: the cloud cannot be asked which machines there are, and `force` is not set.
    """
    run = Run(cluster, tools)
    try:
        check_account(cluster, tools.provider)
    except CredentialsError as unsure:
        if not force:
            raise
        # To whoever asks as somebody else, each machine that runs is gone.
        tools.store.delete(cluster.name)
        return StopReport(failures={"machines": unsure.message})
    except CloudProviderError:  # it is asked again, and what it does not destroy is named
        if not force:
            raise
    warn_of_untraceable(run)
    machines, left = _machines(run, force=force)
    names = {node.instance_id: node.name for node in cluster.nodes if node.instance_id}
    with run.phase(Phase.STOP, len(machines)):
        failures = tools.provider.stop_instances(machines)
        for machine in machines:
            error = failures.get(machine)
            run.done(Phase.STOP, names.get(machine, machine), str(error) if error else "")
        gone = [machine for machine in machines if machine not in failures]
        slow = _still_there(run, gone) if wait else {}
    left |= {names.get(i, i): str(reason) for i, reason in (*failures.items(), *slow.items())}
    if not left or force:
        left |= _release(run)
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
    machines = _ids(cluster, tools, names)
    failures = dict(tools.provider.stop_instances(list(machines.values())))
    run.update(
        NodeRecord(name=name, spec=run.node(name).spec)
        for name, machine in machines.items()
        if machine not in failures
    )
    if wait:
        failures |= _still_there(run, [i for i in machines.values() if i not in failures])
    run.save()
    _complain(cluster, failures, "destroyed")
    return run.cluster


def pause(cluster: ClusterRecord, tools: Tools, names: Collection[str]) -> ClusterRecord:
    """Stop the machines of some nodes and keep their disks; :func:`~.execute.start` starts them again.

    Raises:
        ClusterConflict: the cluster is there only to make images.
        InstanceError: some machine may still run; the message names each.
    """
    refuse_bake(cluster)
    run = Run(replace(cluster, ready=False), tools)
    dismiss(run, plan_start(cluster, listed(cluster, tools.provider)).leaving)
    machines = _ids(run.cluster, tools, names)
    before = [run.node(name) for name in machines]
    # A cloud that cannot tell a stopped machine from a new one is told from this record which are stopped.
    run.update(replace(node, state=NodeState.PAUSED, failure=None) for node in before)
    with run.phase(Phase.PAUSE, len(machines)):
        failures = tools.provider.pause_instances(list(machines.values()))
        run.update(node for node in before if machines[node.name] in failures)
        run.update(
            replace(run.node(name), public_ip=None, private_ip=None)
            for name, machine in machines.items()
            if machine not in failures
        )
        for name, machine in machines.items():
            run.done(Phase.PAUSE, name, str(failures.get(machine, "")))
    write_known_hosts(run)
    run.save()
    _complain(cluster, failures, "paused")
    return run.cluster


def _machines(run: Run, *, force: bool) -> tuple[Sequence[str], dict[str, str]]:
    """Return the ids of all machines, and what is to be said if the cloud could not be asked."""
    try:
        return _all_machines(run), {}
    except CloudProviderError as error:
        if not force:
            raise
        return plan_stop(run.cluster, []).instances, {"machines in no record": str(error)}


def _all_machines(run: Run) -> Sequence[str]:
    """Return the ids of all machines, also of a create call that a crash has cut short.

    The cloud may be at work on that call still, or list what came of it only after some seconds.
    """
    found: dict[str, None] = {}
    for look in range(_LOOKS):
        if look:
            run.tools.clock.sleep(run.tools.polling_interval)
        machines = listed(run.cluster, run.tools.provider)
        found |= dict.fromkeys(plan_stop(run.cluster, machines).instances)
        if not _without_reply(run, machines):
            break
    return tuple(found)


def _without_reply(run: Run, machines: Sequence[Instance]) -> list[str]:
    """Return the names of the nodes whose machines were asked for, and are neither known nor listed."""
    announced = [
        node.name
        for node in run.cluster.nodes
        if node.state is NodeState.CREATING and node.batch and not node.instance_id
    ]
    if not run.tools.provider.tags_instances:  # what is not known is not listed either
        return []
    return [name for name, machine in machines_of(run.cluster, announced, machines).items() if not machine]


def _ids(cluster: ClusterRecord, tools: Tools, names: Collection[str]) -> dict[str, str]:
    """Return the machine of each of some nodes, recorded or found by its tags."""
    staying = [node.name for node in cluster.nodes if node.staying and node.name in names]
    machines = machines_of(cluster, staying, listed(cluster, tools.provider))
    return {name: machine for name, machine in machines.items() if machine}


def _still_there(run: Run, machines: Collection[str]) -> dict[str, InstanceError]:
    """Wait until the cloud lists none of these machines any more; return those that it still lists."""
    timeout = run.cluster.start_timeout
    left: set[str] = set()

    def all_gone() -> bool:
        there = listed(run.cluster, run.tools.provider)
        left.clear()
        left.update(m.id for m in there if m.id in machines and m.state is not InstanceState.TERMINATED)
        return not left

    wait_until(all_gone, timeout=timeout, interval=run.tools.polling_interval, clock=run.tools.clock)
    return {machine: InstanceError(f"still listed after {timeout:g} s") for machine in left}


def _release(run: Run) -> dict[str, str]:
    """Remove what the machines shared; return what could not be removed."""
    with run.phase(Phase.RELEASE, 1):
        try:
            run.tools.provider.release(run.cluster.uuid)
        except CloudProviderError as error:
            return {"shared resources": str(error)}
    return {}


def _complain(cluster: ClusterRecord, failures: Mapping[str, CloudProviderError], what: str) -> None:
    if failures:
        reasons = "; ".join(f"{machine}: {error}" for machine, error in failures.items())
        raise InstanceError(f"Some instances of cluster '{cluster.name}' could not be {what}: {reasons}")
