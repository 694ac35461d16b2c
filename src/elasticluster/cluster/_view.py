"""What a cluster is and how it is read; what it does is in :mod:`._cluster`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from elasticluster.cluster._arguments import seconds_of
from elasticluster.cluster._dictionary import DictionaryStyle
from elasticluster.cluster._node import Node
from elasticluster.config.masking import public
from elasticluster.engine.account import ACCOUNT
from elasticluster.engine.reach import login_node
from elasticluster.exceptions import ConfigurationError, NodeNotFound
from elasticluster.model import ClusterRecord, ComponentRef, NodeState

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

_DEFAULT_TIMEOUT = 600
_OWN_EXTRA = {"availability_zone": "", "thread_pool_max_size": 10}
"""Attributes that are kept with what is further known of a cluster, and their defaults."""


class _StartupTimeout:
    """``startup_timeout`` of 2016: of a cluster its ``start_timeout``, of the class the usual one."""

    def __get__(self, cluster: ClusterView | None, owner: type[ClusterView]) -> float:
        return _DEFAULT_TIMEOUT if cluster is None else cluster.start_timeout

    def __set__(self, cluster: ClusterView, seconds: float) -> None:
        cluster.start_timeout = seconds


class ClusterView(DictionaryStyle):
    """Everything that can be read from a cluster without changing or asking anything.

    Attributes:
        nodes: for each kind, the list of its nodes.
    """

    startup_timeout = _StartupTimeout()
    """The name of :attr:`start_timeout` in 2016. A subclass may set it for all of its clusters."""

    nodes: dict[str, list[Node]]
    _base: ClusterRecord
    _cloud_access: ComponentRef | None = None
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

    @ssh_to.setter
    def ssh_to(self, kind_or_name: str) -> None:
        self._base = replace(self._base, ssh_to=kind_or_name)

    @property
    def start_timeout(self) -> float:
        """Seconds that all machines may take to run, and again to answer SSH."""
        return self._base.start_timeout

    @start_timeout.setter
    def start_timeout(self, seconds: float) -> None:
        self._base = replace(self._base, start_timeout=seconds_of("start_timeout", seconds))

    @property
    def start_failure(self) -> str:
        """What becomes of machines made by a start that fails: ``keep`` or ``stop``."""
        return self._base.start_failure

    @property
    def ssh_probe_timeout(self) -> float:
        """Seconds that one SSH attempt may take."""
        return self._base.login.probe_timeout

    @ssh_probe_timeout.setter
    def ssh_probe_timeout(self, seconds: float) -> None:
        seconds = seconds_of("ssh_probe_timeout", seconds)
        self._base = replace(self._base, login=replace(self._base.login, probe_timeout=seconds))

    @property
    def ssh_proxy_command(self) -> str:
        """``ssh -o ProxyCommand``; empty for none."""
        return self._base.login.proxy_command

    @ssh_proxy_command.setter
    def ssh_proxy_command(self, command: str) -> None:
        self._base = replace(self._base, login=replace(self._base.login, proxy_command=command))

    @property
    def thread_pool_max_size(self) -> int:
        """Kept for old programs, without effect."""
        return int(self._own_extra("thread_pool_max_size"))

    @property
    def availability_zone(self) -> str:
        """Where in the cloud; empty: the cloud decides."""
        return str(self._own_extra("availability_zone"))

    @property
    def user_key_name(self) -> str:
        """Name of the key pair on the cloud."""
        return self._base.login.user_key_name

    @property
    def user_key_public(self) -> str:
        """Path of the public key; empty if the cluster has a key pair of its own."""
        return self._base.login.user_key_public

    @property
    def user_key_private(self) -> str:
        """Path of the private key; empty if the cluster has a key pair of its own, or an SSH agent has it."""
        return self._base.login.user_key_private

    @property
    def extra(self) -> Mapping[str, Any]:
        """What was given beyond the documented arguments; cannot be changed."""
        own = {*_OWN_EXTRA, ACCOUNT}
        return MappingProxyType({k: value for k, value in self._base.extra.items() if k not in own})

    @property
    def paused_nodes(self) -> dict[str, dict[str, str | None]]:
        """For each paused node, by name, the info needed to start it again."""
        paused = (node for node in self.get_all_nodes() if node.record.state is NodeState.PAUSED)
        return {node.name: {"instance_id": node.instance_id} for node in paused}

    @property
    def cloud_provider(self) -> AbstractCloudProvider:
        """Access to the cloud; made from the stored description on first use.

        Raises:
            ConfigurationError: there is none, or it cannot be made.
            CredentialsError: a secret that is not stored with the cluster is not to be had.
        """
        if self._cloud_provider is None:
            self._require(self._base.cloud, "cloud provider")
            from elasticluster.providers.registry import cloud_provider

            self._cloud_provider = cloud_provider(self.cloud_access)
        return self._cloud_provider

    @cloud_provider.setter
    def cloud_provider(self, provider: AbstractCloudProvider) -> None:
        self._base = replace(self._base, cloud=component(provider))
        self._cloud_access = None
        self._cloud_provider = provider

    @property
    def cloud_access(self) -> ComponentRef:
        """How to make the cloud provider, with the secrets that are not stored, as far as they are known."""
        return self._cloud_access or self._base.cloud

    @property
    def setup_provider(self) -> AbstractSetupProvider:
        """Configures the nodes; made from the stored description on first use."""
        if self._setup_provider is None:
            self._require(self._base.setup, "setup provider")
            from elasticluster.providers.registry import setup_provider

            self._setup_provider = setup_provider(self._base.setup)
        return self._setup_provider

    @setup_provider.setter
    def setup_provider(self, provider: AbstractSetupProvider) -> None:
        self._base = replace(self._base, setup=component(provider))
        self._setup_provider = provider

    @property
    def can_be_set_up(self) -> bool:
        """Whether the cluster has a setup provider."""
        return self._setup_provider is not None or bool(self._base.setup.type)

    @classmethod
    def _chosen_timeout(cls, start_timeout: float) -> float:
        """Return the seconds asked for: by argument, else by the attribute of the class."""
        return cls.startup_timeout if start_timeout == _DEFAULT_TIMEOUT else start_timeout

    def _own_extra(self, key: str) -> Any:
        return self._base.extra.get(key, _OWN_EXTRA[key])

    def _require(self, wanted: ComponentRef, what: str) -> None:
        if not wanted.type:
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
        found = login_node(self.record, wanted)
        if found is None:
            raise NodeNotFound(f"Cluster '{self.name}' has no nodes to log in to.")
        return self.get_node_by_name(found.name)

    get_frontend_node = get_ssh_to_node

    # -- reading it like a dictionary --------------------------------------------------------------

    def keys(self) -> list[str]:
        """Return the names of what :meth:`to_dict` shows."""
        return list(_SHOWN)

    def __getitem__(self, key: str) -> Any:
        if key == "nodes":
            return {kind: [node.to_dict() for node in nodes] for kind, nodes in self.nodes.items()}
        if key == "extra":
            return public(self.extra)
        return getattr(self, key) if key in _SHOWN else self.extra[key]

    def to_vars_dict(self) -> dict[str, Any]:
        """Return what playbooks are told about the cluster."""
        shown = self.to_dict(omit=("nodes", "user_key_public", "user_key_private"))
        return shown | {"nodes": {node.name: node.to_vars_dict() for node in self.get_all_nodes()}}

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(nodes)} {kind}" for kind, nodes in self.nodes.items())
        return f"<Cluster {self.name}: {counts or 'no nodes'}>"


def component(provider: AbstractCloudProvider | AbstractSetupProvider | None) -> ComponentRef:
    """Describe a provider so that it can be made again in another process; none has an empty type."""
    from elasticluster.providers.registry import ref_of

    return ComponentRef(type="") if provider is None else ref_of(provider)
