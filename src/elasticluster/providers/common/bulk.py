"""The documented verbs for one instance, done by those for many."""

from __future__ import annotations

import contextlib
from typing import Any

from elasticluster.engine.create import tags_of
from elasticluster.exceptions import CloudProviderError, InstanceNotFoundError
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    Instance,
    InstanceRequest,
    InstanceState,
    KeyPair,
    Login,
    NodeRecord,
    NodeSpec,
)
from elasticluster.naming import new_uuid
from elasticluster.providers.base import SSH_PORT, AbstractCloudProvider


class BulkCloudProvider(AbstractCloudProvider):
    """A cloud whose instances carry our tags and are made, listed and destroyed many at a time.

    A subclass brings the methods of :class:`elasticluster.engine.ports.CloudProvider` and gets the four
    documented verbs. Instances that these start belong to a cluster that is stored nowhere, one for each
    object.
    """

    tags_instances = True
    host_key_patience = 15  # seconds; cloud-init shows them on the console in its last stage, after SSH is up

    def start_instance(
        self,
        key_name: str,
        public_key_path: str,
        private_key_path: str,
        security_group: str,
        flavor: str,
        image_id: str,
        image_userdata: str,
        username: str | None = None,
        node_name: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Start one instance outside of any stored cluster; those of one object share what a cluster's do.

        Args:
            key_name: name of the key pair on the cloud.
            public_key_path: path of the public key to let in.
            private_key_path: path of its private key; not read.
            security_group: firewall rules; empty: those that a cluster gets.
            flavor: size, in the cloud's words.
            image_id: what to boot, in the cloud's words.
            image_userdata: script run once, as root, after boot.
            username: user to log in as; root if none is given.
            node_name: name of the node.
            **kwargs: ``cluster_name``: part of the names of what is made; further keys of the node's section.

        Returns:
            the instance's id.

        Raises:
            CloudProviderError: it cannot be made; what it would have shared is gone again.
        """
        token = new_uuid()
        cluster_name = str(kwargs.pop("cluster_name", "single"))
        name = node_name or f"node-{token[:8]}"
        spec = NodeSpec(
            kind="",
            image_id=image_id,
            image_user=username or "root",
            flavor=flavor,
            security_group=security_group,
            image_userdata=image_userdata,
            extra=kwargs,
        )
        key = KeyPair(name=key_name, public_path=public_key_path, private_path=private_key_path)
        cluster = self._own_cluster(cluster_name, key, NodeRecord(name=name, spec=spec))
        request = InstanceRequest(token=token, spec=spec, names=(name,), tags=tags_of(cluster), key=key)
        self._start_tokens.append(token)
        try:
            self.prepare(cluster, key)
            made = self.create_instances(request)
            for error in made.failures.values():
                raise error
        except CloudProviderError:
            self._start_tokens.remove(token)
            with contextlib.suppress(CloudProviderError):
                self._release_unused(cluster.uuid)
            raise
        self._start_tokens.remove(token)
        return made.instances[0].id

    def stop_instance(self, instance_id: str) -> None:
        """Destroy an instance; with the last one of :meth:`start_instance` also what they share.

        Raises:
            CloudProviderError: it may still exist.
        """
        found = self._find(instance_id)
        for error in self.stop_instances([instance_id]).values():
            raise error
        if found and not found.tags.template:
            self._release_unused(found.tags.uuid)

    def get_ips(self, instance_id: str) -> list[str]:
        """Return an instance's addresses, the public one first, with the port of SSH if it is not the usual.

        Raises:
            InstanceNotFoundError: there is no such instance of ours.
        """
        found = self._find(instance_id)
        if not found:
            raise InstanceNotFoundError(f"There is no instance '{instance_id}' made by ElastiCluster.")
        port = "" if found.ssh_port == SSH_PORT else f":{found.ssh_port}"
        public = f"{found.public_ip}{port}" if found.public_ip else ""
        return [address for address in (public, found.private_ip) if address]

    def is_instance_running(self, instance_id: str) -> bool:
        """Return whether an instance exists and runs."""
        found = self._find(instance_id)
        return found is not None and found.state is InstanceState.RUNNING

    @property
    def _start_tokens(self) -> list[str]:
        """Tokens of the calls of :meth:`start_instance` that other threads are in."""
        tokens: list[str] = self.__dict__.setdefault("_tokens_of_starts", [])
        return tokens

    def _release_unused(self, cluster: str) -> None:
        """Release what instances of a cluster share, unless it has some or is just getting one."""
        there = (one.state is not InstanceState.TERMINATED for one in self.list_instances(cluster))
        if not self._start_tokens and not any(there):
            self.release(cluster)

    def _find(self, instance_id: str) -> Instance | None:
        return next((one for one in self.list_instances() if one.id == instance_id), None)

    def _own_cluster(self, name: str, key: KeyPair, node: NodeRecord) -> ClusterRecord:
        """Return a record of what :meth:`start_instance` of this object makes, with one of its nodes."""
        none = ComponentRef(type="")
        login = Login(
            user_key_name=key.name, user_key_public=key.public_path, user_key_private=key.private_path
        )
        uuid: str = self.__dict__.setdefault("_own_uuid", new_uuid())
        return ClusterRecord(
            uuid=uuid, name=name, template="", cloud=none, setup=none, login=login, nodes=(node,)
        )
