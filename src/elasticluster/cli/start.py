"""``elasticluster start``: make a cluster of a template, or carry on with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.exceptions import ClusterConflict, ClusterNotFound, NodeNotFound, UsageError
from elasticluster.model import Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticluster.cluster import Cluster

EXIT_CODES = {
    Verdict.READY: 0,
    Verdict.NOT_CONFIGURED: 0,
    Verdict.NOT_VERIFIED: 0,
    Verdict.PARTLY_READY: 3,
    Verdict.NOT_READY: 4,
}
EXIT_NOT_VERIFIED = 5


class Start(AbstractCommand):
    """Create a cluster using one of the configured templates."""

    takes_rest = True

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "start",
            help="Create a cluster using one of the configured cluster templates.",
            description="Create a cluster of a template: start its nodes, configure them, and check that "
            "every one of them works. Run it again to carry on after a failure.",
            epilog="example: elasticluster start slurm --nodes 4:compute",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a [cluster/NAME] section of the configuration file.")
        parser.add_argument(
            "-n", "--name", dest="cluster_name", help="Name of the cluster (default: the template's)."
        )
        parser.add_argument(
            "--nodes",
            metavar="N1:GROUP[,N2:GROUP2,…]",
            help="Number of nodes of some kinds, instead of the template's.",
        )
        parser.add_argument(
            "--no-setup", action="store_true", help="Only start the nodes; do not configure them."
        )
        parser.add_argument(
            "-p",
            "--max-concurrent-requests",
            type=int,
            default=0,
            metavar="N",
            help="Create calls at the same time; 0: four for each processor, 1: one node after another.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")
        add_check_option(parser)

    def execute(self) -> int:
        """Start, configure, report."""
        cluster = self._cluster()
        if self.params.dry_run:
            print(render.start_plan(cluster.record, cluster.look_ahead()))
            return 0
        report = run_with_progress(cluster, self.params, configure=not self.params.no_setup)
        print(render.summary(report.cluster, frontend_name(cluster)))
        return print_verdict(report, require_check=self.params.require_check)

    def _cluster(self) -> Cluster:
        """Return the stored cluster, if there is one and it is of this template, else a new one."""
        from elasticluster.config.counts import parse_node_counts

        template, name = self.params.cluster, self.params.cluster_name or self.params.cluster
        counts = {} if self.params.nodes is None else parse_node_counts(self.params.nodes)
        try:
            cluster = self.creator.load_cluster(name)
        except ClusterNotFound:
            return self.creator.create_cluster(template, name, counts=counts)
        if cluster.template != template:
            raise ClusterConflict(
                f"There is a cluster '{name}' already, of template '{cluster.template}'.",
                hint=f"Choose another name: elasticluster start {template} --name NAME",
            )
        _refuse_other_counts(cluster, counts)
        self.creator.update(cluster)
        return cluster


def add_check_option(parser: Any) -> None:
    """Add ``--require-check``, which `start` and `setup` have in common."""
    parser.add_argument(
        "--require-check",
        action="store_true",
        help=f"Exit with {EXIT_NOT_VERIFIED} if some group brings no check that it works.",
    )


def _refuse_other_counts(cluster: Cluster, counts: Mapping[str, int]) -> None:
    now = {kind: len(nodes) for kind, nodes in cluster.nodes.items()}
    other = [f"{now.get(kind, 0)} {kind}" for kind, count in counts.items() if now.get(kind) != count]
    if other:
        raise UsageError(
            f"Cluster '{cluster.name}' has {', '.join(other)} nodes; `start` does not change that.",
            hint=f"Leave out `--nodes`, or stop it first: elasticluster stop {cluster.name}",
        )


def frontend_name(cluster: Cluster) -> str:
    """Return the name of the node that `ssh` goes to; ``None`` in words if there is no node at all."""
    try:
        return cluster.get_ssh_to_node().name
    except NodeNotFound:
        return "None"


def run_with_progress(
    cluster: Cluster, params: Any, *, configure: bool = True, bring_up: bool = True
) -> Report:
    """Start (or only configure) a cluster while its progress is shown."""
    from elasticluster.cli.progress import shown
    from elasticluster.engine.configure import StartOptions

    options = StartOptions(
        configure=configure,
        max_parallel=1 if params.verbose >= _SEQUENTIAL else getattr(params, "max_concurrent_requests", 0),
        extra_args=tuple(params.rest),
        verbosity=params.verbose,
    )
    with shown(params.verbose) as listener:
        cluster.listener = listener
        return cluster.bring_up(options) if bring_up else cluster.configure(options)


_SEQUENTIAL = 4  # `-vvvv` has always meant one node after another as well


def print_verdict(report: Report, *, require_check: bool) -> int:
    """Print the last lines of `start` and `setup`, and return the exit status that goes with them."""
    details = render.evidence(report)
    if details:
        say(details)
    print(render.verdict(report), flush=True)
    if report.verdict is Verdict.NOT_READY:
        say(
            f"\nWhat there is was kept. To carry on: elasticluster start {report.cluster.template}"
            f" --name {report.cluster.name}; to remove it: elasticluster stop {report.cluster.name}"
        )
    if report.verdict is Verdict.NOT_VERIFIED and require_check:
        return EXIT_NOT_VERIFIED
    return max(EXIT_CODES[report.verdict], EXIT_CODES[Verdict.PARTLY_READY] if report.lost else 0)
