"""Trying again what a cloud may soon be able to do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from elasticluster.engine.ports import Clock
from elasticluster.engine.wait import SystemClock
from elasticluster.exceptions import CloudProviderError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often something is tried again.

    The pauses double, and each is shortened by chance, so that many callers do not come back at once
    ("Exponential backoff and jitter", AWS Architecture Blog).

    Attributes:
        seconds: in all; a call that has begun by then is waited for.
        first: the first pause at most, in seconds.
        longest: any pause at most, in seconds.
        clock: whose seconds.
        chance: returns what part of a pause is waited, from 0 to 1.
    """

    seconds: float
    first: float = 1
    longest: float = 15
    clock: Clock = field(default_factory=SystemClock)
    chance: Callable[[], float] = random.random

    def attempt(self, work: Callable[[], R], passes: Callable[[CloudProviderError], bool]) -> R:
        """Call `work` until it does not raise, or raises what does not pass, or the time is over.

        Args:
            work: has to be safe to repeat.
            passes: whether an error may be gone the next time.

        Returns:
            what it returns.

        Raises:
            CloudProviderError: the last error of `work`.
        """
        deadline = self.clock.now() + self.seconds
        for pause in self._pauses():
            try:
                return work()
            except CloudProviderError as error:
                if not passes(error) or self.clock.now() + pause > deadline:
                    raise
            self.clock.sleep(pause)
        raise AssertionError  # pauses do not end

    def _pauses(self) -> Iterator[float]:
        limit = self.first
        while True:
            yield limit * (1 + self.chance()) / 2
            limit = min(2 * limit, self.longest)
