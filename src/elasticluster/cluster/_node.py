"""One node of a cluster, as users of the Python API see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from elasticluster.cluster._arguments import with_older_names
from elasticluster.cluster._dictionary import DictionaryStyle
from elasticluster.config.masking import public
from elasticluster.engine.reach import target_of
from elasticluster.exceptions import ClusterError, InstanceError
from elasticluster.model import NodeRecord, NodeSpec, SshTarget

if TYPE_CHECKING:
    import paramiko

    from elasticluster.cluster._life import LivingCluster
    from elasticluster.providers import AbstractCloudProvider

_SHOWN = (
    "name",
    "cluster_name",
    "kind",
    "image_id",
    "image_user",
    "image_userdata",
    "flavor",
    "security_group",
    "instance_id",
    "ips",
    "preferred_ip",
    "ssh_port",
    "ssh_proxy_command",
    "user_key_name",
    "user_key_public",
    "user_key_private",
)


_CONNECT_TIMEOUT = 5


class Node(DictionaryStyle):
    """A node of a cluster: a machine on a cloud, and how to get to it.

    Usually made by :meth:`Cluster.add_node`. One that is made by itself belongs to a cluster of that
    name in memory.

    Args:
        name: name in the cluster, and host name.
        cluster_name: name of the cluster.
        kind: kind of node; decides which groups it is configured as.
        cloud_provider: where its machine is.
        user_key_public: path of the public key.
        user_key_private: path of the private key.
        user_key_name: name of the key pair on the cloud.
        image_user: user to log in as.
        security_group: firewall rules.
        image_id: image to boot (the older keyword ``image`` is understood too).
        flavor: size.
        image_userdata: shell script run once as root after boot.
        ssh_proxy_command: ``ssh -o ProxyCommand``.
        **extra: further provider-specific keys.

    Attributes:
        record: everything known of the node, as an immutable value.
    """

    connection_timeout: float = _CONNECT_TIMEOUT
    """Seconds that :meth:`connect` waits if it is not told otherwise; may be set, also for the class."""

    @with_older_names(image="image_id")
    def __init__(
        self,
        name: str,
        cluster_name: str,
        kind: str,
        cloud_provider: AbstractCloudProvider | None,
        user_key_public: str,
        user_key_private: str,
        user_key_name: str,
        image_user: str,
        security_group: str,
        image_id: str,
        flavor: str,
        image_userdata: str | None = None,
        ssh_proxy_command: str = "",
        **extra: Any,
    ) -> None:
        from elasticluster.cluster._cluster import Cluster

        self._cluster: LivingCluster = Cluster(
            cluster_name,
            user_key_name,
            user_key_public,
            user_key_private,
            cloud_provider=cloud_provider,
            ssh_proxy_command=ssh_proxy_command,
        )
        spec = NodeSpec(
            kind=kind,
            image_id=image_id,
            image_user=image_user,
            flavor=flavor,
            security_group=security_group,
            image_userdata=image_userdata or "",
            extra=extra,
        )
        self.record = NodeRecord(name=name, spec=spec)
        self._cluster.nodes.setdefault(kind, []).append(self)

    @classmethod
    def of(cls, cluster: LivingCluster, record: NodeRecord) -> Node:
        """Return a node of `cluster` for a record; it is not added to the cluster's nodes."""
        node = cls.__new__(cls)
        node._cluster = cluster
        node.record = record
        return node

    # -- what it is ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name in the cluster, and host name."""
        return self.record.name

    @property
    def cluster_name(self) -> str:
        """Name of the cluster."""
        return self._cluster.name

    @property
    def kind(self) -> str:
        """Kind of node."""
        return self.record.kind

    @property
    def image_id(self) -> str:
        """Image it boots."""
        return self.record.spec.image_id

    @property
    def image_user(self) -> str:
        """User to log in as."""
        return self.record.spec.image_user

    @property
    def image_userdata(self) -> str:
        """Shell script run once as root after boot."""
        return self.record.spec.image_userdata

    @property
    def flavor(self) -> str:
        """Size, in the provider's words."""
        return self.record.spec.flavor

    @property
    def security_group(self) -> str:
        """Firewall rules, in the provider's words."""
        return self.record.spec.security_group

    @property
    def extra(self) -> Mapping[str, Any]:
        """Further provider-specific keys; cannot be changed."""
        return MappingProxyType(dict(self.record.spec.extra))

    @property
    def instance_id(self) -> str | None:
        """The cloud's name for its machine; None before there is one."""
        return self.record.instance_id

    @property
    def ips(self) -> list[str]:
        """The public and the private address, as far as known; the first is connected to.

        Ports are in :attr:`ssh_port`.
        """
        return [ip for ip in (self.record.public_ip, self.record.private_ip) if ip]

    @property
    def preferred_ip(self) -> str | None:
        """Address used to connect; None before it is known."""
        return self.record.address

    @property
    def ssh_port(self) -> int:
        """TCP port of SSH at :attr:`preferred_ip`: 22, but for local containers."""
        return self.record.ssh_port

    @property
    def cloud_provider(self) -> AbstractCloudProvider:
        """Where its machine is."""
        return self._cluster.cloud_provider

    @property
    def ssh_proxy_command(self) -> str:
        """``ssh -o ProxyCommand``; empty for none."""
        return self._cluster.record.login.proxy_command

    @property
    def user_key_name(self) -> str:
        """Name of the key pair on the cloud."""
        return self._cluster.record.login.user_key_name

    @property
    def user_key_public(self) -> str:
        """Path of the public key; empty if the cluster has a key pair of its own."""
        return self._cluster.record.login.user_key_public

    @property
    def user_key_private(self) -> str:
        """Path of the private key; empty if the cluster has a key pair of its own."""
        return self._cluster.record.login.user_key_private

    # -- what it does ----------------------------------------------------------------------------

    def start(self) -> None:
        """Make its machine, unless there is one; return as soon as the cloud has accepted.

        The machine is announced on disk and tagged just as with :meth:`Cluster.start`.

        Raises:
            InstanceError: the cloud did not make it.
        """
        self._cluster.launch([self.name])
        if self.record.failure:
            raise InstanceError(f"Node {self.name} could not be started: {self.record.failure.message}")

    def stop(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - documented signature
        """Destroy its machine; with `wait`, return only when the cloud does not list it any more.

        Raises:
            CloudProviderError: the cloud could not destroy it.
        """
        self._cluster.destroy([self.name], wait=wait)

    def pause(self) -> dict[str, str | None]:
        """Stop its machine and keep the disk; :meth:`Cluster.resume` starts it again.

        Returns:
            the info needed to start it again: its ``instance_id``.

        Raises:
            CloudProviderError: it may still run, or the cloud cannot do this.
        """
        self._cluster.pause_nodes([self.name])
        return {"instance_id": self.instance_id}

    def is_alive(self) -> bool:
        """Return whether its machine runs, as the cloud says; SSH may not answer yet.

        The cloud is asked at most once per polling interval, for all nodes of the cluster at a time, so that
        this may be called in a loop.
        """
        return self.instance_id is not None and self.instance_id in self._cluster.running_machines()

    def update_ips(self) -> None:
        """Read its addresses from the cloud; does not wait for them."""
        self._cluster.update()

    def connection_ip(self) -> str:
        """Return the address to connect to: the public one, else the private one.

        Raises:
            ClusterError: none is known yet.
        """
        if not self.preferred_ip:
            raise ClusterError(f"Node {self.name} has no known address.", hint="Try update_ips() later.")
        return self.preferred_ip

    def connect(
        self, keyfile: str | None = None, timeout: float = _CONNECT_TIMEOUT
    ) -> paramiko.SSHClient | None:
        """Log in by SSH.

        Args:
            keyfile: path of a file with known host keys, to be used beside the pinned ones.
            timeout: seconds to wait for the connection; :attr:`connection_timeout` if left out.

        Returns:
            a connected client, which the caller closes; None if it did not work.
        """
        from elasticluster.ssh.client import paramiko_client

        if not self.preferred_ip:
            return None
        if timeout == _CONNECT_TIMEOUT:
            timeout = self.connection_timeout
        return paramiko_client(self.ssh_target(timeout), keyfile)

    def ssh_target(self, timeout: float | None = None) -> SshTarget:
        """Return where and how to log in; `timeout` in seconds, the cluster's by default."""
        self.connection_ip()  # there has to be one
        target = target_of(self._cluster.record, self.record, self._cluster.key_pair())
        if not timeout:
            return target
        return replace(target, timeout=timeout, via=target.via and replace(target.via, timeout=timeout))

    # -- reading it like a dictionary --------------------------------------------------------------

    def keys(self) -> list[str]:
        """Return the names of what :meth:`to_dict` shows."""
        return [*_SHOWN, *public(self.extra)]

    def __getitem__(self, key: str) -> Any:
        if key == "extra":
            return public(self.extra)
        return getattr(self, key) if key in _SHOWN else self.extra[key]

    def to_vars_dict(self) -> dict[str, Any]:
        """Return what playbooks are told about the node."""
        return self.to_dict(omit=("cluster_name", "user_key_public", "user_key_private"))

    def pprint(self) -> str:
        """Return a description for people, in several lines."""
        public, private = self.record.public_ip, self.record.private_ip
        if public and self.ssh_port != _SSH:
            public = f"{public}:{self.ssh_port}"
        lines = [
            self.name,
            f"  public IP:   {public or 'None'}",
            f"  private IP:  {private or 'None'}",
            f"  instance id:   {self.instance_id or 'None'}",
            f"  instance flavor: {self.flavor}",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Node {self.name} of cluster {self.cluster_name}: {self.record.state}>"


_SSH = 22
