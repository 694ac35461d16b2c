"""Clusters of which only the frontend has a public address."""

from dataclasses import replace

import pytest

from elasticluster.engine.events import Notice, Warned
from elasticluster.engine.fakes import FakeNetwork
from elasticluster.engine.status import look
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import Failure, InstanceState, Layer, NodeState, Verdict

DEAF = Failure(layer=Layer.REFUSED, message="192.0.2.1:22 refuses connections")


class Heard(FakeNetwork):
    """A network that remembers who was tried through whom, round by round."""

    rounds = ()

    def probe(self, targets):
        tried = {target.name: target.via.name if target.via else "" for target in targets}
        self.rounds = (*self.rounds, *([tried] if tried else []))
        return super().probe(targets)


@pytest.fixture
def world(world):
    world.cloud.inner_kinds = frozenset({"compute"})
    world.cloud.delivers_host_keys = False
    world.network = Heard()
    return world


def texts(world, kind=Notice):
    return [event.text for event in world.told(kind)]


def lost(report):
    return {name: str(failure) for name, failure in report.lost.items()}


def test_nodes_behind_are_tried_once_the_gateway_has_let_us_in(world, cluster):
    report = world.start(cluster)
    assert report.verdict is Verdict.READY
    inner = {"compute001": "frontend001", "compute002": "frontend001"}
    assert world.network.rounds == ({"frontend001": ""}, inner)


def test_first_contact_through_the_gateway_is_said_openly(world, cluster):
    world.start(cluster)
    assert "Host keys of 3 nodes were accepted on first contact, 2 of them through frontend001." in texts(
        world
    )


def test_nodes_behind_wait_for_a_gateway_that_is_late(world, cluster):
    world.network.deaf["frontend001"] = DEAF
    world.network.rounds = ()
    tried = world.network.probe

    def later(targets):
        if world.cloud.clock.now() > 30:
            world.network.deaf.clear()
        return tried(targets)

    world.network.probe = later
    assert world.start(cluster).verdict is Verdict.READY
    assert all(names == {"frontend001": ""} for names in world.network.rounds[:-1])


def test_nodes_behind_say_that_the_gateway_did_not_answer_in_time(world, cluster):
    world.network.deaf["frontend001"] = DEAF
    report = world.start(cluster)
    assert lost(report) == {
        "frontend001": "connection refused: 192.0.2.1:22 refuses connections (given up after 600 s)",
        "compute001": (
            "gateway: through frontend001: 192.0.2.1:22 refuses connections (given up after 600 s)"
        ),
        "compute002": (
            "gateway: through frontend001: 192.0.2.1:22 refuses connections (given up after 600 s)"
        ),
    }
    assert world.cloud.clock.now() < 620


def test_nodes_behind_are_given_up_with_a_gateway_that_dies(world, cluster):
    world.network.deaf["frontend001"] = DEAF
    tried = world.network.probe

    def dying(targets):
        frontend = next(iter(world.cloud.machines))
        world.cloud.halt(frontend, InstanceState.ERROR)
        return tried(targets)

    world.network.probe = dying
    report = world.start(cluster)
    assert lost(report) == {
        "frontend001": "boot: its instance i-0001 is broken",
        "compute001": "gateway: through frontend001: it is deaf",
        "compute002": "gateway: through frontend001: it is deaf",
    }
    assert world.cloud.clock.now() < 60


def test_new_nodes_are_reached_through_the_old_frontend(world, cluster):
    started = world.start(cluster).cluster
    world.network.rounds = ()
    new = replace(started.nodes[1], name="compute003", state=NodeState.PLANNED, instance_id=None)
    new = replace(new, batch=None, private_ip=None, host_keys=())
    grown = replace(started, nodes=(*started.nodes, new))
    assert world.grow(grown, ["compute003"]).verdict is Verdict.READY
    assert world.network.rounds == ({"compute003": "frontend001"},)


