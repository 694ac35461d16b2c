"""Worker threads."""

import threading

import pytest

from elasticluster.engine.pool import run_all


def test_run_all_keeps_the_order_of_the_items():
    assert run_all(lambda n: n * n, range(20), 8) == [n * n for n in range(20)]


def test_run_all_with_one_worker_does_one_after_another():
    under_way, most = [], []

    def work(number):
        under_way.append(number)
        most.append(len(under_way))
        under_way.remove(number)

    run_all(work, range(20), 1)
    assert max(most) == 1


def test_run_all_never_works_in_the_thread_that_interrupts_reach():
    assert run_all(lambda _: threading.current_thread(), [1], 1) != [threading.main_thread()]


def test_run_all_of_nothing_is_nothing():
    assert run_all(len, [], 4) == []


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
