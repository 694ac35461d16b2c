"""The whole ways: start, setup, launch, refresh. Each phase takes the cluster on from where it is.

Each of these can be run again after a failure or a crash and carries on. One outcome is kept for each
node: a node that fails is marked as down with the reason and never stops the others.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from elasticluster.engine.account import listed
from elasticluster.engine.configure import StartOptions, configure
from elasticluster.engine.connect import connect, ended, gone, write_known_hosts
from elasticluster.engine.events import Phase
from elasticluster.engine.machines import bring_up, look_ahead, make, restrict
from elasticluster.engine.plan import plan_start
from elasticluster.engine.run import Run, Tools, seen
from elasticluster.engine.undo import begun, forget, undo
from elasticluster.exceptions import ElastiClusterError
from elasticluster.model import ClusterRecord, InstanceState, NodeState, Report, Verdict

__all__ = ["launch", "look_ahead", "refresh", "setup", "start"]


def start(cluster: ClusterRecord, tools: Tools, options: StartOptions) -> Report:
    """Make what is missing of a cluster, wait for it, configure it and prove that it works.

    Returns:
        one outcome a node and a verdict on the whole. A cluster that is not ready is kept, unless
        `options` say otherwise.

    Raises:
        ElastiClusterError: nothing could be begun; a cluster that did not exist before is not kept.
    """
    run = Run.begin(cluster, tools)
    run.fresh = cluster.name not in tools.store.names()
    run.save()
    try:
        bring_up(run, options.max_parallel, specs=options.specs)
        report = configure(run, options)
    except ElastiClusterError:
        anything = any(begun(node) for node in run.cluster.nodes)
        if anything and options.stop_on_failure:
            undo(run)
        elif run.fresh and not anything:
            forget(run)
        raise
    failed = report.verdict is Verdict.NOT_READY
    return undo(run, report) if failed and options.stop_on_failure else report


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
    run = Run.begin(cluster, tools, names)
    run.save()
    plan = restrict(look_ahead(run.cluster, tools), names, run.cluster)
    make(run, plan, tools.store.key_pair(run.cluster))
    run.save()
    return run.cluster


def refresh(cluster: ClusterRecord, tools: Tools) -> ClusterRecord:
    """Read the addresses of all nodes again, with one call, and store them."""
    run = Run(cluster, tools)
    _read_addresses(run)
    write_known_hosts(run)
    run.save()
    return run.cluster


def _read_addresses(run: Run) -> None:
    """Take over what the cloud says of all machines; nodes without one that runs are down.

    A machine that carries no tags may run for all we know.
    """
    there = listed(run.cluster, run.tools.provider)
    machines = plan_start(run.cluster, there).present
    broken = {machine.id: machine for machine in there if machine.state is InstanceState.ERROR}
    run.update(seen(run.node(name), machine) for name, machine in machines.items())
    failures = {}
    for node in run.cluster.nodes:
        machine = machines.get(node.name)
        if machine is None and node.staying and node.batch:
            ill = broken.get(node.instance_id or "")
            failures[node.name] = ended(ill) if ill else gone(node)
        elif machine and machine.state is InstanceState.STOPPED and node.state is not NodeState.PAUSED:
            failures[node.name] = ended(machine)
    nowhere = (name for name in failures if name not in machines)  # its port may be another machine's by now
    run.update(replace(run.node(name), public_ip=None, private_ip=None) for name in nowhere)
    run.give_up(Phase.BOOT, failures)
