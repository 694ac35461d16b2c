"""A small Slurm cluster, as the engine hands it to setup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from elasticluster.engine.ports import SetupJob
from elasticluster.model import ClusterRecord, ComponentRef, KeyPair, NodeRecord, NodeSpec, NodeState
from elasticluster.setup.settings import Settings

GROUPS = {"frontend": ("slurm_master",), "compute": ("slurm_worker",)}


def node(name: str, **changes: Any) -> NodeRecord:
    spec = NodeSpec(
        kind=name.rstrip("0123456789"), image_id="debian-13", image_user="debian", flavor="1cpu-2ram"
    )
    made = NodeRecord(
        name=name, spec=spec, state=NodeState.REACHABLE, public_ip="127.0.0.1", private_ip="10.0.0.9"
    )
    return replace(made, **changes)


@pytest.fixture(scope="session")
def cluster() -> ClusterRecord:
    return ClusterRecord(
        uuid="8d3f",
        name="slurm",
        template="slurm",
        cloud=ComponentRef(type="docker", args={"password": "do not tell"}),
        setup=ComponentRef(type="ansible", section="slurm"),
        kinds=("frontend", "compute"),
        nodes=(node("frontend001", ssh_port=32768), node("compute001"), node("compute002")),
        secrets={"munge_key": "0123456789abcdef" * 4},
    )


@pytest.fixture(scope="session")
def job(cluster: ClusterRecord) -> SetupJob:
    return SetupJob(
        cluster=cluster,
        key=KeyPair(name="key", public_path="/keys/id.pub", private_path="/keys/id"),
        known_hosts_path="/state/slurm known_hosts",
        node_vars={
            one.name: {"cpus": 1, "memory_mb": 2048, "shared_home": "volume"} for one in cluster.nodes
        },
    )


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(groups=GROUPS)
