"""``elasticluster resize``: add nodes to a cluster, or remove some."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.remove_node import add_removal_options, confirm_removal, removal_to_end, remove
from elasticluster.cli.start import add_start_options, bring_up, frontend_name, print_verdict
from elasticluster.exceptions import ElastiClusterError, SetupProviderError, UsageError
from elasticluster.model import NodeState, Report, Verdict

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster

_COUNTS = "N1:KIND1[,N2:KIND2,…]"


class Resize(AbstractCommand):
    """Add or remove nodes of a cluster."""

    takes_rest = True
    _leaving: Mapping[str, str] = {}
    _growing: Collection[str] = ()

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "resize",
            help="Add or remove nodes of a cluster.",
            description="Add nodes to a cluster, or remove some, while it is in use. New nodes are made like "
            "the newest of their kind. Those to be removed are chosen: nodes that are not usable, then idle "
            "ones, then busy ones, whose jobs are waited for; the newest first.",
            epilog="example: elasticluster resize --add 2:compute slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument("-a", "--add", metavar=_COUNTS, help="How many nodes to add, by kind.")
        parser.add_argument("-r", "--remove", metavar=_COUNTS, help="How many nodes to remove, by kind.")
        parser.add_argument(
            "-t", "--template", metavar="NAME", help="Template that says what the new nodes are made of."
        )
        add_start_options(parser)
        add_removal_options(parser)

    def pre_run(self) -> None:
        """Refuse a command line that says nothing about nodes."""
        if self.params.add is None and self.params.remove is None:
            raise UsageError("`resize` needs `--add` or `--remove`, or both.", hint="As in: --add 2:compute")

    def execute(self) -> int:
        """Choose and ask; then add; then remove; then report.

        Nodes that are down go first: with them there might never be enough usable ones.
        """
        cluster = self.load(self.params.cluster)
        add = self._counts("add")
        fewer = self._counts("remove", cluster.nodes)
        if add:
            cluster.check_growth()
            self.creator.update(cluster)
        specs = self.creator.specs_to_grow(cluster, add, self.params.template)
        leaving = self._choose(cluster, fewer) if fewer else {}
        if leaving and not self.params.no_setup:
            cluster.check_removal(leaving)
        if self.params.dry_run:
            print(render.resize_plan(cluster.record, specs, add, leaving))
            return 0
        if leaving:
            confirm_removal(self, cluster, leaving)
            self._leaving = leaving
        if not add and not fewer:
            say("There is nothing to add or remove.")
        report = None
        if add:
            self._remove_down(cluster)
            self._growing = [
                n for kind, spec in specs.items() for n in cluster.add_specified(spec, add[kind])
            ]
            report = bring_up(self, cluster, lambda options: cluster.grow(self._growing, options))
        return self._finish(cluster, report)

    def _counts(self, option: str, kinds: Collection[str] | None = None) -> dict[str, int]:
        """Return the numbers of nodes given to an option, without zeros."""
        from elasticluster.config.counts import parse_node_counts

        text = getattr(self.params, option)
        counts = {} if text is None else parse_node_counts(text, kinds, option=f"--{option}")
        return {kind: count for kind, count in counts.items() if count}

    def _choose(self, cluster: Cluster, counts: Mapping[str, int]) -> Mapping[str, str]:
        if not self.params.dry_run:
            self.require_terminal()
        if self.params.no_setup:
            return cluster.choose(counts, ask=False)
        say("Asking what the nodes are at work on …")
        try:
            return cluster.choose(counts)
        except SetupProviderError as error:
            if not self.params.force:
                raise
            say(f"WARNING: {error.message} All nodes are taken to be idle.")
            return cluster.choose(counts, ask=False)

    def _remove_down(self, cluster: Cluster) -> None:
        states = {node.name: node.state for node in cluster.record.nodes}
        down = [name for name in self._leaving if states[name] is NodeState.DOWN]
        if down:
            remove(self, cluster, down)
            self._leaving = {name: work for name, work in self._leaving.items() if name not in down}

    def _finish(self, cluster: Cluster, report: Report | None) -> int:
        """Remove what was chosen, unless adding failed, and tell how all of it ended."""
        if report and report.verdict is Verdict.NOT_READY:
            kept = ", ".join(self._leaving)
            return self._tell(cluster, report, f"Not removed, since adding nodes failed: {kept}.")
        problem = None
        try:
            if self._leaving:
                remove(self, cluster, self._leaving)
        except ElastiClusterError as error:
            problem = error
        status = self._tell(cluster, report)
        if problem:
            raise problem
        return status

    def _tell(self, cluster: Cluster, report: Report | None, removal: str = "") -> int:
        """Print the summary, and how adding nodes ended; return the exit status."""
        print(render.summary(cluster.record, frontend_name(cluster)), flush=True)
        if self._leaving and removal:
            say(removal)
        gone = [name for name in self._leaving if cluster.record.node(name) is None]
        return print_verdict(self, _without(report, gone)) if report else 0

    def how_to_go_on(self) -> str:
        """Return how to bring what was begun to its end."""
        grown = self._begun()
        lines = [self.carry_on(self.params.cluster)] if grown else []
        if self._leaving:
            lines.append(removal_to_end(self, self._leaving))
        if self._growing and not grown:
            lines.append("No node was added; run the same command again.")
        return "\n".join(lines) or "Nothing was changed."

    def _begun(self) -> bool:
        """Whether the new nodes are a part of the stored cluster, so that `start` carries on with them."""
        try:
            record = self.creator.create_repository().store.load(self.params.cluster)
        except ElastiClusterError:
            return False
        return bool(self._growing) and all(record.node(name) for name in self._growing)


def _without(report: Report, names: Collection[str]) -> Report:
    """Return a report that does not mind nodes that were removed after it was made."""
    lost = {name: failure for name, failure in report.lost.items() if name not in names}
    ready = report.verdict is Verdict.PARTLY_READY and not lost
    return replace(report, lost=lost, verdict=Verdict.READY if ready else report.verdict)
