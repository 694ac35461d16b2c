"""Clusters that the suite of cloud providers asks clouds for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.contract.clouds_under_test import CloudUnderTest

from elasticluster.engine.create import tags_of
from elasticluster.engine.events import ignore
from elasticluster.engine.ports import CloudProvider
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
from elasticluster.naming import new_uuid, object_name

NAMES = ("worker001", "worker002")
PATIENCE = 120  # seconds


@dataclass(frozen=True)
class Order:
    """A cluster, and the create call for its machines.

    Attributes:
        cloud: where they are asked for.
        cluster: the cluster.
        request: the call.
    """

    cloud: CloudUnderTest
    cluster: ClusterRecord
    request: InstanceRequest

    @property
    def uuid(self) -> str:
        """Identity of the cluster."""
        return self.cluster.uuid

    def place(self, provider: CloudProvider) -> Sequence[Instance]:
        """Make the machines as the engine does, and return them as the call does."""
        provider.preflight(self.cluster, [self.request], ignore)
        provider.prepare(self.cluster, self.request.key)
        created = provider.create_instances(self.request)
        assert not created.failures
        assert len(created.instances) == len(self.request.names)
        return created.instances

    def bring_up(self, provider: CloudProvider) -> list[Instance]:
        """Make the machines, and return them by name when they run."""
        self.place(provider)
        return self.wait_for(provider, InstanceState.RUNNING)

    def wait_for(self, provider: CloudProvider, state: InstanceState) -> list[Instance]:
        """Return the machines, by name, when all are in a state."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = alive(provider, self.uuid)
            states = [(one.state, one.reason) for one in found]
            if [one for one, _ in states] == [state] * len(self.request.names):
                return found
            assert time.monotonic() < deadline, states
            time.sleep(self.cloud.pause)

    def wait_for_ids(self, provider: CloudProvider, ids: Sequence[str]) -> None:
        """Wait until these machines are there and no others."""
        deadline = time.monotonic() + PATIENCE
        while [one.id for one in alive(provider, self.uuid)] != [*ids]:
            assert time.monotonic() < deadline, alive(provider, self.uuid)
            time.sleep(self.cloud.pause)

    def wait_for_host_keys(self, provider: CloudProvider, ids: Sequence[str]) -> None:
        """Wait until all host keys are delivered, and so the machines are up, where a cloud promises them."""
        deadline = time.monotonic() + PATIENCE
        while provider.delivers_host_keys and provider.host_keys(ids).keys() != set(ids):
            assert time.monotonic() < deadline
            time.sleep(self.cloud.pause)


@dataclass(frozen=True)
class Standing:
    """A cluster whose machines run.

    Attributes:
        provider: what made them.
        order: the cluster.
        created: the machines, as the call that made them returned them.
        instances: the same as they run.
    """

    provider: CloudProvider
    order: Order
    created: Sequence[Instance]
    instances: Sequence[Instance]

    @property
    def ids(self) -> list[str]:
        """Their ids, by name."""
        return [one.id for one in self.instances]


class Orders:
    """Makes clusters, and removes what has become of them.

    Args:
        cloud: where they are asked for.
        folder: where their keys are put.
    """

    def __init__(self, cloud: CloudUnderTest, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._uuids: set[str] = set()

    def new(
        self,
        name: str = "contract",
        names: Sequence[str] = NAMES,
        key_name: str = "",
        key_type: str = "ed25519",
        **changes: Any,
    ) -> Order:
        """Return a new cluster.

        Args:
            name: its name.
            names: its nodes' names.
            key_name: name of a key pair of the user's; empty: the cluster has one of its own.
            key_type: its type.
            **changes: what is different in what its nodes are made of; ``network_ids`` is one of those keys
                that only some clouds have.
        """
        uuid, batch = new_uuid(), new_uuid()
        public = self.public_key(key_name or uuid, key_type)
        key = KeyPair(
            name=key_name or object_name(name, uuid),
            public_path=str(public),
            private_path=str(public.with_suffix("")),
        )
        login = Login(user_key_name=key_name, user_key_public=str(public)) if key_name else Login()
        spec = self._spec(changes)
        cluster = ClusterRecord(
            uuid=uuid,
            name=name,
            template="t",
            owner="test",
            cloud=ComponentRef(type="none"),
            setup=ComponentRef(type="none"),
            login=login,
            kinds=("worker",),
            nodes=tuple(NodeRecord(name=one, spec=spec) for one in names),
        )
        self._uuids.add(uuid)
        tags = replace(tags_of(cluster), kind=spec.kind, batch=batch)
        request = InstanceRequest(token=batch, spec=spec, names=tuple(names), tags=tags, key=key)
        return Order(self._cloud, cluster, request)

    def public_key(self, name: str, kind: str = "ed25519") -> Path:
        """Return the public key of a new key pair, or of one made before."""
        path = self._folder / f"{name}.pub"
        if not path.exists():
            command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path.with_suffix("")]
            subprocess.run(command, check=True)
        return path

    def watch(self, uuid: str) -> None:
        """Look after a cluster that something else has made, too."""
        self._uuids.add(uuid)

    def contents(self) -> set[str]:
        """Return what is on the cloud, of these clusters at least."""
        return self._cloud.contents(self._uuids)

    def new_since(self, before: set[str]) -> set[str]:
        """Return the names of what is on the cloud now and was not before, without what each is."""
        return {one.rpartition(" ")[2] for one in self.contents() - before}

    def wait_for_only(self, names: set[str], before: set[str]) -> None:
        """Wait until nothing more is on the cloud than before but what is called so."""
        deadline = time.monotonic() + PATIENCE
        while self.new_since(before) != names:
            assert time.monotonic() < deadline, self.new_since(before)
            time.sleep(self._cloud.pause)

    def undo(self, provider: CloudProvider) -> None:
        """Remove all that belongs to them."""
        for uuid in self._uuids:
            provider.stop_instances([one.id for one in provider.list_instances(uuid)])
            images = [one.id for one in provider.list_images() if one.tags.uuid == uuid]
            provider.remove_images(images)
            provider.release(uuid)

    def _spec(self, changes: dict[str, Any]) -> NodeSpec:
        given = {"image_id": self._cloud.image, "image_user": "debian", "flavor": self._cloud.flavor}
        fields = {name: changes.pop(name) for name in list(changes) if name in NodeSpec.__slots__}
        return NodeSpec(kind="worker", extra={**self._cloud.more, **changes}, **(given | fields))


def alive(provider: CloudProvider, cluster: str) -> list[Instance]:
    """Return the machines of a cluster in the order of their names, without those that are going."""
    found = [one for one in provider.list_instances(cluster) if one.state is not InstanceState.TERMINATED]
    return sorted(found, key=lambda one: (one.tags.node, one.launch_index, one.id))
