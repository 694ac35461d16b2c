"""Take back what a run has made, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from elasticluster.engine import stop as ending
from elasticluster.engine.account import listed
from elasticluster.engine.plan import machines_of
from elasticluster.engine.run import Run
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import NodeRecord, Report, Verdict


def undo(run: Run, report: Report | None = None) -> Report:
    """Destroy what a run has made; a cluster that was not known before it is forgotten.

    Machines that were there before, and what they share with those of this run, stay as they are. What
    cannot be destroyed is told, and kept for `stop`.

    Args:
        run: the work that came to nothing.
        report: how it ended, if it came to its end.

    Returns:
        the same report, with the cluster as it is now and the names of the nodes concerned.
    """
    if not run.fresh:
        return unmake(run, report)
    return _report(run, report, _tried(run, lambda: dict(ending.stop(run.cluster, run.tools).failures)))


def unmake(run: Run, report: Report | None = None) -> Report:
    """Destroy the machines that a run has made, as :func:`undo` does, and keep the cluster in any case."""
    nodes = [node for node in run.cluster.nodes if begun(node) and node.name in run.made]
    return _report(run, report, _tried(run, lambda: _unmake(run, nodes)))


def begun(node: NodeRecord) -> bool:
    """Return whether a machine was ever asked for."""
    return bool(node.batch or node.instance_id)


def _tried(run: Run, destroy: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Destroy; tell and return what may be left, and why."""
    try:
        left = destroy()
    except CloudProviderError as error:
        left = dict.fromkeys(sorted(run.made), str(error))
    for what, reason in left.items():
        run.warn(
            f"{what} could not be destroyed: {reason} `elasticluster stop {run.cluster.name}` removes it."
        )
    return left


def _report(run: Run, report: Report | None, left: Collection[str]) -> Report:
    gone = [node.name for node in run.cluster.nodes if node.name in run.made and node.name not in left]
    nodes = tuple(
        NodeRecord(name=node.name, spec=node.spec) if node.name in gone else node
        for node in run.cluster.nodes
    )
    run.cluster = replace(run.cluster, nodes=nodes)
    base = report or Report(cluster=run.cluster, verdict=Verdict.NOT_READY)
    if left and run.cluster.name in run.tools.store.names():
        run.save()
    return replace(base, cluster=run.cluster, undone=tuple(gone))


def _unmake(run: Run, nodes: list[NodeRecord]) -> dict[str, str]:
    """Destroy the machines of some nodes; return why one may still exist, by the node's name."""
    machines = machines_of(
        run.cluster,
        [node.name for node in nodes],
        listed(run.cluster, run.tools.provider),
    )
    failed = run.tools.provider.stop_instances([machine for machine in machines.values() if machine])
    left = {name: str(failed[machine]) for name, machine in machines.items() if machine in failed}
    run.update(NodeRecord(name=node.name, spec=node.spec) for node in nodes if node.name not in left)
    run.save()
    return left


def forget(run: Run) -> None:
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
