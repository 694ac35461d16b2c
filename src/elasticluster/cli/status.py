"""``elasticluster status``: how a cluster is at this moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.data import machine_state, print_json, status_data
from elasticluster.exceptions import ReadinessError
from elasticluster.model import SET_UP

if TYPE_CHECKING:
    from elasticluster.engine.scheduler import Scheduler
    from elasticluster.engine.status import NodeStatus, Status

_GAP = "  "


class ShowStatus(AbstractCommand):
    """Show how a cluster is at this moment: machines, SSH, scheduler and queues."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "status",
            help="Show how a cluster is now: machines, SSH, scheduler, queues.",
            description="Ask the cloud for the machines of a cluster, log in to each node, and ask the "
            "scheduler for its nodes and queues. Nothing is changed. The exit code is 0 if nothing is "
            f"wrong, and {ReadinessError.exit_code} if anything is.",
            epilog="example: elasticluster status slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def execute(self) -> int:
        """Look and tell; a cloud that cannot be asked is named, and the rest is shown all the same."""
        cluster = self.load(self.params.cluster)
        status = cluster.status()
        if self.params.json:
            print_json(status_data(status))
        else:
            print(text(status), flush=True)
        if status.silent:
            say(f"WARNING: The cloud could not be asked: {status.silent}")
            return status.silent.exit_code
        if status.healthy:
            return 0
        self.say_what_to_do(status)
        return ReadinessError.exit_code

    def say_what_to_do(self, status: Status) -> None:
        """Name the command that may mend it; none does what an administrator of the scheduler has to do."""
        ill = [one for one in status.nodes if one.problem]
        if not status.nodes or any(not one.reachable for one in ill):
            say(f"To bring it up: {self.bring_up(status.cluster)}")
        elif status.silent_scheduler or any(one.node.state not in SET_UP for one in ill):
            say(f"To set it up again: {self.line('setup', status.cluster.name)}")

    def how_to_go_on(self) -> str:
        """Return that nothing has to be mended."""
        return "Nothing was changed."


def text(status: Status) -> str:
    """Return what `status` prints."""
    cluster = status.cluster
    head = [
        "",
        f"Cluster name:     {cluster.name}",
        f"Cluster template: {cluster.template}",
        f"Cluster cloud:    {cluster.cloud.section or cluster.cloud.type}",
        "",
    ]
    return "\n".join([*head, *_nodes(status), *_queues(status), *_verdict(status)])


def _nodes(status: Status) -> Iterator[str]:
    scheduler = status.scheduler
    heads = ["node", "state", "instance", "ssh", *([scheduler.name] if scheduler else [])]
    rows = [_row(one, scheduler, known=status.silent is None) for one in status.nodes]
    yield from _table([heads, *rows])
    yield ""


def _row(one: NodeStatus, scheduler: Scheduler | None, *, known: bool) -> list[str]:
    answers = {True: "yes", False: "no", None: "-"}[one.reachable]
    worker = [one.worker.state if one.worker else "-"] if scheduler else []
    return [one.node.name, str(one.node.state), machine_state(one, known=known), answers, *worker]


def _queues(status: Status) -> Iterator[str]:
    from elasticluster.engine.status import was_set_up

    scheduler = status.scheduler
    if scheduler and scheduler.partitions:
        heads = ["partition", "state", "running", "pending"]
        rows = [[one.name, one.state, str(one.running), str(one.pending)] for one in scheduler.partitions]
        yield from _table([heads, *rows])
        yield ""
    elif not scheduler and was_set_up(status.cluster):
        yield from ("No scheduler was asked: the cluster has none that this program sets up.", "")
    elif not scheduler:
        yield from ("No scheduler was asked: the cluster was never set up.", "")


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield _GAP.join(cells).rstrip()


def _verdict(status: Status) -> Iterator[str]:
    name = status.cluster.name
    if status.healthy:
        yield f"Cluster `{name}` is healthy."
        return
    yield f"Cluster `{name}` is not healthy:"
    yield from (f"  {problem}" for problem in status.problems)
