"""``elasticluster export``: write a cluster into a file, to be used elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.naming import printable

if TYPE_CHECKING:
    from elasticluster.state.archive import Archive


class ExportCluster(AbstractCommand):
    """Write a cluster into a file, to be used elsewhere."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "export",
            help="Write a cluster into a file, to be used elsewhere.",
            description="Write all that is needed to use a cluster elsewhere into a ZIP file, but keys and "
            "passwords only if you ask for them. The cluster goes on as it is.",
            epilog="example: elasticluster export slurm -o /media/stick/slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument("--overwrite", action="store_true", help="Replace the file if it exists.")
        parser.add_argument(
            "--save-keys",
            action="store_true",
            help="Also write the private key that opens the nodes, and all passwords. Asks first.",
        )
        parser.add_argument(
            "-o",
            "--output-file",
            metavar="FILE",
            default="",
            help="File to write, `.zip` is added; or folder (default: the cluster's name, in this folder).",
        )
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask.")

    def execute(self) -> int:
        """Ask if secrets are to be written, write, and say what is not in the file."""
        from elasticluster import archives

        name = self.params.cluster
        if self.params.save_keys:
            key = self.load(name).record.login.user_key_private
            named = f" Its key is {printable(key)}." if key else ""
            self.confirm(
                f"Whoever gets the file will be able to log in to all nodes of cluster `{name}`, and to use "
                f"what else is secret of it.{named} Do you want to write keys and passwords into it?"
            )
        file, archive = archives.export_cluster(
            self.creator,
            name,
            self.params.output_file,
            keys=self.params.save_keys,
            overwrite=self.params.overwrite,
        )
        print(f"Cluster `{name}` was exported to {file}")
        if archive.left_out:
            say(_left_out(archive))
        return 0

    def how_to_go_on(self) -> str:
        """Return that there is nothing to clean up."""
        return "The cluster was left alone. A file is written as a whole or not at all."


def _left_out(archive: Archive) -> str:
    """Return what is not in the file, and what that means elsewhere."""
    lines = [f"Not in the file: {', '.join(archive.left_out)}."]
    if "key" in archive.left_out:
        lines.append(
            "Elsewhere the cluster can be listed; to log in to it, give its private key to `import`."
        )
    if any(one.startswith("secrets.") for one in archive.left_out):
        lines.append("New secrets are made by the first `setup` there; run that before you resize it.")
    return "\n".join(lines)
