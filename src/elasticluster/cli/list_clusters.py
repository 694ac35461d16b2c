"""``elasticluster list``: the clusters that have been started."""

from __future__ import annotations

from typing import Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.data import cluster_data, print_json
from elasticluster.exceptions import ClusterNotFound, StateError
from elasticluster.model import ClusterRecord


class ListClusters(AbstractCommand):
    """Print a list of all clusters that have been started."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "list",
            help="List all clusters that have been started.",
            description="List all clusters that have been started. No cloud is asked.",
            epilog="example: elasticluster list --json",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def execute(self) -> int:
        """List; a cluster whose file cannot be read is named on standard error and keeps none from view."""
        clusters = self._readable()
        if self.params.json:
            print_json([cluster_data(cluster) for cluster in clusters])
        else:
            print(render.cluster_list(clusters) if clusters else render.no_clusters())
        return 0

    def _readable(self) -> list[ClusterRecord]:
        store = self.creator.create_repository().store
        found = []
        for name in store.names():
            try:
                found.append(store.load(name))
            except StateError as error:
                say(f"WARNING: {error}")
            except ClusterNotFound:
                continue  # stopped by another command since it was listed
        return found
