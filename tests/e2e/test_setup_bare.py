"""A base image with nothing but an SSH server becomes a cluster all the same, as the documents show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from tests.e2e.images import bare_image

pytestmark = pytest.mark.e2e

DOCUMENT = Path(__file__).parents[2] / "docs/playbooks.md"
CONFIG = """
[cloud/local]
provider=docker

[login/root]
image_user=root
image_sudo=no

{setup}
before={before}

[cluster/bare]
cloud=local
login=root
setup=slurm
image_id={image}
flavor=1cpu-1ram
frontend_nodes=1
compute_nodes=2
compute_nodes_min=1

[cluster/bare/compute]
flavor=2cpu-1ram
"""
LOSES_A_WORKER = """
- name: Lose a worker until it is mended
  hosts: all
  gather_facts: false
  tasks:
    - name: Look for the impossible
      ansible.builtin.command: test -e /mended
      changed_when: false
      when: inventory_hostname == "compute002"
"""
TWO_JOBS = (
    "srun sleep 20 & srun sleep 20 & sleep 3; squeue --noheader --format='%T %N'; scancel --user=root; wait"
)


@pytest.fixture(scope="module")
def bare(new_user: Any, engine: DockerClient) -> Iterator[Any]:
    user = new_user("bare")
    before = user.home / "before.yml"
    before.write_text(LOSES_A_WORKER)
    samples = re.findall(r"^```ini\n(\[setup/slurm\]\n[^`]*)```", DOCUMENT.read_text(), re.MULTILINE)
    (setup,) = (sample for sample in samples if "_groups=" in sample)
    user.configure(CONFIG.format(setup=setup, before=before, image=bare_image(engine.api)))
    user.started = user.run("start", "bare")
    user.at_first = states(user)
    user.ok("ssh", "bare", "-n", "compute002", "--", "touch /mended")
    user.ok("setup", "bare")
    yield user
    user.ok("stop", "--yes", "bare")


def states(user: Any) -> dict[str, str]:
    nodes = json.loads(user.ok("list-nodes", "--json", "bare"))["nodes"]
    return {node["name"]: node["state"] for node in nodes}


def test_worker_lost_in_setup_leaves_the_others_checked(bare: Any) -> None:
    assert bare.started.returncode == 3, bare.started.stderr
    assert "Your cluster `bare` is ready, without:\n  compute002: setup: " in bare.started.stdout
    assert bare.at_first == {"frontend001": "ready", "compute001": "ready", "compute002": "down"}
    assert states(bare) == dict.fromkeys(bare.at_first, "ready")


def test_bare_node_gets_what_ansible_and_users_need(bare: Any) -> None:
    assert bare.ssh("command -v python3 sudo", "bare").split() == ["/usr/bin/python3", "/usr/bin/sudo"]


def test_documented_variables_reach_the_scheduler_and_the_nodes(bare: Any) -> None:
    settings = bare.ssh("scontrol show config; command -v tmux", "bare")
    assert re.search(r"^KillWait +=  ?60 sec$", settings, re.MULTILINE)
    assert settings.endswith("/usr/bin/tmux\n")


def test_bare_nodes_run_jobs(bare: Any) -> None:
    hosts = bare.ssh("srun --partition=jobs --nodes=2 hostname", "bare").split()
    assert sorted(hosts) == ["compute001", "compute002"]


def test_jobs_of_one_processor_share_a_node(bare: Any) -> None:
    assert bare.ssh(TWO_JOBS, "bare").splitlines() == ["RUNNING compute001"] * 2


def test_setup_makes_good_what_an_interrupted_one_left_and_the_next_changes_nothing(bare: Any) -> None:
    bare.ssh("touch /etc/slurm/slurm.conf", "bare")  # written, and nothing restarted yet
    assert changed(bare) == [0, 0, 2]  # the controller restarted, the workers told
    assert changed(bare) == [0, 0, 0]


def test_setup_of_some_nodes_is_no_proof_for_all(bare: Any) -> None:
    limited = bare.ok("setup", "bare", "--", "--limit", "frontend001")
    assert limited.endswith("Your cluster `bare` is set up, not verified: slurm_worker\n")
    assert bare.ok("setup", "bare").endswith("Your cluster `bare` is ready!\n")


def changed(user: Any) -> list[int]:
    """Run a setup; return how many steps changed something on compute001, compute002 and frontend001."""
    again = user.run("setup", "-v", "bare")
    assert again.returncode == 0, again.stderr
    return [int(count) for count in re.findall(r"changed=(\d+)", again.stdout + again.stderr)]
