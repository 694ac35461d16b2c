"""``elasticluster setup``: configure a cluster once more."""

from __future__ import annotations

from typing import Any

from elasticluster.cli.command import AbstractCommand
from elasticluster.cli.start import add_check_option, bring_up, print_verdict


class SetupCluster(AbstractCommand):
    """Configure a cluster by running its setup provider again."""

    takes_rest = True

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "setup",
            help="Configure the cluster once more.",
            description="Run Ansible on the nodes of a started cluster once more, and check that every one "
            "of them works. Whatever follows `--` is handed to ansible-playbook.",
            epilog="example: elasticluster setup slurm -- --tags slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        add_check_option(parser)

    def execute(self) -> int:
        """Configure, report."""
        cluster = self.load(self.params.cluster)
        self.creator.update(cluster)
        report = bring_up(self, cluster, cluster.configure, made=False)
        return print_verdict(self, report)

    def how_to_go_on(self) -> str:
        """Return the command that configures the cluster again."""
        return f"To carry on: {self.line('setup', self.params.cluster)}"
