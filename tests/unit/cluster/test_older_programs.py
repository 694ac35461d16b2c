"""What programs written for earlier releases do with clusters and nodes, and what they are told now."""

import logging
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

import elasticluster
from elasticluster.cluster import Cluster, Node
from elasticluster.exceptions import ClusterSizeError, ConfigurationError
from elasticluster.model import NodeState
from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider
from elasticluster.providers.ansible_provider import AnsibleSetupProvider
from elasticluster.repository import AbstractClusterRepository, JsonRepository, MemRepository

KIND = ("debian-13", "debian", "1cpu-1ram", "default")
NOBODY = "127.0.0.1:1"


class Cloud(AbstractCloudProvider):
    """A third party's cloud with the four documented verbs, and those to pause."""

    polling_interval = 0.05

    def __init__(self, address="192.0.2.1"):
        self.address = address
        self.running = {}
        self.listings = 0

    def start_instance(self, key_name, public_key_path, private_key_path, security_group, flavor, **more):
        self.running[f"m-{len(self.running)}"] = True
        return f"m-{len(self.running) - 1}"

    def stop_instance(self, instance_id):
        del self.running[instance_id]

    def pause_instance(self, instance_id):
        self.running[instance_id] = False

    def get_ips(self, instance_id):
        return [self.address]

    def is_instance_running(self, instance_id):
        return self.running.get(instance_id, False)

    def list_instances(self, cluster=None):
        self.listings += 1
        return super().list_instances(cluster)


class Setup(AbstractSetupProvider):
    """A third party's setup provider."""

    def setup_cluster(self, cluster):
        return True

    def cleanup(self):
        pass


def new_cluster(cloud, count=2, **more):
    cluster = Cluster("slurm", cloud_provider=cloud, setup_provider=Setup(), **more)
    cluster.add_nodes("compute", count, *KIND)
    return cluster


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("cloud", "setup", "key", "/k.pub", "/k", "repository"), {}),
        (("cloud", "setup", "key", "/k.pub", "/k"), {"repository": "repository"}),
        (("cloud", "setup"), {"user_key_name": "key", "user_key_public": "/k.pub", "user_key_private": "/k"}),
        (
            ("cloud",),
            {
                "setup_provider": "setup",
                "user_key_name": "key",
                "user_key_public": "/k.pub",
                "user_key_private": "/k",
            },
        ),
        ((), {"cloud_provider": "cloud", "user_key_name": "key", "user_key_public": "/k.pub"}),
    ],
)
def test_older_order_may_be_mixed_with_keywords(args, named):
    parts = {"cloud": Cloud(), "setup": Setup(), "repository": MemRepository()}
    given = [parts.get(one, one) for one in args]
    made = Cluster("c", *given, **{name: parts.get(one, one) for name, one in named.items()})
    assert made.cloud_provider is parts["cloud"]
    assert (made.user_key_name, made.user_key_public) == ("key", "/k.pub")
    if "setup" in (*args, *named.values()):
        assert made.setup_provider is parts["setup"]
        assert made.user_key_private == "/k"
    if "repository" in (*args, *named.values()):
        assert made.repository is parts["repository"]


def test_older_order_refuses_an_argument_given_twice_or_too_many():
    with pytest.raises(TypeError, match=r"Cluster\(\) got multiple values for argument 'setup_provider'"):
        Cluster("c", Cloud(), Setup(), setup_provider=Setup())
    with pytest.raises(TypeError, match=r"Cluster\(\) takes at most 7 arguments in the older order, not 8"):
        Cluster("c", Cloud(), Setup(), "key", "/k.pub", "/k", MemRepository(), 600)


def test_startup_timeout_is_the_start_timeout_of_a_cluster():
    cluster = Cluster("c", start_timeout=30)
    assert cluster.startup_timeout == 30
    cluster.startup_timeout = 7
    assert (cluster.start_timeout, cluster.record.start_timeout) == (7, 7)


def test_startup_timeout_of_a_subclass_counts_unless_the_argument_says_otherwise():
    class Patient(Cluster):
        startup_timeout = 3600

    assert Patient("c").record.start_timeout == 3600
    assert Patient("c", start_timeout=30).record.start_timeout == 30


def test_values_that_are_safe_to_change_can_be_assigned():
    cluster = Cluster("c")
    cluster.ssh_to, cluster.ssh_probe_timeout, cluster.ssh_proxy_command = "compute", 2, "ssh gate -W %h:%p"
    record = cluster.record
    assert (record.ssh_to, record.login.probe_timeout) == ("compute", 2)
    assert record.login.proxy_command == cluster["ssh_proxy_command"] == "ssh gate -W %h:%p"
    with pytest.raises(AttributeError):
        cluster.name = "other"


