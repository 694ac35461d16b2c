"""What a cluster is and how it is read; what it does is in :mod:`._cluster`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.cluster._node import Node
from elasticluster.exceptions import ConfigurationError, NodeNotFound
from elasticluster.model import ClusterRecord, ComponentRef

if TYPE_CHECKING:
    from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider

_SHOWN = (
    "name",
    "template",
    "ssh_to",
    "start_timeout",
    "ssh_probe_timeout",
    "ssh_proxy_command",
    "thread_pool_max_size",
    "availability_zone",
    "user_key_name",
    "user_key_public",
    "user_key_private",
    "extra",
    "nodes",
)

_SSH_TO_RULE = ("ssh", "login", "frontend", "master")


class ClusterView:
    """Everything that can be read from a cluster without changing or asking anything.

    Attributes:
        nodes: for each kind, the list of its nodes.
    """

    nodes: dict[str, list[Node]]
    _base: ClusterRecord
    _cloud_provider: AbstractCloudProvider | None = None
    _setup_provider: AbstractSetupProvider | None = None

    # -- what it is ------------------------------------------------------------------------------

    @property
    def record(self) -> ClusterRecord:
        """Everything known of the cluster, as an immutable value."""
        nodes = tuple(node.record for nodes in self.nodes.values() for node in nodes)
        return replace(self._base, kinds=tuple(self.nodes), nodes=nodes)

    @property
    def name(self) -> str:
        """Unique name."""
        return self._base.name

    @property
    def uuid(self) -> str:
        """Identity, in every tag and label of what is made for the cluster."""
        return self._base.uuid

    @property
    def template(self) -> str:
        """Name of the configuration section it was made from; its own name if there is none."""
        return self._base.template

    @property
    def ssh_to(self) -> str:
        """Kind or name of the node to log in to; empty: found by rule."""
        return self._base.ssh_to

    @property
    def start_timeout(self) -> float:
        """Seconds that all machines may take to run, and again to answer SSH."""
        return self._base.start_timeout

    @property
    def extra(self) -> dict[str, Any]:
        """What was given beyond the documented arguments."""
        return dict(self._base.extra)

    @property
    def cloud_provider(self) -> AbstractCloudProvider:
        """Access to the cloud; made from the stored description on first use."""
        if self._cloud_provider is None:
            self._require(self._base.cloud, "cloud provider")
            from elasticluster.providers.registry import cloud_provider

            self._cloud_provider = cloud_provider(self._base.cloud)
        return self._cloud_provider

    @property
    def setup_provider(self) -> AbstractSetupProvider:
        """Configures the nodes; made from the stored description on first use."""
        if self._setup_provider is None:
            self._require(self._base.setup, "setup provider")
            from elasticluster.providers.registry import setup_provider

            self._setup_provider = setup_provider(self._base.setup)
        return self._setup_provider

    @property
    def can_be_set_up(self) -> bool:
        """Whether the cluster has a setup provider."""
        return self._setup_provider is not None or bool(self._base.setup.type)

    def _require(self, component: ComponentRef, what: str) -> None:
        if not component.type:
            argument = what.replace(" ", "_")
            raise ConfigurationError(
                f"Cluster '{self.name}' has no {what}.",
                hint=f"Give one as `{argument}` when you make the cluster, or write its template "
                f"`[cluster/{self.template}]` into the configuration.",
            )

    def get_all_nodes(self) -> list[Node]:
        """Return all nodes, of whatever kind."""
        return [node for nodes in self.nodes.values() for node in nodes]

    def get_node_by_name(self, nodename: str) -> Node:
        """Return the node of that name.

        Raises:
            NodeNotFound: there is none.
        """
        for node in self.get_all_nodes():
            if node.name == nodename:
                return node
        names = ", ".join(node.name for node in self.get_all_nodes()) or "none"
        raise NodeNotFound(f"Cluster '{self.name}' has no node '{nodename}'.", hint=f"Its nodes: {names}.")

    def get_ssh_to_node(self, ssh_to: str | None = None) -> Node:
        """Return the node to log in to.

        It is the node, or the first node of the kind, that `ssh_to` names, else the cluster's own
        ``ssh_to``; else the first node of the first kind among ssh, login, frontend and master that has
        one; else the first node of the first kind in alphabetical order.

        A kind of which there are no nodes at the moment is passed over.

        Raises:
            NodeNotFound: there is no such node.
        """
        wanted = ssh_to or self.ssh_to
        if wanted and wanted not in self.nodes:
            return self.get_node_by_name(wanted)
        for kind in (wanted, *_SSH_TO_RULE, *sorted(self.nodes)):
            if self.nodes.get(kind):
                return self.nodes[kind][0]
        raise NodeNotFound(f"Cluster '{self.name}' has no nodes to log in to.")

    get_frontend_node = get_ssh_to_node

    # -- reading it like a dictionary --------------------------------------------------------------

    def keys(self) -> list[str]:
        """Return the names of what :meth:`to_dict` shows."""
        return list(_SHOWN)

    def __getitem__(self, key: str) -> Any:
        if key in _SHOWN:
            return self.to_dict()[key]
        return self.extra[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def to_dict(self, omit: Collection[str] = ()) -> dict[str, Any]:
        """Return a copy as a dictionary, without the keys in `omit`; secrets are never in it."""
        record, extra = self.record, self.extra
        shown = {
            "name": record.name,
            "template": record.template,
            "ssh_to": record.ssh_to,
            "start_timeout": record.start_timeout,
            "ssh_probe_timeout": record.login.probe_timeout,
            "ssh_proxy_command": record.login.proxy_command,
            "thread_pool_max_size": extra.pop("thread_pool_max_size", 10),
            "availability_zone": extra.pop("availability_zone", ""),
            "user_key_name": record.login.user_key_name,
            "user_key_public": record.login.user_key_public,
            "user_key_private": record.login.user_key_private,
            "extra": extra,
            "nodes": {kind: [node.to_dict() for node in nodes] for kind, nodes in self.nodes.items()},
        }
        return {key: value for key, value in shown.items() if key not in omit}

    def to_vars_dict(self) -> dict[str, Any]:
        """Return what playbooks are told about the cluster."""
        shown = self.to_dict(omit=("nodes", "user_key_public", "user_key_private"))
        return shown | {"nodes": {node.name: node.to_vars_dict() for node in self.get_all_nodes()}}

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(nodes)} {kind}" for kind, nodes in self.nodes.items())
        return f"<Cluster {self.name}: {counts or 'no nodes'}>"
