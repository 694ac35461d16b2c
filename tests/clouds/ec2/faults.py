"""Faults that a test asks for, and limits of how often anybody may ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.clouds.ec2.messages import Call, Refusal

MUTATING = (50.0, 5.0)
NON_MUTATING = (100.0, 20.0)
REQUEST_BUCKETS = {"RunInstances": (5.0, 2.0), "StartInstances": (5.0, 2.0)}
"""Size of the bucket and tokens a second, for each action by itself (EC2 Developer Guide, "Request throttling
for the Amazon EC2 API")."""

RESOURCE_BUCKETS = {
    "RunInstances": (1000.0, 2.0),
    "StartInstances": (1000.0, 2.0),
    "StopInstances": (1000.0, 20.0),
    "TerminateInstances": (1000.0, 20.0),
}
"""The same for the instances that a call is about (same page, "Resource rate limiting")."""


class ConnectionDropped(Exception):  # noqa: N818 - what the client is to see
    """The connection ends without an answer."""


@dataclass
class Fault:
    """What is to go wrong with calls of one action.

    Attributes:
        action: name of the action; ``*``: any.
        code: EC2's error code; empty: nothing is refused.
        message: its message.
        status: HTTP's status.
        times: how often it still happens.
        every: whether it happens always.
        drop_reply: the work is done, then the connection ends without a reply.
        then_down: the work is done, then the service refuses connections for so many seconds.
    """

    action: str
    code: str = ""
    message: str = "injected"
    status: int = 400
    times: int = 1
    every: bool = False
    drop_reply: bool = False
    then_down: float = 0

    def concerns(self, call: Call) -> bool:
        return self.action in {"*", call.action} and (self.every or self.times > 0)


@dataclass
class Faults:
    """Everything that was injected; several threads use it."""

    _faults: list[Fault] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def inject(self, **fault: Any) -> None:
        with self._guard:
            self._faults.append(Fault(**fault))

    def clear(self) -> None:
        with self._guard:
            self._faults.clear()

    def take(self, call: Call) -> Fault | None:
        """Return the fault that a call meets, if any."""
        with self._guard:
            found = next((fault for fault in self._faults if fault.concerns(call)), None)
            if found:
                found.times -= 1
            return found


@dataclass
class Bucket:
    """A token bucket.

    Attributes:
        size: most tokens that it holds.
        rate: tokens that come a second.
        now: returns the time, in seconds.
    """

    size: float
    rate: float
    now: Callable[[], float]
    _tokens: float = -1
    _filled: float = 0

    def take(self, count: float = 1) -> bool:
        """Take tokens if there are so many; a full bucket gives to any call."""
        now = self.now()
        before = self.size if self._tokens < 0 else self._tokens + (now - self._filled) * self.rate
        self._tokens, self._filled = min(self.size, before), now
        if self._tokens < min(count, self.size):
            return False
        self._tokens -= count
        return True


class Throttle:
    """The buckets of an account.

    Args:
        now: returns the time, in seconds.
        size: tokens of each action's bucket; None: those that AWS documents, instances counted, too.
        rate: tokens a second.
    """

    def __init__(
        self, now: Callable[[], float], size: float | None = None, rate: float | None = None
    ) -> None:
        self._now = now
        self._all = (size, rate) if size is not None and rate is not None else None
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._guard = threading.Lock()

    def check(self, call: Call) -> None:
        """Let a call pass.

        Raises:
            Refusal: ``RequestLimitExceeded``.
        """
        with self._guard:
            allowed = self._bucket("request", call).take()
            if allowed and not self._all and call.action in RESOURCE_BUCKETS:
                allowed = self._bucket("resource", call).take(_instances(call))
        if not allowed:
            raise Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)

    def _bucket(self, kind: str, call: Call) -> Bucket:
        key = (kind, call.action)
        if key not in self._buckets:
            self._buckets[key] = Bucket(*self._limits(kind, call.action), self._now)
        return self._buckets[key]

    def _limits(self, kind: str, action: str) -> tuple[float, float]:
        if kind == "resource":
            return RESOURCE_BUCKETS[action]
        usual = NON_MUTATING if action.startswith(("Describe", "Get", "List")) else MUTATING
        return self._all or REQUEST_BUCKETS.get(action, usual)


def _instances(call: Call) -> int:
    return len(call.listed("InstanceId")) or int(call.parameters.get("MaxCount", 1))
