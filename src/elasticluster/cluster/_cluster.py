"""A cluster, as users of the Python API see it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.cluster._arguments import DEFAULT_KEY_NAME, DEFAULT_KEYS, existing_keys, in_one_order
from elasticluster.cluster._node import Node
from elasticluster.cluster._setup import SetupPort, clean_up
from elasticluster.cluster._view import ClusterView
from elasticluster.engine import execute
from elasticluster.engine import stop as ending
from elasticluster.engine.configure import StartOptions, setup_job
from elasticluster.engine.events import Listener, ignore
from elasticluster.engine.plan import StartPlan, StopPlan
from elasticluster.engine.run import Tools
from elasticluster.exceptions import (
    ClusterConflict,
    ClusterError,
    ClusterNotFound,
    ClusterSizeError,
    StateError,
)
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    KeyPair,
    Login,
    NodeRecord,
    NodeSpec,
    Report,
    Verdict,
)
from elasticluster.naming import NodeNamingPolicy, check_cluster_name, check_kind, check_node_name, new_uuid

if TYPE_CHECKING:
    from elasticluster.engine.ports import ClusterStore, SetupJob
    from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider
    from elasticluster.repository import AbstractClusterRepository

_DEFAULT_INTERVAL = 10


class Cluster(ClusterView):
    """A cluster: add nodes, start them, configure them, use them, stop them.

    Two orders of arguments are understood: the one below, and the older ``Cluster(name,
    cloud_provider, setup_provider, user_key_name, user_key_public, user_key_private, repository=None)``.

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
            take longer are marked as down.
        ssh_probe_timeout: seconds that one SSH attempt may take.
        ssh_proxy_command: ``ssh -o ProxyCommand``.
        thread_pool_max_size: kept for old programs, without effect; see :meth:`start`.
        **extra: kept with the cluster; ``template`` and ``ssh_to`` have a meaning.

    Attributes:
        nodes: for each kind, the list of its nodes.
        report: how the last :meth:`start` or :meth:`setup` of this object ended; None before.
        listener: called with what happens meanwhile (:mod:`elasticluster.engine.events`).

    Raises:
        ConfigurationError: no cluster can be called that.
    """

    polling_interval: float = _DEFAULT_INTERVAL
    """How often to ask a cloud for the state of nodes, in seconds; a provider may know better."""

    def __init__(
        self,
        name: str,
        user_key_name: str | AbstractCloudProvider = DEFAULT_KEY_NAME,
        user_key_public: str | AbstractSetupProvider = DEFAULT_KEYS[0],
        user_key_private: str = DEFAULT_KEYS[1],
        cloud_provider: AbstractCloudProvider | str | None = None,
        setup_provider: AbstractSetupProvider | str | None = None,
        availability_zone: str | AbstractClusterRepository = "",
        repository: AbstractClusterRepository | None = None,
        start_timeout: float = 600,
        ssh_probe_timeout: float = 5,
        ssh_proxy_command: str = "",
        thread_pool_max_size: int = 10,
        **extra: Any,
    ) -> None:
        arguments = (user_key_name, user_key_public, user_key_private, cloud_provider, setup_provider)
        key_name, public, private, cloud, setup = in_one_order(arguments)
        if not isinstance(availability_zone, str):  # the older order has the repository here
            repository, availability_zone = availability_zone, ""
        public, private = existing_keys(public, private)
        record = ClusterRecord(
            uuid=new_uuid(),
            name=check_cluster_name(name),
            template=extra.pop("template", name),
            created=time.time(),
            cloud=_ref(cloud),
            setup=_ref(setup),
            login=Login(
                user_key_name=key_name,
                user_key_public=public,
                user_key_private=private,
                proxy_command=ssh_proxy_command,
                probe_timeout=ssh_probe_timeout,
            ),
            ssh_to=extra.pop("ssh_to", None) or "",
            start_timeout=start_timeout,
            extra={
                **extra,
                "availability_zone": availability_zone,
                "thread_pool_max_size": thread_pool_max_size,
            },
        )
        self._begin(record, repository)
        self._cloud_provider = cloud
        self._setup_provider = setup

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
        self.listener: Listener = ignore
        self.report: Report | None = None
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
        """Add `num` nodes of a kind; see :meth:`add_node`."""
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

    def add_specified(self, spec: NodeSpec, count: int, min_count: int | None = None) -> None:
        """Add `count` nodes made of `spec`, of which `min_count` are enough to go on with."""
        naming = self._naming(spec.kind)
        self._add(spec, *(naming.new(spec.kind) for _ in range(count)))
        if min_count is not None:
            self._base = replace(self._base, min_nodes={**self._base.min_nodes, spec.kind: min_count})

    def describe(self, *, cloud: ComponentRef, setup: ComponentRef, login: Login) -> None:
        """Say which providers and login this cluster uses, as read from a configuration."""
        self._base = replace(self._base, cloud=cloud, setup=setup, login=login)

    def _naming(self, kind: str) -> NodeNamingPolicy:
        naming = NodeNamingPolicy()
        for node in self.get_all_nodes():  # a node of another kind may have been given such a name
            with contextlib.suppress(ValueError):
                if naming.parse(node.name)["kind"] == kind.lower():
                    naming.use(kind, node.name)
        return naming

    def remove_node(self, node: Node, stop: bool = False) -> None:  # noqa: FBT001, FBT002 - documented
        """Remove a node from the cluster; its machine goes on running unless `stop`."""
        with self._locked():
            if stop and node.instance_id:
                self._adopt(ending.destroy(self.record, self._tools(), [node.name]))
            self.nodes[node.kind].remove(node)
            if self._stored:
                self.repository.save_or_update(self)

    # -- life ------------------------------------------------------------------------------------

    def start(self, min_nodes: Mapping[str, int] | None = None, max_concurrent_requests: int = 0) -> None:
        """Make all machines and wait until each has let us in by SSH.

        Nodes that do not come up in time are marked as down; nothing is destroyed.

        Args:
            min_nodes: for each kind, the number of nodes to be content with; all of them if missing.
            max_concurrent_requests: create calls at the same time; 0: four for each processor, 1 or
                less: one machine after another.

        Raises:
            ClusterSizeError: fewer nodes than `min_nodes` came up.
            ElastiClusterError: nothing could be begun.
        """
        if min_nodes is not None:
            self._base = replace(self._base, min_nodes=dict(min_nodes))
        report = self.bring_up(StartOptions(configure=False, max_parallel=max_concurrent_requests))
        if report.verdict is Verdict.NOT_READY:
            raise ClusterSizeError(
                f"Cluster '{self.name}' is not ready: {report.error}.", hint=_reasons(report)
            )

    def bring_up(self, options: StartOptions) -> Report:
        """Start and, unless `options` say otherwise, configure; return one outcome a node."""
        with self._locked():
            return self._take(execute.start(self.record, self._tools(), options))

    def setup(self, extra_args: Sequence[str] = ()) -> bool:
        """Configure the nodes and check that they work. Safe to repeat.

        Args:
            extra_args: further arguments for the configuration tool.

        Returns:
            whether enough nodes are usable now; :attr:`report` says more.
        """
        report = self.configure(StartOptions(extra_args=tuple(extra_args)))
        return report.verdict is not Verdict.NOT_READY

    def configure(self, options: StartOptions) -> Report:
        """Configure the nodes and check that they work; return one outcome a node."""
        with self._locked():
            return self._take(execute.setup(self.record, self._tools(), options))

    def stop(self, force: bool = False, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - documented
        """Destroy all machines and what they shared, and forget the cluster.

        Args:
            force: forget it even if some machines could not be destroyed.
            wait: return only when the cloud does not list them any more.

        Raises:
            ClusterError: something may still exist; the cluster is kept unless `force`.
        """
        with self._locked():
            failures = ending.stop(self.record, self._tools(), force=force, wait=wait).failures
            if not failures or force:
                nodes = (_unmade(node.record) for node in self.get_all_nodes())
                self._adopt(replace(self.record, nodes=tuple(nodes), ready=False))
                clean_up(self)
        if failures:
            kept = "It was forgotten all the same." if force else "The cluster is kept; try `stop` again."
            lines = "\n".join(f"  {name}: {reason}" for name, reason in failures.items())
            raise ClusterError(f"Cluster '{self.name}' could not be stopped completely:\n{lines}", hint=kept)

    def pause(self) -> None:
        """Stop all machines and keep their disks, so that :meth:`resume` can start them again.

        Raises:
            CloudProviderError: some machine may still run, or the cloud cannot do this.
        """
        self.pause_nodes([node.name for node in self.get_all_nodes()])

    def pause_nodes(self, names: Collection[str]) -> None:
        """Stop the machines of some nodes and keep their disks."""
        with self._locked():
            self._adopt(ending.pause(self.record, self._tools(), names))

    def resume(self) -> None:
        """Start paused machines again, and wait until they let us in; their addresses may be others.

        Raises:
            ClusterSizeError: too few nodes came up.
        """
        self.start()

    def update(self) -> None:
        """Read the addresses of all nodes again, with one call."""
        with self._locked():
            self._adopt(execute.refresh(self.record, self._tools()))

    def launch(self, names: Collection[str]) -> None:
        """Make the machines of some nodes and do not wait for them."""
        with self._locked():
            self._adopt(execute.launch(self.record, self._tools(), names))

    def destroy(self, names: Collection[str], *, wait: bool = False) -> None:
        """Destroy the machines of some nodes; the nodes stay in the cluster."""
        with self._locked():
            self._adopt(ending.destroy(self.record, self._tools(), names, wait=wait))

    @property
    def seconds_between_looks(self) -> float:
        """Seconds between looks at machines: :attr:`polling_interval` if set, else as the provider likes."""
        return self._tools().polling_interval

    def look_ahead(self) -> StartPlan:
        """Return what :meth:`start` would do now; changes nothing."""
        return execute.look_ahead(self.record, self._tools())

    def plan_to_stop(self) -> StopPlan:
        """Return what :meth:`stop` would destroy now; changes nothing."""
        return ending.plan_to_stop(self.record, self._tools())

    def key_pair(self) -> KeyPair:
        """Return the key pair to log in with: the one named, or the cluster's own."""
        return self._store.key_pair(self.record)

    def setup_job(self, extra_args: Sequence[str] = ()) -> SetupJob:
        """Return what a setup provider works on: the cluster with its keys, files and sizes."""
        options = StartOptions(extra_args=tuple(extra_args))
        return setup_job(self.record, self._tools(), options)

    def update_config(self, cluster_config: Mapping[str, Any]) -> None:
        """Take over those configuration values that are safe to change on a running cluster.

        They are ``ssh_to``, ``start_timeout``, ``ssh_probe_timeout`` and ``ssh_proxy_command``.
        """
        login = self._base.login
        self._base = replace(
            self._base,
            ssh_to=cluster_config.get("ssh_to", self._base.ssh_to),
            start_timeout=cluster_config.get("start_timeout", self._base.start_timeout),
            login=replace(
                login,
                probe_timeout=cluster_config.get("ssh_probe_timeout", login.probe_timeout),
                proxy_command=cluster_config.get("ssh_proxy_command", login.proxy_command),
            ),
        )

    @property
    def known_hosts_file(self) -> str:
        """Path of the file with the nodes' pinned host keys."""
        return self._store.known_hosts_path(self.name)

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _store(self) -> ClusterStore:
        return self.repository.store

    def _tools(self) -> Tools:
        from elasticluster.ssh.probe import ParamikoProber

        self.cloud_provider.adopt(self.record)
        chosen = "polling_interval" in vars(self) or self.polling_interval != _DEFAULT_INTERVAL
        return Tools(
            provider=self.cloud_provider,
            prober=ParamikoProber(),
            setup=SetupPort(self),
            store=self._store,
            tell=self.listener,
            interval=self.polling_interval if chosen else None,
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes off the cluster, and make sure that none has changed it since it was read."""
        with self._store.lock(self.name):
            self._refuse_if_changed(self._load())
            if not self._base.owner:
                self._base = replace(self._base, owner=self.repository.owner)
            try:
                yield
            except BaseException:
                self._adopt(self._load() or self.record)  # what was done before the error is true
                raise
            finally:
                self._stored = self._load()

    def _load(self) -> ClusterRecord | None:
        try:
            return self._store.load(self.name)
        except ClusterNotFound:
            return None

    def _refuse_if_changed(self, now: ClusterRecord | None) -> None:
        if now is not None and now.uuid != self.uuid:
            raise ClusterConflict(
                f"There is another cluster called '{self.name}', started by {now.owner or 'somebody'}.",
                hint="Choose another name, or load that cluster.",
            )
        if self._stored and now is None:
            raise ClusterNotFound(f"Cluster '{self.name}' was stopped by another command meanwhile.")
        if self._stored and now != self._stored:
            raise StateError(
                f"Cluster '{self.name}' was changed by another command meanwhile.", hint="Load it again."
            )

    def _take(self, report: Report) -> Report:
        self._adopt(report.cluster)
        self.report = report
        return report

    def saved(self) -> None:
        """Note that this object has just been stored as it is; called by its repository."""
        self._stored = self._load()

    def _adopt(self, record: ClusterRecord) -> None:
        """Make this object show `record`, keeping the node objects that users may hold."""
        known = {node.name: node for node in self.get_all_nodes()}
        self._base = record
        for kind in record.kinds:
            self.nodes[kind] = []
        for each in record.nodes:
            node = known.get(each.name) or Node.of(self, each)
            node.record = each
            self.nodes.setdefault(each.kind, []).append(node)


def _ref(provider: Any) -> ComponentRef:
    """Describe a provider so that it can be made again in another process."""
    from elasticluster.providers.registry import ref_of

    return ref_of(provider) if provider is not None else ComponentRef(type="")


def _unmade(node: NodeRecord) -> NodeRecord:
    return NodeRecord(name=node.name, spec=node.spec)


def _reasons(report: Report) -> str:
    return "\n".join(f"  {name}: {failure}" for name, failure in report.lost.items())