def test_provider_that_is_assigned_is_remembered_with_the_cluster():
    cluster = Cluster("c")
    cluster.cloud_provider, cluster.setup_provider = Cloud("192.0.2.9"), Setup()
    assert cluster.record.cloud.args == {"address": "192.0.2.9"}
    assert cluster.record.setup.type.endswith(":Setup")


def test_connection_timeout_counts_unless_connect_is_told_otherwise():
    class Watched(Node):
        asked = ()

        def ssh_target(self, timeout=None):
            self.asked = (*self.asked, timeout)
            return super().ssh_target(timeout)

    node = Watched("n001", "c", "n", Cloud(), "", "", "key", "debian", "default", "debian-13", "f")
    node.record = replace(node.record, public_ip="127.0.0.1", ssh_port=1)
    node.connection_timeout = 0.5
    assert node.connect() is None
    assert node.connect(timeout=2) is None
    assert node.asked == (0.5, 2)


def test_node_takes_its_image_under_both_names():
    names = ("n001", "c", "n", Cloud(), "", "", "key", "debian", "default")
    assert Node(*names, image="debian-13", flavor="f").image_id == "debian-13"
    assert Node(*names, "debian-13", "f").image_id == "debian-13"


def test_paused_nodes_tell_what_it_takes_to_start_them_again():
    cluster = new_cluster(Cloud())
    assert cluster.paused_nodes == {}
    cluster.launch(["compute001", "compute002"])
    node = cluster.get_node_by_name("compute002")
    machine = node.instance_id
    assert machine
    assert node.pause() == {"instance_id": machine}
    assert cluster.paused_nodes == {"compute002": {"instance_id": machine}}
    assert node.record.state is NodeState.PAUSED


def test_storage_file_is_where_the_cluster_is_remembered(tmp_path):
    assert new_cluster(Cloud()).storage_file is None
    cluster = new_cluster(Cloud(), repository=JsonRepository(str(tmp_path)))
    assert cluster.storage_file is None
    cluster.repository.save_or_update(cluster)
    assert cluster.storage_file == str(tmp_path / "slurm.json")
    cluster.stop()
    assert cluster.storage_file is None


def test_repository_of_a_third_party_has_no_storage_file():
    assert AbstractClusterRepository.storage_file(MemRepository(), "c") is None


def test_cluster_and_node_are_read_like_dictionaries():
    cluster = Cluster("c", project="physics")
    node = cluster.add_node("compute", *KIND, boot_disk_size=20)
    assert ("name" in cluster, "nmae" in cluster) == (True, False)
    assert cluster["project"] == cluster.extra["project"] == "physics"
    assert (cluster.get("template"), cluster.get("nmae", "none")) == ("c", "none")
    assert (
        dict(node)
        == node.to_dict()
        == dict(node.items())
        == dict(zip(node.keys(), node.values(), strict=True))
    )
    assert node["extra"] == {"boot_disk_size": 20}
    assert node["boot_disk_size"] == 20
    assert len(node) == len(node.to_dict())
    with pytest.raises(KeyError, match="nmae"):
        _ = node["nmae"]


def test_nodes_that_read_the_same_are_not_the_same():
    first, second = (Cluster("c").add_node("compute", *KIND) for _ in range(2))
    assert dict(first) == dict(second)
    assert first != second
    assert len({first, second}) == 2


def test_polling_all_nodes_in_a_tight_loop_costs_the_cloud_two_listings():
    """As in the documented sample: one listing finds them running, one reads their addresses."""
    cloud = Cloud()
    cluster = new_cluster(cloud, count=20)
    cluster.polling_interval = 3600
    nodes = cluster.get_all_nodes()
    for node in nodes:
        node.start()
    before = cloud.listings
    starting = nodes[:]
    while starting:
        starting = [node for node in starting if not node.is_alive()]
    for _ in range(100):
        assert all(node.is_alive() for node in nodes)
    assert cloud.listings - before == 2
    assert {node.connection_ip() for node in nodes} == {"192.0.2.1"}


def test_node_is_looked_at_again_after_it_was_stopped_or_the_interval_is_over():
    cloud = Cloud()
    cluster = new_cluster(cloud)
    cluster.polling_interval = 3600
    first, second = cluster.get_all_nodes()
    first.start()
    second.start()
    assert first.is_alive()
    first.stop()
    assert (first.is_alive(), second.is_alive()) == (False, True)
    cloud.running[second.instance_id] = False
    assert second.is_alive()
    cluster.polling_interval = 0
    assert not second.is_alive()


