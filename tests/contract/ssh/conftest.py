"""OpenSSH's own server, run by the tests on loopback."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from elasticluster.engine.children import child
from elasticluster.model import SshTarget

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups {startups}
Subsystem sftp internal-sftp
{more}
"""


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


def public_line(private: Path) -> str:
    """Return the public half of a key as ``"TYPE BASE64"``."""
    return " ".join(private.with_name(f"{private.name}.pub").read_text().split()[:2])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running sshd.

    Attributes:
        port: where it listens.
        host_key: its public key.
        key: path of a private key that lets the present user in.
        log: path of what it writes.
    """

    port: int
    host_key: str
    key: Path
    log: Path
    user: str = field(default_factory=getpass.getuser)

    @property
    def logins(self) -> int:
        """How many have been let in until now."""
        return self.log.read_text().count("Accepted publickey")

    def target(self, name: str = "compute001", **changes: object) -> SshTarget:
        values = {"host": "127.0.0.1", "port": self.port, "user": self.user, "key_path": str(self.key)}
        return SshTarget(name=name, **(values | changes))  # type: ignore[arg-type]


StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start sshd processes; all of them end with the module."""
    with contextlib.ExitStack() as stack:

        def start(more: str = "", kind: str = "ed25519", startups: str = "500") -> Server:
            directory = tmp_path_factory.mktemp("sshd")
            host, key = make_key(directory / "host", kind), make_key(directory / "user")
            (directory / "authorized_keys").write_text(public_line(key) + "\n")
            log = directory / "log"
            server = Server(port=free_port(), host_key=public_line(host), key=key, log=log)
            config = directory / "config"
            values = {"port": server.port, "directory": directory, "startups": startups, "more": more}
            config.write_text(CONFIG.format(**values))
            stack.enter_context(running(config, log))
            wait_for(server.port)
            return server

        yield start


@contextlib.contextmanager
def running(config: Path, log: Path) -> Iterator[None]:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert sshd, "these tests need OpenSSH's server: install the package openssh-server"
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd locks its unprivileged part in
    with child([sshd, "-D", "-E", str(log), "-f", str(config)], stderr=subprocess.DEVNULL):
        yield


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    return start_server()


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield int(listener.getsockname()[1])
