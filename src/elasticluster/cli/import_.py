"""``elasticluster import``: remember a cluster that was exported elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.start import frontend_name
from elasticluster.naming import printable

if TYPE_CHECKING:
    from elasticluster.archives import Imported


class ImportCluster(AbstractCommand):
    """Remember a cluster that was exported elsewhere."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "import",
            help="Remember a cluster that was exported elsewhere.",
            description="Remember a cluster from a ZIP file that `export` has written, also that of the "
            "original ElastiCluster. Nothing of the cluster is changed. Import only what you trust: what is "
            "in the file may say which programs are run when the cluster is used. Then you are asked first.",
            epilog="example: elasticluster import slurm.zip --key ~/.ssh/slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("file", help="File that `elasticluster export` has written.")
        parser.add_argument(
            "--rename", metavar="NAME", default="", help="What to call the cluster here (default: as before)."
        )
        parser.add_argument(
            "--key",
            metavar="FILE",
            default="",
            help="Private key that opens the nodes, with FILE.pub beside it. It stays where it is "
            "(default: the one in the file, if it was exported with --save-keys).",
        )
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask.")

    def execute(self) -> int:
        """Import, show the cluster, and say what is missing."""
        from elasticluster import archives

        imported = archives.import_cluster(
            self.creator, self.params.file, self.params.rename, self.params.key, self._agree
        )
        cluster = imported.cluster
        print(render.summary(cluster.record, frontend_name(cluster)))
        print(render.node_list(cluster.record))
        for warning in self._warnings(imported):
            say(f"WARNING: {printable(warning)}")
        print(f"Cluster `{cluster.name}` was imported.")
        return 0

    def how_to_go_on(self) -> str:
        """Return where to look; the cluster is stored as a whole or not at all."""
        return f"To see whether the cluster is there: {self.line('list')}"

    def _agree(self, settings: Sequence[str]) -> None:
        """Ask whether to trust what may run programs on this computer."""
        say("By these settings of the file, programs of this computer may be run, or files of it used:")
        for setting in settings:
            say(f"  {printable(setting)}")
        self.confirm("Whoever wrote the file can do by them what you can do. Do you trust it?")

    def _warnings(self, imported: Imported) -> Iterator[str]:
        """Say what the cluster lacks here."""
        cluster, left_out = imported.cluster, imported.left_out
        if "key" in left_out:
            yield (
                "The private key that opens the nodes is not here: the cluster can be listed and stopped, "
                f"but not logged in to or set up. Put it into place: {imported.key_place}"
            )
        others = [one for one in left_out if one != "key"]
        if others:
            yield f"Not in the file: {', '.join(others)}."
        if any(one.startswith("cloud.") for one in others) and cluster.record.cloud.section:
            yield (
                f"Secrets of its cloud are taken from [cloud/{cluster.record.cloud.section}] as soon as that "
                "is in the configuration, for the same provider and place."
            )
        if any(one.startswith("secrets.") for one in others):
            yield f"Before you resize the cluster, make new secrets: {self.line('setup', cluster.name)}"
        if not cluster.record.cloud.type:
            yield f"Its cloud is not known: template `{cluster.template}` is not in the configuration."
        if imported.passed_over:
            yield f"Keys of single nodes were left out: {', '.join(imported.passed_over)}."
        if imported.missing:
            yield f"`setup` needs files that are not here: {', '.join(imported.missing)}."
