"""A cluster that is to be in a project of its own, for the tests of the provider."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.clouds.openstack.cloud import Project

from elasticluster.engine.events import ignore
from elasticluster.model import (
    ClusterRecord,
    Instance,
    InstanceRequest,
    InstanceState,
    KeyPair,
    Login,
    NodeRecord,
)
from elasticluster.naming import new_uuid
from elasticluster.providers.openstack import OpenStackCloudProvider


class Impatient(OpenStackCloudProvider):
    """The provider, which gives up sooner and looks more often."""

    polling_interval = 0.5
    patience = 20


@dataclass(frozen=True)
class Site:
    """A project and a cluster that is to be there.

    Attributes:
        project: the project.
        cluster: its record.
        request: asks for its nodes.
        folder: where keys are.
    """

    project: Project
    cluster: ClusterRecord
    request: InstanceRequest
    folder: Path

    @property
    def key(self) -> KeyPair:
        return self.request.key

    def provider(self, **section: Any) -> OpenStackCloudProvider:
        """Return a provider of its own, as another process would have."""
        given = {name: value for name, value in self.project.section.items() if name != "provider"}
        return Impatient(**{**given, **section})

    def of(self, names: int, **spec: Any) -> Site:
        """Return the same with another number of nodes, or other nodes."""
        changed = replace(self.request.spec, **spec)
        called = tuple(f"compute{number:03d}" for number in range(1, names + 1))
        nodes = tuple(NodeRecord(name=name, spec=changed) for name in called)
        return replace(
            self,
            cluster=replace(self.cluster, nodes=nodes),
            request=replace(self.request, names=called, spec=changed, token=new_uuid()),
        )

    def with_key(self, name: str, path: Path) -> Site:
        """Return the same with a key pair of the user's."""
        login = Login(user_key_name=name, user_key_public=f"{path}.pub", user_key_private=str(path))
        key = KeyPair(name=name, public_path=f"{path}.pub", private_path=str(path))
        return replace(
            self, cluster=replace(self.cluster, login=login), request=replace(self.request, key=key)
        )

    def ready(self, provider: OpenStackCloudProvider) -> OpenStackCloudProvider:
        """Return a provider that has checked and prepared everything."""
        provider.preflight(self.cluster, [self.request], ignore)
        provider.prepare(self.cluster, self.key)
        return provider

    def wait(self, provider: OpenStackCloudProvider, *states: InstanceState) -> list[Instance]:
        """Return the cluster's machines in launch order, once they are in these states."""
        deadline = time.monotonic() + 90
        while True:
            found = sorted(provider.list_instances(self.cluster.uuid), key=lambda one: one.launch_index)
            if [one.state for one in found] == [*states]:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(provider.polling_interval)


def new_key(path: Path, kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return path