def test_resumed_nodes_are_reached_through_the_gateway_at_its_new_address(world, cluster):
    started = world.start(cluster).cluster
    paused = world.pause(started)
    world.network.rounds = ()
    report = world.start(paused)
    assert report.verdict is Verdict.READY
    inner = {"compute001": "frontend001", "compute002": "frontend001"}
    assert world.network.rounds == ({"frontend001": ""}, inner)
    assert report.cluster.nodes[0].ssh_port != started.nodes[0].ssh_port


def test_status_names_the_gateway_that_bars_the_way(world, cluster):
    started = world.start(cluster).cluster
    world.network.deaf["frontend001"] = DEAF
    status = look(started, world.tools)
    assert {one.node.name: one.problem for one in status.nodes} == {
        "frontend001": "connection refused: 192.0.2.1:22 refuses connections",
        "compute001": "gateway: through frontend001: it is deaf",
        "compute002": "gateway: through frontend001: it is deaf",
    }


# -- host keys that the cloud may tell ---------------------------------------------------------------------


@pytest.fixture
def telling(world):
    """A cloud whose consoles may show host keys, up to 15 seconds after SSH has answered."""
    world.cloud.inner_kinds = frozenset()
    world.cloud.host_key_patience = 15
    return world


def seen_at(name):
    return (f"ssh-ed25519 SEEN-AT-{name}",)


def test_keys_that_a_console_shows_are_pinned_without_a_word(telling, cluster):
    for node in cluster.nodes:
        telling.cloud.consoles[node.name] = seen_at(node.name)
    report = telling.start(cluster)
    assert [node.host_keys for node in report.cluster.nodes] == [seen_at(n.name) for n in cluster.nodes]
    assert telling.cloud.calls["host_keys"] == 1
    assert texts(telling) == []
    assert telling.cloud.clock.now() < 15


def test_console_that_lags_is_asked_once_more(telling, cluster):
    for node in cluster.nodes[:2]:
        telling.cloud.consoles[node.name] = seen_at(node.name)
    report = telling.start(cluster)
    assert report.verdict is Verdict.READY
    assert telling.cloud.calls["host_keys"] == 2
    assert "Host keys of 1 node were accepted on first contact." in texts(telling)
    assert 15 < telling.cloud.clock.now() < 25


def test_node_that_shows_another_key_than_its_console_is_given_up(telling, cluster, monkeypatch):
    telling.cloud.consoles["compute001"] = ("ssh-ed25519 ANOTHER",)
    tried = telling.network.probe
    wrong = Failure(layer=Layer.HOST_KEY, message="shows another host key")

    def strict(targets):
        if any(target.host_keys == ("ssh-ed25519 ANOTHER",) for target in targets):
            telling.network.deaf["compute001"] = wrong
        return tried(targets)

    telling.network.probe = strict
    report = telling.start(cluster)
    assert lost(report) == {"compute001": "host key: shows another host key"}


def test_cloud_that_may_not_be_asked_for_consoles_stops_nobody(telling, cluster):
    def refused(_ids):
        raise CloudProviderError("You may not read consoles.")

    telling.cloud.host_keys = refused
    assert telling.start(cluster).verdict is Verdict.READY
    assert texts(telling, Warned) == ["You may not read consoles. Host keys are accepted on first contact."]
    assert "Host keys of 3 nodes were accepted on first contact." in texts(telling)
    assert telling.cloud.clock.now() < 15


def test_console_of_the_gateway_is_asked_before_anybody_is_reached_through_it(telling, cluster):
    telling.cloud.inner_kinds = frozenset({"compute"})
    for node in cluster.nodes:
        telling.cloud.consoles[node.name] = seen_at(node.name)
    assert telling.start(cluster).verdict is Verdict.READY
    assert telling.cloud.calls["host_keys"] == 2
    assert telling.network.rounds[0] == {"frontend001": ""}


def test_nodes_behind_a_gateway_that_is_believed_last_are_tried_all_the_same(telling, cluster):
    telling.cloud.inner_kinds = frozenset({"compute"})
    telling.network.deaf["frontend001"] = DEAF
    record = telling.start(cluster).cluster
    del telling.network.deaf["frontend001"]
    report = telling.configure(replace(record, login=replace(record.login, probe_timeout=4)))
    assert lost(report) == {}
    assert report.verdict is Verdict.READY
