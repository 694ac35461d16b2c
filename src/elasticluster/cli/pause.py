"""``elasticluster pause`` and ``elasticluster resume``: stop a cluster's machines for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.remove_node import at_work
from elasticluster.cli.start import add_start_options, bring_up, frontend_name, print_verdict
from elasticluster.exceptions import ClusterError, ElastiClusterError
from elasticluster.model import NodeState

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster


class Pause(AbstractCommand):
    """Stop the machines of a cluster and keep their disks."""

    _began = False

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "pause",
            help="Stop the machines of a cluster and keep their disks.",
            description="Stop all machines of a cluster and keep their disks, so that `resume` can start "
            "them again. Running jobs end.",
            epilog="example: elasticluster pause --yes slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")

    def execute(self) -> int:
        """Ask, then pause."""
        from elasticluster.cli.progress import shown

        cluster = self.load(self.params.cluster)
        if self.params.dry_run:
            print(render.pause_plan(cluster.record))
            return 0
        if not _paused(cluster):
            self._confirm(cluster)
        self._began = True
        with shown(self.params.verbose) as cluster.listener:
            cluster.pause()
        if not any(node.state is NodeState.PAUSED for node in cluster.record.nodes):
            raise ClusterError(
                f"Cluster '{cluster.name}' has no machines that could be paused.",
                hint=self._to_resume(cluster),
            )
        print(f"Cluster `{cluster.name}` is paused.\n{self._to_resume(cluster)}")
        return 0

    def _confirm(self, cluster: Cluster) -> None:
        self.require_terminal()
        lines = [f"All nodes of cluster `{cluster.name}` are going to be stopped; their disks are kept."]
        lines.append("Jobs that are running end.")
        work = {} if self.params.yes else _work(cluster)
        lines += [f"  {name} is at work on {what}." for name, what in work.items()]
        say("\n".join(lines))
        self.confirm("Do you want to pause it?")

    def _to_resume(self, cluster: Cluster) -> str:
        return f"To start it again: {self.line('resume', cluster.name)}"

    def how_to_go_on(self) -> str:
        """Return both ways to go on."""
        name = self.params.cluster
        if not self._began:
            return "Nothing was changed."
        return (
            f"To pause the rest: {self.line('pause', name)}\nTo start all again: {self.line('resume', name)}"
        )


class Resume(AbstractCommand):
    """Start the machines of a paused cluster again."""

    takes_rest = True

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "resume",
            help="Start the machines of a paused cluster again.",
            description="Start the machines of a paused cluster again, configure them, and check that every "
            "one of them works. Whatever follows `--` is handed to ansible-playbook.",
            epilog="example: elasticluster resume slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a paused cluster.")
        add_start_options(parser)

    def execute(self) -> int:
        """Start, configure, report."""
        cluster = self.load(self.params.cluster)
        self.creator.update(cluster)
        report = bring_up(self, cluster, cluster.bring_up)
        print(render.summary(report.cluster, frontend_name(cluster)))
        return print_verdict(self, report)

    def how_to_go_on(self) -> str:
        """Return the command that carries on."""
        return f"To carry on: {self.line('resume', self.params.cluster)}"


def _paused(cluster: Cluster) -> bool:
    return all(node.state is NodeState.PAUSED for node in cluster.record.nodes)


def _work(cluster: Cluster) -> Mapping[str, str]:
    """Return what nodes are at work on; nothing if the login node does not answer at once."""
    from elasticluster.ssh.probe import answers

    try:
        login = cluster.get_ssh_to_node()
        reachable = login.preferred_ip and answers(login.ssh_target())
    except ElastiClusterError:
        reachable = False
    return at_work(cluster) if reachable else {}
