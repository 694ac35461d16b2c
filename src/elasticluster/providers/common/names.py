"""Names of what a cluster's machines share on a cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from elasticluster.model import ClusterRecord, InstanceRequest, KeyPair, Tags
from elasticluster.naming import object_name

_OURS = "elasticluster"


def shared_name(tags: Tags) -> str:
    """Return the name of what the machines of a cluster share: ``elasticluster-NAME-UUID8``.

    The prefix is there for people, and because a name of a security group must not begin with ``sg-`` on EC2
    (CreateSecurityGroup).
    """
    return object_name(f"{_OURS}-{tags.name}", tags.uuid)


@dataclass(frozen=True, slots=True)
class KeyName:
    """What a cluster's public key is called on a cloud, and whose it is.

    Attributes:
        own: whether it was generated for the cluster, and so is to be removed with it; one under a name that
            the user gave stays.
        name: its name on the cloud.
    """

    own: bool
    name: str

    @classmethod
    def of(cls, cluster: ClusterRecord, key: KeyPair) -> Self:
        """Return it for the key pair that a cluster's nodes let in."""
        own = not cluster.login.user_key_public
        tags = Tags(uuid=cluster.uuid, name=cluster.name, template="", owner="", created="")
        return cls(own, shared_name(tags) if own else key.name)

    @classmethod
    def of_request(cls, request: InstanceRequest) -> Self:
        """Return it for a create call: a cluster's own key pair is told by its name."""
        tags = request.tags
        own = request.key.name == object_name(tags.name, tags.uuid)
        return cls(own, shared_name(tags) if own else request.key.name)
