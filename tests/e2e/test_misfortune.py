"""What befalls the machines of a cluster: users see what it is, `start` repairs it, `stop` leaves nothing."""

import json
import os
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.e2e.frozen import Frozen
from tests.e2e.own_playbook import UNTIL_ALLOWED, WAITING, ids, nodes, wait_for, write

from elasticluster.naming import new_uuid

pytestmark = pytest.mark.e2e

SOON = 10  # seconds that a refusal may take at most


@pytest.fixture(scope="module")
def shared(new_user, beginning):  # has it begin now
    user = new_user("shared")
    yield user
    user.run("stop", "--yes", "--force", "slurm")


@pytest.fixture
def cluster(shared):
    """Return the user of a cluster that is up, whatever the test before did to it."""
    write(shared, start_timeout="30")
    shared.ok("start", "slurm")
    return shared


@pytest.fixture(scope="module")
def beginning(new_user, engine):
    """Begin, beside the other tests, what takes a minute of waiting; return its future result."""
    user = new_user("freezing")
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(freeze_in_setup, user, lambda user, node: find(engine, user, node))
    user.run("stop", "--yes", "--force", "slurm")


@pytest.fixture
def user(new_user):
    made = new_user()
    yield made
    made.run("stop", "--yes", "--force", "slurm")


def find(engine, user, node):
    (uuid,) = user.uuids()
    wanted = [f"elasticluster.uuid={uuid}", f"elasticluster.node={node}"]
    (found,) = engine.containers.list(all=True, filters={"label": wanted})
    return found


@pytest.fixture
def container(engine):
    """Return a function from a user and a node's name to the node's container."""
    return lambda user, node: find(engine, user, node)


def failures(user, *options):
    return {name: node["failure"] for name, node in nodes(user, *options).items()}


def fine(user):
    return not any(failures(user).values())


# -- removed -------------------------------------------------------------------------------------


def test_removed_node_is_named_and_only_that_one_is_replaced(cluster, container):
    before = ids(cluster)
    container(cluster, "compute001").remove(force=True, v=True)
    gone = f"boot: its instance {before['compute001']} is gone"
    assert failures(cluster, "--update") == {"frontend001": None, "compute001": gone}
    result = cluster.run("ssh", "slurm", "--node", "compute001", "--", "hostname")
    assert result.returncode == 4
    assert gone in result.stderr
    assert "elasticluster start slurm" in result.stderr
    result = cluster.run("setup", "slurm")
    assert result.returncode == 4
    assert f"  compute001: {gone}\n" in result.stdout
    assert "elasticluster start slurm" in result.stderr
    cluster.ok("start", "slurm")
    assert fine(cluster)
    after = ids(cluster)
    assert after["frontend001"] == before["frontend001"]
    assert after["compute001"] != before["compute001"]


def remove_everything(engine, uuid):
    ours = {"label": f"elasticluster.uuid={uuid}"}
    for container in engine.containers.list(all=True, filters=ours):
        container.remove(force=True, v=True)
    for thing in [*engine.networks.list(filters=ours), *engine.volumes.list(filters=ours)]:
        thing.remove()


def test_all_of_a_cluster_removed_is_made_anew_by_start(cluster, engine, residue):
    (uuid,) = cluster.uuids()
    before = ids(cluster)
    remove_everything(engine, uuid)
    assert all(failure.endswith(" is gone") for failure in failures(cluster, "--update").values())
    cluster.ok("start", "slurm")
    assert cluster.uuids() == [uuid]
    assert len(residue(uuid)) == 4
    assert not set(ids(cluster).values()) & set(before.values())
    assert cluster.ssh("hostname").strip() == "frontend001"


def test_all_of_a_cluster_removed_can_be_stopped(cluster, engine):
    remove_everything(engine, cluster.uuids()[0])
    assert cluster.ok("stop", "--yes", "slurm") == "Cluster `slurm` was stopped.\n"
    assert cluster.ok("list") == "No clusters found.\n"


# -- stopped -------------------------------------------------------------------------------------


def test_stopped_killed_and_frozen_nodes_are_named_and_started_again(cluster, container):
    before, ports = ids(cluster), {name: node["ssh_port"] for name, node in nodes(cluster).items()}
    container(cluster, "frontend001").stop()
    container(cluster, "compute001").kill()
    stopped = {name: f"boot: its instance {instance} has stopped" for name, instance in before.items()}
    assert failures(cluster, "--update") == stopped
    result = cluster.run("setup", "slurm")
    assert result.returncode == 4
    for name, failure in stopped.items():
        assert f"  {name}: {failure}\n" in result.stdout
    assert "To carry on: elasticluster start slurm" in result.stderr
    cluster.ok("start", "slurm")
    assert ids(cluster) == before
    known = (cluster.home / ".elasticluster/storage/slurm.known_hosts").read_text()
    now = {name: node["ssh_port"] for name, node in nodes(cluster).items()}
    assert now != ports
    assert all(f"[127.0.0.1]:{port}" in known for port in now.values())
    container(cluster, "compute001").pause()
    assert failures(cluster, "--update")["compute001"] == stopped["compute001"]
    cluster.ok("start", "slurm")
    assert ids(cluster) == before
    assert fine(cluster)


