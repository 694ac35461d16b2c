"""``elasticluster setup``: configure a cluster once more."""

from __future__ import annotations

from typing import Any

from elasticluster.cli.command import AbstractCommand
from elasticluster.cli.start import add_check_option, print_verdict, run_with_progress


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
        report = run_with_progress(cluster, self.params, bring_up=False)
        return print_verdict(report, require_check=self.params.require_check)
