"""What programs and commands are told of a cluster of which only the frontend has a public address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elasticluster.cli.gc3pie import untold
from elasticluster.cluster import Cluster
from elasticluster.repository import MemRepository


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster("slurm", repository=MemRepository())
    for kind, public_ip in (("frontend", "192.0.2.1"), ("compute", None)):
        cluster.add_node(kind, "debian-13", "debian", "1cpu-1ram", "default")
        (node,) = cluster.nodes[kind]
        node.record = replace(node.record, public_ip=public_ip, private_ip="10.0.0.9")
    return cluster


def test_node_without_public_address_names_its_gateway(cluster: Cluster) -> None:
    via = cluster.get_node_by_name("compute001").ssh_target().via
    assert via
    assert (via.name, via.host, via.timeout) == ("frontend001", "192.0.2.1", 5)


def test_timeout_holds_for_the_gateway_too(cluster: Cluster) -> None:
    target = cluster.get_node_by_name("compute001").ssh_target(timeout=2.5)
    assert target.via
    assert (target.timeout, target.via.timeout) == (2.5, 2.5)


def test_gc3pie_is_not_told_of_a_gateway_and_users_are(cluster: Cluster) -> None:
    assert untold(cluster, "elasticluster ssh-config slurm") == ""
    cluster.ssh_to = "compute001"
    assert untold(cluster, "elasticluster ssh-config slurm") == (
        "GC3Pie is not told that compute001 is reached through frontend001. Let `ssh_config` in the section "
        "[auth/…] name a file that holds what `elasticluster ssh-config slurm` prints."
    )


def test_gc3pie_is_not_told_of_a_proxy_command_and_users_are(cluster: Cluster) -> None:
    cluster.ssh_proxy_command = "gate %h"
    assert untold(cluster, "elasticluster ssh-config slurm") == (
        "GC3Pie is not told the cluster's proxy command. If the frontend is reached only by that, let "
        "`ssh_config` in the section [auth/…] name a file with that ProxyCommand."
    )
