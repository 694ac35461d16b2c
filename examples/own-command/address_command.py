"""A command of one's own: ``elasticluster addresses CLUSTER``."""

from __future__ import annotations

from typing import Any

from elasticluster.subcommands import AbstractCommand


class ListAddresses(AbstractCommand):
    """Print the address of each node."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser("addresses", help="Print the address of each node of a cluster.")
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of the cluster.")
        parser.add_argument("--kind", help="Only nodes of this kind.")

    def execute(self) -> int:
        """Print a line for each node."""
        cluster = self.load(self.params.cluster)
        for node in cluster.get_all_nodes():
            if self.params.kind in {None, node.kind}:
                print(node.name, node.preferred_ip or "-")
        return 0
