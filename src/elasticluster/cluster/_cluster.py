"""A cluster, as users of the Python API see it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from elasticluster.cluster._arguments import (
    DEFAULT_KEY_NAME,
    DEFAULT_KEYS,
    existing_keys,
    in_either_order,
    seconds_of,
    start_failure_of,
)
from elasticluster.cluster._life import LivingCluster
from elasticluster.cluster._node import Node
from elasticluster.cluster._sightings import Sightings
from elasticluster.cluster._view import component
from elasticluster.engine.events import ignore
from elasticluster.engine.resize import ShrinkOptions
from elasticluster.exceptions import NodeNotFound
from elasticluster.model import ClusterRecord, ComponentRef, Login, NodeRecord, NodeSpec
from elasticluster.naming import NodeNamingPolicy, check_cluster_name, check_kind, check_node_name, new_uuid

if TYPE_CHECKING:
    from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider
    from elasticluster.repository import AbstractClusterRepository


class Cluster(LivingCluster):
    """A cluster: add nodes, start them, configure them, use them, stop them.

    Two orders of arguments are understood: the one below, and that of 2016, ``Cluster(name,
    cloud_provider, setup_provider, user_key_name, user_key_public, user_key_private, repository=None)``.
    Either may be mixed with keywords. They are told by the second argument: a text, or not.

    Args:
        name: unique name of the cluster.
        user_key_name: name of the SSH key pair on the cloud.
        user_key_public: path of the public key. Where the default files do not exist, a key pair is
            made for the cluster.
        user_key_private: path of the private key.
        cloud_provider: access to the cloud.
        setup_provider: configures the nodes.
        availability_zone: where in the cloud; empty: the cloud decides.
        repository: where the cluster is remembered; in memory if None.
        start_timeout: seconds that all machines may take to run, and again to answer SSH. Nodes that
            take longer are marked as down; see also `start_failure`.
        ssh_probe_timeout: seconds that one SSH attempt may take.
        ssh_proxy_command: ``ssh -o ProxyCommand``.
        thread_pool_max_size: kept for old programs, without effect; see :meth:`start`.
        **extra: kept with the cluster. ``template``, ``ssh_to`` and ``start_failure`` (``keep`` or ``stop``:
            what becomes of machines made by a :meth:`start` that fails) have a meaning.

    Attributes:
        nodes: for each kind, the list of its nodes.
        report: how the last :meth:`start` or :meth:`setup` of this object ended; None before.
        listener: called with what happens meanwhile (:mod:`elasticluster.engine.events`).

    Raises:
        ConfigurationError: no cluster can be called that, `start_failure` is neither, or a number of seconds
            is none.
    """

    @overload
    def __init__(
        self,
        name: str,
        user_key_name: str = ...,
        user_key_public: str = ...,
        user_key_private: str = ...,
        cloud_provider: AbstractCloudProvider | None = ...,
        setup_provider: AbstractSetupProvider | None = ...,
        availability_zone: str = ...,
        repository: AbstractClusterRepository | None = ...,
        start_timeout: float = ...,
        ssh_probe_timeout: float = ...,
        ssh_proxy_command: str = ...,
        thread_pool_max_size: int = ...,
        **extra: Any,
    ) -> None: ...

    @overload
    def __init__(
        self,
        name: str,
        cloud_provider: AbstractCloudProvider | None,
        setup_provider: AbstractSetupProvider | None = ...,
        user_key_name: str = ...,
        user_key_public: str = ...,
        user_key_private: str = ...,
        repository: AbstractClusterRepository | None = ...,
        **extra: Any,
    ) -> None: ...

    @in_either_order
    def __init__(
        self,
        name: str,
        user_key_name: str = DEFAULT_KEY_NAME,
        user_key_public: str = DEFAULT_KEYS[0],
        user_key_private: str = DEFAULT_KEYS[1],
        cloud_provider: AbstractCloudProvider | None = None,
        setup_provider: AbstractSetupProvider | None = None,
        availability_zone: str = "",
        repository: AbstractClusterRepository | None = None,
        start_timeout: float = 600,
        ssh_probe_timeout: float = 5,
        ssh_proxy_command: str = "",
        thread_pool_max_size: int = 10,
        **extra: Any,
    ) -> None:
        public, private = existing_keys(user_key_public, user_key_private)
        record = ClusterRecord(
            uuid=new_uuid(),
            name=check_cluster_name(name),
            template=extra.pop("template", name),
            created=time.time(),
            cloud=component(cloud_provider),
            setup=component(setup_provider),
            login=Login(
                user_key_name=user_key_name,
                user_key_public=public,
                user_key_private=private,
                proxy_command=ssh_proxy_command,
                probe_timeout=seconds_of("ssh_probe_timeout", ssh_probe_timeout),
            ),
            ssh_to=extra.pop("ssh_to", None) or "",
            start_timeout=seconds_of("start_timeout", self._chosen_timeout(start_timeout)),
            start_failure=start_failure_of(extra.pop("start_failure", "keep")),
            extra={
                **extra,
                "availability_zone": availability_zone,
                "thread_pool_max_size": thread_pool_max_size,
            },
        )
        self._begin(record, repository)
        self._cloud_provider = cloud_provider
        self._setup_provider = setup_provider

    @classmethod
    def from_record(cls, record: ClusterRecord, repository: AbstractClusterRepository) -> Cluster:
        """Return the cluster that a repository has remembered as `record`; providers are made on use."""
        cluster = cls.__new__(cls)
        cluster._begin(record, repository)
        cluster._stored = record
        return cluster

    def _begin(self, record: ClusterRecord, repository: AbstractClusterRepository | None) -> None:
        if repository is None:
            from elasticluster.repository import MemRepository

            repository = MemRepository()
        self.repository = repository
        self.listener = ignore
        self._sightings = Sightings(self)
        self.report = None
        self.nodes = {kind: [] for kind in record.kinds}
        self._base = record
        self._stored: ClusterRecord | None = None
        self._adopt(record)

    # -- nodes -----------------------------------------------------------------------------------

    def add_node(
        self,
        kind: str,
        image_id: str,
        image_user: str,
        flavor: str,
        security_group: str,
        image_userdata: str = "",
        name: str | None = None,
        **extra: Any,
    ) -> Node:
        """Add a node; nothing is started.

        Args:
            kind: kind of node: letters, digits and hyphens, not ending in a digit.
            image_id: image to boot.
            image_user: user to log in as.
            flavor: size.
            security_group: firewall rules.
            image_userdata: shell script run once as root after boot.
            name: name of the node; the next free one of its kind if None.
            **extra: further provider-specific keys.

        Returns:
            the new node.

        Raises:
            ValueError: `kind` or `name` cannot be (part of) a host name, or a node is called that already.
        """
        spec = NodeSpec(
            kind=check_kind(kind),
            image_id=image_id,
            image_user=image_user,
            flavor=flavor,
            security_group=security_group,
            image_userdata=image_userdata,
            extra=extra,
        )
        self._add(spec, name or self._naming(kind).new(kind))
        return self.nodes[kind][-1]

    def add_nodes(
        self,
        kind: str,
        num: int,
        image_id: str,
        image_user: str,
        flavor: str,
        security_group: str,
        image_userdata: str = "",
        **extra: Any,
    ) -> None:
        """Add `num` nodes of a kind; see :meth:`add_node`.

        Raises:
            ValueError: as there, or `num` is negative.
        """
        spec = NodeSpec(
            kind=check_kind(kind),
            image_id=image_id,
            image_user=image_user,
            flavor=flavor,
            security_group=security_group,
            image_userdata=image_userdata,
            extra=extra,
        )
        self.add_specified(spec, num)

    def _add(self, spec: NodeSpec, *names: str) -> None:
        taken = {node.name for node in self.get_all_nodes()}
        for name in map(str.lower, names):  # host names do not tell upper from lower case
            if name in taken:
                raise ValueError(f"cluster '{self.name}' has a node called '{name}' already")
            check_node_name(name)
            self.nodes.setdefault(spec.kind, []).append(Node.of(self, NodeRecord(name=name, spec=spec)))

    def add_specified(self, spec: NodeSpec, count: int, min_count: int | None = None) -> list[str]:
        """Add `count` nodes made of `spec`, of which `min_count` are enough; return their names."""
        if count < 0:
            raise ValueError(f"expected a number of nodes to add, not {count}")
        naming = self._naming(spec.kind)
        names = [naming.new(spec.kind).lower() for _ in range(count)]
        self._add(spec, *names)
        if min_count is not None:
            self._base = replace(self._base, min_nodes={**self._base.min_nodes, spec.kind: min_count})
        return names

    def describe(
        self, *, cloud: ComponentRef, setup: ComponentRef, login: Login, access: ComponentRef | None = None
    ) -> None:
        """Say which providers and login this cluster uses, as read from a configuration.

        Args:
            cloud: the cloud provider, as it is to be stored.
            setup: the setup provider.
            login: how to get into the nodes.
            access: the cloud provider with the secrets that are not stored; `cloud` if None.
        """
        self._base = replace(self._base, cloud=cloud, setup=setup, login=login)
        self._cloud_access = access

    def _naming(self, kind: str) -> NodeNamingPolicy:
        naming = NodeNamingPolicy()
        for node in self.get_all_nodes():  # a node of another kind may have been given such a name
            with contextlib.suppress(ValueError):
                if naming.parse(node.name)["kind"] == kind.lower():
                    naming.use(kind, node.name)
        return naming

    def remove_node(self, node: Node, stop: bool = False) -> None:  # noqa: FBT001, FBT002 - documented
        """Remove a node from the cluster; its machine goes on running unless `stop`.

        The cluster's services are not told; :meth:`shrink` does that first.

        Raises:
            NodeNotFound: it is none of this cluster's nodes (any more).
        """
        if node not in self.nodes.get(node.kind, []):
            raise NodeNotFound(f"{node.name} is no node of cluster '{self.name}'.")
        with self._locked():
            if stop and node.instance_id:
                self.shrink([node.name], ShrinkOptions(configure=False))
            if node in self.nodes[node.kind]:
                self._adopt(self.record.without([node.name]))
                if self._stored:
                    self.repository.save_or_update(self)
