"""Clusters on EC2, as a start makes them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.clouds.ec2.server import DEBIAN, Ec2Server

from elasticluster.engine.create import tags_of
from elasticluster.engine.events import ignore
from elasticluster.engine.ports import Clock, Created
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    InstanceRequest,
    KeyPair,
    Login,
    NodeRecord,
    NodeSpec,
)
from elasticluster.naming import new_uuid, object_name
from elasticluster.providers.ec2_boto import BotoCloudProvider

NOWHERE = ComponentRef(type="")


@dataclass
class Cluster:
    """A cluster of machines of one kind, and the way to make them.

    Attributes:
        server: the cloud.
        public: path of its public key.
        config: keys of the section of the cloud.
        named: whether the key is under a name of the user's, and not of its own.
        count: how many machines it is to have.
        spec: what they are made of.
        clock: whose seconds it waits; None: this computer's.
        begun: whether its machines were asked for before.
    """

    server: Ec2Server
    public: Path
    config: dict[str, Any] = field(default_factory=dict)
    named: str = ""
    count: int = 2
    spec: NodeSpec = field(
        default_factory=lambda: NodeSpec(
            kind="compute", image_id=DEBIAN, image_user="admin", flavor="t3.small"
        )
    )
    uuid: str = field(default_factory=new_uuid)
    clock: Clock | None = None
    begun: bool = False

    def __post_init__(self) -> None:
        self.provider = self.another()

    def another(self) -> BotoCloudProvider:
        """Return a provider as a new process would have it."""
        server = self.server
        given = {
            "ec2_url": server.url,
            "ec2_region": server.region,
            "ec2_access_key": server.access_key,
            "ec2_secret_key": server.secret_key,
        }
        provider = BotoCloudProvider(**{**given, **self.config})
        if self.clock:
            provider._cloud.clock = self.clock
        return provider

    def made_of(self, **changes: Any) -> Cluster:
        """Return it with other keys of the node."""
        own = {name: changes.pop(name) for name in [*changes] if name in NodeSpec.__slots__}
        self.spec = replace(self.spec, **own, extra={**self.spec.extra, **changes})
        return self

    @property
    def record(self) -> ClusterRecord:
        names = [f"compute{number:03}" for number in range(1, self.count + 1)]
        return ClusterRecord(
            uuid=self.uuid,
            name="contract",
            template="t",
            cloud=NOWHERE,
            setup=NOWHERE,
            login=Login(user_key_name=self.named, user_key_public=str(self.public) if self.named else ""),
            nodes=tuple(
                NodeRecord(name=name, spec=self.spec, batch="token" if self.begun else None) for name in names
            ),
        )

    @property
    def key(self) -> KeyPair:
        name = self.named or object_name("contract", self.uuid)
        return KeyPair(name=name, public_path=str(self.public), private_path="")

    @property
    def request(self) -> InstanceRequest:
        token, record = new_uuid(), self.record
        tags = replace(tags_of(record), kind="compute", batch=token)
        names = tuple(node.name for node in record.nodes)
        return InstanceRequest(token=token, spec=self.spec, names=names, tags=tags, key=self.key)

    def check(self) -> None:
        """Look whether it could be made."""
        self.provider.preflight(self.record, [self.request], ignore)

    def prepare(self) -> None:
        self.provider.prepare(self.record, self.key)

    def create(self) -> Created:
        """Make its machines, as a start does."""
        self.prepare()
        return self.provider.create_instances(self.request)

    def ids(self) -> list[str]:
        """Make its machines, all of them; return their ids."""
        created = self.create()
        assert not created.failures
        return [one.id for one in created.instances]

    def instances(self) -> Sequence[Any]:
        """Return what EC2 says of its machines."""
        filters: Any = [{"Name": "tag:elasticluster.uuid", "Values": [self.uuid]}]
        reservations = self.server.client().describe_instances(Filters=filters)["Reservations"]
        return [instance for reservation in reservations for instance in reservation["Instances"]]


def public_key(folder: Path, kind: str = "ed25519") -> Path:
    path = folder / f"key-{kind}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub")
