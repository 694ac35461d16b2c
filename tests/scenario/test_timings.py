"""What users of the Python API and of the command line get to know of the time that things take."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from elasticluster.cluster import Cluster
from elasticluster.engine.timeline import PhaseSpan
from elasticluster.exceptions import ClusterSizeError
from elasticluster.model import ComponentRef
from elasticluster.providers import AbstractCloudProvider
from elasticluster.repository import JsonRepository, MemRepository


class Cloud(AbstractCloudProvider):
    """A third party's cloud, on which every second machine cannot be made, and none ever runs."""

    polling_interval = 0.01

    def __init__(self):
        self.asked = 0

    def start_instance(self, *given, node_name, **named):
        if node_name.endswith("2"):
            raise RuntimeError("no more machines; the password is 42")
        return node_name

    def stop_instance(self, instance_id):
        pass

    def get_ips(self, instance_id):
        return ["192.0.2.1"]

    def is_instance_running(self, instance_id):
        return False


@pytest.fixture(params=["json", "memory"])
def repository(request, tmp_path):
    return JsonRepository(str(tmp_path / "storage")) if request.param == "json" else MemRepository()


@pytest.fixture
def cluster(repository, tmp_path):
    for name in ("id", "id.pub"):
        (tmp_path / name).write_text("")
    made = Cluster("mine", cloud_provider=Cloud(), repository=repository, start_timeout=0.05)
    made.add_nodes("compute", 3, "image", "user", "small", "default")
    return made


def start(cluster):
    with pytest.raises(ClusterSizeError):
        cluster.start()
    return cluster.last_trace


def test_trace_of_a_third_partys_cloud_counts_its_verbs(cluster):
    assert cluster.last_trace is None
    trace = start(cluster)
    assert trace.action == "start"
    assert [phase.name for phase in trace.phases] == ["preflight", "create", "boot", "connect"]
    assert sum(phase.end - phase.start for phase in trace.phases) <= trace.seconds
    starts = [call for call in trace.calls if call.verb == "start_instance"]
    assert sorted(call.failed for call in starts) == [False, False, True]
    assert {call.verb for call in trace.calls} == {"start_instance", "is_instance_running", "get_ips"}


def test_cluster_that_is_stopped_leaves_no_trace(cluster, repository):
    start(cluster)
    path = Path(repository.store.trace_path("mine"))
    assert "password" not in path.read_text()
    cluster.stop()
    assert not path.exists()
    assert cluster.last_trace is None


def test_trace_is_no_cluster(cluster, repository):
    start(cluster)
    assert [one.name for one in repository.get_all()] == ["mine"]


def test_pause_is_traced_although_the_cloud_cannot_do_it(cluster):
    start(cluster)
    with pytest.raises(Exception, match="cannot stop an instance"):
        cluster.pause()
    trace = cluster.last_trace
    assert (trace.action, trace.error) == ("pause", "InstanceError")
    assert [type(phase) for phase in trace.phases] == [PhaseSpan]


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def listed(tmp_path):
    """Run `list-nodes` on a stored cluster; return its exit status and what it printed."""
    repository = JsonRepository(str(tmp_path / ".elasticluster/storage"))
    stored = Cluster("mine", repository=repository)
    stored.describe(
        cloud=ComponentRef(type="docker", section="local"),
        setup=ComponentRef(type="ansible"),
        login=stored.record.login,
    )
    stored.add_nodes("compute", 1, "image", "user", "1cpu-1ram", "default")
    repository.save_or_update(stored)

    def run(*options, trace=""):
        if trace:
            (tmp_path / ".elasticluster/storage/mine.trace.jsonl").write_text(trace)
        command = [sys.executable, "-m", "elasticluster", "list-nodes", "mine", *options]
        environment = os.environ | {"HOME": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


PARTIAL = (
    '{"version": 1, "action": "start", "started": 1700000000.0}\n'
    '{"phase": "preflight", "nodes": 1, "at": 0.5}\n{"ended": "pre'
)
NOTHING = "No timings of cluster `mine` are recorded: no command has worked on its nodes yet.\n"


def test_cluster_without_a_trace_is_said_in_one_line_and_no_error(listed):
    assert listed("--timings") == (0, NOTHING)
    status, printed = listed("--timings", "--json")
    assert (status, json.loads(printed)["timings"]) == (0, None)


def test_listing_without_timings_is_as_ever(listed):
    plain = listed()
    assert listed(trace=PARTIAL) == plain
    assert "timings" not in json.loads(listed("--json")[1])


def test_timings_of_a_killed_command_are_shown_as_far_as_they_go(listed):
    status, printed = listed("--timings", trace=PARTIAL)
    assert status == 0
    assert printed.splitlines()[0].endswith(": 0.5 s so far; still running, or killed")
    assert max(map(len, printed.splitlines())) <= 80
    assert json.loads(listed("--timings", "--json")[1])["timings"]["complete"] is False
