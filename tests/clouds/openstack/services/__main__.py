"""Starts the services of the test cloud, and ends them when nobody uses it any more.

    python services FOLDER run PREPARED begin to run it; FOLDER/cloud.json says where, once it can be used
    python services FOLDER db NAME      make the database of one service
    python services FOLDER serve NAME N run one service on the socket of descriptor N

Whoever uses it holds a shared lock on FOLDER/users; so it ends with the last of them, even if that is killed.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import databases
import seed
import serve
import settings

PR_SET_PDEATHSIG = 1
PATIENCE = 300  # seconds that a service may take to be ready on a busy machine
LOOK = 0.5  # seconds between two looks at users and services


class Services:
    """The processes of the services."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.sockets = {name: _listen() for name in settings.CATALOG}
        self.ports = {name: one.getsockname()[1] for name, one in self.sockets.items()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start services; each writes to a log of its own."""
        for name in names:
            listener = self.sockets[name].fileno()
            self.processes[name] = self._run(name, "serve", name, str(listener), sockets=(listener,))

    def make_databases(self) -> None:
        """Make the databases of all services at the same time."""
        steps = {name: self._run(f"{name}-db", "db", name) for name in settings.CATALOG}
        for name, step in steps.items():
            if step.wait():
                raise ChildProcessError(f"the database of {name} cannot be made: {self._log(f'{name}-db')}")

    def wait_for(self, *names: str) -> None:
        """Wait until services are ready."""
        deadline = time.monotonic() + PATIENCE
        for name in names:
            while serve.READY not in self._log(name).read_text(errors="replace"):
                if self.processes[name].poll() is not None or time.monotonic() > deadline:
                    raise ChildProcessError(f"{name} does not come up: {self._log(name)}")
                time.sleep(0.1)

    def running(self) -> bool:
        """Return whether all of them still run."""
        return all(process.poll() is None for process in self.processes.values())

    def end(self) -> None:
        """End all processes; they have nothing to save."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()

    def _run(self, log: str, *words: str, sockets: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(Path(__file__).parent), str(self.state), *words]
        with self._log(log).open("wb") as file:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, pass_fds=sockets
            )

    def _log(self, name: str) -> Path:
        return self.state / "log" / f"{name}.log"


def main(folder: Path, *words: str) -> None:
    """Do what the command line asks for."""
    if words[0] == "run":
        _run_cloud(folder, Path(words[1]))
    elif words[0] == "db":
        _end_with_parent()
        databases.make(folder, words[1], json.loads((folder / "ports.json").read_text()))
    else:
        _end_with_parent()
        serve.run(folder, words[1], int(words[2]))


def _run_cloud(folder: Path, prepared: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    running = (folder / "running").open("w")
    fcntl.flock(running, fcntl.LOCK_EX)  # until the child ends
    if os.fork():  # it outlives whoever has begun it, and is nobody's child
        return
    services = Services(folder / "state")
    try:
        _start(services, prepared)
        partial = folder / "cloud.part"
        partial.write_text(json.dumps({"pid": os.getpid(), "ports": services.ports}))
        partial.replace(folder / "cloud.json")
        while services.running() and not _unused(folder / "users"):
            time.sleep(LOOK)
    finally:
        services.end()


def _start(services: Services, prepared: Path) -> None:
    """Start all services, on a copy of what was prepared; prepare it if it is not there yet."""
    shutil.rmtree(services.state, ignore_errors=True)
    if not prepared.exists():
        _prepare(services, prepared)
        services.sockets = {name: _listen() for name in settings.CATALOG}
        services.ports = {name: one.getsockname()[1] for name, one in services.sockets.items()}
        shutil.rmtree(services.state)
    shutil.copytree(prepared, services.state, symlinks=True)
    settings.write(services.state, services.ports)
    databases.relocate(services.state, services.ports)
    services.start(*settings.CATALOG)
    services.wait_for(*settings.CATALOG)
    seed.first_requests(services.ports)


def _prepare(services: Services, prepared: Path) -> None:
    """Make databases with everything that is there before Nova's first start, and keep a copy.

    A copy made later would not do: Nova's host refuses to start under another identity.
    """
    settings.write(services.state, services.ports)
    services.make_databases()
    services.start("keystone", "glance", "neutron")
    services.wait_for("keystone")
    seed.identity(services.ports)
    services.wait_for("glance", "neutron")
    seed.resources(services.ports)
    services.end()
    partial = prepared.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(services.state, partial, symlinks=True)
    partial.replace(prepared)


def _listen() -> socket.socket:
    """Return a socket on a free port; who connects before the service is ready waits."""
    listener = socket.create_server((settings.HOST, 0), backlog=128)
    listener.set_inheritable(True)
    return listener


def _unused(users: Path) -> bool:
    """Return whether nobody holds the file; if so, nobody will before this process has ended."""
    file = users.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _kept.append(file)
    return True


_kept: list[object] = []


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # it ended before
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), *sys.argv[2:])
