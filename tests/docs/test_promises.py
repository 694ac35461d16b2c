"""What the manual promises at the keyboard, with a cloud of files: a machine is one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CLOUD = """
import os
import threading
import time
from pathlib import Path

from elasticluster.providers import AbstractCloudProvider
from elasticluster.subcommands import AbstractCommand


class Mistaken(AbstractCommand):
    def setup(self, subparsers):
        subparsers.add_parser("mistaken").set_defaults(func=self.execute)

    def execute(self):
        return 1 / 0


class Files(AbstractCloudProvider):
    def start_instance(self, *given, cluster_name, node_name, **named):
        machine = Path(os.environ["MACHINES"], f"{cluster_name}-{node_name}")
        with open("calls", "a") as calls:
            print("begin", node_name, file=calls, flush=True)
            time.sleep(0.1)
            print("end", node_name, file=calls)
        machine.touch()
        return machine.name

    def stop_instance(self, instance_id):
        Path(os.environ["MACHINES"], instance_id).unlink()

    def get_ips(self, instance_id):
        return ["127.0.0.1:1"]

    def is_instance_running(self, instance_id):
        return Path(os.environ["MACHINES"], instance_id).exists()
"""
ENTRY_POINTS = """
[elasticluster.cloud_providers]
files=cloud_of_files:Files

[elasticluster.commands]
mistaken=cloud_of_files:Mistaken
"""
CONFIG = """
[cloud/files]
provider=files

[login/me]
image_user=me

[setup/mine]
playbook_path=mine.yml
front_groups=mine
work_groups=mine

[cluster/plain]
cloud=files
login=me
setup=mine
image_id=any
flavor=any
start_timeout=0.2
front_nodes=1
work_nodes=2

[cluster/other]
cloud=files
login=me
setup=mine
image_id=any
flavor=any
start_timeout=0.2
work_nodes=1
"""


@dataclass
class Desk:
    """Somebody at a keyboard, whose machines are files."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(self.home), os.environ.get("PYTHONPATH")]))
        places = {"HOME": str(self.home), "MACHINES": str(self.home / "machines"), "PYTHONPATH": path}
        return os.environ | places

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "elasticluster", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )

    @property
    def machines(self) -> set[str]:
        return {path.name for path in (self.home / "machines").iterdir()}

    @property
    def calls(self) -> list[str]:
        return (self.home / "calls").read_text().splitlines()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "machines").mkdir()
    (tmp_path / ".elasticluster").mkdir()
    (tmp_path / "cloud_of_files.py").write_text(CLOUD)
    installed = tmp_path / "cloud_of_files-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: cloud_of_files\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / ".elasticluster/config").write_text(CONFIG.replace("mine.yml", str(tmp_path / "mine.yml")))
    (tmp_path / "mine.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks: []\n")
    return Desk(tmp_path)


@pytest.fixture
def begun(desk: Desk) -> Desk:
    """Start a cluster; nobody answers SSH on its machines."""
    assert desk.run("start", "plain").returncode == 4
    assert desk.machines == {"plain-front001", "plain-work001", "plain-work002"}
    return desk


def test_four_times_verbose_makes_one_machine_after_another(desk: Desk) -> None:
    desk.run("-v", "start", "-vvv", "plain")
    nodes = ("front001", "work001", "work002")
    assert desk.calls == [f"{what} {node}" for node in nodes for what in ("begin", "end")]


def test_machines_are_made_at_the_same_time_otherwise(begun: Desk) -> None:
    assert {call.split()[0] for call in begun.calls[:2]} == {"begin"}


def test_one_template_makes_clusters_of_several_names_side_by_side(begun: Desk) -> None:
    begun.run("start", "plain", "--name", "second", "--nodes", "1:work")
    begun.run("start", "other")
    begun.run("stop", "--yes", "plain")
    assert begun.machines == {"second-front001", "second-work001", "other-work001"}
    listed = begun.run("list").stdout
    assert "  name:           other\n  template:       other\n" in listed
    assert "  name:           second\n  template:       plain\n" in listed
    assert "  name:           plain\n" not in listed


def test_machine_that_the_original_has_made_is_stopped_by_its_id(desk: Desk) -> None:
    """It carries no tags of ours: the id in the file of the original is enough."""
    for machine in ("older-front001", "somebody-elses"):
        (desk.home / "machines" / machine).touch()
    node = {"name": "front001", "instance_id": "older-front001", "ips": ["192.0.2.1"], "kind": "front"}
    stored = {"name": "older", "template": "plain", "nodes": {"front": [node]}}
    folder = desk.home / ".elasticluster/storage"
    folder.mkdir()
    (folder / "older.yaml").write_text(json.dumps(stored))
    assert "instance id:   older-front001\n" in desk.run("list-nodes", "older").stdout
    stopped = desk.run("stop", "--yes", "older")
    assert stopped.returncode == 0, stopped.stderr
    assert desk.machines == {"somebody-elses"}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("words", [("remove-node", "plain", "work002"), ("resize", "-r", "1:work", "plain")])
def test_nodes_are_removed_without_a_word_to_their_services(begun: Desk, words: tuple[str, ...]) -> None:
    removed = begun.run(*words, "--no-setup", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert removed.stdout.startswith("Node work002 was removed.\n")
    assert "Jobs on them are not waited for: they are lost.\n" in removed.stderr
    assert begun.machines == {"plain-front001", "plain-work001"}


@pytest.mark.parametrize(("answer", "status", "left"), [("n", 75, 3), ("y", 0, 0)])
def test_question_of_stop_is_asked_and_heeded(begun: Desk, answer: str, status: int, left: int) -> None:
    ours, theirs = pty.openpty()
    stopping = subprocess.Popen(
        begun.command("stop", "plain"),
        env=begun.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    _, said = stopping.communicate(timeout=60)
    os.close(ours)
    assert "Do you want to destroy cluster `plain` with its 3 nodes and all their data? [y/N]" in said
    assert stopping.returncode == status
    assert len(begun.machines) == left


def test_mistake_in_a_program_is_told_without_its_inside(desk: Desk) -> None:
    result = desk.run("mistaken")
    assert result.returncode == 70
    assert result.stderr.startswith(
        "Error: Something unexpected went wrong: ZeroDivisionError: division by zero\n"
    )
    assert "Traceback" not in result.stderr
    assert "Traceback" in desk.run("-vvv", "mistaken").stderr


def test_licence_is_the_gpl_version_3_or_later() -> None:
    assert metadata.metadata("elasticluster")["License-Expression"] == "GPL-3.0-or-later"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:7] == ["GNU", "GENERAL", "PUBLIC", "LICENSE", "Version", "3,", "29"]
