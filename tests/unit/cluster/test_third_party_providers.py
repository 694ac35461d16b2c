"""What a third party's providers are called with, and when."""

import threading

from elasticluster.cluster import Cluster
from elasticluster.exceptions import InstanceNotFoundError
from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider

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
