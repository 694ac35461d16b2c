"""Lines to many nodes at once, also to those behind a gateway: one login there, and a channel for each.

sshd drops connections at random when many begin at the same time (``MaxStartups`` in sshd_config(5)), but
takes any number of forwarded channels over one. The gateway has to show a host key that is known already.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from elasticluster.engine.pool import run_all
from elasticluster.model import Failure, Layer, SshTarget
from elasticluster.ssh.knock import knock
from elasticluster.ssh.line import Line, failure
from elasticluster.ssh.login import DeniedError, authenticate, load_key, session

if TYPE_CHECKING:
    import socket

    import paramiko

_OPENINGS = 100  # threads; each waits until the gateway has reached a node, or has not
_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, RFC 4254, 5.1

Found = dict[str, Line | Failure]


@contextlib.contextmanager
def lines_to(targets: Sequence[SshTarget]) -> Iterator[Found]:
    """Connect to all targets at once; what is open is closed in the end.

    Args:
        targets: each gets its own `timeout`.

    Yields:
        by the targets' names, an open line, or what failed. Those that are reached directly have begun to
        speak; of the others it is only known that the gateway has reached them.
    """
    behind: dict[SshTarget, list[SshTarget]] = defaultdict(list)
    for target in targets:
        if target.via:
            behind[target.via].append(target)
    with contextlib.ExitStack() as stack:
        found = knock([target for target in targets if not target.via])
        stack.callback(_close, found)
        for gateway, beyond in behind.items():
            found |= stack.enter_context(_through(gateway, beyond))
        yield found


@contextlib.contextmanager
def _through(gateway: SshTarget, targets: Sequence[SshTarget]) -> Iterator[Found]:
    """Log in to a gateway and open a channel to each target behind it; close everything in the end."""
    with contextlib.ExitStack() as stack:
        try:
            transport = stack.enter_context(_logged_in(gateway))
        except DeniedError as exc:
            yield {target.name: _barred(gateway, exc.failure) for target in targets}
            return
        found = _channels(transport, targets)
        stack.callback(_close, found)
        yield found


@contextlib.contextmanager
def _logged_in(gateway: SshTarget) -> Iterator[paramiko.Transport]:
    """Log in to a gateway.

    Raises:
        DeniedError: it does not let us in, or is a stranger.
    """
    if not gateway.host_keys:
        raise DeniedError(failure(gateway, Layer.HOST_KEY, "is not gone through: its host key is not known"))
    line = knock([gateway])[gateway.name]
    if isinstance(line, Failure):
        raise DeniedError(line)
    with contextlib.closing(line), session(line) as transport:
        authenticate(transport, line, load_key(gateway.key_path))
        yield transport


def _barred(gateway: SshTarget, why: Failure) -> Failure:
    """Return what is wrong with a node whose gateway cannot be gone through."""
    return replace(why, layer=Layer.GATEWAY, message=f"through {gateway.name}: {why.message}")


def _channels(transport: paramiko.Transport, targets: Sequence[SshTarget]) -> Found:
    opened = run_all(lambda target: _channel(transport, target), targets, _OPENINGS)
    return {target.name: line for target, line in zip(targets, opened, strict=True)}


def _channel(transport: paramiko.Transport, target: SshTarget) -> Line | Failure:
    """Let the gateway connect to a target.

    Paramiko does not hand on the gateway's words, and may confuse the reasons of several that fail at once.
    """
    import paramiko

    place, origin = (target.host, target.port), ("127.0.0.1", 0)
    try:
        channel = transport.open_channel("direct-tcpip", place, origin, timeout=target.timeout)
    except paramiko.ChannelException as exc:
        if exc.code == _PROHIBITED:
            return failure(target, Layer.GATEWAY, "sshd there does not forward to it (AllowTcpForwarding)")
        return failure(target, Layer.TIMED_OUT, "cannot be reached from there")
    except (paramiko.SSHException, EOFError, OSError) as exc:
        if "timeout" in str(exc).lower():  # Paramiko says so in its messages only
            return failure(target, Layer.TIMED_OUT, f"cannot be reached within {target.timeout:g} s")
        return failure(target, Layer.TIMED_OUT, "cannot be reached from there")
    # A channel can do all that Paramiko asks of a socket; it is waited for by the login, not by a selector.
    return Line(target, cast("socket.socket", channel))


def _close(found: Mapping[str, Line | Failure]) -> None:
    for line in _open(found.values()):
        line.close()


def _open(outcomes: Iterable[Line | Failure]) -> list[Line]:
    return [outcome for outcome in outcomes if isinstance(outcome, Line)]
