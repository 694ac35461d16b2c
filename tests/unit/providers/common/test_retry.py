"""Trying again what passes."""

from __future__ import annotations

import pytest

from elasticluster.engine.fakes import FakeClock
from elasticluster.exceptions import CloudProviderError, QuotaError, ThrottledError
from elasticluster.providers.common.retry import Patience


class Flaky:
    """Fails so many times, then works."""

    def __init__(self, *errors: CloudProviderError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def throttled(error: CloudProviderError) -> bool:
    return isinstance(error, ThrottledError)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_what_passes_is_tried_again_with_pauses_that_double(clock: FakeClock) -> None:
    work = Flaky(*[ThrottledError("slow down")] * 6)
    patience = Patience(60, first=1, longest=8, clock=clock, chance=lambda: 1)
    begun = clock.now()
    assert patience.attempt(work, throttled) == "done"
    assert clock.now() - begun == 1 + 2 + 4 + 8 + 8 + 8


def test_pauses_are_shortened_by_chance_to_no_less_than_half(clock: FakeClock) -> None:
    patience = Patience(60, first=1, clock=clock, chance=lambda: 0)
    begun = clock.now()
    patience.attempt(Flaky(*[ThrottledError("slow down")] * 2), throttled)
    assert clock.now() - begun == 0.5 + 1


def test_what_does_not_pass_is_raised_at_once(clock: FakeClock) -> None:
    work = Flaky(ThrottledError("slow down"), QuotaError("no more"))
    with pytest.raises(QuotaError):
        Patience(60, clock=clock).attempt(work, throttled)
    assert work.calls == 2


def test_last_error_is_raised_when_the_time_is_over(clock: FakeClock) -> None:
    work = Flaky(*[ThrottledError(str(number)) for number in range(99)])
    begun = clock.now()
    with pytest.raises(ThrottledError):
        Patience(10, first=1, longest=4, clock=clock, chance=lambda: 1).attempt(work, throttled)
    assert clock.now() - begun <= 10
    assert work.calls == 4


def test_without_patience_there_is_one_attempt(clock: FakeClock) -> None:
    work = Flaky(ThrottledError("slow down"))
    with pytest.raises(ThrottledError):
        Patience(0, clock=clock).attempt(work, throttled)
    assert work.calls == 1