def test_machine_that_cannot_be_looked_at_is_named_in_the_log(caplog):
    class Ill(Cloud):
        def is_instance_running(self, instance_id):
            raise RuntimeError("no route")

    node = new_cluster(Ill(), count=1).get_all_nodes()[0]
    node.start()
    assert not node.is_alive()
    assert (
        "Instance m-0 cannot be looked at: is_instance_running failed: RuntimeError: no route" in caplog.text
    )


def test_machine_without_tags_is_asked_for_by_its_id():
    """A listing does not show it: another program has made it."""

    class Tagging(Cloud):
        tags_instances = True

        def list_instances(self, cluster=None):
            super().list_instances(cluster)
            return []

    cloud = Tagging()
    cluster = new_cluster(cloud, count=1)
    cluster.polling_interval = 3600
    (node,) = cluster.get_all_nodes()
    cloud.running["i-old"] = True
    node.record = replace(node.record, instance_id="i-old", state=NodeState.READY)
    assert node.record.untagged
    assert node.is_alive()
    assert cloud.listings == 1


@pytest.mark.parametrize(("start_failure", "left"), [("keep", 2), ("stop", 0)])
def test_start_that_fails_keeps_or_destroys_what_it_made(start_failure, left):
    cloud = Cloud(NOBODY)
    cluster = new_cluster(cloud, start_timeout=0.1, start_failure=start_failure)
    with pytest.raises(ClusterSizeError, match="Cluster 'slurm' is not ready"):
        cluster.start()
    assert len(cloud.list_instances()) == left


def test_start_failure_is_keep_or_stop():
    assert Cluster("c").start_failure == "keep"
    with pytest.raises(ConfigurationError) as caught:
        Cluster("c", start_failure="destroy")
    assert caught.value.message == "`start_failure` is 'destroy'; expected 'keep' or 'stop'."


@pytest.mark.parametrize(("requests", "most"), [(-1, 1), (1, 1), (2, 2), (0, 3)])
def test_start_makes_at_most_so_many_requests_at_the_same_time(requests, most):
    """0 is four for each processor; the machines of this cluster are fewer."""

    class Counting(Cloud):
        at_once = peak = 0
        lock = threading.Lock()
        all_here = threading.Barrier(most)

        def start_instance(self, **more):
            with self.lock:
                self.at_once += 1
                self.peak = max(self.peak, self.at_once)
                number = len(self.running)
                self.running[f"m-{number}"] = True
            if number < most:
                self.all_here.wait(30)  # so many are let in together, or the test fails
            with self.lock:
                self.at_once -= 1
            return f"m-{number}"

    cloud = Counting(NOBODY)
    with pytest.raises(ClusterSizeError):
        new_cluster(cloud, count=3, start_timeout=0.1).start(max_concurrent_requests=requests)
    assert cloud.peak == most


def test_setup_provider_takes_the_seventh_argument_of_two_releases():
    groups = {"compute": ["slurm_worker"]}
    first_six = (groups, None, None, None, True, "root")
    assert AnsibleSetupProvider(*first_six, "/modules")._settings.library == "/modules"
    assert AnsibleSetupProvider(*first_six, True)._settings.library == ""  # noqa: FBT003 - as programs wrote it
    assert AnsibleSetupProvider(groups, slow_but_safer=True)._settings.ansible == {}


def test_resumed_cluster_is_configured_as_any_other():
    class Noting(AnsibleSetupProvider):
        configured = ()

        def setup_cluster(self, cluster, extra_args=()):
            self.configured = (cluster, extra_args)
            return True

    provider = Noting({})
    assert provider.resume_cluster("cluster", ["-e", "a=1"])
    assert provider.configured == ("cluster", ["-e", "a=1"])


def test_log_is_the_packages_logger():
    assert elasticluster.log is logging.getLogger("elasticluster")


HOLD_THE_LOCK = """
import sys
from elasticluster.repository import JsonRepository
with JsonRepository(sys.argv[1]).store.lock("slurm"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_nodes_are_seen_alive_while_another_command_works_on_the_cluster(tmp_path):
    cluster = new_cluster(Cloud(), count=1, repository=JsonRepository(str(tmp_path)))
    (node,) = cluster.get_all_nodes()
    node.start()
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert node.is_alive()
        assert node.preferred_ip is None
        other.stdin.close()
    cluster.polling_interval = 0
    assert node.is_alive()
    assert node.preferred_ip == "192.0.2.1"
