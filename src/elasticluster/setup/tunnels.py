"""Connections to the gateway that Ansible's connections to the nodes behind it go through.

sshd drops connections at random when many begin at the same time (``MaxStartups`` in sshd_config(5)), and
each of Ansible's forks would begin one. So a few are opened before Ansible starts, one after another, and all
forks share them.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from elasticluster.engine.children import child
from elasticluster.engine.openssh import UNATTENDED, connection_options, destination, quoted
from elasticluster.engine.ports import SetupJob
from elasticluster.engine.reach import targets_of
from elasticluster.model import SshTarget
from elasticluster.setup.inventory import nodes_at_hand

_NODES = 100
"""Nodes that share a connection: each costs the gateway one open file and us two, of 1024 as a rule."""

_MASTER = {"ControlMaster": "yes", "ControlPersist": "no", "ServerAliveInterval": "10"}
_PATIENCE = 20  # seconds for a connection
_INTERVAL = 0.05  # seconds between two looks


@contextlib.contextmanager
def tunnels(folder: Path, job: SetupJob, names: Collection[str]) -> Iterator[dict[str, str]]:
    """Keep connections to the gateway open, as many as are needed.

    One that cannot be had is no error: Ansible's own attempts then say what is wrong.

    Args:
        folder: where their sockets are; nobody else can look into it.
        job: the cluster and how to log in.
        names: the nodes that take part; empty: all.

    Yields:
        by the name of each node behind a gateway, the path of the socket of its connection.
    """
    nodes = [node for node in nodes_at_hand(job) if not names or node.name in names]
    behind = [target for target in targets_of(job.cluster, nodes, job.key) if target.via]
    sockets: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for number, start in enumerate(range(0, len(behind), _NODES)):
            socket = folder / f"gateway{number}"
            group = behind[start : start + _NODES]
            if stack.enter_context(_connection(socket, group[0].via, job)):
                sockets |= dict.fromkeys((target.name for target in group), str(socket))
        yield sockets


@contextlib.contextmanager
def _connection(socket: Path, gateway: SshTarget | None, job: SetupJob) -> Iterator[bool]:
    """Keep one connection to a gateway open, and its socket; yield whether there is one."""
    if gateway is None:
        yield False
        return
    own = {**_MASTER, "ControlPath": quoted(str(socket))}
    options = connection_options(gateway, job.known_hosts_path, {**UNATTENDED, **own})
    argv = ["ssh", "-N", *options, destination(gateway)]
    silent = subprocess.DEVNULL
    with child(argv, stdin=silent, stdout=silent, stderr=silent) as master:
        deadline = time.monotonic() + _PATIENCE
        while not socket.exists() and master.poll() is None and time.monotonic() < deadline:
            time.sleep(_INTERVAL)
        yield socket.exists()
