"""A cluster of one frontend and two compute nodes on a cloud in memory."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from elasticluster.cluster import Cluster
from elasticluster.engine import execute, resize
from elasticluster.engine import stop as ending
from elasticluster.engine.configure import StartOptions
from elasticluster.engine.fakes import FakeClock, FakeCloud, FakeNetwork, FakeSetup
from elasticluster.engine.resize import ShrinkOptions
from elasticluster.engine.run import Tools
from elasticluster.model import ClusterRecord, ComponentRef, Login, NodeRecord, NodeSpec
from elasticluster.naming import new_uuid
from elasticluster.repository import JsonRepository
from elasticluster.state.memory import MemoryStore

FRONTEND = NodeSpec(kind="frontend", image_id="debian-13", image_user="debian", flavor="1cpu-1ram")
COMPUTE = replace(FRONTEND, kind="compute")
REF = ComponentRef(type="fake")


def _new_cluster(name="slurm", compute=2, **fields):
    """Return a cluster that was never started."""
    nodes = [NodeRecord(name="frontend001", spec=FRONTEND)]
    nodes += [NodeRecord(name=f"compute{n:03d}", spec=COMPUTE) for n in range(1, compute + 1)]
    return ClusterRecord(
        uuid=new_uuid(),
        name=name,
        template="slurm",
        cloud=REF,
        setup=REF,
        kinds=("frontend", "compute"),
        nodes=tuple(nodes),
        **fields,
    )


@dataclass
class World:
    """Everything that a command touches, in memory."""

    cloud: FakeCloud
    network: FakeNetwork = field(default_factory=FakeNetwork)
    setup: FakeSetup = field(default_factory=FakeSetup)
    store: MemoryStore = field(default_factory=MemoryStore)
    events: list = field(default_factory=list)

    @property
    def tools(self):
        return Tools(
            provider=self.cloud,
            prober=self.network,
            setup=self.setup,
            store=self.store,
            clock=self.cloud.clock,
            tell=self.events.append,
        )

    def start(self, cluster, **options):
        return execute.start(cluster, self.tools, StartOptions(**options))

    def configure(self, cluster):
        return execute.setup(cluster, self.tools, StartOptions())

    def stop(self, cluster, **options):
        return ending.stop(cluster, self.tools, **options)

    def grow(self, cluster, names, **options):
        return resize.grow(cluster, self.tools, names, StartOptions(**options))

    def shrink(self, cluster, names, **options):
        return resize.shrink(cluster, self.tools, names, ShrinkOptions(**options))

    def pause(self, cluster):
        return ending.pause(cluster, self.tools, [node.name for node in cluster.nodes])

    def known_hosts(self, name="slurm"):
        return self.network.known_hosts[self.store.known_hosts_path(name)]

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def world():
    made = World(FakeCloud(clock=FakeClock()))
    yield made
    made.store.close()


@pytest.fixture
def new_cluster():
    return _new_cluster


@pytest.fixture
def cluster():
    return _new_cluster()


# -- the program itself ----------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    """Return the home directory of a user of the program."""
    return tmp_path / "home"


@pytest.fixture
def run(home, source_tree):
    """Return a function that runs a command line where no container engine answers."""
    home.mkdir()

    def run(*args, stdin=""):
        command = [sys.executable, "-m", "elasticluster", *args]
        environment = os.environ | {"HOME": str(home), "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
        return subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def stored(home):
    """Return a function that stores a cluster which has never been started."""

    def store(name="slurm", template="slurm"):
        repository = JsonRepository(str(home / ".elasticluster/storage"))
        cluster = Cluster(name, repository=repository, template=template)
        local = ComponentRef(type="docker", section="local")
        cluster.describe(cloud=local, setup=ComponentRef(type="ansible", args={"groups": {}}), login=Login())
        cluster.add_node("frontend", "debian-13", "debian", "1cpu-1ram", "default")
        cluster.add_nodes("compute", 2, "debian-13", "debian", "1cpu-1ram", "default")
        repository.save_or_update(cluster)
        return cluster

    return store


@pytest.fixture
def source_tree(monkeypatch):
    """Let child processes find the package where it is not installed."""
    source = Path(__file__).parents[2] / "src"
    path = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
