"""Calls about many instances of which some are refused."""

from __future__ import annotations

import pytest

from elasticluster.exceptions import CredentialsError, InstanceError, InstanceNotFoundError
from elasticluster.providers.ec2_boto.many import in_bulk

IDS = [f"i-{number:08x}" for number in range(10)]


class Cloud:
    """Refuses a call with a bad id as a whole, and names those that are bad, or does not."""

    def __init__(self, bad: set[str], *, says: bool) -> None:
        self.bad, self.says = bad, says
        self.done: list[str] = []
        self.calls = 0

    def call(self, ids: list[str]) -> None:
        self.calls += 1
        refused = [one for one in ids if one in self.bad]
        if refused:
            raise InstanceNotFoundError(f"There is no {', '.join(refused) if self.says else 'such machine'}.")
        self.done += ids


def test_one_call_is_enough_where_nothing_is_refused() -> None:
    cloud = Cloud(set(), says=True)
    assert not in_bulk(cloud.call, IDS, 1000)
    assert (cloud.done, cloud.calls) == (IDS, 1)


def test_calls_are_not_larger_than_allowed() -> None:
    cloud = Cloud(set(), says=True)
    in_bulk(cloud.call, IDS, 4)
    assert (cloud.done, cloud.calls) == (IDS, 3)


@pytest.mark.parametrize("says", [True, False])
def test_bad_ids_do_not_keep_the_others(*, says: bool) -> None:
    bad = {IDS[2], IDS[7]}
    cloud = Cloud(bad, says=says)
    failures = in_bulk(cloud.call, IDS, 1000)
    assert failures.keys() == bad
    assert set(cloud.done) == set(IDS) - bad


def test_ids_that_are_named_cost_one_more_call() -> None:
    cloud = Cloud({IDS[2], IDS[7]}, says=True)
    in_bulk(cloud.call, IDS, 1000)
    assert cloud.calls == 2


def test_many_refusals_that_name_one_id_each_are_all_found() -> None:
    ids = [f"i-{number:08x}" for number in range(1000)]

    def refuse(some: list[str]) -> None:
        raise InstanceError(f"The instance '{some[0]}' is not in a state from which it can be stopped.")

    assert set(in_bulk(refuse, ids, 1000)) == set(ids)


def test_refusal_of_whoever_asks_is_not_tried_for_each() -> None:
    calls = []

    def refuse(ids: list[str]) -> None:
        calls.append(ids)
        raise CredentialsError("No.")

    assert set(in_bulk(refuse, IDS, 1000)) == set(IDS)
    assert len(calls) == 1


def test_refusal_of_all_without_names_is_told_of_each() -> None:
    def refuse(ids: list[str]) -> None:
        raise InstanceError("No.")

    assert set(in_bulk(refuse, IDS, 1000)) == set(IDS)
