"""``elasticluster adopt``: remember a cluster again that only its labels on a cloud tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.start import frontend_name
from elasticluster.exceptions import TemplateNotFound
from elasticluster.naming import printable

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster


class Adopt(AbstractCommand):
    """Remember a cluster again that only its labels on a cloud tell of."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "adopt",
            help="Remember a cluster again whose record is lost.",
            description="Find a cluster on the clouds of the configuration by its labels, and remember it "
            "again. Nothing of it is changed.",
            epilog="example: elasticluster adopt slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", metavar="NAME|UUID", help="Name or UUID of the cluster; see `gc`.")
        parser.add_argument(
            "-t", "--template", metavar="NAME", help="Template that it is of (default: as its labels say)."
        )
        parser.add_argument("-n", "--name", help="What to call it from now on (default: as its labels say).")
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask.")

    def execute(self) -> int:
        """Find, ask if it is somebody else's, remember, and say what is possible."""
        from elasticluster import orphans

        found = orphans.matching(orphans.survey(self.creator), self.params.cluster)
        tags = found.orphan.tags
        if not found.ours:
            self.confirm(
                f"Cluster `{printable(tags.name)}` ({tags.uuid}) belongs to "
                f"{printable(tags.owner) or 'nobody known'}. Do you want to take it over?"
            )
        try:
            cluster = orphans.adopt(self.creator, found, self.params.template or "", self.params.name or "")
        except TemplateNotFound as error:
            error.add_note("Name the template that the cluster is of with `--template`.")
            raise
        print(render.summary(cluster.record, frontend_name(cluster)))
        print(render.node_list(cluster.record))
        print(self._possible(cluster, orphans.key_problem(cluster)))
        return 0

    def _possible(self, cluster: Cluster, key_problem: str) -> str:
        """Return what can be done with the cluster from now on."""
        if not key_problem:
            return f"Cluster `{cluster.name}` is known here again.\n{self.carry_on(cluster.name)}"
        say(f"WARNING: {key_problem}")
        return (
            f"Cluster `{cluster.name}` is known here again. It can be listed and stopped; "
            "its nodes accept no other key."
        )

    def how_to_go_on(self) -> str:
        """Return that nothing was changed on the cloud."""
        return f"Nothing was changed on any cloud. To carry on: {self.line('adopt', self.params.cluster)}"
