"""What a third party's providers are called with, and when."""

import threading

import pytest

from elasticluster.cluster import Cluster
from elasticluster.cluster._setup import SetupPort
from elasticluster.engine.events import ignore
from elasticluster.engine.ports import SetupJob
from elasticluster.exceptions import ConfigurationError, InstanceNotFoundError
from elasticluster.model import KeyPair, SetupResult
from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider
from elasticluster.providers.registry import check_lasting
from elasticluster.repository import JsonRepository

KIND = ("debian-13", "debian", "1cpu-1ram", "default")


class Pair(AbstractCloudProvider):
    """A cloud on which a machine is only started while another one is, too."""

    def __init__(self):
        self.meeting = threading.Barrier(2, timeout=30)
        self.machines = set()

    def start_instance(self, *args, node_name=None, **kwargs):
        self.meeting.wait()
        self.machines.add(node_name)
        return node_name

    def stop_instance(self, instance_id):
        if instance_id not in self.machines:
            raise InstanceNotFoundError(instance_id)
        self.meeting.wait()
        self.machines.discard(instance_id)

    def get_ips(self, instance_id):
        return []

    def is_instance_running(self, instance_id):
        return False


class Noting(AbstractSetupProvider):
    """Notes what it is given."""

    def __init__(self):
        self.noted = []

    def setup_cluster(self, cluster, extra_args=()):
        return True

    def cleanup(self, cluster):
        self.noted.append(cluster)


def test_machines_are_started_and_stopped_by_several_threads_at_the_same_time():
    cloud = Pair()
    cluster = Cluster("pair", cloud_provider=cloud)
    cluster.add_nodes("compute", 2, *KIND)
    cluster.launch([node.name for node in cluster.get_all_nodes()])
    assert cloud.machines == {"compute001", "compute002"}
    cluster.stop()
    assert cloud.machines == set()


def test_cleanup_with_an_argument_is_given_the_cluster():
    setup = Noting()
    cluster = Cluster("noted", cloud_provider=Pair(), setup_provider=setup)
    cluster.stop()
    assert setup.noted == [cluster]


class Positional(Pair):
    """Takes arguments without names."""

    def __init__(self, *args):
        super().__init__()


def test_cluster_that_nobody_could_stop_is_not_started(tmp_path):
    class Local(Pair):
        pass

    for cloud, problem in [
        (Local(), "its class is defined within a function"),
        (Positional("a", "b"), "its constructor takes arguments without names (`*args`)"),
    ]:
        cluster = Cluster("lost", cloud_provider=cloud, repository=JsonRepository(str(tmp_path)))
        node = cluster.add_node("compute", *KIND)
        for start in (cluster.start, node.start):
            with pytest.raises(ConfigurationError) as caught:
                start()
            assert caught.value.message.endswith(f"again, and so stop the cluster: {problem}.")
        assert cloud.machines == set()


def test_provider_of_the_program_itself_is_warned_of(caplog, monkeypatch):
    monkeypatch.setattr(Pair, "__module__", "__main__")
    check_lasting(Pair())
    assert "cannot import the provider __main__:Pair: put its class into a module." in caplog.text


class Raising(Noting):
    """Fails, and tells what it should not."""

    def __init__(self, api_token):
        super().__init__()
        self.api_token = api_token

    def setup_cluster(self, cluster, extra_args=()):
        raise RuntimeError(f"boom with {self.api_token}")


def test_exception_of_a_setup_provider_is_the_reason_of_the_failure_without_secrets():
    cluster = Cluster("c", cloud_provider=Pair(), setup_provider=Raising("T0KEN"))
    job = SetupJob(
        cluster=cluster.record, key=KeyPair(name="", public_path="", private_path=""), known_hosts_path=""
    )
    result = SetupPort(cluster).setup(job, ignore)
    assert result == SetupResult(error="Raising has failed: RuntimeError: boom with ********")
