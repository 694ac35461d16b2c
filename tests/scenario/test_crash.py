"""Whatever call a command dies before or after, `start` carries on from there and `stop` leaves nothing."""

import copy
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.engine import execute
from elasticluster.engine import stop as ending
from elasticluster.engine.bake import bake
from elasticluster.engine.configure import StartOptions
from elasticluster.engine.fakes import FakeCloud, FakeNetwork, FakeSetup
from elasticluster.engine.resize import ShrinkOptions, grow, shrink
from elasticluster.engine.run import Tools, is_bake
from elasticluster.exceptions import ClusterConflict
from elasticluster.model import InstanceState, NodeRecord, Verdict
from elasticluster.naming import new_uuid
from elasticluster.state.store import DiskStore


class Killed(BaseException):
    """The end of a process: nothing that it would still have done is done."""


class Recorder:
    """Counts the moments before and after every call, and is dead from one of them on."""

    def __init__(self, dies_at=0):
        self.moments = []
        self.dies_at = dies_at

    def moment(self, name):
        self.moments.append(name)
        if 0 < self.dies_at <= len(self.moments):
            raise Killed(name)


class Recorded:
    """An adapter whose every call is two moments."""

    def __init__(self, adapter, recorder):
        self._adapter = adapter
        self._recorder = recorder

    def __getattr__(self, name):
        attribute = getattr(self._adapter, name)
        if not callable(attribute):
            return attribute

        def call(*args, **named):
            self._recorder.moment(f"before {name}")
            result = attribute(*args, **named)
            self._recorder.moment(f"after {name}")
            return result

        return call


class Process:
    """A command at work, with everything it touches; the cloud and the disk outlive it."""

    def __init__(self, cloud, path, recorder=None):
        self.recorder = recorder or Recorder()
        setup = FakeSetup(keys={"frontend": "master", "compute": "worker"})
        adapters = (cloud, FakeNetwork(), setup, DiskStore(path))
        provider, prober, setup, store = (Recorded(adapter, self.recorder) for adapter in adapters)
        self.tools = Tools(provider=provider, prober=prober, setup=setup, store=store, clock=cloud.clock)


def start(record, tools):
    return execute.start(record, tools, StartOptions()).cluster


def start_again(record, tools):
    """Start a cluster of which one machine is broken and one has stopped."""
    return start(record, tools)


def start_one_by_one(record, tools):
    return execute.start(record, tools, StartOptions(max_parallel=1)).cluster


def configure_again(record, tools):
    return execute.setup(record, tools, StartOptions()).cluster


def stop(record, tools):
    ending.stop(record, tools)


def pause(record, tools):
    return ending.pause(record, tools, [node.name for node in record.nodes])


def resume(record, tools):
    return start(record, tools)


def add_two(record, tools):
    """Let a cluster of three nodes grow to five."""
    spec, names = record.node("compute001").spec, ["compute003", "compute004"]
    grown = replace(record, nodes=(*record.nodes, *(NodeRecord(name=name, spec=spec) for name in names)))
    return grow(grown, tools, names, StartOptions()).cluster


def remove_one(record, tools):
    return shrink(record, tools, ["compute002"], ShrinkOptions())


def remove_one_without_asking(record, tools):
    return shrink(record, tools, ["compute002"], ShrinkOptions(configure=False))


def destroy_one(record, tools):
    return ending.destroy(record, tools, ["compute001"])


def bake_images(record, tools):
    """Make an image for each kind of node; the cluster for that has the name of the others here."""
    return bake(record, tools, {node.kind: node.spec for node in record.nodes})


def prepare(cloud, path, cluster, command):
    """Bring a cluster to where a command begins; return its record."""
    if command in (start, start_one_by_one, bake_images):
        return cluster
    record = start(cluster, Process(cloud, path).tools)
    if command is start_again:
        cloud.halt(record.node("compute001").instance_id, InstanceState.ERROR)
        cloud.halt(record.node("compute002").instance_id)
    return pause(record, Process(cloud, path).tools) if command is resume else record


def branch(cloud):
    """Return a cloud in the same state, to go on from in another way."""
    other = copy.copy(cloud)
    other.machines = {name: copy.copy(machine) for name, machine in cloud.machines.items()}
    other.shared = set(cloud.shared)
    other.images = dict(cloud.images)
    return other


def carry_on(cloud, path, command, then):
    """Run another command after a crash of `command`, then `stop`; return what is left."""
    store = DiskStore(path)
    if store.names():
        record = store.load("slurm")
        if then is start and is_bake(record):
            with pytest.raises(ClusterConflict):
                execute.start(record, Process(cloud, path).tools, StartOptions())
        elif then is start:
            report = execute.start(record, Process(cloud, path).tools, StartOptions())
            assert report.verdict is Verdict.READY
            record = report.cluster
            assert {node.instance_id for node in record.nodes} == cloud.machines.keys()
            assert len(record.nodes) in NODES_AFTER_START.get(command, {3})
        stop(record, Process(cloud, path).tools)
    return [*cloud.machines, *cloud.shared, *store.names()]


COMMANDS = [
    start,
    start_again,
    start_one_by_one,
    configure_again,
    stop,
    pause,
    resume,
    add_two,
    remove_one,
    remove_one_without_asking,
    destroy_one,
    bake_images,
]
NODES_AFTER_START = {  # else 3
    add_two: {3, 5},
    remove_one: {2, 3},
    remove_one_without_asking: {2, 3},
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder, in memory where that can be had: to be on the disk takes time in a thousand flows."""
    memory = Path("/dev/shm")  # noqa: S108 - in a folder of our own
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


@pytest.mark.parametrize("tags_each", [True, False], ids=["own tags", "tags of the batch"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_machine_is_lost_wherever_a_command_dies(folder, new_cluster, command, tags_each):
    points, before, cloud = 0, folder / "before", FakeCloud(tags_each=tags_each)
    record = prepare(cloud, before, new_cluster(), command)
    while True:
        path, crashed = copied(before, folder / str(points)), branch(cloud)
        process = Process(crashed, path, Recorder(dies_at=points + 1))
        try:
            command(record, process.tools)
            break
        except Killed:
            points += 1
        for then in (start, stop):
            other = copied(path, folder / f"{points}-{then.__name__}")
            left = carry_on(branch(crashed), other, command, then)
            assert left == [], (command.__name__, process.recorder.moments[-1], then.__name__)
    assert points >= 8, process.recorder.moments


def test_bake_that_died_anywhere_is_made_good_by_the_next_one(folder, new_cluster):
    points, cluster = 0, new_cluster()
    while True:
        path, cloud = folder / str(points), FakeCloud()
        try:
            bake_images(cluster, Process(cloud, path, Recorder(dies_at=points + 1)).tools)
            break
        except Killed:
            points += 1
        store = DiskStore(path)
        for name in store.names():
            stop(store.load(name), Process(cloud, path).tools)
        baked = bake_images(replace(cluster, uuid=new_uuid(), created=1e9), Process(cloud, path).tools)
        assert cloud.images == {one.image.id: one.image for one in baked}
        assert len(baked) == 2
        assert [*cloud.machines, *cloud.shared, *store.names()] == []
    assert points >= 30


def copied(path, to):
    """Copy a directory, if it exists."""
    return shutil.copytree(path, to) if path.exists() else to
