"""Let a cluster grow and shrink while it is in use: the other nodes go on as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from elasticluster.engine.account import listed
from elasticluster.engine.configure import StartOptions, configure, setup_job
from elasticluster.engine.connect import write_known_hosts
from elasticluster.engine.events import Phase
from elasticluster.engine.machines import bring_up, dismiss, locate
from elasticluster.engine.plan import plan_start
from elasticluster.engine.run import Run, Tools, refuse_bake
from elasticluster.engine.undo import begun, unmake
from elasticluster.exceptions import (
    ClusterError,
    ClusterSizeError,
    ConfigurationError,
    ElastiClusterError,
    KeypairError,
    NodeNotFound,
    SetupProviderError,
)
from elasticluster.model import SET_UP, ClusterRecord, NodeState, Report, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkOptions:
    """How to remove nodes.

    Attributes:
        configure: whether to take them out of the cluster's services first.
        force: do not wait for their jobs, and remove a node even if it could not be taken out.
        verbosity: 0 quiet … 4 everything.
    """

    configure: bool = True
    force: bool = False
    verbosity: int = 0


def grow(cluster: ClusterRecord, tools: Tools, names: Collection[str], options: StartOptions) -> Report:
    """Make new nodes, and take them into the cluster's services; the others but the masters are left alone.

    Where the others are not all set up, everything is.

    Args:
        cluster: the cluster; it has the new nodes already, without machines.
        tools: what to work with.
        names: names of the new nodes.
        options: how.

    Returns:
        one outcome a node and a verdict on the whole; new nodes that came to nothing are kept, unless
        `options` say otherwise.

    Raises:
        ClusterError: the cluster is paused.
        ElastiClusterError: nothing could be begun; the new nodes are not kept.
    """
    refuse_paused(cluster)
    run = Run.begin(cluster, tools, names)
    run.save()
    settled = _is_settled(cluster.without(names))
    try:
        bring_up(run, options.max_parallel, names)
        report = configure(run, options, names if settled else ())
    except ElastiClusterError:
        if options.stop_on_failure or not run.made:
            _shrink_back(run, cluster, names)
        raise
    if report.verdict is Verdict.NOT_READY and options.stop_on_failure:
        return _shrink_back(run, cluster, names, report)
    return report


def shrink(
    cluster: ClusterRecord, tools: Tools, names: Collection[str], options: ShrinkOptions
) -> ClusterRecord:
    """Take nodes out of the cluster's services, then destroy their machines and forget them.

    Until a node has left the services it is a part of the cluster; after that it is announced on disk as
    leaving, and whatever happens, the next `start` brings its removal to an end.

    Raises:
        ClusterConflict: the cluster is there only to make images.
        NodeNotFound: there is no node of one of the names.
        ClusterError: the cluster cannot do without one of them, or one could not be taken out or destroyed;
            the message names each.
    """
    refuse_bake(cluster)
    unknown = [name for name in names if cluster.node(name) is None]
    if unknown:
        raise NodeNotFound(f"Cluster '{cluster.name}' has no node {_some(unknown)}.")
    run = Run(cluster, tools)
    stuck: Mapping[str, str] = {}
    staying = [node.name for node in cluster.nodes if node.name in names and node.staying]
    if options.configure and staying:
        refuse_essential(cluster, tools, staying)
        locate(run)
        stuck = _take_out(run, staying, options)
    leaving = [node for node in cluster.nodes if node.name in names and node.name not in stuck]
    run.update(replace(node, state=NodeState.LEAVING, failure=None) for node in leaving)
    found = plan_start(run.cluster, listed(cluster, tools.provider)).leaving
    errors = dismiss(run, {name: machine for name, machine in found.items() if name in names})
    write_known_hosts(run)
    _complain(cluster, stuck, errors)
    return run.cluster


def where(cluster: ClusterRecord, tools: Tools) -> ClusterRecord:
    """Return a cluster with the addresses at which its nodes are to be found now; they are stored."""
    run = Run(cluster, tools)
    locate(run)
    return run.cluster


def choose(
    cluster: ClusterRecord, tools: Tools, counts: Mapping[str, int], *, ask: bool = True
) -> dict[str, str]:
    """Choose which nodes to remove: those that are not usable, then idle ones, then busy ones; newest first.

    Args:
        cluster: the cluster.
        tools: what to work with.
        counts: how many to remove, by kind.
        ask: whether to ask the cluster's services which nodes are busy; else all count as idle.

    Returns:
        what each chosen node is at work on, by its name; empty if nothing.

    Raises:
        ClusterSizeError: a kind has fewer nodes than are to be removed.
        SetupProviderError: the services cannot be asked.
    """
    for kind, count in counts.items():
        have = sum(node.staying for node in cluster.of_kind(kind))
        if count > have:
            raise ClusterSizeError(
                f"Cluster '{cluster.name}' has {have} {kind} nodes; {count} cannot be removed.",
                hint=f"Its kinds of nodes: {_kinds(cluster)}.",
            )
    busy = at_work(cluster, tools) if ask and any(counts.values()) else {}
    chosen: dict[str, str] = {}
    for kind, count in counts.items():
        newest_first = [node for node in reversed(cluster.of_kind(kind)) if node.staying]
        newest_first.sort(key=lambda node: (node.usable, node.name in busy))
        chosen |= {node.name: busy.get(node.name, "") for node in newest_first[:count]}
    return chosen


def at_work(cluster: ClusterRecord, tools: Tools) -> Mapping[str, str]:
    """Return what nodes are at work on, by name; idle ones are left out.

    Raises:
        SetupProviderError: the services cannot be asked.
    """
    if not _has_services(cluster):
        return {}
    try:
        return tools.setup.busy(setup_job(cluster, tools, StartOptions()), tools.tell)
    except KeypairError as error:
        raise SetupProviderError(
            f"The services of cluster '{cluster.name}' cannot be asked: {error.message}", hint=_FORCE
        ) from error


_FORCE = "`--force` removes nodes without asking them; their jobs are lost."


def refuse_paused(cluster: ClusterRecord) -> None:
    """Make sure that a cluster can grow now.

    Raises:
        ClusterError: it is paused.
    """
    paused = [node.name for node in cluster.nodes if node.state is NodeState.PAUSED]
    if paused:
        raise ClusterError(
            f"Cluster '{cluster.name}' is paused ({_some(paused)}); it cannot grow now.",
            hint=f"Start it again first: elasticluster resume {cluster.name}",
        )


def refuse_essential(cluster: ClusterRecord, tools: Tools, names: Collection[str]) -> None:
    """Let the setup provider say whether the cluster can do without some nodes.

    Raises:
        ClusterError: it cannot, though it can with them.
    """
    try:
        tools.setup.check(cluster)
    except ConfigurationError:
        return  # wrong with them too: no reason to keep them
    try:
        tools.setup.check(cluster.without(names))
    except ConfigurationError as error:
        raise ClusterError(
            f"Cluster '{cluster.name}' cannot do without {_some(sorted(names))}. {error.message}",
            hint=f"To destroy the whole cluster: elasticluster stop {cluster.name}",
        ) from error


def _take_out(run: Run, names: Collection[str], options: ShrinkOptions) -> Mapping[str, str]:
    """Take nodes out of the cluster's services; return why one could not be, by name.

    With `force` that is only told, and nobody is kept for it.
    """
    if not _has_services(run.cluster.without(names)):
        return {}
    try:
        job = setup_job(run.cluster, run.tools, StartOptions(verbosity=options.verbosity))
        job = replace(job, leaving=tuple(names), wait_for_jobs=not options.force)
        with run.phase(Phase.LEAVE, len(names)):
            result = run.tools.setup.leave(job, run.tell)
            stuck = {name: str(failure) for name, failure in result.failures.items()}
            stuck |= dict.fromkeys(names, result.error) if result.error else {}
            for name in names:
                run.done(Phase.LEAVE, name, stuck.get(name, ""))
    except (KeypairError, SetupProviderError) as error:
        stuck = dict.fromkeys(names, error.message)
    if options.force:
        for name, why in stuck.items():
            run.warn(f"{name} could not be taken out of the services: {why}")
        return {}
    return stuck


def _has_services(cluster: ClusterRecord) -> bool:
    """Return whether any node of a cluster takes part in services."""
    return any(node.state in SET_UP for node in cluster.nodes)


def _is_settled(cluster: ClusterRecord) -> bool:
    """Return whether the last setup of a cluster came to its end on all usable nodes."""
    states = {node.state for node in cluster.nodes if node.usable}
    return bool(states) and states <= SET_UP and (cluster.ready or NodeState.CONFIGURED in states)


def _shrink_back(
    run: Run, before: ClusterRecord, names: Collection[str], report: Report | None = None
) -> Report:
    """Take back that a cluster has grown; nodes whose machine cannot be destroyed are kept."""
    report = unmake(run, report)
    lost = any(node.usable and not run.node(node.name).usable for node in before.nodes)
    run.cluster = replace(run.cluster, ready=before.ready and not lost)
    run.remove([name for name in names if not begun(run.node(name))])
    return replace(report, cluster=run.cluster)


def _complain(cluster: ClusterRecord, stuck: Mapping[str, str], left: Mapping[str, str]) -> None:
    lines = [f"  {name} could not be taken out of the services: {why}" for name, why in stuck.items()]
    lines += [f"  {name} could not be destroyed: {why}" for name, why in left.items()]
    if lines:
        again = f"`elasticluster start {cluster.template} --name {cluster.name}` tries to destroy it again."
        raise ClusterError(
            "\n".join([f"Cluster '{cluster.name}' could not be made smaller as asked:", *lines]),
            hint=again if left else _FORCE,
        )


def _kinds(cluster: ClusterRecord) -> str:
    return ", ".join(f"{len(cluster.of_kind(kind))} {kind}" for kind in cluster.kinds) or "none"


def _some(names: Sequence[str]) -> str:
    """Return some names in words, with the number of the others where they are many."""
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} others" if len(names) > _MOST_NAMES else shown


_MOST_NAMES = 5
