"""Growing, shrinking, pausing, forgetting and adopting a real cluster, from the command line.

The playbook does nothing, so that this is quick; what services make of it is proved elsewhere.
"""

import json
import os
import pty
import subprocess

import pytest
from tests.e2e.own_playbook import NOTHING

pytestmark = pytest.mark.e2e

CONFIG = """
[cloud/local]
provider=docker

[login/local]
image_user=debian

[setup/mine]
provider=ansible
playbook_path={playbook}
frontend_groups=front
compute_groups=work
gpu_groups=work

[cluster/slurm]
cloud=local
login=local
setup=mine
image_id=debian-13
flavor=1cpu-0.5ram
frontend_nodes=1
compute_nodes=1
gpu_nodes=0

[cluster/slurm/gpu]
flavor=1cpu-0.625ram

[cluster/big]
cloud=local
login=local
setup=mine
image_id=debian-13
flavor=1cpu-0.75ram
compute_nodes=1
"""
FAILING = """
- name: A play of mine
  hosts: all
  gather_facts: false
  tasks:
    - name: Look for the impossible
      ansible.builtin.command: test -e /tmp/mended
      changed_when: false
"""
NOT_VERIFIED = "Your cluster `slurm` is set up, not verified: front, work\n"


@pytest.fixture(scope="module")
def user(new_user):
    """Somebody with a cluster of one frontend and one compute node."""
    made = new_user("resize")
    made.configure(CONFIG.format(playbook=made.home / "mine.yml"))
    (made.home / "mine.yml").write_text(NOTHING)
    made.ok("start", "slurm")
    yield made
    made.run("stop", "--yes", "--force", "slurm")
    made.run("gc", "--yes")


@pytest.fixture
def failing(user):
    """Let the user's playbook fail on nodes on which nothing was mended."""
    (user.home / "mine.yml").write_text(FAILING)
    yield
    (user.home / "mine.yml").write_text(NOTHING)


def nodes(user):
    listed = json.loads(user.ok("list-nodes", "--json", "slurm"))["nodes"]
    return {node["name"]: node for node in listed}


def machines(engine, user):
    """Return the names of the nodes whose containers exist."""
    (uuid,) = user.uuids()
    found = engine.containers.list(all=True, filters={"label": f"elasticluster.uuid={uuid}"})
    return sorted(container.labels["elasticluster.node"] for container in found)


def test_dry_run_changes_nothing(user, engine):
    plan = user.ok("resize", "-a", "2:compute,1:gpu", "-r", "1:compute", "--dry-run", "slurm")
    (machine,) = (node["instance_id"] for node in nodes(user).values() if node["kind"] == "compute")
    assert plan == (
        "Cluster `slurm` on local:\n"
        "  + 2 compute nodes (debian-13, 1cpu-0.5ram)\n"
        "  + 1 gpu node (debian-13, 1cpu-0.625ram)\n"
        f"  - compute001 (instance {machine})\n"
        "Nothing was changed.\n"
    )
    assert machines(engine, user) == ["compute001", "frontend001"]


def test_nodes_are_added_like_the_newest_or_as_templates_say_and_removed_again(user, engine):
    told = user.ok("resize", "-a", "1:compute", "-t", "big", "slurm")
    assert "- compute nodes: 2\n" in told
    assert told.endswith(NOT_VERIFIED)
    user.ok("resize", "--add", "1:compute,1:gpu", "slurm")
    assert {name: node["flavor"] for name, node in nodes(user).items()} == {
        "frontend001": "1cpu-0.5ram",
        "compute001": "1cpu-0.5ram",
        "compute002": "1cpu-0.75ram",
        "compute003": "1cpu-0.75ram",
        "gpu001": "1cpu-0.625ram",
    }
    assert user.ok("ssh", "slurm", "-n", "gpu001", "--", "hostname") == "gpu001\n"
    removed = user.run("resize", "-r", "2:compute,1:gpu", "--yes", "slurm")
    assert removed.returncode == 0, removed.stderr
    assert removed.stdout.startswith(
        "Node compute003 was removed.\nNode compute002 was removed.\nNode gpu001 was removed.\n"
    )
    assert "- compute nodes: 1\n- gpu nodes: 0\n" in removed.stdout
    assert "No gpu node is left then: this removes the last one.\n" in removed.stderr
    assert machines(engine, user) == ["compute001", "frontend001"]


