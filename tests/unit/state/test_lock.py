"""A cluster's lock after the death of the command that held it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from elasticluster.exceptions import ClusterLocked
from elasticluster.state.lock import this_process
from elasticluster.state.store import DiskStore

HOLDER = """
import subprocess, sys
from elasticluster.engine.children import child
from elasticluster.state.store import DiskStore
sleeping = ["sleep", "60"]
with DiskStore(sys.argv[1]).lock("slurm"), child(sleeping, stdout=subprocess.DEVNULL) as process:
    print(process.pid, flush=True)
    process.wait()
"""


class Orphan:
    """A program that lives on after its parent, because the watchdog that is to end it was killed."""

    def __init__(self, path: Path) -> None:
        self._holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout
        self._stdout = self._holder.stdout
        self.pid = int(self._stdout.readline())
        os.kill(self._find_watchdog(), signal.SIGKILL)

    def orphan(self) -> None:
        """Kill the command that has started the program."""
        self._holder.kill()
        self._holder.wait()

    def die(self) -> None:
        """End the program."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    @property
    def alive(self) -> bool:
        status = Path(f"/proc/{self.pid}/stat")
        return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"

    def close(self) -> None:
        """End whatever is left."""
        self.orphan()
        self.die()
        self._stdout.close()
        while self.alive:
            time.sleep(0.01)

    def _find_watchdog(self) -> int:
        ours = f"watchdog\0{self.pid}\0".encode()
        while True:
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if line.read_bytes().endswith(ours):
                        return int(line.parent.name)
                except OSError:
                    continue


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path)


@pytest.fixture
def orphan(store: DiskStore) -> Iterator[Orphan]:
    made = Orphan(store.path)
    yield made
    made.close()


def test_lock_of_a_killed_command_lasts_until_its_last_child_is_dead(
    store: DiskStore, orphan: Orphan
) -> None:
    orphan.orphan()
    taken = ["flock", "--nonblock", str(store.path / "slurm.lock"), "true"]
    assert subprocess.run(taken, check=False).returncode == 1
    assert orphan.alive
    began = time.monotonic()
    threading.Timer(0.5, orphan.die).start()
    with store.lock("slurm"):
        assert time.monotonic() - began > 0.4
        assert not orphan.alive


def test_others_are_told_no_password_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "elasticluster -s postgresql://me:s3cret@db/x setup slurm -- -e db_password=s3cret"
    monkeypatch.setattr(sys, "argv", line.split())
    assert this_process()["command"] == "elasticluster -s … setup slurm"


def test_lock_of_a_command_that_lives_is_not_waited_for(store: DiskStore, orphan: Orphan) -> None:
    began = time.monotonic()
    with pytest.raises(ClusterLocked), store.lock("slurm"):
        pass
    assert time.monotonic() - began < 5
    assert orphan.alive
