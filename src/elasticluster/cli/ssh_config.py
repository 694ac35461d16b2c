"""``elasticluster ssh-config``: let OpenSSH's programs, and what builds on them, get into the nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.start import frontend_name
from elasticluster.exceptions import (
    ElastiClusterError,
    KeypairError,
    ReadinessError,
    StateError,
    UsageError,
)

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster, Node


class PrintSshConfig(AbstractCommand):
    """Print an OpenSSH configuration for the nodes of started clusters."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "ssh-config",
            help="Print an OpenSSH configuration for the nodes of a cluster.",
            description="Print what editors, rsync, scp and others that read OpenSSH's configuration need to "
            "get into the nodes. The frontend is called like the cluster, each node CLUSTER-NODE. "
            "`Include` the file in ~/.ssh/config, or name it with `ssh -F`. Write it anew when nodes are "
            "added, or when addresses change.",
            epilog="example: elasticluster ssh-config slurm --output ~/.ssh/slurm.conf",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("clusters", nargs="*", metavar="cluster", help="Names of started clusters.")
        parser.add_argument("-a", "--all", action="store_true", help="All clusters that have been started.")
        parser.add_argument(
            "-u", "--update", action="store_true", help="Ask the cloud for the present addresses first."
        )
        parser.add_argument(
            "--bare", action="store_true", help="Let each node be called by its name alone, too."
        )
        parser.add_argument("-o", "--output", metavar="FILE", help="Write it to this file.")

    def pre_run(self) -> None:
        """Make sure that it is clear which clusters are meant."""
        if self.params.all == bool(self.params.clusters):
            raise UsageError("`ssh-config` needs the name of a cluster, or `--all`.")

    def execute(self) -> int:
        """Print, or write, the blocks of all nodes that have an address."""
        blocks = [block for cluster in self._clusters() for block in self._blocks(cluster)]
        found = "\n".join(blocks)
        if self.params.output:
            _write(Path(self.params.output).expanduser(), found)
        else:
            print(found, end="", flush=True)
        return 0

    def _clusters(self) -> Iterator[Cluster]:
        """Load the clusters; of all, one that is of no use is named and keeps none from view."""
        if not self.params.all:
            yield from map(self.load, self.params.clusters)
            return
        for name in self.creator.create_repository().names():
            try:
                yield self.load(name)
            except ElastiClusterError as error:
                say(f"WARNING: {error}")

    def _blocks(self, cluster: Cluster) -> list[str]:
        if self.params.update:
            cluster.update()
        nodes = cluster.get_all_nodes()
        try:
            blocks = [self._block(cluster, node) for node in nodes if node.preferred_ip]
        except KeypairError as error:
            if not self.params.all:
                raise
            say(f"WARNING: {error}")
            return []
        missing = [node.name for node in nodes if not node.preferred_ip]
        if not blocks and not self.params.all:
            raise ReadinessError(
                f"Cluster '{cluster.name}' has no node whose address is known.",
                hint=f"Bring it up with: elasticluster start {cluster.template} --name {cluster.name}",
            )
        if missing:
            say(f"WARNING: Cluster '{cluster.name}': no address is known of {', '.join(missing)}.")
        return blocks

    def _block(self, cluster: Cluster, node: Node) -> str:
        from elasticluster.ssh.client import config_block

        aliases = [f"{cluster.name}-{node.name}"]
        if node.name == frontend_name(cluster):
            aliases.insert(0, cluster.name)
        if self.params.bare and node.name not in aliases:
            aliases.append(node.name)
        target = node.ssh_target()
        key_path = str(Path(target.key_path).absolute()) if target.key_path else ""
        known_hosts = Path(cluster.known_hosts_file).absolute()
        return config_block(replace(target, key_path=key_path), str(known_hosts), aliases)


def _write(path: Path, text: str) -> None:
    """Replace a file at once, so that no program ever reads half of it."""
    from elasticluster.engine.files import write_private

    try:
        write_private(path, text.encode())
    except StateError as error:
        raise StateError(error.message, hint="Name another file with `--output`.") from error
