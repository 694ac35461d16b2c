"""Knocking at SSH ports: connect to all of them at once and wait for each to show its banner.

One thread does it. Most attempts of a start are made while machines still boot, and cost nothing more than
this. The banner is only looked at and left in the socket, so that a login can go on with the connection.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elasticluster.engine.pool import run_all
from elasticluster.model import Failure, Layer, SshTarget
from elasticluster.ssh.line import Address, Line, addresses_of, connecting, failure, through_proxy

_RESOLVERS = 32
_GRACE = 0.5  # seconds in which proxy commands that have closed their output may end, all of them together


@dataclass(slots=True, eq=False)
class _Waiting:
    """A line from which we await something.

    Attributes:
        line: the line.
        connecting: whether we wait for the connection; else for the banner.
        deadline: when to give up.
        others: further addresses of the same name.
    """

    line: Line
    connecting: bool
    deadline: float
    others: list[Address]


def knock(targets: Sequence[SshTarget]) -> dict[str, Line | Failure]:
    """Connect to all targets at once and wait until each has begun to speak.

    Args:
        targets: each gets its own `timeout` for connection and banner together.

    Returns:
        by the targets' names, an open line (which the caller closes) or what failed.
    """
    found: dict[str, Line | Failure] = {}
    with selectors.DefaultSelector() as selector:
        try:
            for target, addresses in zip(targets, run_all(_addresses, targets, _RESOLVERS), strict=True):
                _file(selector, found, target, _begin(target, addresses))
            while selector.get_map():
                _turn(selector, found)
            found |= _proxy_failures(found)
        except BaseException:
            for line in [key.data.line for key in selector.get_map().values()]:
                line.close()
            for outcome in found.values():
                if isinstance(outcome, Line):
                    outcome.close()
            raise
    return found


def _addresses(target: SshTarget) -> list[Address] | Failure:
    if target.proxy_command:
        return []
    try:
        return addresses_of(target)
    except OSError as exc:
        return Failure(layer=Layer.NO_ADDRESS, message=f"'{target.host}' has no address: {exc.strerror}")


def _begin(target: SshTarget, addresses: list[Address] | Failure) -> _Waiting | Failure:
    if isinstance(addresses, Failure):
        return addresses
    deadline = time.monotonic() + target.timeout
    try:
        if target.proxy_command:
            return _Waiting(through_proxy(target), connecting=False, deadline=deadline, others=[])
        return _connect(target, addresses, deadline)
    except OSError as exc:
        return failure(target, Layer.TIMED_OUT, f"cannot be tried: {exc.strerror}")


def _connect(target: SshTarget, addresses: list[Address], deadline: float) -> _Waiting | Failure:
    """Start to connect to the first of some addresses."""
    line, code = connecting(target, addresses[0])
    waiting = _Waiting(line, connecting=True, deadline=deadline, others=addresses[1:])
    return waiting if code in (0, errno.EINPROGRESS) else _unreachable(waiting, code)


def _file(
    selector: selectors.BaseSelector,
    found: dict[str, Line | Failure],
    target: SshTarget,
    outcome: _Waiting | Line | Failure,
) -> None:
    """Keep an outcome, or wait for one."""
    if isinstance(outcome, _Waiting):
        event = selectors.EVENT_WRITE if outcome.connecting else selectors.EVENT_READ
        selector.register(outcome.line.socket, event, outcome)
    else:
        found[target.name] = outcome


def _turn(selector: selectors.BaseSelector, found: dict[str, Line | Failure]) -> None:
    """Wait until something happens or somebody's time is up, and see to it."""
    everyone: list[_Waiting] = [key.data for key in selector.get_map().values()]
    patience = min(waiting.deadline for waiting in everyone) - time.monotonic()
    ready = {key.data for key, _ in selector.select(max(0.0, patience))}
    now = time.monotonic()
    for waiting in everyone:
        if waiting in ready or waiting.deadline <= now:
            selector.unregister(waiting.line.socket)
            outcome = _advance(waiting) if waiting in ready else _too_late(waiting)
            _file(selector, found, waiting.line.target, outcome)


def _advance(waiting: _Waiting) -> _Waiting | Line | Failure:
    """Go on after something has happened."""
    stream = waiting.line.socket
    if waiting.connecting:
        code = stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        waiting.connecting = False
        return _unreachable(waiting, code) if code else waiting
    try:
        answer = stream.recv(1, socket.MSG_PEEK)
    except OSError:
        answer = b""
    return waiting.line if answer else _silent(waiting)


def _silent(waiting: _Waiting) -> _Waiting | Line | Failure:
    """Give up on a line that has ended without a word of SSH; its proxy command is asked why in the end."""
    if not waiting.line.proxy:
        return _lost(waiting, Layer.REFUSED, "closed the connection before SSH answered")
    waiting.line.ended = True
    return waiting.line


def _proxy_failures(found: Mapping[str, Line | Failure]) -> dict[str, Failure]:
    """Close the lines that have ended, and return why."""
    deadline = time.monotonic() + _GRACE
    failures = {}
    for name, line in found.items():
        if isinstance(line, Line) and line.ended:
            failures[name] = line.proxy_failure(max(0.0, deadline - time.monotonic()))
            line.close()
    return failures


def _unreachable(waiting: _Waiting, code: int) -> _Waiting | Failure:
    if code == errno.ECONNREFUSED:
        return _lost(waiting, Layer.REFUSED, "refuses connections")
    return _lost(waiting, Layer.TIMED_OUT, f"cannot be reached: {os.strerror(code)}")


def _too_late(waiting: _Waiting) -> Failure:
    limit = f"within {waiting.line.target.timeout:g} s"
    if waiting.connecting:
        return _closed(waiting.line, Layer.TIMED_OUT, f"cannot be reached {limit}")
    if waiting.line.proxy:
        return _closed(waiting.line, Layer.PROXY, f"did not answer through the proxy command {limit}")
    return _closed(waiting.line, Layer.TIMED_OUT, f"accepts connections, but SSH did not answer {limit}")


def _lost(waiting: _Waiting, layer: Layer, message: str) -> _Waiting | Failure:
    """Try the next address of the same name; without one, this is what failed."""
    problem = _closed(waiting.line, layer, message)
    if not waiting.others:
        return problem
    return _connect(waiting.line.target, waiting.others, waiting.deadline)


def _closed(line: Line, layer: Layer, message: str) -> Failure:
    problem = line.failure(layer, message)
    line.close()
    return problem
