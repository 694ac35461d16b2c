"""``elasticluster list-nodes``: the nodes of a cluster."""

from __future__ import annotations

import json
from typing import Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand
from elasticluster.cli.start import frontend_name


class ListNodes(AbstractCommand):
    """Show information about the nodes of a started cluster."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "list-nodes",
            help="Show information about the nodes of a started cluster.",
            description="Show the nodes of a started cluster as they were last seen.",
            epilog="example: elasticluster list-nodes slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument(
            "-u", "--update", action="store_true", help="Ask the cloud for the present addresses."
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def execute(self) -> int:
        """List."""
        cluster = self.load(self.params.cluster)
        if self.params.update:
            cluster.update()
        record = cluster.record
        if self.params.json:
            data = render.cluster_data(record) | {"nodes": [render.node_data(node) for node in record.nodes]}
            print(json.dumps(data, indent=2))
        else:
            print(render.summary(record, frontend_name(cluster)))
            print(render.node_list(record))
        return 0
