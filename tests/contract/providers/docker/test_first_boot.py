"""What a node does on its first boot, where nodes share /home."""

from __future__ import annotations

import getpass
import os
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

SCRIPT = files("elasticluster.providers.docker").joinpath("first-boot.sh")
PROGRAMS = {
    "getent": 'echo "$2:x:1000:1000::$TEST_HOME:/bin/sh"',
    # Slow where it hurts: a tree is looked at, and changed later, while others rename what is in it.
    "cp": 'sleep 0.2; exec /bin/cp "$@"',
    "mv": 'sleep 0.3; exec /bin/mv "$@"',
    "chown": """
        [ "$1" = -R ] || exec /bin/chown "$@"
        found=$(find "$3"); sleep 0.4; exec /bin/chown "$2" $found
    """,
}
KEY = "ssh-ed25519 AAAA me\n"


class Node:
    """A node with files of its own and a shared home."""

    def __init__(self, folder: Path, instance: str) -> None:
        self.home = folder / "home" / "debian"
        self.home.parent.mkdir(exist_ok=True)
        conf = folder / instance
        conf.mkdir()
        (conf / "node").write_text(f"instance={instance}\nuser={getpass.getuser()}\nname={instance}\n")
        (conf / "authorized_keys").write_text(KEY)
        self.script = SCRIPT.read_text(encoding="utf-8").replace("conf=/etc/elasticluster", f"conf={conf}")
        self.env = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}", "TEST_HOME": str(self.home)}

    def begin(self) -> subprocess.Popen[str]:
        """Let the key in, as on the first boot."""
        command = ["/bin/sh", "-c", self.script, "first-boot.sh", "let_in"]
        return subprocess.Popen(command, env=self.env, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    return tmp_path


def boot(*nodes: Node) -> None:
    """Boot all nodes at the same time; each has to succeed."""
    for running in [node.begin() for node in nodes]:
        _, errors = running.communicate(timeout=30)
        assert (running.returncode, errors) == (0, "")


def test_nodes_that_boot_at_the_same_time_share_one_home(folder: Path) -> None:
    nodes = [Node(folder, f"i{number}") for number in range(4)]
    boot(*nodes)
    home = nodes[0].home
    assert (home / ".ssh" / "authorized_keys").read_text() == KEY
    assert [path.name for path in home.parent.iterdir()] == ["debian"]
    assert {path.name for path in Path("/etc/skel").iterdir()} <= {path.name for path in home.iterdir()}
    assert home.stat().st_mode & 0o777 == 0o750


def test_boot_that_was_cut_short_is_done_again(folder: Path) -> None:
    node = Node(folder, "i1")
    half = node.home.with_name("debian.i1")
    half.mkdir()
    (half / "junk").touch()
    boot(node)
    assert not (node.home / "junk").exists()
    assert not half.exists()


def test_home_that_exists_is_left_as_it_is(folder: Path) -> None:
    node = Node(folder, "i1")
    node.home.mkdir(mode=0o700)
    (node.home / "work").touch()
    boot(node)
    assert {path.name for path in node.home.iterdir()} == {"work", ".ssh"}
    assert node.home.stat().st_mode & 0o777 == 0o700
