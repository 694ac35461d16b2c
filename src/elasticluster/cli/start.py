"""``elasticluster start``: make a cluster of a template, or carry on with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.exceptions import (
    CloudProviderError,
    ClusterConflict,
    ClusterNotFound,
    KeypairError,
    NodeNotFound,
    SetupProviderError,
    UsageError,
)
from elasticluster.model import NodeSpec, Report, Verdict
from elasticluster.naming import printable

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.config.differences import Difference
    from elasticluster.engine.configure import StartOptions

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
    _specs: Mapping[str, NodeSpec] = {}
    """What nodes of kinds without any machine are made of; empty: as recorded."""

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
        add_start_options(parser)
        either = parser.add_mutually_exclusive_group()
        either.add_argument(
            "--adopt",
            action="store_true",
            help="If no such cluster is known here, look whether the cloud has one that was started from "
            "here, and carry on with that.",
        )
        either.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")

    def execute(self) -> int:
        """Start, configure, report."""
        cluster = self._cluster()
        if self.params.dry_run:
            print(render.start_plan(cluster.record, cluster.look_ahead(self._specs)))
            return 0
        report = bring_up(self, cluster, lambda how: cluster.bring_up(replace(how, specs=self._specs)))
        print(render.summary(report.cluster, frontend_name(cluster)))
        return print_verdict(self, report)

    def how_to_go_on(self) -> str:
        """Return the commands that carry on with the cluster or remove it."""
        return self.carry_on(self._name) or "Nothing was made."

    @property
    def _name(self) -> str:
        return str(self.params.cluster_name or self.params.cluster)

    def _cluster(self) -> Cluster:
        """Return the stored cluster, if there is one and it is of this template, else a new one."""
        from elasticluster.config.counts import parse_node_counts

        template, name = self.params.cluster, self._name
        counts = {} if self.params.nodes is None else parse_node_counts(self.params.nodes)
        try:
            cluster = self.creator.load_cluster(name)
        except ClusterNotFound:
            adopted = self._adopted() if self.params.adopt else None
            if adopted is None:
                return self.creator.create_cluster(template, name, counts=counts)
            cluster = adopted
        if cluster.template != template:
            raise _other_template(name, template, cluster.template)
        _refuse_other_counts(cluster, counts)
        different = self.creator.update(cluster)
        if template in self.creator.configuration.template_names():  # else all is as stored
            self._specs = self.creator.node_specs(template)
        if different:
            settled = self._settled(cluster, different)
            say(render.differences(cluster.record, settled, lambda words: self.line(*words, name)))
        return cluster

    def _settled(self, cluster: Cluster, found: Sequence[Difference]) -> Sequence[Difference]:
        """Return differences as the plan has it; the cloud is asked only if that can make another of them."""
        from elasticluster.config.differences import settled

        begun = any(node.instance_id or node.batch for node in cluster.record.nodes)
        if not begun or not any(one.made_of for one in found):
            return found
        return settled(found, cluster.look_ahead(self._specs).kinds_there)

    def _adopted(self) -> Cluster | None:
        """Return the cluster of that name that the template's cloud has from us, remembered anew.

        Raises:
            CloudProviderError: the cloud cannot be asked.
            ClusterConflict: it has several.
        """
        from elasticluster import orphans

        cloud = self.creator.configuration.template(self.params.cluster).cloud.section
        survey = orphans.survey(self.creator, [cloud])
        for error in survey.silent.values():
            raise error
        found = orphans.ours(survey, self._name)
        if found is None:
            return None
        if found.orphan.tags.template != self.params.cluster:
            raise _other_template(self._name, self.params.cluster, printable(found.orphan.tags.template))
        cluster = orphans.adopt(self.creator, found)
        say(f"Cluster `{self._name}` was found on cloud {cloud} and is known here again.")
        return cluster


def _other_template(name: str, template: str, present: str) -> ClusterConflict:
    return ClusterConflict(
        f"There is a cluster '{name}' already, of template '{present}'.",
        hint=f"Choose another name: elasticluster start {template} --name NAME",
    )


def add_start_options(parser: Any) -> None:
    """Add what all commands that bring nodes up have in common."""
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
    parser.add_argument(
        "--on-failure",
        choices=("keep", "stop"),
        help="What becomes of the nodes that this command makes if too few are usable in the end "
        "(default: the template's `start_failure`, else keep).",
    )
    add_check_option(parser)


def add_check_option(parser: Any) -> None:
    """Add ``--require-check``, which all commands that configure nodes have in common."""
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
            hint="Leave out `--nodes`, and add or remove nodes with `elasticluster resize`.",
        )


def frontend_name(cluster: Cluster) -> str:
    """Return the name of the node that `ssh` goes to; ``None`` in words if there is no node at all."""
    try:
        return cluster.get_ssh_to_node().name
    except NodeNotFound:
        return "None"


def bring_up(
    command: AbstractCommand, cluster: Cluster, work: Callable[[StartOptions], Report], *, made: bool = True
) -> Report:
    """Do what makes or configures nodes, while its progress is shown.

    Args:
        command: the command; its options tell how.
        cluster: the cluster.
        work: does it.
        made: whether it makes nodes, so that an error ends with what is left of them.
    """
    from elasticluster.cli.progress import shown

    options = _options(command.params, cluster)
    try:
        with shown(command.params.verbose) as cluster.listener:
            return work(options)
    except (CloudProviderError, SetupProviderError) as error:
        lost_key = isinstance(error, KeypairError)  # its hint says all that can be done
        note = _after_error(command, cluster, options) if made and not lost_key else ""
        if note:
            error.add_note(note)
        raise


def _options(params: Any, cluster: Cluster) -> StartOptions:
    from elasticluster.engine.configure import StartOptions

    on_failure = getattr(params, "on_failure", None) or cluster.record.start_failure
    return StartOptions(
        configure=not getattr(params, "no_setup", False),
        stop_on_failure=on_failure == "stop",
        max_parallel=1 if params.verbose >= _SEQUENTIAL else getattr(params, "max_concurrent_requests", 0),
        extra_args=tuple(params.rest),
        verbosity=params.verbose,
    )


_SEQUENTIAL = 4  # `-vvvv` has always meant one node after another as well


def _after_error(command: AbstractCommand, cluster: Cluster, options: StartOptions) -> str:
    kept = command.carry_on(cluster.name)
    if not kept:
        return "Nothing is left of the cluster." if options.stop_on_failure else "Nothing was made."
    if cluster.record.ready:
        return ""  # as it was before
    made = "What this command made was destroyed again, unless a warning says otherwise. "
    return f"{made if options.stop_on_failure else ''}What there is was kept.\n{kept}"


def print_verdict(command: AbstractCommand, report: Report) -> int:
    """Print the last lines of a command that configures nodes; return the exit status that goes with them."""
    details = render.evidence(report)
    if details:
        say(details)
    print(render.verdict(report), flush=True)
    if report.verdict is Verdict.NOT_READY:
        say("\n" + render.what_is_left(report, command.carry_on(report.cluster.name)))
    if report.verdict is Verdict.NOT_VERIFIED and command.params.require_check:
        return EXIT_NOT_VERIFIED
    return max(EXIT_CODES[report.verdict], EXIT_CODES[Verdict.PARTLY_READY] if report.lost else 0)
