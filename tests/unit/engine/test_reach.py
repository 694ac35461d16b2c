"""Which node is reached through which other one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elasticluster.engine.reach import gateway, login_node, target_of, targets_of
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    KeyPair,
    Login,
    NodeRecord,
    NodeSpec,
    NodeState,
)

KEY = KeyPair(name="key", public_path="/keys/id.pub", private_path="/keys/id")
REF = ComponentRef(type="fake")


def node(name: str, public_ip: str | None = None, state: NodeState = NodeState.READY) -> NodeRecord:
    kind = name.rstrip("0123456789")
    spec = NodeSpec(kind=kind, image_id="debian-13", image_user=f"user-of-{kind}", flavor="small")
    return NodeRecord(name=name, spec=spec, state=state, public_ip=public_ip, private_ip="10.0.0.9")


def cluster(*nodes: NodeRecord, ssh_to: str = "", proxy_command: str = "") -> ClusterRecord:
    return ClusterRecord(
        uuid="8d3f",
        name="slurm",
        template="slurm",
        cloud=REF,
        setup=REF,
        nodes=nodes,
        ssh_to=ssh_to,
        login=Login(proxy_command=proxy_command),
    )


def gateway_name(made: ClusterRecord) -> str:
    found = gateway(made)
    return found.name if found else ""


def test_nobody_is_gone_through_where_all_have_public_addresses_or_none_has() -> None:
    public = cluster(node("frontend001", "192.0.2.1"), node("compute001", "192.0.2.2"))
    private = cluster(node("frontend001"), node("compute001"))
    for made in (public, private):
        assert [target.via for target in targets_of(made, made.nodes, KEY)] == [None, None]


def test_node_without_public_address_is_reached_through_the_frontend() -> None:
    made = cluster(node("compute001"), node("frontend001", "192.0.2.1"))
    inner, entrance = targets_of(made, made.nodes, KEY)
    assert (inner.host, inner.user) == ("10.0.0.9", "user-of-compute")
    assert inner.via == entrance
    assert (entrance.host, entrance.user, entrance.via) == ("192.0.2.1", "user-of-frontend", None)


def test_proxy_command_of_the_user_wins() -> None:
    made = cluster(node("frontend001", "192.0.2.1"), node("compute001"), proxy_command="gate %h")
    assert gateway(made) is None
    assert target_of(made, made.nodes[1], KEY).via is None


@pytest.mark.parametrize(
    ("public", "ssh_to", "expected"),
    [
        (["compute001", "frontend001"], "", "frontend001"),
        (["compute001", "frontend001"], "compute", "compute001"),
        (["compute001", "frontend001"], "nobody", "compute001"),
        (["compute001"], "", "compute001"),
        (["compute001"], "frontend", "compute001"),
        ([], "", ""),
    ],
)
def test_node_that_users_log_in_to_is_the_gateway_if_it_can_be(
    public: list[str], ssh_to: str, expected: str
) -> None:
    names = ["compute001", "frontend001", "store001"]
    nodes = [node(name, "192.0.2.1" if name in public else None) for name in names]
    assert gateway_name(cluster(*nodes, ssh_to=ssh_to)) == expected


@pytest.mark.parametrize("state", [NodeState.DOWN, NodeState.PAUSED, NodeState.LEAVING])
def test_node_out_of_use_is_a_gateway_only_where_there_is_no_other(state: NodeState) -> None:
    out = node("frontend001", "192.0.2.1", state)
    assert gateway_name(cluster(out, node("compute001"))) == "frontend001"
    assert gateway_name(cluster(out, node("compute001"), node("login001", "192.0.2.2"))) == "login001"


def test_gateway_moves_with_its_address() -> None:
    made = cluster(node("frontend001", "192.0.2.1"), node("compute001"))
    moved = made.with_nodes(replace(made.nodes[0], public_ip="192.0.2.7", ssh_port=2222))
    via = target_of(moved, moved.nodes[1], KEY).via
    assert via
    assert (via.host, via.port) == ("192.0.2.7", 2222)


@pytest.mark.parametrize(
    ("wanted", "ssh_to", "expected"),
    [
        ("", "", "login001"),
        ("", "compute", "compute001"),
        ("compute002", "compute", "compute002"),
        ("frontend", "", "frontend001"),
        ("nobody", "", None),
    ],
)
def test_node_to_log_in_to_is_found_by_rule(wanted: str, ssh_to: str, expected: str | None) -> None:
    made = cluster(*map(node, ("compute001", "compute002", "frontend001", "login001")), ssh_to=ssh_to)
    found = login_node(made, wanted)
    assert (found.name if found else None) == expected
