"""Which values of the role slurm's variables are refused before any machine is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elasticluster.exceptions import ConfigurationError
from elasticluster.model import ClusterRecord
from elasticluster.setup.check import check
from elasticluster.setup.settings import Settings


def problem(settings: Settings, cluster: ClusterRecord) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check(settings, cluster)
    return caught.value.message


def with_variable(settings: Settings, name: str, value: str) -> Settings:
    return replace(settings, kind_vars={"frontend": {name: value}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slurm_partitions", "{short: {Nodes: 'a-b[001-002,7], c,r[1-2]n[0-9].x', MaxTime: 5}, main: null}"),
        ("slurm_partitions", "{short: {Nodes: [a, 'b[1-2]']}, long: {Nodes: null}, any: {Nodes: ALL}}"),
        ("slurm_dbd_conf", "{StorageLoc: mine, StorageHost: localhost}"),
        ("slurm_dbd_conf", "{StorageHost: null}"),
    ],
)
def test_what_slurm_understands_is_let_through(
    settings: Settings, cluster: ClusterRecord, name: str, value: str
) -> None:
    check(with_variable(settings, name, value), cluster)


RESERVED = "Slurm means something else by '{}': choose another name for the partition"
NODES = "partition 'short': expected names of nodes, as node[001-004,7],other001, not '{}'"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("slurm_partition", "default", RESERVED.format("default")),
        ("slurm_partition", "a b", "'a b' cannot be the name of a partition"),
        ("slurm_partitions", "{All: {MaxTime: 5}}", RESERVED.format("All")),
        ("slurm_partitions", "{DEFAULT: null}", RESERVED.format("DEFAULT")),
        (
            "slurm_partitions",
            "{short: abc}",
            "partition 'short': expected {option: value, …} or null, not 'abc'",
        ),
        ("slurm_partitions", "{short: {Nodes: 'a[1-'}}", NODES.format("a[1-")),
        ("slurm_partitions", "{short: {nodes: 'a[x-y]'}}", NODES.format("a[x-y]")),
        ("slurm_partitions", "{short: {Nodes: 'a,,b'}}", NODES.format("a,,b")),
        ("slurm_partitions", "{short: {Nodes: 'a b'}}", NODES.format("a b")),
        (
            "slurm_partitions",
            "{short: {Nodes: 'a[1,9-2]'}}",
            "partition 'short': '9-2' is no range of at most 10000 nodes",
        ),
        (
            "slurm_partitions",
            "{short: {Nodes: 'a-[0-99999999]'}}",
            "partition 'short': '0-99999999' is no range of at most 10000 nodes",
        ),
        (
            "slurm_dbd_conf",
            "{storageloc: null}",
            "the database needs a name: leave StorageLoc out for the usual one",
        ),
        (
            "slurm_dbd_conf",
            "{StorageHost: db.example.org}",
            "StorageHost 'db.example.org': only the controller's own database is supported",
        ),
    ],
)
def test_what_slurm_would_not_start_with_is_refused(
    settings: Settings, cluster: ClusterRecord, name: str, value: str, message: str
) -> None:
    said = problem(with_variable(settings, name, value), cluster)
    assert said == f"[setup/slurm]: variable '{name}' (kind frontend): {message}."


@pytest.mark.parametrize("kind", ["default", "All"])
def test_kind_of_workers_cannot_have_a_name_that_slurm_uses(cluster: ClusterRecord, kind: str) -> None:
    settings = Settings(groups={"frontend": ("slurm_master",), kind: ("slurm_workers",)})
    empty = replace(cluster, nodes=(), kinds=("frontend", kind))
    assert f"kind '{kind}': Slurm means something else by this name" in problem(settings, empty)


def test_playbook_instead_of_ours_may_mean_something_else(
    settings: Settings, cluster: ClusterRecord, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = tmp_path_factory.mktemp("own") / "mine.yml"
    own.write_text("- hosts: all\n")
    check(replace(with_variable(settings, "slurm_partition", "default"), playbook=str(own)), cluster)