# -- SSH -----------------------------------------------------------------------------------------


def test_node_without_ssh_after_a_reboot_is_named_with_its_layer_until_that_is_mended(cluster, container):
    write(cluster, start_timeout="5")
    node = container(cluster, "compute001")
    assert node.exec_run("systemctl disable ssh").exit_code == 0
    node.restart()
    for command in ("setup", "start"):
        result = cluster.run(command, "slurm")
        assert result.returncode == 4, result.stderr
        assert "  compute001: connection refused: " in result.stdout
        assert "  frontend001: " not in result.stdout
    assert node.exec_run("systemctl enable --now ssh").exit_code == 0
    cluster.ok("start", "slurm")
    assert fine(cluster)


def test_changed_host_key_is_never_accepted(cluster, container):
    node = container(cluster, "compute001")
    swap = "cd /etc/ssh && mkdir {0} && mv ssh_host_* {0} && {1} && systemctl restart ssh"
    changed = node.exec_run(["sh", "-c", swap.format("/root/right", "ssh-keygen -A")])
    assert changed.exit_code == 0, changed.output
    for command in ("setup", "start"):
        result = cluster.run(command, "slurm")
        assert result.returncode == 4, result.stderr
        assert "  compute001: host key: " in result.stdout
        assert "is pinned for compute001" in result.stdout
    assert cluster.run("ssh", "slurm", "-n", "compute001", "--", "hostname").returncode == 255
    changed = node.exec_run(["sh", "-c", swap.format("/root/wrong", "mv /root/right/* .")])
    assert changed.exit_code == 0, changed.output
    cluster.ok("start", "slurm")
    assert fine(cluster)


# -- two commands --------------------------------------------------------------------------------


