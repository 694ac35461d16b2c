"""How each node is reached: where, as whom, and through which other node.

A node that has no public address, in a cluster in which another one has, is reached through that one: its
gateway. Where no node has a public address, whoever runs this is inside of the network, and goes directly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from elasticluster.model import ClusterRecord, KeyPair, NodeRecord, NodeState, SshTarget

_LOGIN_KINDS = ("ssh", "login", "frontend", "master")
_OUT_OF_USE = (NodeState.DOWN, NodeState.PAUSED, NodeState.LEAVING)


def login_node(cluster: ClusterRecord, kind_or_name: str = "") -> NodeRecord | None:
    """Return the node that users log in to; None if there is none.

    It is the node, or the first node of the kind, of that name; else the first node of the first kind among
    ssh, login, frontend and master that has one; else the first node of the first kind in alphabetical
    order. A kind of which there are no nodes at the moment is passed over.

    Args:
        cluster: the cluster.
        kind_or_name: what the user asks for; empty: the cluster's ``ssh_to``.
    """
    first: dict[str, NodeRecord] = {}
    for node in cluster.nodes:
        first.setdefault(node.kind, node)
    wanted = kind_or_name or cluster.ssh_to
    if wanted and wanted not in first and wanted not in cluster.kinds:
        return cluster.node(wanted)
    kinds = (wanted, *_LOGIN_KINDS, *sorted(first))
    return next((first[kind] for kind in kinds if kind in first), None)


def gateway(cluster: ClusterRecord) -> NodeRecord | None:
    """Return the node through which those without a public address are reached; None: they are directly.

    It is the node that users log in to, if that has a public address, else the first that has one. One that
    is down, paused or about to leave only serves where there is no other. A proxy command that the user has
    given reaches every node by itself.
    """
    if cluster.login.proxy_command:
        return None
    login = login_node(cluster)
    public = [node for node in (login, *cluster.nodes) if node is not None and node.public_ip]
    in_use = (node for node in public if node.state not in _OUT_OF_USE)
    return next(in_use, public[0] if public else None)


def targets_of(cluster: ClusterRecord, nodes: Iterable[NodeRecord], key: KeyPair) -> list[SshTarget]:
    """Return where and how to log in to some nodes that have an address.

    Args:
        cluster: their cluster, as it is now.
        nodes: the nodes.
        key: key pair to log in with.
    """
    nodes = list(nodes)
    entrance = None if all(node.public_ip for node in nodes) else gateway(cluster)
    via = _directly(cluster, entrance, key) if entrance else None
    return [replace(_directly(cluster, node, key), via=None if node.public_ip else via) for node in nodes]


def target_of(cluster: ClusterRecord, node: NodeRecord, key: KeyPair) -> SshTarget:
    """Return where and how to log in to a node that has an address."""
    return targets_of(cluster, [node], key)[0]


def _directly(cluster: ClusterRecord, node: NodeRecord, key: KeyPair) -> SshTarget:
    return SshTarget(
        name=node.name,
        host=node.address or "",
        port=node.ssh_port,
        user=node.spec.image_user,
        key_path=key.identity,
        public_key_path=key.public_path,
        host_keys=node.host_keys,
        proxy_command=cluster.login.proxy_command,
        timeout=cluster.login.probe_timeout,
    )
