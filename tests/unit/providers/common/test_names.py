"""Names of what a cluster's machines share."""

from __future__ import annotations

import pytest

from elasticluster.engine.create import tags_of
from elasticluster.model import ClusterRecord, ComponentRef, InstanceRequest, KeyPair, Login, NodeSpec
from elasticluster.naming import object_name
from elasticluster.providers.common.names import KeyName, shared_name

UUID = "1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809"
SPEC = NodeSpec(kind="compute", image_id="i", image_user="u", flavor="f")


def cluster(name: str, login: Login) -> ClusterRecord:
    none = ComponentRef(type="none")
    return ClusterRecord(uuid=UUID, name=name, template="t", cloud=none, setup=none, login=login)


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("slurm", "elasticluster-slurm-1a2b3c4d"),
        ("slurm+pvfs2", "elasticluster-slurm-pvfs2-1a2b3c4d"),
        ("x" * 100, f"elasticluster-{'x' * 40}-1a2b3c4d"),
    ],
)
def test_shared_name_tells_the_cluster_and_is_one_that_clouds_take(name: str, shared: str) -> None:
    assert shared_name(tags_of(cluster(name, Login()))) == shared
    assert len(shared) <= 63


def test_own_key_pair_is_called_like_all_that_is_shared() -> None:
    ours = cluster("slurm", Login(user_key_name="elasticluster-key"))
    key = KeyPair(name=object_name("slurm", UUID), public_path="", private_path="")
    wanted = KeyName(own=True, name="elasticluster-slurm-1a2b3c4d")
    assert KeyName.of(ours, key) == wanted
    request = InstanceRequest(token=UUID, spec=SPEC, names=("a",), tags=tags_of(ours), key=key)
    assert KeyName.of_request(request) == wanted


def test_key_pair_of_the_user_keeps_its_name() -> None:
    theirs = cluster("slurm", Login(user_key_name="mine", user_key_public="~/.ssh/id.pub"))
    key = KeyPair(name="mine", public_path="~/.ssh/id.pub", private_path="")
    assert KeyName.of(theirs, key) == KeyName(own=False, name="mine")
    request = InstanceRequest(token=UUID, spec=SPEC, names=("a",), tags=tags_of(theirs), key=key)
    assert KeyName.of_request(request) == KeyName(own=False, name="mine")
