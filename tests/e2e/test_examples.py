"""The examples do what their READMEs say: the commands there are run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.own_playbook import wait_for

from elasticluster.conf import make_creator

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
LISTENS_ELSEWHERE = """sudo mkdir /etc/systemd/system/memcached.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/memcached -u memcache -p 1\\n' |
sudo tee /etc/systemd/system/memcached.service.d/elsewhere.conf
sudo systemctl daemon-reload
sudo systemctl restart memcached
"""


def commands(example: str) -> list[str]:
    """Return the commands of an example's README, in their order."""
    readme = (ROOT / "examples" / example / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def typed(user: Any, command: str) -> subprocess.CompletedProcess[str]:
    """Let a user type a command in the folder of the checkout."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=user.environment() | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def follow(user: Any, lines: Sequence[str]) -> list[str]:
    """Type commands that must succeed; return what each printed."""
    done = [(line, typed(user, line)) for line in lines]
    assert [(line, one.stderr) for line, one in done if one.returncode] == []
    return [one.stdout for _, one in done]


@pytest.fixture
def somebody(new_user: Any) -> Iterator[Any]:
    """Return a user whose clusters are stopped at the end, however that comes."""
    user = new_user("example")
    yield user
    for record in (user.home / ".elasticluster/storage").glob("*.json"):
        user.run("stop", "--yes", "--force", record.stem)


def test_own_role_with_its_own_check(somebody: Any) -> None:
    start, resize, ask, stop = commands("own-role")
    started, resized, memory = follow(somebody, [start, resize, ask])
    assert started.endswith("Your cluster `cache` is ready!\n")
    assert resized.endswith("Your cluster `cache` is ready!\n")
    assert memory == f"STAT limit_maxbytes {32 * 2**20}\n"

    somebody.ok("ssh", "cache", "-n", "cache002", stdin=LISTENS_ELSEWHERE)
    again = typed(somebody, "elasticluster --config examples/own-role/config setup cache")
    assert again.returncode == 4
    assert "cache002:11211: Connection refused" in again.stdout + again.stderr

    follow(somebody, [stop])
    assert somebody.ok("list") == "No clusters found.\n"


def test_features_of_slurm_can_be_configured_so(somebody: Any) -> None:
    start, *_ = commands("slurm-features")
    (planned,) = follow(somebody, [f"{start} --dry-run"])
    nodes = re.findall(r"^  \+ (\w+) ", planned, flags=re.MULTILINE)
    assert nodes == ["frontend001", "submit001", "small001", "large001"]
    creator = make_creator(str(ROOT / "examples/slurm-features/config"), str(somebody.home))
    creator.create_setup_provider("features").check(creator.create_cluster("features").record)


@pytest.mark.full
def test_features_of_slurm(somebody: Any) -> None:
    start, partitions, large, short, records, stop = commands("slurm-features")
    started, listed, *hosts = follow(somebody, [start, partitions, large, short])
    assert started.endswith("Your cluster `features` is ready!\n")
    assert listed in (ROOT / "examples/slurm-features/README.md").read_text(encoding="utf-8")
    assert hosts == ["large001\n", "small001\n"]
    wait_for(lambda: "alice|research|short\n" in follow(somebody, [records])[0])
    follow(somebody, [stop])
    assert somebody.ok("list") == "No clusters found.\n"
