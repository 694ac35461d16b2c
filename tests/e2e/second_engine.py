"""A container engine of a test's own, beside the computer's: it can be stopped, killed and started again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docker
from tests.e2e.conftest import User

START = 60  # seconds that the engine may take to answer
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
CONTAINERD = """
version = 2
root = "{folder}/containerd"
state = "{folder}/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/run/containerd.sock"
"""


class SecondEngine:
    """A dockerd with a containerd, as a system runs them: the second one outlives the first.

    Names are short: the path of a socket has room for 107 characters. A boot would find `run` empty.
    """

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ec-engine-", dir="/tmp"))
        self.url = f"unix://{self.folder}/sock"
        self._space = f"ec{self.folder.name[-8:]}"
        # In a network of its own, where it may do as it likes: it would take away the first engine's bridge.
        self.inside = [*AS_ROOT, "nsenter", f"--net=/run/netns/{self._space}"]
        self._daemons = {}
        self._log = (self.folder / "log").open("ab")
        (self.folder / "containerd.toml").write_text(CONTAINERD.format(folder=self.folder))

    def start(self):
        """Start what does not run, and wait until the engine answers."""
        (self.folder / "run").mkdir(exist_ok=True)
        if not Path(f"/run/netns/{self._space}").exists():
            subprocess.run([*AS_ROOT, "ip", "netns", "add", self._space], check=True)
            subprocess.run([*self.inside, "ip", "link", "set", "lo", "up"], check=True)
        if "containerd" not in self._daemons:
            self._run("containerd", f"--config={self.folder}/containerd.toml")
        (self.folder / "pid").unlink(missing_ok=True)  # as after a boot, where its number is somebody else's
        self._run(
            "dockerd",
            f"--containerd={self.folder}/run/containerd.sock",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/run/docker",
            f"--pidfile={self.folder}/pid",
            f"--host={self.url}",
            f"--group={os.getgid()}",
        )
        self._wait()

    def client(self):
        return contextlib.closing(docker.DockerClient(base_url=self.url))

    def stop(self):
        """Stop the engine as a system does: it stops its containers."""
        self._end("dockerd", signal.SIGTERM)

    def kill(self):
        """Kill the engine; its containers go on."""
        self._end("dockerd", signal.SIGKILL)

    def cut_power(self):
        """Kill everything at once, and empty what is empty after a boot."""
        inits = [str(one.attrs["State"]["Pid"]) for one in self._containers()]
        self.kill()
        self._end("containerd", signal.SIGKILL)
        self._signal("KILL", [*self._left(), *inits])
        self._unmount(self.folder / "run")
        subprocess.run([*AS_ROOT, "rm", "-rf", str(self.folder / "run")], check=True)

    def close(self):
        """Stop everything, whatever state it is in, and remove it."""
        with contextlib.suppress(docker.errors.DockerException, AssertionError):
            if "dockerd" not in self._daemons:
                self.start()
            with self.client() as client:
                for container in client.containers.list(all=True):
                    container.remove(force=True, v=True)
                client.networks.prune()
        for name in ("dockerd", "containerd"):
            self._end(name, signal.SIGTERM)
        self._signal("KILL", self._left())
        self._log.close()
        self._unmount(self.folder)
        subprocess.run([*AS_ROOT, "rm", "-rf", str(self.folder)], check=True)
        if Path(f"/run/netns/{self._space}").exists():
            subprocess.run([*AS_ROOT, "ip", "netns", "delete", self._space], check=True)

    def _containers(self):
        with self.client() as client:
            return client.containers.list()

    def _run(self, *command):
        self._daemons[command[0]] = subprocess.Popen(
            [*self.inside, *command], stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL
        )

    def _wait(self):
        deadline = time.monotonic() + START
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as knocking:
                knocking.connect(f"{self.folder}/sock")
                break
            said = (self.folder / "log").read_text(errors="replace")[-1000:]
            assert time.monotonic() < deadline, said
            assert self._daemons["dockerd"].poll() is None, said
            time.sleep(0.1)
        with self.client() as client:
            client.ping()

    def _end(self, name, number):
        process = self._daemons.pop(name, None)
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _left(self):
        """Return the numbers of the processes that were started with a path of ours."""
        found, mine = [], f"{self.folder}/".encode()
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and mine in (folder / "cmdline").read_bytes():
                    found.append(folder.name)
        return found

    def _signal(self, name, numbers):
        if numbers:
            kill = shutil.which("kill") or "/bin/kill"
            subprocess.run([*AS_ROOT, kill, "-s", name, *numbers], check=False, stderr=subprocess.DEVNULL)

    def _unmount(self, folder):
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([one for one in mounts if Path(one).is_relative_to(folder)]):
            subprocess.run([*AS_ROOT, "umount", "--lazy", mount], check=True)


class Inside(User):
    """A user whose commands run where the second engine publishes its ports."""

    def __init__(self, home, engine):
        super().__init__(home)
        self._command = [*engine.inside, sys.executable, "-m", "elasticluster"]
        self._url = engine.url

    def environment(self):
        return super().environment() | {"DOCKER_HOST": self._url}

    def begin(self, *args, **popen):
        return subprocess.Popen([*self._command, *args], env=self.environment(), text=True, **popen)

    def run(self, *args, timeout=200):
        process = self.begin(*args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(args, process.returncode, output, errors)
