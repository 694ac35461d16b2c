"""Worker threads."""

import threading

import pytest

from elasticluster.engine.pool import run_all


def test_run_all_keeps_the_order_of_the_items():
    assert run_all(lambda n: n * n, range(20), 8) == [n * n for n in range(20)]


def test_run_all_with_one_worker_stays_in_this_thread():
    here = threading.current_thread()
    assert run_all(lambda _: threading.current_thread(), range(3), 1) == [here] * 3


def test_run_all_runs_at_the_same_time():
    barrier = threading.Barrier(3, timeout=5)
    run_all(lambda _: barrier.wait(), range(3), 3)


def test_run_all_does_everything_before_it_raises():
    done = []

    def work(number):
        done.append(number)
        if number == 0:
            raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        run_all(work, range(10), 4)
    assert sorted(done) == list(range(10))
