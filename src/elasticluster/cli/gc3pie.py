"""``elasticluster gc3pie-config``: sections for the configuration file of GC3Pie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.gc3pie_facts import ASK, Access, Facts, ini, read_facts, sections
from elasticluster.exceptions import ReadinessError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster, Node

_SECTION = r"^\[(.+)\]"  # as Python's configparser finds them, so GC3Pie
_PATIENCE = 60  # seconds that the frontend's scheduler may take to answer


class GC3PieConfig(AbstractCommand):
    """Print sections for the configuration file of GC3Pie."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "gc3pie-config",
            help="Print sections for the configuration file of GC3Pie.",
            description="Ask the frontend for its scheduler and nodes, and print the sections [auth/…] and "
            "[resource/…] by which GC3Pie runs jobs on the cluster.",
            epilog="example: elasticluster gc3pie-config slurm --append ~/.gc3/gc3pie.conf",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a started cluster.")
        parser.add_argument("-a", "--append", metavar="FILE", help="Append them to a file instead.")

    def execute(self) -> int:
        """Ask the frontend, then print or append."""
        cluster = self.load(self.params.cluster)
        text = snippet(cluster)
        if warning := untold(cluster, self.line("ssh-config", cluster.name)):
            say(f"WARNING: {warning}")
        if self.params.append:
            path = Path(self.params.append).expanduser()
            append(path, text)
            say(f"Sections for cluster `{cluster.name}` were appended to {path}")
        else:
            print(text, end="")
        return 0


def untold(cluster: Cluster, to_write: str) -> str:
    """Return what the sections cannot say of the way to the frontend; empty if it is reached directly.

    Args:
        cluster: the cluster.
        to_write: command line that prints a configuration of OpenSSH.
    """
    if cluster.record.login.proxy_command:
        return (
            "GC3Pie is not told the cluster's proxy command. If the frontend is reached only by "
            "that, let `ssh_config` in the section [auth/…] name a file with that ProxyCommand."
        )
    target = cluster.get_ssh_to_node().ssh_target()
    if target.via is None:
        return ""
    return (
        f"GC3Pie is not told that {target.name} is reached through {target.via.name}. Let `ssh_config` "
        f"in the section [auth/…] name a file that holds what `{to_write}` prints."
    )


def snippet(cluster: Cluster) -> str:
    """Return GC3Pie's sections for a cluster.

    Raises:
        ReadinessError: the frontend cannot be asked, or knows no node that executes jobs.
        UnsupportedError: it has no scheduler that GC3Pie knows.
    """
    node = cluster.get_ssh_to_node()
    facts = _ask(cluster, node)
    if not facts.scheduler:
        raise UnsupportedError(
            f"There is neither Slurm nor Grid Engine on {node.name} of cluster `{cluster.name}`.",
            hint="`ssh_to` in the template says which node is asked.",
        )
    if not facts.workers:
        raise ReadinessError(f"No node of cluster `{cluster.name}` executes jobs now.")
    target = node.ssh_target()
    access = Access(user=target.user, host=target.host, port=target.port, key_path=target.key_path)
    return ini(sections(cluster.name, facts, access))


def _ask(cluster: Cluster, node: Node) -> Facts:
    client = node.connect()
    if client is None:
        raise ReadinessError(
            f"Cannot log in to {node.name} of cluster `{cluster.name}`.",
            hint=f"`elasticluster ssh {cluster.name}` says why.",
        )
    with client:
        _, output, errors = client.exec_command(ASK, timeout=_PATIENCE)
        try:
            told, status = output.read().decode("utf-8", "replace"), output.channel.recv_exit_status()
        except OSError as exc:  # the time is up, or the connection is lost
            raise ReadinessError(f"{node.name} of cluster `{cluster.name}` does not answer.") from exc
        if status:
            reason = errors.read().decode("utf-8", "replace").strip()
            raise ReadinessError(f"{node.name} of cluster `{cluster.name}` cannot tell its nodes: {reason}")
    return read_facts(told)


def append(path: Path, text: str) -> None:
    """Append sections to a file, unless it has them.

    Raises:
        UsageError: it has them, or cannot be written.
    """
    names = re.findall(_SECTION, text, re.MULTILINE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8", errors="surrogateescape") as file:
            file.seek(0)
            before = file.read()
            for name in names:
                if name in re.findall(_SECTION, before, re.MULTILINE):
                    raise UsageError(
                        f"{path} has a section [{name}] already.",
                        hint="Remove what it says of this cluster first.",
                    )
            file.write(f"\n{text}" if before else text)
    except OSError as exc:
        raise UsageError(f"Cannot write {path}: {exc.strerror}.") from exc
