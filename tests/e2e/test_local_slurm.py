"""The main job: a real Slurm cluster in containers on this computer, from nothing to nothing."""

import configparser
import json
import os
import re
import stat
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.e2e

RELEASES = [
    "debian-13",
    pytest.param("debian-12", marks=pytest.mark.full),
]
SCRIPT = """#!/bin/sh
#SBATCH --nodes=2
#SBATCH --output=/home/debian/job.out
srun hostname
"""


@pytest.fixture(scope="module", params=RELEASES)
def cluster(new_user, request):
    """Start the template that every new user gets, with no edit but the release."""
    user = new_user(request.param)
    user.spend()
    user.ok("list-templates")
    config = user.home / ".elasticluster/config"
    config.write_text(config.read_text().replace("image_id=debian-13", f"image_id={request.param}", 1))
    user.started = user.run("start", "slurm")
    assert user.started.returncode == 0, user.started.stdout + user.started.stderr
    yield user
    user.run("stop", "--yes", "--force", "slurm")


def test_start_ends_with_the_summary_and_the_verdict(cluster):
    assert cluster.started.stdout.endswith("Your cluster `slurm` is ready!\n")
    assert "Frontend node: frontend001\n- frontend nodes: 1\n- compute nodes: 2\n" in cluster.started.stdout


def test_every_node_is_ready(cluster):
    nodes = json.loads(cluster.ok("list-nodes", "--json", "slurm"))["nodes"]
    assert {node["name"]: node["state"] for node in nodes} == dict.fromkeys(
        ("frontend001", "compute001", "compute002"), "ready"
    )


def test_srun_runs_on_both_compute_nodes(cluster):
    hosts = cluster.ssh("srun --nodes=2 hostname").split()
    assert sorted(hosts) == ["compute001", "compute002"]


def test_batch_script_that_calls_srun_writes_into_the_shared_home(cluster):
    cluster.ok("ssh", "slurm", "--", "cat > job.sh", stdin=SCRIPT)
    cluster.ssh("sbatch --wait job.sh")
    for node in ("frontend001", "compute001", "compute002"):
        output = cluster.ok("ssh", "slurm", "-n", node, "--", "cat job.out")
        assert sorted(output.split()) == ["compute001", "compute002"]


def test_home_is_shared_and_belongs_to_the_user(cluster):
    cluster.ssh("echo hello > greeting")
    assert cluster.ok("ssh", "slurm", "-n", "compute002", "--", "cat greeting; whoami; pwd").split() == [
        "hello",
        "debian",
        "/home/debian",
    ]


def test_scheduler_knows_the_size_of_the_flavor_and_not_of_the_computer(cluster):
    assert cluster.ssh("sinfo --noheader -o '%D %c'").split() == ["2", "1"]


