"""Waiting: with a deadline, an interval, and a clock that tests can turn."""

from __future__ import annotations

import time
from collections.abc import Callable

from elasticluster.engine.ports import Clock


class SystemClock:
    """The clock of this computer; it does not jump when somebody sets the time."""

    def now(self) -> float:
        """Return seconds that only go forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def wait_until(done: Callable[[], bool], *, timeout: float, interval: float, clock: Clock) -> bool:
    """Call `done` until it returns True or `timeout` seconds have passed.

    It is called once at the start and once at the very end, however short the timeout is.

    Args:
        done: looks once, without waiting.
        timeout: seconds in all.
        interval: seconds between two looks.
        clock: whose seconds.

    Returns:
        whether `done` returned True.
    """
    deadline = clock.now() + timeout
    while not done():
        left = deadline - clock.now()
        if left <= 0:
            return False
        clock.sleep(min(interval, left))
    return True