def test_nodes_are_replaced_by_others_in_one_command(user, engine):
    told = user.ok("resize", "-a", "1:compute", "-r", "1:compute", "--yes", "slurm")
    assert told.startswith("Node compute001 was removed.\n")
    assert told.endswith(NOT_VERIFIED)
    assert machines(engine, user) == ["compute002", "frontend001"]


def test_nodes_that_fail_are_destroyed_again_if_asked_for_and_nothing_else_is(user, engine, failing):
    for node in list(nodes(user)):
        user.ok("ssh", "slurm", "-n", node, "--", "touch /tmp/mended")
    before = machines(engine, user)
    failed = user.run("resize", "-a", "1:compute", "--on-failure", "stop", "slurm")
    assert failed.returncode == 4
    assert "Look for the impossible" in failed.stdout
    (new,) = {"compute001", "compute003"} & set(failed.stderr.split("says: ")[1].split(".")[0].split(", "))
    assert f"says: {new}.\nStill there: frontend001, compute002.\n" in failed.stderr
    assert "What there is was kept" not in failed.stderr
    assert machines(engine, user) == before == sorted(nodes(user))


def test_node_is_removed_by_name(user, engine):
    user.ok("resize", "-a", "1:compute", "slurm")
    (new,) = set(nodes(user)) - {"frontend001", "compute002"}
    plan = user.ok("remove-node", "--dry-run", "slurm", "compute002")
    assert "  - compute002 (instance " in plan
    assert user.ok("remove-node", "--yes", "slurm", "compute002") == "Node compute002 was removed.\n"
    assert machines(engine, user) == sorted(["frontend001", new])


def test_last_node_of_a_kind_may_go_and_the_template_knows_how_to_make_others(user, engine):
    (last,) = set(nodes(user)) - {"frontend001"}
    told = user.run("remove-node", "--yes", "--force", "slurm", last)
    assert told.returncode == 0, told.stderr
    assert "No compute node is left then: this removes the last one." in told.stderr
    assert "Jobs on them are not waited for: they are lost." in told.stderr
    user.ok("resize", "-a", "1:compute", "slurm")
    assert machines(engine, user) == ["compute001", "frontend001"]


def test_pause_and_resume(user, engine):
    assert user.ok("pause", "--yes", "slurm") == (
        "Cluster `slurm` is paused.\nTo start it again: elasticluster resume slurm\n"
    )
    (uuid,) = user.uuids()
    wanted = {"label": f"elasticluster.uuid={uuid}"}
    assert engine.containers.list(filters=wanted) == []
    assert len(engine.containers.list(all=True, filters=wanted)) == 2
    assert user.ok("list-nodes", "slurm").count("    state: paused\n") == 2
    user.ok("pause", "--yes", "slurm")
    grown = user.run("resize", "-a", "1:compute", "slurm")
    assert grown.returncode == 1
    assert "Cluster 'slurm' is paused (frontend001, compute001); it cannot grow now.\n" in grown.stderr
    both = user.run("resize", "-a", "1:compute", "-r", "1:compute", "--yes", "slurm")
    assert both.returncode == 1
    assert machines(engine, user) == ["compute001", "frontend001"]
    resumed = user.ok("resume", "slurm")
    assert "    elasticluster ssh slurm\n" in resumed
    assert resumed.endswith(NOT_VERIFIED)
    assert user.ok("ssh", "slurm", "-n", "compute001", "--", "hostname") == "compute001\n"
    assert "state:" not in user.ok("list-nodes", "slurm")


def lose(user, *, with_key):
    """Lose all that is remembered of the cluster, with or without its key."""
    for path in (user.home / ".elasticluster/storage").iterdir():
        if with_key or "key" not in path.name:
            path.unlink()


def test_forgotten_cluster_is_listed_adopted_and_used(user, engine):
    (uuid,) = user.uuids()
    lose(user, with_key=False)
    listed = user.ok("gc", "--dry-run")
    assert f"  UUID:           {uuid}\n  cloud:          local\n" in listed
    assert "  what:           2 instances, 1 network, 1 volume\n" in listed
    (entry,) = (one for one in json.loads(user.ok("gc", "--dry-run", "--json")) if one["uuid"] == uuid)
    assert (entry["name"], entry["ours"], entry["removed"], len(entry["instances"])) == (
        "slurm",
        True,
        False,
        2,
    )
    adopted = user.ok("adopt", "slurm")
    assert "  - compute001\n    public IP:   127.0.0.1:" in adopted
    assert adopted.endswith(
        "Cluster `slurm` is known here again.\n"
        "To carry on: elasticluster start slurm\nTo remove it: elasticluster stop slurm\n"
    )
    assert user.uuids() == [uuid]
    user.ok("start", "slurm")
    assert len(machines(engine, user)) == 2


