"""An open connection to an SSH port, directly, through a gateway or through a proxy command."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

from elasticluster.engine.proxy import filled_in
from elasticluster.model import Failure, Layer, SshTarget

Address: TypeAlias = tuple[socket.AddressFamily, Any]
"""Family and address as :meth:`socket.socket.connect` takes it."""


@dataclass(slots=True, eq=False)
class Line:
    """A stream of bytes to a target.

    Attributes:
        target: whom it leads to.
        socket: the stream.
        proxy: the running proxy command, if there is one.
        complaints: what that wrote to its standard error.
        ended: whether it ended without a word of SSH.
    """

    target: SshTarget
    socket: socket.socket
    proxy: subprocess.Popen[bytes] | None = None
    complaints: IO[bytes] | None = None
    ended: bool = False

    def close(self) -> None:
        """End the connection and the proxy command; may be called again."""
        self.socket.close()
        if self.proxy and self.proxy.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.proxy.pid, signal.SIGKILL)
            self.proxy.wait()
        if self.complaints:
            self.complaints.close()

    def failure(self, layer: Layer, message: str) -> Failure:
        """Return a failure of this line, with the proxy command's last words."""
        words = self._words()
        last = f" (proxy command: {words.splitlines()[-1]})" if words else ""
        return failure(self.target, layer, f"{message}{last}", evidence=words)

    def proxy_failure(self, patience: float) -> Failure:
        """Return why the proxy command has brought no answer of SSH.

        Args:
            patience: seconds to wait for its end: its output may end before it does.
        """
        end = "closed its output"
        if self.proxy:
            with contextlib.suppress(subprocess.TimeoutExpired):
                end = f"ended with status {self.proxy.wait(patience)}"
        words = self._words()
        said = f": {words.splitlines()[-1]}" if words else ""
        message = f"was not reached: `{filled_in(self.target)}` {end}{said}"
        return failure(self.target, Layer.PROXY, message, evidence=words)

    def _words(self) -> str:
        """Return what the proxy command wrote to its standard error."""
        if not self.complaints or self.complaints.closed:
            return ""
        self.complaints.seek(0)
        return self.complaints.read().decode(errors="replace").strip()


def failure(target: SshTarget, layer: Layer, message: str, evidence: str = "") -> Failure:
    """Return what failed; the message goes on after the target's gateway, address and port."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    through = f"through {target.via.name}: " if target.via else ""
    return Failure(layer=layer, message=f"{through}{host}:{target.port} {message}", evidence=evidence)


def addresses_of(target: SshTarget) -> list[Address]:
    """Return where a target may be reached, the best first; may take seconds for a name.

    Raises:
        OSError: its name has no address.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def connecting(target: SshTarget, address: Address) -> tuple[Line, int]:
    """Return a line that is being connected, and the error number that this began with."""
    stream = socket.socket(address[0], socket.SOCK_STREAM)
    stream.settimeout(0)
    return Line(target, stream), stream.connect_ex(address[1])


def through_proxy(target: SshTarget) -> Line:
    """Return a line through the target's proxy command.

    It talks to one end of a pair of sockets, so that this line is like any other. It ends when we do, as
    its standard input is closed then.

    Raises:
        OSError: no process or file can be had.
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the line
    with theirs:
        proxy = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {filled_in(target)}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=complaints,
            process_group=0,
        )
    return Line(target, ours, proxy, complaints)
