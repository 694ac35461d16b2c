"""An open connection to an SSH port, directly or through a proxy command."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

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
    """

    target: SshTarget
    socket: socket.socket
    proxy: subprocess.Popen[bytes] | None = None
    complaints: IO[bytes] | None = None

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
        words = ""
        if self.complaints and not self.complaints.closed:
            self.complaints.seek(0)
            words = self.complaints.read().decode(errors="replace").strip()
        last = f" (proxy command: {words.splitlines()[-1]})" if words else ""
        return failure(self.target, layer, f"{message}{last}", evidence=words)


def failure(target: SshTarget, layer: Layer, message: str, evidence: str = "") -> Failure:
    """Return what failed; the message goes on after the target's address and port."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return Failure(layer=layer, message=f"{host}:{target.port} {message}", evidence=evidence)


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
            ["/bin/sh", "-c", f"exec {proxy_command(target)}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=complaints,
            process_group=0,
        )
    return Line(target, ours, proxy, complaints)


def proxy_command(target: SshTarget) -> str:
    """Return a target's proxy command with ``%h``, ``%p``, ``%r``, ``%n`` and ``%%`` filled in.

    >>> target = SshTarget(name="a", host="10.0.0.7", port=22, user="me", key_path="",
    ...                    proxy_command="ssh -W %h:%p %r@gate; echo 100%%")
    >>> proxy_command(target)
    'ssh -W 10.0.0.7:22 me@gate; echo 100%'
    """
    values = {"h": target.host, "p": str(target.port), "r": target.user, "n": target.name, "%": "%"}
    return re.sub(r"%([hprn%])", lambda match: values[match[1]], target.proxy_command)
