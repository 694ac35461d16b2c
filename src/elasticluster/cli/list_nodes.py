"""``elasticluster list-nodes``: the nodes of a cluster."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand
from elasticluster.cli.data import cluster_data, node_data, print_json
from elasticluster.cli.start import frontend_name

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster


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
        parser.add_argument(
            "--timings",
            action="store_true",
            help="Show instead what took how long when the cluster was last started, set up, resized or "
            "paused.",
        )
        parser.add_argument("--json", "--pretty-json", action="store_true", help="Print JSON.")

    def execute(self) -> int:
        """List."""
        cluster = self.load(self.params.cluster)
        if self.params.update:
            cluster.update()
        if self.params.json:
            print_json(self._data(cluster))
        elif self.params.timings:
            print(_timings(cluster))
        else:
            print(render.summary(cluster.record, frontend_name(cluster)))
            print(render.node_list(cluster.record))
        return 0

    def _data(self, cluster: Cluster) -> dict[str, Any]:
        record = cluster.record
        data = cluster_data(record) | {"nodes": [node_data(node) for node in record.nodes]}
        if self.params.timings:
            from elasticluster.cli import timings

            trace = cluster.last_trace
            data["timings"] = timings.data(trace) if trace else None
        return data


def _timings(cluster: Cluster) -> str:
    from elasticluster.cli import timings

    trace = cluster.last_trace
    columns = shutil.get_terminal_size((80, 24)).columns
    return timings.text(trace, columns) if trace else timings.none(cluster.name)
