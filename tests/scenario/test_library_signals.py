"""The Python API leaves signals to its callers, works in any thread, and survives being interrupted."""

import os
import signal
import threading

import pytest

from elasticluster.cluster import Cluster
from elasticluster.exceptions import ClusterSizeError
from elasticluster.providers import AbstractCloudProvider
from elasticluster.repository import JsonRepository

KIND = ("debian-13", "debian", "1cpu-1ram", "default")


class Cloud(AbstractCloudProvider):
    """Machines that never answer; notes who would get a signal while one is made, and may send one."""

    def __init__(self, send=None):
        self.send = send
        self.handlers = []
        self.running = set()

    def start_instance(self, *given, **named):
        self.handlers.append(signal.getsignal(signal.SIGINT))
        if self.send is not None:
            os.kill(os.getpid(), self.send)
        self.running.add(f"m-{len(self.handlers)}")
        return f"m-{len(self.handlers)}"

    def stop_instance(self, instance_id):
        self.running.discard(instance_id)

    def get_ips(self, instance_id):
        return ["127.0.0.1"]

    def is_instance_running(self, instance_id):
        return instance_id in self.running


@pytest.fixture
def new_cluster(tmp_path):
    """Return a function from a cloud to a cluster of two nodes, stored on disk."""

    def make(cloud):
        repository = JsonRepository(str(tmp_path / "storage"))
        made = Cluster("slurm", cloud_provider=cloud, repository=repository, start_timeout=0.2)
        made.add_nodes("compute", 2, *KIND)
        made.polling_interval = 0.05
        return made

    return make


@pytest.fixture
def handler():
    """Handle Ctrl-C in a way of one's own for the length of a test."""

    def mine(_number, _frame):
        raise KeyboardInterrupt("mine")

    before = signal.signal(signal.SIGINT, mine)
    yield mine
    signal.signal(signal.SIGINT, before)


def test_start_leaves_the_callers_handler_in_place_all_the_time(new_cluster, handler):
    cloud = Cloud()
    with pytest.raises(ClusterSizeError):
        new_cluster(cloud).start()
    assert cloud.handlers == [handler, handler]
    assert signal.getsignal(signal.SIGINT) is handler


def test_start_and_stop_work_in_another_thread(new_cluster, handler):
    cloud, outcome = Cloud(), []

    def work():
        cluster = new_cluster(cloud)
        try:
            cluster.start()
        except ClusterSizeError as error:
            outcome.append((error, [node.instance_id for node in cluster.get_all_nodes()]))
        cluster.stop()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    ((_, machines),) = outcome
    assert sorted(machines) == ["m-1", "m-2"]
    assert cloud.running == set()
    assert cloud.handlers == [handler, handler]


def test_interrupt_in_the_middle_reaches_the_caller_and_what_was_made_is_known(new_cluster, handler):
    cloud = Cloud(send=signal.SIGINT)
    cluster = new_cluster(cloud)
    with pytest.raises(KeyboardInterrupt, match="mine"):
        cluster.start(max_concurrent_requests=1)
    assert {node.instance_id for node in cluster.get_all_nodes()} - {None} == cloud.running
    assert "m-1" in cloud.running
    assert cluster.repository.get("slurm").record == cluster.record
    cloud.send = None
    cluster.stop()
    assert cloud.running == set()
    assert cluster.repository.get_all() == []
