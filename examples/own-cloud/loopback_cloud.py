"""A cloud on one's own computer whose machines are SSH servers on ports of 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

from elasticluster.config.keys import Key
from elasticluster.exceptions import InstanceError, InstanceNotFoundError
from elasticluster.providers import AbstractCloudProvider

CLOUD_KEYS = (
    Key("folder", "str", default="~/.loopback-cloud", place=True, help="where the machines keep their files"),
)
NODE_KEYS = (Key("max_sessions", "int", default=10, help="sessions that one connection may have"),)

SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
PidFile {home}/pid
AuthorizedKeysFile {home}/authorized_keys
MaxSessions {max_sessions}
PasswordAuthentication no
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
"""


class LoopbackCloud(AbstractCloudProvider):
    """Starts and stops SSH servers; each has a folder, whose name is the machine's id.

    Args:
        folder: where these folders are.
    """

    polling_interval = 0.2

    def __init__(self, folder: str = "~/.loopback-cloud") -> None:
        self.folder = Path(folder).expanduser().absolute()

    def start_instance(
        self,
        key_name: str,
        public_key_path: str,
        private_key_path: str,
        security_group: str,
        flavor: str,
        image_id: str,
        image_userdata: str,
        username: str | None = None,
        node_name: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Start an SSH server that lets the key in; return its id."""
        instance_id = f"{node_name}-{uuid.uuid4().hex[:8]}"
        home = self.folder / instance_id
        home.mkdir(parents=True, mode=0o700)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "host_key"))
        shutil.copy(public_key_path, home / "authorized_keys")
        port, max_sessions = free_port(), kwargs.get("max_sessions", 10)
        (home / "port").write_text(f"{port}")
        (home / "config").write_text(SSHD_CONFIG.format(home=home, port=port, max_sessions=max_sessions))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # the server of root needs it
        run(sshd(), "-f", str(home / "config"), "-E", str(home / "log"))
        for _ in range(100):  # it goes into the background before it has written down its process
            if self.is_instance_running(instance_id):
                return instance_id
            time.sleep(0.05)
        raise InstanceError(f"sshd did not start: {(home / 'log').read_text()}")

    def stop_instance(self, instance_id: str) -> None:
        """End an SSH server and remove its files."""
        home = self._home(instance_id)
        process = self._process(instance_id)
        if process:
            os.kill(process, signal.SIGKILL)  # at SIGTERM it would remove files, too, while we do
        shutil.rmtree(home)

    def get_ips(self, instance_id: str) -> list[str]:
        """Return the one address that there is, with the port."""
        return [f"127.0.0.1:{(self._home(instance_id) / 'port').read_text()}"]

    def is_instance_running(self, instance_id: str) -> bool:
        """Return whether the server runs."""
        return self._process(instance_id) is not None

    def _home(self, instance_id: str) -> Path:
        home = self.folder / instance_id
        if not home.is_dir():
            raise InstanceNotFoundError(f"There is no machine {instance_id}.")
        return home

    def _process(self, instance_id: str) -> int | None:
        """Return the process that the server has written down, if it is that server and runs."""
        home = self._home(instance_id)
        try:
            process = int((home / "pid").read_text())
            command = Path(f"/proc/{process}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return process if os.fsencode(home / "config") in command else None


def free_port() -> int:
    """Return a port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sshd() -> str:
    """Return the path of the SSH server, which it wants to be started by."""
    found = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise InstanceError("There is no sshd on this computer.", hint="Install OpenSSH's server.")
    return found


def run(*command: str) -> None:
    """Run a program; what it complains about becomes an error of ElastiCluster."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstanceError(f"{command[0]} failed: {done.stderr.strip()}")
