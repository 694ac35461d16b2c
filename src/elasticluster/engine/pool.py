"""All worker threads of the program come from here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def default_workers() -> int:
    """Return how many calls to make at the same time if nobody says: four for each processor."""
    return 4 * (os.cpu_count() or 1)


def run_all(work: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """Call `work` on every item, `workers` at a time, and return the results in the items' order.

    Calls are made in worker threads even if there is only one: Ctrl-C reaches the main thread, so that
    a call under way comes to its end, and what it returns can be noted; no further call is begun. Context
    variables have the caller's values there.

    Raises:
        Exception: the first one (in the items' order) that `work` raised, after all calls have ended.
    """
    todo = list(items)
    if not todo:
        return []
    with ThreadPoolExecutor(max(1, min(workers, len(todo)))) as pool:
        try:
            futures = [pool.submit(copy_context().run, work, item) for item in todo]
            wait(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]
