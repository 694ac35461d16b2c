"""Configure the nodes of a cluster, prove that they work, and judge the whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from elasticluster.engine.events import Phase
from elasticluster.engine.ports import SetupJob
from elasticluster.engine.run import Run, Tools
from elasticluster.model import (
    SET_UP,
    ClusterRecord,
    Failure,
    Layer,
    NodeRecord,
    NodeSpec,
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
        stop_on_failure: whether to destroy what was made if there are not enough usable nodes in the end.
        max_parallel: at most so many create calls at the same time; 0: as the provider sees fit.
        extra_args: further arguments for the configuration tool.
        verbosity: 0 quiet … 4 everything.
        specs: what nodes are to be made of, by kind, where no node of the kind has a machine yet; as recorded
            where it does not say.
    """

    configure: bool = True
    stop_on_failure: bool = False
    max_parallel: int = 0
    extra_args: tuple[str, ...] = ()
    verbosity: int = 0
    specs: Mapping[str, NodeSpec] = field(default_factory=dict)


def configure(run: Run, options: StartOptions, joining: Collection[str] = ()) -> Report:
    """Configure the nodes that let us in, unless too few do; return one outcome a node.

    Args:
        run: the work at hand.
        options: how.
        joining: names of the nodes that are new to a cluster whose others are set up; empty: all nodes.
    """
    short = too_few(run.cluster)
    if short or not options.configure:
        verdict = Verdict.NOT_READY if short else Verdict.NOT_CONFIGURED
        run.save()
        return Report(cluster=run.cluster, verdict=verdict, lost=lost(run.cluster), error=short)
    _make_secrets(run)
    job = replace(setup_job(run.cluster, run.tools, options), joining=tuple(joining))
    concerned = [node.name for node in run.cluster.nodes if node.usable and _takes_part(node, joining)]
    with run.phase(Phase.SETUP, len(concerned)):
        result = run.tools.setup.setup(job, run.tell)
        _take_over(run, result, joining)
    report = _report(run.cluster, result)
    run.cluster = report.cluster
    run.save()
    return report


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


def _make_secrets(run: Run) -> None:
    """Store new secrets before anything is configured with them."""
    new = run.tools.setup.make_secrets(run.cluster)
    if new:
        run.cluster = replace(run.cluster, secrets={**run.cluster.secrets, **new})
        run.save()


def _takes_part(node: NodeRecord, joining: Collection[str]) -> bool:
    return not joining or node.name in joining


def _take_over(run: Run, result: SetupResult, joining: Collection[str]) -> None:
    """Mark every node with what setup made of it."""
    run.update(_after_setup(node, result, joining) for node in run.cluster.nodes)
    for node in run.cluster.nodes:
        if node.state in SET_UP and _takes_part(node, joining):
            run.done(Phase.SETUP, node.name)


def _after_setup(node: NodeRecord, result: SetupResult, joining: Collection[str]) -> NodeRecord:
    failure = result.failures.get(node.name)
    if failure:
        return node.failed(failure.layer, failure.message, failure.evidence)
    if not node.usable or not _takes_part(node, joining):
        return node
    if result.error:
        return node  # what it was before is all that is known
    return replace(node, state=NodeState.READY if node.name in result.checked else NodeState.CONFIGURED)


def _report(cluster: ClusterRecord, result: SetupResult) -> Report:
    missing, error = lost(cluster), result.error or too_few(cluster)
    unverified = () if error else result.unverified or _unproved(cluster)
    if error:
        verdict = Verdict.NOT_READY
    elif unverified:
        verdict = Verdict.NOT_VERIFIED
    else:
        verdict = Verdict.PARTLY_READY if missing else Verdict.READY
    return Report(
        cluster=replace(cluster, ready=verdict in (Verdict.READY, Verdict.PARTLY_READY)),
        verdict=verdict,
        lost=missing,
        unverified=unverified,
        error=error,
        changed=result.changed,
    )


def _unproved(cluster: ClusterRecord) -> tuple[str, ...]:
    """Return the names of nodes that were set up but that no check has named."""
    return tuple(node.name for node in cluster.nodes if node.state is NodeState.CONFIGURED)


def lost(cluster: ClusterRecord) -> dict[str, Failure]:
    """Return why each node is not usable that is not."""
    unknown = Failure(layer=Layer.BOOT, message="it has not come up")
    paused = Failure(layer=Layer.BOOT, message="it is paused")
    return {
        node.name: node.failure or (paused if node.state is NodeState.PAUSED else unknown)
        for node in cluster.nodes
        if node.staying and not node.usable
    }


def too_few(cluster: ClusterRecord) -> str:
    """Say which kinds have fewer usable nodes than they need; empty if none has."""
    short = []
    for kind in cluster.kinds:
        everyone = cluster.of_kind(kind)
        nodes = [node for node in everyone if node.staying]
        usable = sum(node.usable for node in nodes)
        needed = cluster.min_nodes.get(kind, len(nodes))
        if len(nodes) < len(everyone):  # those who leave were still counted when that was said
            needed = min(needed, len(nodes))
        if usable < needed:
            short.append(f"{usable} of {len(nodes)} {kind} nodes are usable, at least {needed} are needed")
    return "; ".join(short)
