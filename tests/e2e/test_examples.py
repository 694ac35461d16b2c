"""The examples do what their READMEs say: the commands there are run as they stand."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.own_playbook import wait_for

from elasticluster import Cluster, JsonRepository
from elasticluster.conf import make_creator

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
LISTENS_ELSEWHERE = """sudo mkdir /etc/systemd/system/memcached.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/memcached -u memcache -p 1\\n' |
sudo tee /etc/systemd/system/memcached.service.d/elsewhere.conf
sudo systemctl daemon-reload
sudo systemctl restart memcached
"""


def blocks(example: str, language: str) -> list[str]:
    """Return the blocks of code in an example's README, in their order."""
    readme = (ROOT / "examples" / example / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)


def commands(example: str) -> list[str]:
    """Return the commands of an example's README, in their order."""
    return [line for block in blocks(example, "sh") for line in block.splitlines()]


def typed(user: Any, command: str) -> subprocess.CompletedProcess[str]:
    """Let a user type a command in the folder of the checkout."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=user.environment() | {"PATH": path, "USER": getpass.getuser()},
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


PACKAGES = ("own-cloud", "own-setup-provider", "own-command")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the examples that are packages, by the first command of their READMEs, away from our own."""
    folder = tmp_path_factory.mktemp("packages")
    first = [commands(example)[0] for example in PACKAGES]
    assert first == [f"python -m pip install ./examples/{example}" for example in PACKAGES]
    paths = [ROOT / "examples" / example for example in PACKAGES]
    options = ["--quiet", "--no-deps", "--target", folder]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *paths], check=True, timeout=300)
    return folder


@pytest.fixture
def equipped(somebody: Any, packages: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a user who has installed these packages."""
    monkeypatch.setenv("PYTHONPATH", str(packages))
    return somebody


def run_python(user: Any, program: str) -> str:
    """Let a user run a program; return what it printed."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=user.environment(), cwd=user.home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_own_cloud(equipped: Any) -> None:
    start, greet, stop = commands("own-cloud")[1:]
    started, greeting = follow(equipped, [start, greet])
    assert started.endswith("Your cluster `loop` is set up, not verified: greeted\n")
    assert greeting == "hello from a node\n"
    assert len(list((equipped.home / ".loopback-cloud").iterdir())) == 2
    follow(equipped, [stop])
    assert list((equipped.home / ".loopback-cloud").iterdir()) == []
    assert equipped.ok("list") == "No clusters found.\n"


@pytest.mark.parametrize(
    "repository",
    ['PickleRepository("~/my-clusters")', 'SqlRepository("sqlite:///~/my-clusters/clusters.db")'],
)
def test_own_cloud_from_python_in_two_programs(equipped: Any, repository: str) -> None:
    (program,) = blocks("own-cloud", "python")
    printed = 'PickleRepository("~/my-clusters")'
    assert program.count(printed) == 2
    imports = "from elasticluster import PickleRepository, SqlRepository\n"
    begin, end = program.replace(printed, repository).split("same = ")
    assert run_python(equipped, imports + begin) == "True\n"
    (machine,) = (equipped.home / "my-machines").iterdir()
    assert machine.name.startswith("worker001-")
    run_python(equipped, f"{imports}same = {end}")
    assert list((equipped.home / "my-machines").iterdir()) == []
    assert [path.name for path in (equipped.home / "my-clusters").iterdir()] in ([], ["clusters.db"])


def test_own_setup_provider(equipped: Any) -> None:
    start, show, stop = commands("own-setup-provider")[1:]
    started, shown = follow(equipped, [start, show])
    assert started.endswith("Your cluster `scripted` is set up, not verified: ScriptSetup\n")
    assert shown == "This is worker001, of the groups: tools viewers\n"
    follow(equipped, [stop])


def test_own_repository(equipped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "examples/own-repository"))
    (program,) = blocks("own-repository", "python")
    assert run_python(equipped, program) == "remembered ['worker001']\n"


def test_own_command(equipped: Any) -> None:
    help_, every, some = commands("own-command")[1:]
    cluster = Cluster("slurm", repository=JsonRepository(str(equipped.home / ".elasticluster/storage")))
    for kind in ("frontend", "compute"):
        cluster.add_node(kind, "debian-13", "debian", "1cpu-1ram", "default")
    cluster.repository.save_or_update(cluster)
    helped, all_, workers = follow(equipped, [help_, every, some])
    assert "--kind KIND" in helped
    assert (all_, workers) == ("frontend001 -\ncompute001 -\n", "compute001 -\n")
    (overview,) = follow(equipped, ["elasticluster --help"])
    assert "Print the address of each node of a cluster." in overview
    cluster.repository.delete(cluster)
