"""``elasticluster ssh`` and ``elasticluster sftp``: get into a cluster's nodes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand
from elasticluster.exceptions import ReadinessError, UnsupportedError

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster, Node


class _Remote(AbstractCommand):
    """What both commands have in common."""

    takes_rest = True
    program: str
    help: str
    description: str
    epilog: str

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            self.program, help=self.help, description=self.description, epilog=self.epilog
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument(
            "-n",
            "--node",
            metavar="NODE",
            help="Node, or kind of node, to connect to (default: the frontend).",
        )

    def execute(self) -> int:
        """Become the program; its exit status is ours.

        The address known is tried first; only if it does not answer with the pinned host key are
        addresses read again, once.
        """
        from elasticluster.ssh.client import sftp_command, ssh_command
        from elasticluster.ssh.probe import answers

        cluster = self.load(self.params.cluster)
        node = cluster.get_ssh_to_node(self.params.node)
        if not (node.preferred_ip and answers(node.ssh_target())):
            node = self._found_again(cluster, node)
        command = {"ssh": ssh_command, "sftp": sftp_command}[self.program]
        argv = command(node.ssh_target(), cluster.known_hosts_file, self.params.rest)
        try:
            os.execvp(argv[0], argv)  # noqa: S606 - no shell takes part; signals and status go straight through
        except OSError as exc:
            raise UnsupportedError(
                f"OpenSSH's `{argv[0]}` cannot be run: {exc.strerror}.", hint="Install the OpenSSH client."
            ) from exc

    def _found_again(self, cluster: Cluster, node: Node) -> Node:
        cluster.update()
        if not node.preferred_ip:
            reason = f": {node.record.failure}" if node.record.failure else ""
            raise ReadinessError(
                f"Node {node.name} has no address{reason}.",
                hint=f"Bring it up with: {self.bring_up(cluster.record)}",
            )
        return node


class SshFrontend(_Remote):
    """Connect to the frontend of the cluster using the `ssh` command."""

    program = "ssh"
    help = "Connect to the frontend of the cluster using the `ssh` command."
    description = "Log in to a node, or run a command there. Whatever follows `--` is handed to ssh."
    epilog = "example: elasticluster ssh slurm -- sinfo"


class SftpFrontend(_Remote):
    """Open an SFTP session to the cluster's frontend."""

    program = "sftp"
    help = "Open an SFTP session to the cluster's frontend."
    description = "Upload and download files. Whatever follows `--` is handed to sftp."
    epilog = "example: echo 'put data.csv' | elasticluster sftp slurm"
