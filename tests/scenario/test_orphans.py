"""Clusters that only their tags tell of."""

from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.engine import orphans
from elasticluster.engine.fakes import FakeCloud
from elasticluster.exceptions import InstanceError, KeypairError
from elasticluster.model import Instance, InstanceState, NodeState, Tags, Verdict
from elasticluster.state.store import DiskStore

SPECS = ("frontend", "compute")


def specs(cluster):
    return {kind: cluster.of_kind(kind)[0].spec for kind in SPECS}


def base(cluster):
    return replace(cluster, uuid="other", nodes=(), kinds=SPECS)


def lose_the_record(world, cluster):
    """Forget a cluster, but not its key."""
    key = Path(world.store.key_pair(cluster).private_path)
    text = key.read_text()
    world.store.delete(cluster.name)
    key.parent.mkdir(mode=0o700)
    key.write_text(text)
    key.chmod(0o600)


@pytest.mark.parametrize("tags_each", [True, False], ids=["own tags", "tags of the batch"])
def test_forgotten_cluster_is_remembered_again_and_can_be_started_and_stopped(world, cluster, tags_each):
    world.cloud = FakeCloud(clock=world.cloud.clock, tags_each=tags_each)
    before = world.start(replace(cluster, owner="me@here/1", created=1e9)).cluster
    lose_the_record(world, before)
    (orphan,) = orphans.find(world.cloud)
    record = orphans.rebuild(orphan, base(cluster), specs(cluster))
    assert (record.uuid, record.owner, record.created) == (before.uuid, "me@here/1", 1e9)
    assert {node.name: node.instance_id for node in record.nodes} == {
        node.name: node.instance_id for node in before.nodes
    }
    assert record.kinds == SPECS
    assert world.start(record).verdict is Verdict.READY
    assert len(world.cloud.machines) == 3
    world.stop(world.store.load("slurm"))
    assert world.cloud.machines == {}
    assert world.cloud.shared == set()


def test_start_of_a_cluster_whose_key_is_gone_says_so_and_stop_works(world, cluster):
    world.start(cluster)
    world.store.delete("slurm")
    (orphan,) = orphans.find(world.cloud)
    record = orphans.rebuild(orphan, base(cluster), specs(cluster))
    world.store.save(record)
    with pytest.raises(KeypairError, match="private key of cluster `slurm` is gone") as caught:
        world.start(record)
    assert "can still be listed and stopped" in caught.value.hint
    world.stop(world.store.load("slurm"))
    assert world.cloud.machines == {}


def test_paused_machines_make_paused_nodes(world, cluster):
    world.pause(world.start(cluster).cluster)
    (orphan,) = orphans.find(world.cloud)
    record = orphans.rebuild(orphan, base(cluster), specs(cluster))
    assert {node.state for node in record.nodes} == {NodeState.PAUSED}


def test_every_cluster_is_told_apart_and_removed_alone(world, cluster, new_cluster):
    world.start(cluster)
    other = world.start(new_cluster("other")).cluster
    first, second = orphans.find(world.cloud)
    assert [first.tags.name, second.tags.name] == ["other", "slurm"]
    assert orphans.remove(second, world.cloud) == {}
    assert {machine.instance.tags.uuid for machine in world.cloud.machines.values()} == {other.uuid}
    assert world.cloud.shared == {other.uuid}


def test_what_is_shared_is_found_without_any_machine(world, cluster):
    world.cloud.prepare(cluster, world.store.key_pair(cluster))
    (orphan,) = orphans.find(world.cloud)
    assert (orphan.tags.uuid, orphan.instances) == (cluster.uuid, ())
    orphans.remove(orphan, world.cloud)
    assert orphans.find(world.cloud) == []


def test_what_is_shared_stays_as_long_as_a_machine_does(world, cluster):
    class Clinging(FakeCloud):
        def stop_instances(self, ids):
            return {ids[0]: InstanceError("It is locked.")}

    world.cloud = Clinging(clock=world.cloud.clock)
    world.start(cluster)
    (orphan,) = orphans.find(world.cloud)
    assert orphans.remove(orphan, world.cloud) == {orphan.instances[0].id: "It is locked."}
    assert world.cloud.shared == {cluster.uuid}


def tagged(uuid="8d4ed781-364b-4b97-83d8-4654b2e7d049", **tags):
    given = {"name": "slurm", "template": "slurm", "owner": "me", "created": "2026-01-02T03:04:05+00:00"}
    return Instance(id="i-1", state=InstanceState.RUNNING, tags=Tags(uuid=uuid, **(given | tags)))


def test_machines_that_are_gone_are_nobodys():
    gone = replace(tagged(), state=InstanceState.TERMINATED)
    assert orphans.grouped([gone], []) == []


def test_tags_that_no_program_writes_are_recognised():
    (forged,) = orphans.grouped([tagged(uuid="hello")], [])
    assert forged.forged
    (genuine,) = orphans.grouped([tagged()], [])
    assert not genuine.forged


@pytest.mark.parametrize(
    ("created", "seconds"),
    [("2026-01-02T03:04:05+00:00", 1767323045), ("2026-01-02T03:04:05", 1767323045), ("yesterday", None)],
)
def test_age_is_read_from_the_tag_or_not_known(created, seconds):
    (orphan,) = orphans.grouped([tagged(created=created)], [])
    assert orphan.created == seconds


def test_names_that_no_node_can_have_and_names_given_twice_are_replaced(cluster):
    machines = [
        replace(tagged(kind="compute", node=name), id=f"i-{number}")
        for number, name in enumerate(["compute001", "compute001", "No Name", ""])
    ]
    (orphan,) = orphans.grouped(machines, [])
    record = orphans.rebuild(orphan, base(cluster), specs(cluster))
    assert sorted(node.name for node in record.nodes) == [
        "compute001",
        "compute002",
        "compute003",
        "compute004",
    ]
    assert record.node("compute001").instance_id == "i-0"


def test_node_of_a_kind_that_the_template_has_not_can_still_be_listed_and_stopped(world, cluster):
    world.start(cluster)
    (orphan,) = orphans.find(world.cloud)
    record = orphans.rebuild(orphan, base(cluster), {"frontend": cluster.nodes[0].spec})
    assert record.node("compute001").spec.image_user == "debian"
    world.store.delete("slurm")
    world.store.save(record)
    world.stop(record)
    assert world.cloud.machines == {}


def test_key_follows_a_cluster_to_its_new_name(tmp_path, cluster):
    store = DiskStore(tmp_path)
    public = store.key_pair(cluster).public_path
    before = Path(public).read_text()
    store.take_key("slurm", "other")
    after = store.key_pair(replace(cluster, name="other", nodes=(running(cluster.nodes[0]),)))
    assert Path(after.public_path).read_text() == before
    assert not Path(public).exists()
    store.take_key("nobody", "other")  # there is none
    assert Path(after.public_path).exists()


def running(node):
    return replace(node, instance_id="i-1", batch="b")