def test_second_command_is_refused_at_once_and_looking_goes_on(cluster, container):
    write(cluster, WAITING)
    first = cluster.begin("setup", "slurm", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    containers = [container(cluster, name) for name in ("frontend001", "compute001")]
    for each in containers:
        wait_for(lambda node=each: "sleep 600" in str(node.top()["Processes"]))
    for words in (
        ["start"],
        ["setup"],
        ["stop", "--yes"],
        ["resize", "-a", "1:compute"],
        ["list-nodes", "-u"],
    ):
        began = time.monotonic()
        second = cluster.run(*words, "slurm")
        assert second.returncode == os.EX_TEMPFAIL, second.stderr
        assert f"process {first.pid} (" in second.stderr
        assert "setup slurm" in second.stderr
        assert time.monotonic() - began < SOON
    assert "  name:           slurm\n" in cluster.ok("list")
    assert len(nodes(cluster)) == 2
    assert cluster.ssh("hostname").strip() == "frontend001"
    for each in containers:
        each.exec_run("pkill -f 'sleep 600'")
    output, errors = first.communicate(timeout=120)
    assert first.returncode == 4, errors
    assert "  compute001: setup: " in output


# -- hanging -------------------------------------------------------------------------------------


def freeze_in_setup(user, container):
    """Set up four nodes of which one freezes and one has its task killed; return how that ended."""
    write(user, UNTIL_ALLOWED, compute_nodes="3", compute_nodes_min="1")
    user.ok("start", "slurm", "--no-setup")
    running = user.begin("setup", "slurm", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    waiting = {name: container(user, name) for name in ids(user)}
    for each in waiting.values():
        wait_for(lambda node=each: "told" in str(node.top()["Processes"]))
    waiting["compute002"].pause()
    began = time.monotonic()
    waiting["compute003"].exec_run("pkill -KILL -f told")
    for name in ("frontend001", "compute001"):
        waiting[name].exec_run("touch /var/tmp/told")
    output, errors = running.communicate(timeout=200)
    return user, running.returncode, output, errors, time.monotonic() - began


# -- nodes that never answer -----------------------------------------------------------------------


def test_cluster_that_is_content_with_fewer_nodes_is_ready_without_one_that_never_answers(user, engine):
    write(user, compute_nodes="2", compute_nodes_min="1", start_timeout="15")
    with Frozen(engine, user, "compute002"):
        result = user.run("start", "slurm")
    assert result.returncode == 3, result.stdout + result.stderr
    assert re.search(r"^  compute002: .* \(given up after 15 s\)$", result.stdout, re.MULTILINE)
    assert [name for name, failure in failures(user).items() if failure] == ["compute002"]


def test_failed_start_keeps_what_it_made_and_one_that_is_to_stop_takes_back_its_own(user, engine, container):
    write(user, compute_nodes="2", start_timeout="15")
    with Frozen(engine, user, "compute002"):
        result = user.run("start", "slurm")
    assert result.returncode == 4, result.stdout + result.stderr
    assert "  1 of 2 compute nodes are usable, at least 2 are needed\n" in result.stdout
    before = ids(user)
    container(user, "compute002").remove(force=True, v=True)
    with Frozen(engine, user, "compute002"):
        result = user.run("start", "slurm", "--on-failure=stop")
    assert result.returncode == 4, result.stdout + result.stderr
    assert re.search(r"^  compute002: .* \(given up after 15 s\)$", result.stdout, re.MULTILINE)
    assert ids(user) == before | {"compute002": None}
    (uuid,) = user.uuids()
    there = engine.containers.list(all=True, filters={"label": f"elasticluster.uuid={uuid}"})
    assert Counter(one.labels["elasticluster.node"] for one in there) == Counter(
        ["frontend001", "compute001"]
    )
    write(user, compute_nodes="2")
    user.ok("start", "slurm")
    assert fine(user)


def test_new_cluster_that_is_to_be_stopped_on_failure_leaves_nothing_but_the_evidence(user, engine):
    write(user, start_timeout="15")
    seen = []
    with Frozen(engine, user, "compute001"):
        starting = user.begin(
            "start", "slurm", "--on-failure=stop", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        seen += wait_for(user.uuids)
        output, errors = starting.communicate(timeout=200)
    assert starting.returncode == 4, output + errors
    assert re.search(r"^  compute001: .* \(given up after 15 s\)$", output, re.MULTILINE)
    assert "compute001, " in errors  # with what its console said
    assert user.ok("list") == "No clusters found.\n"
    left = engine.containers.list(all=True, filters={"label": f"elasticluster.uuid={seen[0]}"})
    assert left == []


# -- labels by somebody else's hand ----------------------------------------------------------------


@pytest.fixture
def forge(engine):
    """Return a function that makes containers with labels of our form; they are removed in the end."""
    made = []
    image = engine.images.list("elasticluster/node")[0]

    def make(**labels):
        named = {f"elasticluster.{name}": value for name, value in labels.items()}
        made.append(engine.containers.run(image, ["sleep", "600"], entrypoint="", detach=True, labels=named))
        return made[-1]

    yield make
    for container in made:
        for each in engine.containers.list(all=True, filters={"id": container.id}):
            each.remove(force=True, v=True)


def exists(engine, container):
    return bool(engine.containers.list(filters={"id": container.id}))


def test_containers_with_labels_of_other_clusters_are_never_touched(cluster, engine, forge):
    before = ids(cluster)
    nonsense = forge(uuid="no such form", name="slurm", node="compute001")
    stranger = forge(uuid=new_uuid(), name="slurm", node="compute001", owner="somebody@elsewhere/12345678")
    cluster.ok("start", "slurm")
    assert ids(cluster) == before
    found = json.loads(cluster.ok("gc", "--dry-run", "--json"))
    assert stranger.labels["elasticluster.uuid"] in str(found)
    cluster.run("gc", "--yes")
    cluster.ok("stop", "--yes", "slurm")
    assert exists(engine, nonsense)
    assert exists(engine, stranger)


def test_containers_with_labels_of_a_cluster_are_named_as_strays_and_stopped_with_it(cluster, engine, forge):
    before = ids(cluster)
    (uuid,) = cluster.uuids()
    strays = [forge(uuid=uuid), forge(uuid=uuid, node="compute001"), forge(uuid=uuid, node="compute009")]
    result = cluster.run("start", "slurm")
    assert result.returncode == 0, result.stderr
    for stray in strays:
        assert f"Instance {stray.id[:12]} carries this cluster's UUID" in result.stderr
    assert ids(cluster) == before
    assert fine(cluster)
    cluster.ok("list-nodes", "--update", "slurm")
    listed = cluster.ok("stop", "slurm", "--dry-run")
    assert all(stray.id[:12] in listed for stray in strays)
    cluster.ok("gc", "--yes")
    assert all(exists(engine, stray) for stray in strays)
    cluster.ok("stop", "--yes", "slurm")
    assert not any(exists(engine, stray) for stray in strays)


# -- the end of what was begun -----------------------------------------------------------------------


def test_node_that_freezes_in_setup_is_named_and_the_others_come_to_their_end(beginning):
    user, status, output, errors, seconds = beginning.result()
    assert status == 3, output + errors
    assert re.search(r"^  compute002: .*this host can be reached over ssh", output, re.MULTILINE), output
    assert re.search(r"^  compute003: setup: .*Wait until told", output, re.MULTILINE), output
    assert "frontend001: " not in output
    assert "compute001: " not in output
    assert seconds < 90
    write(user, compute_nodes="3", compute_nodes_min="1")
    before = ids(user)
    user.ok("start", "slurm")
    assert fine(user)
    assert ids(user) == before
