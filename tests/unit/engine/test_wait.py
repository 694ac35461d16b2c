"""Waiting, with a clock that is turned by hand."""

from elasticluster.engine.fakes import FakeClock
from elasticluster.engine.wait import SystemClock, wait_until


def test_wait_until_returns_at_once_when_it_is_done():
    clock = FakeClock()
    assert wait_until(lambda: True, timeout=10, interval=1, clock=clock)
    assert clock.seconds == 0


def test_wait_until_looks_at_every_interval():
    clock = FakeClock()
    assert wait_until(lambda: clock.seconds >= 3, timeout=10, interval=1, clock=clock)
    assert clock.seconds == 3


def test_wait_until_gives_up_at_the_deadline_and_not_after_it():
    clock = FakeClock()
    assert not wait_until(lambda: False, timeout=10, interval=4, clock=clock)
    assert clock.seconds == 10


def test_wait_until_looks_once_however_short_the_timeout():
    looks = []
    wait_until(lambda: bool(looks.append(1)), timeout=0, interval=1, clock=FakeClock())
    assert looks == [1]


def test_system_clock_goes_forward():
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0.001)
    assert clock.now() > before
