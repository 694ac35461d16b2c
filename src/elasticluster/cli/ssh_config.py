"""``elasticluster ssh-config``: let OpenSSH's programs, and what builds on them, get into the nodes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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
    from elasticluster.cluster import Cluster
    from elasticluster.model import SshTarget

_MARK = "# Written by `elasticluster ssh-config`: the whole file is replaced the next time."
"""First line, by which a file is known that may be replaced."""


@dataclass(frozen=True)
class _Host:
    """A node, and what it is to be called."""

    target: SshTarget
    known_hosts: str
    names: tuple[str, ...]


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
        parser.add_argument(
            "--overwrite", action="store_true", help="Replace the file, whatever has written it."
        )

    def pre_run(self) -> None:
        """Make sure that it is clear which clusters are meant."""
        if self.params.all == bool(self.params.clusters):
            raise UsageError("`ssh-config` needs the name of a cluster, or `--all`.")

    def execute(self) -> int:
        """Print, or write, the blocks of all nodes that have an address."""
        hosts = [host for cluster in self._clusters() for host in self._hosts(cluster)]
        found = "\n".join([f"{_MARK}\n", *_blocks(hosts)])
        if self.params.output in (None, "-"):
            print(found, end="", flush=True)
        else:
            _write(Path(self.params.output).expanduser(), found, overwrite=self.params.overwrite)
        return 0

    def _clusters(self) -> Iterator[Cluster]:
        """Load the clusters; of all, one that is of no use is named and keeps none from view."""
        if not self.params.all:
            yield from map(self.load, dict.fromkeys(self.params.clusters))
            return
        for name in self.creator.create_repository().names():
            try:
                yield self.load(name)
            except ElastiClusterError as error:
                say(f"WARNING: {error}")

    def _hosts(self, cluster: Cluster) -> list[_Host]:
        if self.params.update:
            cluster.update()
        try:
            hosts = self._reachable(cluster)
        except KeypairError as error:
            if not self.params.all:
                raise
            say(f"WARNING: {error}")
            return []
        missing = [node.name for node in cluster.get_all_nodes() if not node.preferred_ip]
        if not hosts and not self.params.all:
            raise ReadinessError(
                f"Cluster '{cluster.name}' has no node whose address is known.",
                hint=f"Bring it up with: {self.bring_up(cluster.record)}",
            )
        if missing:
            say(f"WARNING: Cluster '{cluster.name}': no address is known of {', '.join(missing)}.")
        return hosts

    def _reachable(self, cluster: Cluster) -> list[_Host]:
        """Return the nodes whose address is known; the key pair is looked at once for all of them."""
        from elasticluster.engine.reach import targets_of

        nodes = [node for node in cluster.record.nodes if node.address]
        if not nodes:
            return []
        known_hosts = str(Path(cluster.known_hosts_file).absolute())
        frontend = frontend_name(cluster)
        targets = targets_of(cluster.record, nodes, cluster.key_pair())
        return [
            _Host(_absolute(target), known_hosts, self._names(cluster.name, target.name, frontend))
            for target in targets
        ]

    def _names(self, cluster: str, node: str, frontend: str) -> tuple[str, ...]:
        names = [f"{cluster}-{node}"]
        if node == frontend:
            names.insert(0, cluster)
        if self.params.bare and node not in names:
            names.append(node)
        return tuple(names)


def _absolute(target: SshTarget) -> SshTarget:
    """Return a target, and its gateway, with a path of the key that is the same wherever it is used."""
    key_path = str(Path(target.key_path).absolute()) if target.key_path else ""
    return replace(target, key_path=key_path, via=target.via and _absolute(target.via))


def _blocks(hosts: Iterable[_Host]) -> Iterator[str]:
    """Return the blocks; OpenSSH would take the first of several nodes of a name, so none gets it."""
    from elasticluster.ssh.client import config_block

    hosts = list(hosts)
    counts = Counter(name for host in hosts for name in host.names)
    several = sorted(name for name, count in counts.items() if count > 1)
    if several:
        say(f"WARNING: These would be names of several nodes, and are left out: {', '.join(several)}.")
    for host in hosts:
        names = [name for name in host.names if counts[name] == 1]
        if names:
            yield config_block(host.target, host.known_hosts, names)


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    """Replace a file at once, so that no program ever reads half of it; a pipe or device is written to.

    Raises:
        UsageError: the file is none of ours.
        StateError: it cannot be written.
    """
    from elasticluster.engine.files import file_errors, write_private

    path = Path(os.path.realpath(path))  # a symbolic link stays one
    try:
        with file_errors("write", path):
            if path.exists() and not path.is_file():
                path.write_text(text, encoding="utf-8")
                return
            if not (overwrite or _is_ours(path)):
                raise UsageError(
                    f"{path} exists, and was not written by `ssh-config`.",
                    hint="Name another file with `--output`, or replace this one with `--overwrite`.",
                )
        write_private(path, text.encode())
    except StateError as error:
        raise StateError(error.message, hint="Name another file with `--output`.") from error


def _is_ours(path: Path) -> bool:
    """Return whether there is nothing to be lost in a file, or there is none."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(len(_MARK)) in (b"", os.fsencode(_MARK))
