"""What commands print: pure functions from clusters and reports to text.

People's scripts read these layouts; change nothing about them lightly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from elasticluster.model import ClusterRecord, NodeRecord, NodeSpec, NodeState, Report, Verdict

if TYPE_CHECKING:
    from elasticluster.config.differences import Difference
    from elasticluster.engine.plan import StartPlan, StopPlan

_SSH = 22
_OUT_OF_USE = (NodeState.PAUSED, NodeState.LEAVING)


def no_clusters() -> str:
    """Return what `list` prints if there is nothing to list."""
    return "No clusters found."


def cluster_list(clusters: Iterable[ClusterRecord]) -> str:
    """Return what `list` prints."""
    head = [
        "",
        "The following clusters have been started.",
        "Please note that there's no guarantee that they are fully configured:",
        "",
    ]
    return "\n".join(head + [line for cluster in clusters for line in _listed(cluster)])


def _listed(cluster: ClusterRecord) -> list[str]:
    return [
        cluster.name,
        "-" * len(cluster.name),
        f"  name:           {cluster.name}",
        f"  template:       {cluster.template}",
        f"  cloud:          {cluster.cloud.section or cluster.cloud.type}",
        *(f"  {line}" for line in _counts(cluster)),
        "",
    ]


def summary(cluster: ClusterRecord, frontend: str) -> str:
    """Return what `start` prints at the end and `list-nodes` at the beginning.

    Args:
        cluster: the cluster.
        frontend: name of the node that `ssh` goes to.
    """
    name = cluster.name
    return "\n".join(
        [
            "",
            f"Cluster name:     {name}",
            f"Cluster template: {cluster.template}",
            f"Frontend node: {frontend}",
            *_counts(cluster),
            "",
            "To login on the frontend node, run the command:",
            "",
            f"    elasticluster ssh {name}",
            "",
            "To upload or download files to the cluster, use the command:",
            "",
            f"    elasticluster sftp {name}",
            "",
        ]
    )


def _counts(cluster: ClusterRecord) -> list[str]:
    return [f"- {kind} nodes: {len(cluster.of_kind(kind))}" for kind in cluster.kinds]


def node_list(cluster: ClusterRecord) -> str:
    """Return what `list-nodes` prints after the summary."""
    lines = []
    for kind in cluster.kinds:
        nodes = cluster.of_kind(kind)
        if nodes:
            lines += [f"{kind} nodes:", "", *(line for node in nodes for line in _node(node))]
    return "\n".join(lines)


def _node(node: NodeRecord) -> list[str]:
    lines = [
        f"  - {node.name}",
        f"    public IP:   {_public(node)}",
        f"    private IP:  {node.private_ip or 'None'}",
        f"    instance id:   {node.instance_id or 'None'}",
        f"    instance flavor: {node.spec.flavor}",
    ]
    if node.failure:
        lines.append(f"    down: {node.failure}")
    elif node.state in _OUT_OF_USE:
        lines.append(f"    state: {node.state}")
    return [*lines, ""]


def _public(node: NodeRecord) -> str:
    if node.public_ip is None:
        return "None"
    return node.public_ip if node.ssh_port == _SSH else f"{node.public_ip}:{node.ssh_port}"


def template_list(templates: Iterable[tuple[str, str, Mapping[str, int]]], patterns: Iterable[str]) -> str:
    """Return what `list-templates` prints.

    Args:
        templates: for each template its name, its cloud and its numbers of nodes.
        patterns: what the names were matched against, if anything.
    """
    found, asked = list(templates), list(patterns)
    matching = f" matching pattern(s) '{', '.join(asked)}'" if asked else ""
    lines = [f"{len(found)} cluster templates found{matching}.", ""]
    for name, cloud, counts in found:
        lines += [f"name:     {name}", f"cloud:     {cloud}"]
        lines += [f"{kind} nodes: {count}" for kind, count in counts.items()]
        lines.append("")
    return "\n".join(lines)


def verdict(report: Report) -> str:
    """Return the last lines of `start` and `setup`."""
    name = report.cluster.name
    lost = [f"  {node}: {failure}" for node, failure in report.lost.items()]
    match report.verdict:
        case Verdict.READY:
            return f"Your cluster `{name}` is ready!"
        case Verdict.PARTLY_READY:
            return "\n".join([f"Your cluster `{name}` is ready, without:", *lost])
        case Verdict.NOT_VERIFIED:
            groups = ", ".join(report.unverified)
            return "\n".join([f"Your cluster `{name}` is set up, not verified: {groups}", *lost])
        case Verdict.NOT_CONFIGURED:
            return "\n".join([f"Your cluster `{name}` is not configured.", *lost])
        case Verdict.NOT_READY:
            error = [f"  {report.error}"] if report.error else []
            return "\n".join([f"Your cluster `{name}` is not ready:", *lost, *error])


def evidence(report: Report) -> str:
    """Return what there is to look at for each lost node; empty if there is nothing."""
    blocks = []
    for node, failure in report.lost.items():
        if failure.evidence.strip():
            indented = "\n".join(f"    {line}" for line in failure.evidence.strip().splitlines())
            blocks.append(f"{node}, {failure.layer}:\n{indented}")
    return "\n".join(blocks)


def what_is_left(report: Report, commands: str) -> str:
    """Return what is said after the last lines of a command that ended without enough usable nodes.

    Args:
        report: how it ended.
        commands: how to go on with what there is; empty if the cluster is not stored any more.
    """
    if not report.undone:
        return f"What there is was kept.\n{commands}"
    gone = f"Destroyed again, as `--on-failure` or `start_failure` says: {', '.join(report.undone)}."
    if not commands:
        return f"{gone}\nNothing is left of the cluster."
    there = ", ".join(node.name for node in report.cluster.nodes if node.instance_id) or "no node"
    return f"{gone}\nStill there: {there}.\n{commands}"


def start_plan(cluster: ClusterRecord, plan: StartPlan) -> str:
    """Return what `start --dry-run` prints."""
    lines = [f"Cluster `{cluster.name}` on {cluster.cloud.section or cluster.cloud.type}:"]
    for batch in plan.create:
        what = f"{batch.spec.image_id}, {batch.spec.flavor}"
        lines += [f"  + {name} ({what})" for name in batch.names]
    lines += [f"  = {name} (instance {machine.id})" for name, machine in plan.present.items()]
    lines += [f"  > {name} would be started again" for name in plan.resume]
    lines += [f"  - instance {instance_id}, broken, would be replaced" for instance_id in plan.discard]
    lines += [f"  ? instance {stray.id} belongs to no node" for stray in plan.strays]
    return "\n".join([*lines, "Nothing was changed."])


def differences(
    cluster: ClusterRecord, found: Collection[Difference], command: Callable[[Sequence[str]], str]
) -> str:
    """Return what `start` says of a cluster that is not as its template says.

    Args:
        cluster: the cluster.
        found: the differences, at least one.
        command: returns the command line of some words about this cluster.
    """
    from elasticluster.config.differences import Fate

    lines = [f"Cluster `{cluster.name}` is not as its template `{cluster.template}` says."]
    sorted_out: dict[str, list[str]] = {}
    for one in found:
        sorted_out.setdefault(one.fate, []).append(_difference(one, command))
    for fate, ones in sorted_out.items():
        lines += [f"{fate[0].upper()}{fate[1:]}:", *ones]
    if any(one.fate is Fate.KEPT and not one.remedy for one in found):
        words = ("resize", "--template", cluster.template, "--add", "N:KIND")
        lines.append(f"New nodes are as the template says with: {command(words)}")
        lines.append("The whole cluster is so when it was stopped and started again.")
    return "\n".join(lines)


def _difference(one: Difference, command: Callable[[Sequence[str]], str]) -> str:
    from elasticluster.config.differences import Fate

    if one.stored == one.wanted:  # secrets, scripts
        return f"  {one.subject}: {'changed' if one.fate is not Fate.KEPT else 'the template has another'}"
    if one.fate is not Fate.KEPT:
        return f"  {one.subject}: {one.wanted} (was {one.stored})"
    remedy = f"; to change that: {command(one.remedy)}" if one.remedy else ""
    return f"  {one.subject}: {one.stored}, the template says {one.wanted}{remedy}"


def stop_plan(cluster: ClusterRecord, plan: StopPlan) -> str:
    """Return what `stop --dry-run` prints."""
    names = {node.instance_id: node.name for node in cluster.nodes}
    lines = [f"Cluster `{cluster.name}` on {cluster.cloud.section or cluster.cloud.type}:"]
    lines += [f"  - {names.get(i, 'no node')} (instance {i})" for i in plan.instances]
    lines.append("  - what its instances share: network, volumes, keys made for it")
    lines.append("  - what is stored of it here")
    return "\n".join([*lines, "Nothing was changed."])


def resize_plan(
    cluster: ClusterRecord,
    specs: Mapping[str, NodeSpec],
    counts: Mapping[str, int],
    leaving: Mapping[str, str],
) -> str:
    """Return what `resize --dry-run` and `remove-node --dry-run` print.

    Args:
        cluster: the cluster.
        specs: what new nodes would be made of, by kind.
        counts: how many would be made, by kind.
        leaving: the nodes that would be removed, with what they are at work on.
    """
    lines = [f"Cluster `{cluster.name}` on {cluster.cloud.section or cluster.cloud.type}:"]
    for kind, count in counts.items():
        spec = specs[kind]
        lines.append(f"  + {_some_nodes(count, kind)} ({spec.image_id}, {spec.flavor})")
    for name, work in leaving.items():
        node = cluster.node(name)
        machine = f"instance {node.instance_id}" if node and node.instance_id else "no instance"
        lines.append(f"  - {name} ({machine}{f', at work on {work}' if work else ''})")
    return "\n".join([*lines, "Nothing was changed."])


def leaving(cluster: ClusterRecord, nodes: Mapping[str, str], *, waited_for: bool) -> str:
    """Return what is said of nodes that are about to be removed.

    Args:
        cluster: the cluster.
        nodes: what each is at work on, by its name; empty if nothing is known.
        waited_for: whether jobs may come to their end before.
    """
    lines = [f"To be removed from cluster `{cluster.name}`, with all data on them:"]
    lines += [f"  {name}{f': at work on {work}' if work else ''}" for name, work in nodes.items()]
    if any(nodes.values()) and waited_for:
        lines.append("No new work is given to them, and what they are at work on is waited for.")
    if not waited_for:
        lines.append("Jobs on them are not waited for: they are lost.")
    for kind in cluster.kinds:
        names = {node.name for node in cluster.of_kind(kind) if node.staying}
        if names and names <= nodes.keys():
            lines.append(f"No {kind} node is left then: this removes the last one.")
    return "\n".join(lines)


def pause_plan(cluster: ClusterRecord) -> str:
    """Return what `pause --dry-run` prints."""
    lines = [f"Cluster `{cluster.name}` on {cluster.cloud.section or cluster.cloud.type}:"]
    lines += [f"  . {node.name} (instance {node.instance_id})" for node in cluster.nodes if node.instance_id]
    return "\n".join([*lines, "Nothing was changed."])


def _some_nodes(count: int, kind: str) -> str:
    return f"{count} {kind} {'node' if count == 1 else 'nodes'}"
