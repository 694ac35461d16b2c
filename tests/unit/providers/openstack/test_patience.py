"""Which calls are tried again, on a server that really answers, hangs up or is not there."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import requests
from tests.unit.providers.openstack.answering import HANG_UP, answering

from elasticluster.providers.openstack.patience import adapter


def session(now: Callable[[], float] = lambda: 0.0, also: str = "") -> requests.Session:
    made = requests.Session()
    made.mount("http://", adapter(10, now, also))
    return made


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("answer", [429, 503, HANG_UP])
def test_safe_call_is_tried_again(method: str, answer: int) -> None:
    with answering(answer, 200) as (url, calls):
        assert session().request(method, url).status_code == 200
    assert calls == [method, method]


def test_call_that_makes_something_is_tried_again_only_if_it_did_nothing() -> None:
    with answering(429, 200) as (url, calls):
        assert session().post(url).status_code == 200
    assert calls == ["POST", "POST"]
    with answering(503, 200) as (url, calls):
        assert session().post(url).status_code == 503
    assert calls == ["POST"]
    with answering(HANG_UP, 200) as (url, calls), pytest.raises(requests.ConnectionError):
        session().post(url)
    assert calls == ["POST"]


def test_login_is_tried_again() -> None:
    with answering(HANG_UP, 503, 200) as (url, calls):
        assert session(also="POST").post(url).status_code == 200
    assert len(calls) == 3


def test_patience_ends() -> None:
    times = itertools.count(0, 4)
    with answering(429) as (url, calls):
        assert session(lambda: float(next(times))).get(url).status_code == 429
    assert len(calls) == 4, "at 0, 4 and 8 s it was tried again; at 12 s not"


def test_unknown_host_is_told_at_once() -> None:
    with pytest.raises(requests.ConnectionError):
        session().get("http://no-such-host.invalid/")
