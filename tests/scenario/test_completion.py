"""Completion in real shells: the scripts are loaded by bash, zsh and fish, and asked as a Tab asks them."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from elasticluster.cli.completion import SHELLS, Names, completed, script
from elasticluster.cluster import Cluster
from elasticluster.engine.children import child
from elasticluster.repository import JsonRepository

CONFIG = """
[cloud/local]
provider=docker
[login/local]
image_user=debian
[setup/none]
provider=ansible
[cluster/{name}]
cloud=local
login=local
setup=none
image_id=debian-13
flavor=1cpu-1ram
frontend_nodes=1
compute_nodes=2
"""
BASH = """
. "$SCRIPT"
function=$(complete -p elasticluster | sed 's/.*-F \\([^ ]*\\).*/\\1/')
press_tab() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  "$function"
  echo "${COMPREPLY[@]}"
}
"""
ZSH = """
PS1='> ' PROMPT_EOL_MARK=
autoload -Uz compinit && compinit -u -D
tell() { print -r -- "$BUFFER" >>"$ANSWERS"; BUFFER= }
zle -N tell
bindkey '^T' complete-word '^X' tell
"""
ZSH_SESSION = ZSH + 'eval "$(<$SCRIPT)"\n: >"$ANSWERS"\n'
ZSH_INSTALLED = 'fpath=("${SCRIPT:h}/site-functions" $fpath)\n' + ZSH + ': >"$ANSWERS"\n'


@dataclass
class Shells:
    """A user with a configuration, stored clusters, and three shells."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        path = f"{self.home}/bin{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"HOME": str(self.home), "PATH": path, "TERM": "dumb", "ZDOTDIR": str(self.home)}

    def complete(self, shell: str, lines: Sequence[str]) -> list[list[str]]:
        """Return what a shell offers for the last word of each line; zsh: what it writes at one Tab."""
        path = self.home / f"script.{shell}"
        path.write_text(script(shell))
        return {"bash": self._bash, "zsh": self.zsh, "fish": self._fish}[shell](path, lines)

    def _run(self, *argv: str, **env: str) -> list[str]:
        done = subprocess.run(
            argv, env=self.env | env, capture_output=True, text=True, timeout=60, check=True, cwd=self.home
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    def _bash(self, path: Path, lines: Sequence[str]) -> list[list[str]]:
        words = [[part for word in line.split(" ") for part in as_bash_cuts(word)] for line in lines]
        code = BASH + "\n".join(shlex.join(["press_tab", *line]) for line in words)
        return [said.split() for said in self._run("bash", "--norc", "-c", code, SCRIPT=str(path))]

    def _fish(self, path: Path, lines: Sequence[str]) -> list[list[str]]:
        ask = "\n".join(f"complete -C {shlex.quote(line)}; echo ---" for line in lines)
        said = self._run("fish", "--no-config", "-c", f"source {path}\n{ask}")
        offered = [line.split("\t")[0] for line in said]
        return [answer.split("\n")[1:-1] for answer in "\n".join(["", *offered]).split("---")[:-1]]

    def zsh(self, path: Path, lines: Sequence[str], setting: str = ZSH_SESSION) -> list[list[str]]:
        """Press Tab in a zsh on a terminal; return the last words of its lines then."""
        answers = self.home / "answers"
        answers.unlink(missing_ok=True)
        (self.home / ".zshrc").write_text(setting)
        env = self.env | {"SCRIPT": str(path), "ANSWERS": str(answers)}
        ours, theirs = pty.openpty()
        with child(["zsh", "-i"], env=env, cwd=self.home, stdin=theirs, stdout=theirs, stderr=theirs) as zsh:
            os.close(theirs)
            os.set_blocking(ours, False)
            until(lambda: drained(ours) and answers.exists())
            for count, line in enumerate(lines, 1):
                os.write(ours, f"{line}\x14\x18".encode())
                until(lambda count=count: drained(ours) and answers.read_text().count("\n") == count)
            os.write(ours, b"exit\n")
            until(lambda: drained(ours) and zsh.poll() is not None)
        os.close(ours)
        said = zip(lines, answers.read_text().splitlines(), strict=True)
        return [answer.split(" ")[len(line.split(" ")) - 1 :] for line, answer in said]


def as_bash_cuts(word: str) -> list[str]:
    """Cut a word at colons and equals signs as bash does."""
    return [part for part in re.split("([:=])", word) if part] or [""]


def drained(terminal: int) -> bool:
    """Read what has been printed on a terminal, so that nobody waits for that."""
    with contextlib.suppress(OSError):  # nothing is there, or the shell has gone
        while os.read(terminal, 65536):
            pass
    return True


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def store(folder: Path, name: str, kind: str) -> None:
    repository = JsonRepository(str(folder))
    cluster = Cluster(name, repository=repository)
    cluster.add_node("frontend", "debian-13", "debian", "1cpu-1ram", "default")
    cluster.add_nodes(kind, 2, "debian-13", "debian", "1cpu-1ram", "default")
    repository.save_or_update(cluster)


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Shells:
    home = tmp_path_factory.mktemp("home")
    (home / ".elasticluster").mkdir()
    (home / ".elasticluster/config").write_text(CONFIG.format(name="my-template"))
    (home / "other.conf").write_text(CONFIG.format(name="of-another-file"))
    store(home / ".elasticluster/storage", "test-cluster", "compute")
    store(home / "elsewhere", "of-elsewhere", "gpu")
    program = home / "bin/elasticluster"
    program.parent.mkdir()
    source = Path(__file__).parents[2] / "src"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {sys.executable} -m elasticluster "$@"\n')
    program.chmod(0o755)
    return Shells(home)


LINES = {
    "elasticluster remove-n": "remove-node",
    "elasticluster list-nodes --upd": "--update",
    "elasticluster start --on-failure ke": "keep",
    "elasticluster list-nodes te": "test-cluster",
    "elasticluster start my": "my-template",
    "elasticluster ssh test-cluster -n frontend0": "frontend001",
    "elasticluster remove-node test-cluster compute001 f": "frontend001",
    "elasticluster resize test-cluster --add 2:com": "2:compute",
    "elasticluster -s elsewhere stop o": "of-elsewhere",
    "elasticluster -c other.conf start o": "of-another-file",
    "elasticluster --storage=elsewhere stop o": "of-elsewhere",
    "elasticluster -s 'else'where stop o": "of-elsewhere",
    "elasticluster ssh test-cluster --node=frontend0": "--node=frontend001",
    "elasticluster resize test-cluster --add=2:com": "--add=2:compute",
    "elasticluster start --on-failure=ke": "--on-failure=keep",
    "elasticluster gc --cloud lo": "local",
    "elasticluster remove-node test-cluster frontend001 frontend0": "",
    "elasticluster adopt te": "",
    "elasticluster -s nowhere stop ": "",
}


@pytest.fixture(scope="module", params=SHELLS)
def offered(request: pytest.FixtureRequest, shells: Shells) -> Mapping[str, list[str]]:
    """What a shell offers for each line."""
    assert shutil.which(request.param), f"these tests need {request.param}: install the package of that name"
    return dict(zip(LINES, shells.complete(request.param, list(LINES)), strict=True)) | {"": [request.param]}


@pytest.mark.parametrize("line", LINES)
def test_shell_completes(offered: Mapping[str, list[str]], line: str) -> None:
    expected = [LINES[line]] if LINES[line] else []
    if offered[""] == ["bash"]:
        expected = [re.split("[:=]", word)[-1] for word in expected]  # bash puts it after such a sign
    if offered[""] == ["zsh"]:  # it writes a blank behind the word
        expected = [*expected, ""] if expected else [line.rpartition(" ")[2]]
    assert offered[line] == expected


def test_zsh_finds_the_script_where_it_was_installed(shells: Shells) -> None:
    folder = shells.home / "site-functions"
    folder.mkdir()
    (folder / "_elasticluster").write_text(script("zsh"))
    lines = ["elasticluster remove-n", "elasticluster list-nodes te"]
    found = shells.zsh(shells.home / "script", lines, ZSH_INSTALLED)
    assert found == [["remove-node", ""], ["test-cluster", ""]]


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        ("clusters", ["ssh", ""], ["test-cluster"]),
        ("templates", ["start", ""], ["my-template"]),
        ("nodes", ["remove-node", "test-cluster", ""], ["frontend001", "compute001", "compute002"]),
        ("targets", ["ssh", "-n", "c"], ["frontend001", "compute001", "compute002", "frontend", "compute"]),
        ("counts", ["resize", "-a", "3"], ["3:frontend", "3:compute"]),
        ("counts", ["start", "my-template", "--nodes", "3:c"], ["3:frontend", "3:compute"]),
        ("nodes", ["remove-node", "test-cluster", "compute001", ""], ["frontend001", "compute002"]),
        ("clusters", ["-s", ""], ["test-cluster"]),
        ("clusters", ["-s", r"$HOME/'else'wher\e", "ssh", ""], ["of-elsewhere"]),
        ("clusters", ["-s", "/nowhere", "ssh", ""], []),
        ("clusters", ["-c", "/nowhere", "ssh", ""], []),
        ("templates", ["-c", "/nowhere", "start", ""], []),
    ],
)
def test_values_are_those_of_the_configuration_and_storage_that_are_named(
    shells: Shells, monkeypatch: pytest.MonkeyPatch, kind: str, words: list[str], expected: list[str]
) -> None:
    monkeypatch.setenv("HOME", str(shells.home))
    assert list(Names(["elasticluster", *words]).values(kind, words[-1])) == expected