def test_start_adopts_what_is_there_if_asked_to(user, engine):
    (uuid,) = user.uuids()
    before = machines(engine, user)
    lose(user, with_key=False)
    started = user.run("start", "--adopt", "slurm")
    assert started.returncode == 0, started.stderr
    assert "Cluster `slurm` was found on cloud local and is known here again.\n" in started.stderr
    assert user.uuids() == [uuid]
    assert machines(engine, user) == before


def test_somebody_elses_is_left_alone_unless_the_owner_is_named(user, new_user):
    (uuid,) = user.uuids()
    other = new_user("other")
    other.configure((user.home / ".elasticluster/config").read_text())
    listed = json.loads(other.ok("gc", "--json", "--yes"))
    (entry,) = (one for one in listed if one["uuid"] == uuid)
    assert (entry["ours"], entry["removed"]) == (False, False)
    asked = other.run("adopt", uuid)
    assert asked.returncode == 75, asked.stderr
    asked = other.run("gc", "--owner", entry["owner"])
    assert asked.returncode == 75, asked.stderr
    assert f"elasticluster gc --owner {entry['owner']}" in other.ok("gc", "--yes")
    adopted = other.run("adopt", "--yes", "--name", "mine", "--template", "slurm", uuid)
    assert adopted.returncode == 0, adopted.stderr
    assert "It can be listed and stopped; its nodes accept no other key." in adopted.stdout
    assert other.uuids() == [uuid]
    lose(other, with_key=True)


def test_what_is_forgotten_is_removed(user, residue):
    (uuid,) = user.uuids()
    lose(user, with_key=True)
    asked = user.run("gc")
    assert asked.returncode == 75, asked.stderr
    assert len(residue(uuid)) == 4
    removed = user.ok("gc", "--yes", "--cloud", "local")
    assert f"What there was of cluster `slurm` ({uuid}) was removed.\n" in removed
    assert residue(uuid) == []
    assert uuid not in user.ok("gc", "--dry-run")


def test_start_that_fails_leaves_nothing_if_asked_for_by_option_or_template(user, failing, residue):
    asked = user.run("start", "slurm", "--on-failure", "stop")
    config = user.home / ".elasticluster/config"
    text = config.read_text()
    config.write_text(text.replace("gpu_nodes=0", "gpu_nodes=0\nstart_failure=stop"))
    told = user.run("start", "slurm")
    kept = user.run("start", "slurm", "--on-failure", "keep")
    config.write_text(text)
    for failed in (asked, told):
        assert failed.returncode == 4
        assert "  compute001: setup: " in failed.stdout
        assert failed.stderr.endswith(
            "Destroyed again, as `--on-failure` or `start_failure` says: frontend001, compute001.\n"
            "Nothing is left of the cluster.\n"
        )
    assert kept.returncode == 4
    assert kept.stderr.endswith(
        "What there is was kept.\nTo carry on: elasticluster start slurm\n"
        "To remove it: elasticluster stop slurm\n"
    )
    (uuid,) = user.uuids()
    user.ok("stop", "--yes", "slurm")
    assert residue(uuid) == []
    assert "(this storage)" not in user.ok("gc", "--dry-run")


@pytest.mark.parametrize(("answer", "status"), [("n", 75), ("y", 0)])
def test_question_on_a_terminal_is_waited_for_and_heeded(user, answer, status):
    user.ok("start", "slurm", "--no-setup")
    ours, theirs = pty.openpty()
    removing = user.begin(
        "remove-node", "slurm", "compute001", stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    _, said = removing.communicate(timeout=60)
    os.close(ours)
    assert removing.returncode == status, said
    assert "Do you want to remove them? [y/N] " in said
    assert ("compute001" in nodes(user)) == (status != 0)


def test_cloud_that_cannot_be_asked_is_named_and_the_others_are_not_forgotten(user):
    config = user.home / ".elasticluster/config"
    text = config.read_text()
    config.write_text(text + "\n[cloud/away]\nprovider=docker\ndocker_host=unix:///nonexistent/docker.sock\n")
    asked = user.run("gc", "--dry-run")
    config.write_text(text)
    assert asked.returncode == 69
    assert "WARNING: Cloud 'away' could not be asked: " in asked.stderr
    assert "/nonexistent/docker.sock" in asked.stderr