def test_gc3pie_is_told_how_to_use_the_cluster(cluster):
    parsed = configparser.ConfigParser()
    parsed.read_string(cluster.ok("gc3pie-config", "slurm"))
    auth, resource = parsed["auth/elasticluster_slurm"], parsed["resource/elasticluster_slurm"]
    assert dict(resource) == {
        "enabled": "yes",
        "type": "slurm",
        "auth": "elasticluster_slurm",
        "transport": "ssh",
        "frontend": "127.0.0.1",
        "architecture": os.uname().machine,
        "max_cores": "2",
        "max_cores_per_job": "1",
        "max_memory_per_core": f"{cluster.ssh('sinfo --noheader -o %m').strip()}MiB",
        "max_walltime": "672 hours",
    }
    known_hosts = cluster.home / ".elasticluster/storage/slurm.known_hosts"
    options = ["-o", f"UserKnownHostsFile={known_hosts}", "-i", auth["keyfile"], "-p", auth["port"]]
    command = ["ssh", *options, f"{auth['username']}@{resource['frontend']}", "sinfo", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("slurm")


def test_every_node_knows_its_own_name(cluster):
    for node in ("frontend001", "compute001"):
        assert cluster.ok("ssh", "slurm", "-n", node, "--", "hostname -f").strip() == node


def test_host_keys_are_the_nodes_own(cluster):
    lines = (cluster.home / ".elasticluster/storage/slurm.known_hosts").read_text().splitlines()
    assert len(lines) == 3
    assert len({line.split()[-1] for line in lines}) == 3


def test_what_is_stored_is_for_its_owner_only(cluster):
    for path in (cluster.home / ".elasticluster/storage").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.suffix == ".pub", path


def test_sftp_carries_files_both_ways(cluster, tmp_path):
    here, back = tmp_path / "here.txt", tmp_path / "back.txt"
    here.write_text("data\n")
    batch = tmp_path / "batch"
    batch.write_text(f"put {here} there.txt\nget there.txt {back}\n")
    cluster.ok("sftp", "slurm", "--", "-b", str(batch))
    assert back.read_text() == "data\n"
    cluster.ok("sftp", "slurm", stdin=f"rename there.txt elsewhere.txt\nget elsewhere.txt {back}2\n")
    assert (tmp_path / "back.txt2").read_text() == "data\n"


def test_sftp_fails_as_sftp_does(cluster, tmp_path):
    batch = tmp_path / "batch"
    batch.write_text("get no-such-file\n")
    assert cluster.run("sftp", "slurm", "--", "-b", str(batch)).returncode == 1


def test_ssh_passes_exit_status_and_standard_input_through(cluster):
    assert cluster.run("ssh", "slurm", "--", "exit 7").returncode == 7
    assert cluster.ok("ssh", "slurm", stdin="echo from stdin; hostname\n").split()[-1] == "frontend001"
    assert (
        cluster.ok("ssh", "slurm", "--", "-l", "debian", "echo", "options first").strip() == "options first"
    )


def test_status_finds_everything_well_and_counts_the_jobs(cluster):
    cluster.ssh("sbatch --hold --output=/dev/null --wrap=true")
    status = json.loads(cluster.ok("status", "slurm", "--json"))
    cluster.ssh("scancel --user=debian")
    assert status["healthy"] is True
    found = [(one["instance_state"], one["reachable"], one["scheduler"]) for one in status["nodes"]]
    assert found == [("running", True, None)] + [("running", True, {"state": "idle", "reason": None})] * 2
    assert status["scheduler"]["partitions"] == [{"name": "main", "state": "up", "running": 0, "pending": 1}]
    assert cluster.ok("status", "slurm").endswith("\nCluster `slurm` is healthy.\n")


def test_status_names_a_worker_that_was_taken_out_and_why(cluster):
    cluster.ssh("sudo scontrol update nodename=compute002 state=drain reason='disk is full'")
    status = cluster.run("status", "slurm")
    cluster.ssh("sudo scontrol update nodename=compute002 state=resume")
    assert status.returncode == 4
    assert status.stdout.endswith(" is not healthy:\n  compute002: slurm: drained: disk is full\n")


def test_programs_of_openssh_go_by_the_configuration_that_is_printed(cluster, tmp_path):
    config, here = tmp_path / "ssh.conf", tmp_path / "here"
    cluster.ok("ssh-config", "slurm", "--output", str(config))
    here.write_text("data\n")
    commands = [
        ["ssh", "-F", config, "slurm", "hostname"],
        ["ssh", "-F", config, "slurm-compute002", "hostname"],
        ["scp", "-q", "-F", config, here, "slurm-compute001:by-scp"],
        ["ssh", "-F", config, "slurm", "cat by-scp"],
    ]
    said = [subprocess.run(one, capture_output=True, text=True, check=True).stdout for one in commands]
    assert said == ["frontend001\n", "compute002\n", "", "data\n"]


def test_shell_idiom_of_the_manual(cluster):
    elasticluster = f"{sys.executable} -m elasticluster"
    script = (
        f"for h in `{elasticluster} list-nodes slurm | grep '  -' | cut -d'-' -f2`; "
        f"do {elasticluster} ssh slurm -n $h -- hostname; done"
    )
    result = subprocess.run(
        ["bash", "-c", script], env=cluster.environment(), capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["frontend001", "compute001", "compute002"]


def test_listing_works_while_the_engine_is_away(cluster):
    away = cluster.environment() | {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    for command in (["list"], ["list-nodes", "slurm"], ["ssh", "slurm", "--", "hostname"]):
        result = subprocess.run(
            [sys.executable, "-m", "elasticluster", *command],
            env=away,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr


def test_second_setup_changes_nothing(cluster):
    result = cluster.run("setup", "slurm", "-v")
    assert result.returncode == 0
    recap = re.findall(r"^(\w+)\s+: ok=\d+\s+changed=(\d+)", result.stdout + result.stderr, re.MULTILINE)
    assert dict(recap) == dict.fromkeys(("frontend001", "compute001", "compute002"), "0")


def test_second_start_keeps_the_machines(cluster):
    before = cluster.ok("list-nodes", "--json", "slurm")
    result = cluster.run("start", "slurm")
    assert result.returncode == 0, result.stderr
    ids = [
        [node["instance_id"] for node in json.loads(text)["nodes"]]
        for text in (before, cluster.ok("list-nodes", "--json", "slurm"))
    ]
    assert ids[0] == ids[1]


def test_dry_runs_change_nothing(cluster):
    assert "  = compute001 (instance " in cluster.ok("start", "slurm", "--dry-run")
    assert "  - compute002 (instance " in cluster.ok("stop", "slurm", "--dry-run")
    assert cluster.ssh("hostname").strip() == "frontend001"


def test_ssh_finds_nodes_again_whose_ports_have_changed(cluster, engine):
    wanted = {"label": [f"elasticluster.uuid={cluster.uuids()[0]}", "elasticluster.node=compute001"]}
    (container,) = engine.containers.list(filters=wanted)
    before = cluster.ok("list-nodes", "slurm")
    container.restart()
    deadline = time.monotonic() + 60  # a restarted node needs a moment before it lets anybody in
    while cluster.run("ssh", "slurm", "-n", "compute001", "--", "hostname").stdout.strip() != "compute001":
        assert time.monotonic() < deadline
    assert cluster.ok("list-nodes", "slurm") != before


def test_stop_leaves_nothing(cluster, residue):
    (uuid,) = cluster.uuids()
    assert len(residue(uuid)) == 5
    assert cluster.ok("stop", "--yes", "slurm") == "Cluster `slurm` was stopped.\n"
    assert residue(uuid) == []
    assert list((cluster.home / ".elasticluster/storage").iterdir()) == []
    assert cluster.ok("list") == "No clusters found.\n"
