"""``elasticluster stop``: destroy a cluster."""

from __future__ import annotations

from typing import Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand


class Stop(AbstractCommand):
    """Stop a cluster and all associated instances."""

    _began = False

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "stop",
            help="Stop a cluster and all associated instances.",
            description="Destroy all instances of a cluster and what they share, and forget it. "
            "It is not checked whether the cluster is in use.",
            epilog="example: elasticluster stop --yes slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument(
            "--force",
            action="store_true",
            help="Forget the cluster even if some instances could not be destroyed.",
        )
        parser.add_argument(
            "--wait", action="store_true", help="Wait until the cloud lists none of them any more."
        )
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")

    def execute(self) -> int:
        """Ask, then destroy."""
        from elasticluster.cli.progress import shown

        cluster = self.load(self.params.cluster)
        if self.params.dry_run:
            print(render.stop_plan(cluster.record, cluster.plan_to_stop()))
            return 0
        count = len(cluster.get_all_nodes())
        self.confirm(
            f"Do you want to destroy cluster `{cluster.name}` with its {count} nodes and all their data?"
        )
        self._began = True
        with shown(self.params.verbose) as cluster.listener:
            cluster.stop(force=self.params.force, wait=self.params.wait)
        print(f"Cluster `{cluster.name}` was stopped.")
        return 0

    def how_to_go_on(self) -> str:
        """Return the command that destroys the rest, and the one that brings the cluster up again."""
        if not self._began:
            return "Nothing was changed."
        return self.carry_on(self.params.cluster) or f"Nothing is left of cluster `{self.params.cluster}`."
