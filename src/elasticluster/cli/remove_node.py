"""``elasticluster remove-node``: take nodes out of a cluster and destroy them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.exceptions import ElastiClusterError

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster


class RemoveNode(AbstractCommand):
    """Remove nodes from a cluster."""

    _leaving: Mapping[str, str] = {}

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "remove-node",
            help="Remove nodes from a cluster.",
            description="Take nodes out of the cluster's services, wait until their jobs have ended, and "
            "destroy them.",
            epilog="example: elasticluster remove-node slurm compute002",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument("node", nargs="+", help="Name of a node of the cluster.")
        parser.add_argument(
            "--no-setup", action="store_true", help="Do not take them out of the cluster's services before."
        )
        add_removal_options(parser)

    def execute(self) -> int:
        """Ask, then remove."""
        cluster = self.load(self.params.cluster)
        nodes = [cluster.get_node_by_name(name) for name in dict.fromkeys(self.params.node)]
        if not self.params.no_setup:
            cluster.check_removal([node.name for node in nodes])
        if not self.params.dry_run:
            self.require_terminal()
        work = at_work(cluster) if self._ask_services else {}
        leaving = {node.name: work.get(node.name, "") for node in nodes}
        if self.params.dry_run:
            print(render.resize_plan(cluster.record, {}, {}, leaving))
            return 0
        confirm_removal(self, cluster, leaving)
        self._leaving = leaving
        remove(self, cluster, leaving)
        return 0

    @property
    def _ask_services(self) -> bool:
        """Whether what the nodes are at work on is worth asking for."""
        params = self.params
        return not (params.no_setup or params.force) and (params.dry_run or not params.yes)

    def how_to_go_on(self) -> str:
        """Return how to bring the removal to its end."""
        return removal_to_end(self, self._leaving)


def add_removal_options(parser: Any) -> None:
    """Add what both commands that remove nodes have in common."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="Do not wait for the jobs of the nodes that are removed, and remove a node even if it could not "
        "be taken out of the cluster's services.",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="Do not ask.")
    parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")


def at_work(cluster: Cluster) -> Mapping[str, str]:
    """Return what nodes are at work on; nothing, with a warning, if the services cannot be asked."""
    say("Asking what the nodes are at work on …")
    try:
        return cluster.at_work()
    except ElastiClusterError as error:
        say(f"WARNING: What the nodes are at work on is not known: {error.message}")
        return {}


def confirm_removal(command: AbstractCommand, cluster: Cluster, nodes: Mapping[str, str]) -> None:
    """Say which nodes are about to be removed, and go on only if the user wants it."""
    waited_for = not (command.params.force or command.params.no_setup)
    say(render.leaving(cluster.record, nodes, waited_for=waited_for))
    command.confirm("Do you want to remove them?")


def remove(command: AbstractCommand, cluster: Cluster, names: Collection[str]) -> None:
    """Remove nodes while progress is shown, and print a line for each that is gone, come what may.

    Raises:
        ClusterError: one is still there; the message names it.
    """
    from elasticluster.cli.progress import shown
    from elasticluster.engine.resize import ShrinkOptions

    params = command.params
    options = ShrinkOptions(configure=not params.no_setup, force=params.force, verbosity=params.verbose)
    try:
        with shown(params.verbose) as cluster.listener:
            cluster.shrink(list(names), options)
    finally:
        for name in names:
            if cluster.record.node(name) is None:
                print(f"Node {name} was removed.", flush=True)


def removal_to_end(command: AbstractCommand, names: Collection[str]) -> str:
    """Return how to bring the removal of some nodes to its end, after it was interrupted."""
    cluster = command.params.cluster
    try:
        record = command.creator.create_repository().store.load(cluster)
    except ElastiClusterError:
        return f"Nothing is stored of cluster `{cluster}`."
    left = [node for node in record.nodes if node.name in names]
    if not names:
        return "Nothing was changed."
    if not left:
        return f"Removed: {', '.join(names)}."
    naming = [] if record.template == cluster else ["--name", cluster]
    again = command.line("remove-node", cluster, *(node.name for node in left))
    lines = [f"To carry on: {again}"]
    if any(node.staying for node in left):
        back = command.line("start", record.template, *naming)
        lines.append(f"To put those that have not left yet back into service: {back}")
    return "\n".join(lines)
