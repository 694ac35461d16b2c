"""The services while they run: started by the first process that wants them, ended by the last one."""

from __future__ import annotations

import atexit
import fcntl
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from tests.clouds.openstack import environment

SERVICES = Path(__file__).parent / "services"
PREPARING = ("databases.py", "seed.py")
"""Files on which it depends what is there before the services start."""

PATIENCE = 600  # seconds for the first start on a busy machine, databases included
END = 30  # seconds that their end may take


@functools.cache
def use() -> Use:
    """Return the use of the services by this process, which ends with it."""
    made = Use(environment.ready())
    atexit.register(made.end)
    return made


class Use:
    """The use of services that run for all who want them, by a lock that ends with its process.

    Whoever finds none running starts them. They end with the last user, who waits for that.
    """

    def __init__(self, python: Path) -> None:
        self._python = python
        self._folder = environment.CACHE / f"run-{_version()}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = self._folder / "services.log"
        self._users = (self._folder / "users").open("a")

    def ports(self) -> dict[str, int]:
        """Return the services' ports, once they are ready; start those that do not run."""
        with (self._folder / "starting").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(self._users, fcntl.LOCK_SH)  # services that are about to end hold it until they have
            if not self._running():
                self._start()
            self._wait()
            found: dict[str, int] = self._told()["ports"]
            return found

    def end(self) -> None:
        """Use them no more; the last one waits for their end."""
        fcntl.flock(self._users, fcntl.LOCK_UN)
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # others go on
            return
        else:
            if self._running():
                os.kill(self._told()["pid"], signal.SIGTERM)
            deadline = time.monotonic() + END
            while self._running() and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            self._users.close()

    def _told(self) -> Any:
        return json.loads((self._folder / "cloud.json").read_text())

    def _running(self) -> bool:
        """Return whether the services run: their process holds a lock."""
        with (self._folder / "running").open("a") as file:
            return not _locked(file)

    def _start(self) -> None:
        """Begin to start the services."""
        (self._folder / "cloud.json").unlink(missing_ok=True)
        prepared = environment.CACHE / f"prepared-{_checksum(*PREPARING)}"
        with self._log.open("wb") as file:
            subprocess.run(
                [str(self._python), str(SERVICES), str(self._folder), "run", str(prepared)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                check=True,
                start_new_session=True,  # they end with their users, not with Ctrl-C
            )

    def _wait(self) -> None:
        """Wait until the services can be used; those that somebody started who was killed since, too."""
        deadline = time.monotonic() + PATIENCE
        while not (self._folder / "cloud.json").exists():
            if not self._running() or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace")[-2000:]
                raise ChildProcessError(f"the OpenStack services do not come up, see {self._folder}\n{said}")
            time.sleep(0.1)


def _locked(file: IO[str]) -> bool:
    """Return whether a file could be locked; it is free again when it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _version() -> str:
    """Return what changes with the services; what earlier versions have left is removed."""
    version = _checksum(*(path.name for path in SERVICES.glob("*.py")))
    for other in environment.CACHE.glob("run-*"):
        if not other.name.endswith(version):
            _forget(other)
    return version


def _checksum(*files: str) -> str:
    """Return what changes with files of the services and with the requirements."""
    texts = [environment.checksum(), *((SERVICES / name).read_text() for name in sorted(files))]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _forget(folder: Path) -> None:
    """Remove what an earlier version of the services has left, unless somebody uses it."""
    with (folder / "users").open("a") as users:
        if _locked(users):
            shutil.rmtree(folder, ignore_errors=True)
