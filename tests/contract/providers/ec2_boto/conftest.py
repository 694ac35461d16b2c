"""EC2 as a server that we did not write has it, and clusters on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clouds.ec2.server import Ec2Server
from tests.clouds.fixtures import ec2, ec2_server
from tests.contract.providers.ec2_boto.clusters import Cluster, public_key

__all__ = ["ec2", "ec2_server"]


@pytest.fixture(autouse=True)
def nothing_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The SDK finds nothing of whoever runs the tests, and does not look on the network."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


@pytest.fixture
def new(ec2: Ec2Server, tmp_path: Path) -> Callable[..., Cluster]:
    """Return what makes clusters, each with the same key unless told otherwise."""
    public = public_key(tmp_path)

    def make(**options: Any) -> Cluster:
        return Cluster(ec2, **{"public": public, **options})

    return make


@pytest.fixture
def subnets(ec2: Ec2Server) -> dict[str, str]:
    """Return the default subnets by their zones."""
    found = ec2.client().describe_subnets()["Subnets"]
    return {one["AvailabilityZone"]: one["SubnetId"] for one in found}