def run(shells: Shells, *args: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [f"{shells.home}/bin/elasticluster", "completion", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_completing_writes_and_says_nothing(shells: Shells, tmp_path: Path) -> None:
    env = shells.env | {"HOME": str(tmp_path)}
    command = [
        f"{shells.home}/bin/elasticluster",
        "completion",
        "--values",
        "templates",
        "--",
        "elasticluster",
        "start",
        "",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "dest", "kind"),
    [
        ("ssh", "cluster", "clusters"),
        ("start", "cluster", "templates"),
        ("start", "nodes", "counts"),
        ("list-nodes", "storage_after", "directory"),
        ("adopt", "cluster", ""),
        ("stop", "verbose", ""),
    ],
)
def test_what_is_completed_goes_by_the_name_of_the_value(command: str, dest: str, kind: str) -> None:
    assert completed(command, dest) == kind


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_are_described_in_one_short_line(shell: str) -> None:
    assert "Nothing is started" not in script(shell)  # the second sentence on `config`


def test_node_is_offered_once_though_two_clusters_have_one_of_its_name(
    shells: Shells, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(shells.home))
    for name in ("one", "two"):
        store(tmp_path, name, "compute")
    found = list(Names(["elasticluster", "-s", str(tmp_path), "ssh", "-n", ""]).values("targets", ""))
    assert found.count("frontend001") == 1


def test_shell_has_to_be_named(shells: Shells) -> None:
    done = subprocess.run(
        [f"{shells.home}/bin/elasticluster", "completion"],
        env=shells.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.endswith("Error: `completion` needs the name of a shell: bash, zsh, fish.\n")
