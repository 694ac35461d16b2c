"""A base image with nothing but an SSH server becomes a cluster all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from docker import DockerClient
from tests.e2e.images import bare_image

pytestmark = pytest.mark.e2e

CONFIG = """
[cloud/local]
provider=docker

[login/root]
image_user=root
image_sudo=no

[setup/slurm]
frontend_groups=slurm_master
compute_groups=slurm_clients
global_var_slurm_partition=bare

[cluster/bare]
cloud=local
login=root
setup=slurm
image_id={image}
flavor=1cpu-1ram
frontend_nodes=1
compute_nodes=1
"""


@pytest.fixture(scope="module")
def bare(new_user: Any, engine: DockerClient) -> Iterator[Any]:
    user = new_user("bare")
    user.configure(CONFIG.format(image=bare_image(engine.api)))
    user.ok("start", "bare")
    yield user
    user.ok("stop", "--yes", "bare")


def test_bare_node_gets_what_ansible_and_users_need(bare: Any) -> None:
    assert bare.ssh("command -v python3 sudo", "bare").split() == ["/usr/bin/python3", "/usr/bin/sudo"]


def test_bare_nodes_run_jobs(bare: Any) -> None:
    assert bare.ssh("srun --partition=bare hostname", "bare") == "compute001\n"


def test_second_setup_changes_nothing(bare: Any) -> None:
    again = bare.run("setup", "-v", "bare")
    assert again.returncode == 0
    assert re.findall(r"changed=(\d+)", again.stdout + again.stderr) == ["0", "0"]
