"""``elasticluster migrate``: bring stored clusters to the present version and to one format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.exceptions import ClusterNotFound, StateError

if TYPE_CHECKING:
    from elasticluster.state.store import Conversion


class MigrateClusters(AbstractCommand):
    """Bring the files of stored clusters to the present version, and to one format."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "migrate",
            help="Bring stored clusters to the present version and to one format.",
            description="Write the files of clusters, of older versions and of the original ElastiCluster "
            "too, in the present version and in one format. The machines are left alone.",
            epilog="example: elasticluster migrate --dry-run",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("clusters", metavar="CLUSTER", nargs="*", help="Name (default: all clusters).")
        parser.add_argument(
            "--to",
            choices=("json", "yaml", "pickle"),
            help="Format (default: `storage_type` of the configuration, else json).",
        )
        parser.add_argument(
            "-n", "--dry-run", action="store_true", help="Say what would be done, and do nothing."
        )

    def execute(self) -> int:
        """Convert one cluster after another; one that cannot be converted does not stop the others."""
        repository = self.creator.create_repository()
        status = 0
        for name in self.params.clusters or repository.names():
            try:
                done = repository.migrate_cluster(name, self.params.to, dry_run=self.params.dry_run)
            except (StateError, ClusterNotFound) as error:
                say(f"Error: {error}")
                status = status or error.exit_code
            else:
                print(_described(done, dry_run=self.params.dry_run))
        return status


def _described(work: Conversion, *, dry_run: bool) -> str:
    written = f"{work.target.name}, version {work.current}"
    if not work.needed:
        return f"Cluster `{work.name}` is up to date: {written}."
    before = f"version {work.version}" if not work.kept else "of the original ElastiCluster"
    verb = "would be" if dry_run else "was"
    kept = f" The old file {'would be' if dry_run else 'is'} kept as {work.kept.name}." if work.kept else ""
    return f"Cluster `{work.name}` {verb} converted: {work.source.name}, {before} -> {written}.{kept}"
