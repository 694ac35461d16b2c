"""What `Cluster.setup` returns, on machines that are real SSH servers."""

from __future__ import annotations

import getpass
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elasticluster.cluster import Cluster
from elasticluster.providers import AbstractSetupProvider
from elasticluster.repository import MemRepository

EXAMPLE = Path(__file__).parents[2] / "examples/own-cloud/loopback_cloud.py"


class Says(AbstractSetupProvider):
    """Configures nothing, and says how it went."""

    def __init__(self, answer: bool) -> None:  # noqa: FBT001 - what setup_cluster returns
        self.answer = answer

    def setup_cluster(self, cluster: Any, extra_args: Any = ()) -> bool:
        return self.answer

    def cleanup(self, cluster: Any = None) -> None:
        pass


def loopback_cloud(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("loopback_cloud", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LoopbackCloud(str(folder))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return a cluster of one machine that runs."""
    made = Cluster("c", cloud_provider=loopback_cloud(tmp_path / "machines"), repository=MemRepository())
    made.add_node("node", "any", getpass.getuser(), "any", "default")
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("answer", [True, False])
def test_setup_returns_what_the_setup_provider_says(cluster: Cluster, answer: bool) -> None:  # noqa: FBT001
    cluster.setup_provider = Says(answer)
    assert cluster.setup() is answer


def test_setup_returns_false_where_no_machine_is_left(cluster: Cluster) -> None:
    cluster.setup_provider = Says(answer=True)
    (node,) = cluster.get_all_nodes()
    cluster.cloud_provider.stop_instance(node.instance_id)
    assert cluster.setup() is False
