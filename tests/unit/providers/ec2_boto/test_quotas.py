"""Which flavors count for which quota, and when there are too few processors left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elasticluster.exceptions import QuotaError
from elasticluster.providers.ec2_boto import quotas
from elasticluster.providers.ec2_boto.catalog import Flavor
from elasticluster.providers.ec2_boto.quotas import Wanted, is_standard

FLAVORS = {name: Flavor(name=name, cpus=4, memory_mb=1) for name in ("m5.xlarge", "p5.xlarge")}


class Account:
    """An account whose limits AWS tells, or does not, and in which machines run."""

    region = "us-east-1"

    def __init__(self, limit: float | None, *running: str) -> None:
        self.limit, self.running = limit, running
        self.asked: list[str] = []

    def ask(self, service: str, work: Callable[[Any], float]) -> float | None:
        return None if self.limit is None else work(self)

    def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> Any:  # noqa: N803 - the SDK's
        self.asked.append(QuotaCode)
        return {"Quota": {"Value": self.limit}}

    def call(self, doing: str, work: object) -> list[Any]:
        return [_running(flavor) for flavor in self.running]


def _running(flavor: str) -> Any:
    found: dict[str, Any] = {"InstanceType": flavor.removeprefix("spot ")}
    found["CpuOptions"] = {"CoreCount": 2, "ThreadsPerCore": 2}
    return found | ({"InstanceLifecycle": "spot"} if flavor.startswith("spot ") else {})


def check(account: Account, *wanted: Wanted) -> None:
    quotas.check(account, wanted, FLAVORS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "flavor", ["t3.small", "m5.large", "c7gn.xlarge", "r6i.2xlarge", "im4gn.large", "z1d.large"]
)
def test_standard_families_count_together(flavor: str) -> None:
    assert is_standard(flavor)


@pytest.mark.parametrize(
    "flavor", ["p5.48xlarge", "g6.xlarge", "hpc7a.96xlarge", "u-6tb1.metal", "inf2.xlarge"]
)
def test_other_families_have_quotas_of_their_own(flavor: str) -> None:
    assert not is_standard(flavor)


def test_as_many_as_are_left_may_be_had() -> None:
    check(Account(16, "m5.xlarge", "m5.xlarge"), Wanted("m5.xlarge", 2, spot=False))


def test_more_than_are_left_are_refused_with_the_figures() -> None:
    with pytest.raises(QuotaError) as caught:
        check(Account(16, "m5.xlarge", "m5.xlarge"), Wanted("m5.xlarge", 3, spot=False))
    assert caught.value.message == (
        "The machines need 12 virtual processors (on-demand), and of the 16 that the account may have in "
        "region 'us-east-1' 8 are in use."
    )
    assert "L-1216C47A" in caught.value.hint


def test_kinds_of_one_market_count_together() -> None:
    with pytest.raises(QuotaError):
        check(Account(16), Wanted("m5.xlarge", 3, spot=False), Wanted("m5.xlarge", 2, spot=False))


def test_spot_machines_have_a_quota_of_their_own() -> None:
    account = Account(8, "m5.xlarge", "spot m5.xlarge")
    check(account, Wanted("m5.xlarge", 1, spot=True), Wanted("m5.xlarge", 1, spot=False))
    assert set(account.asked) == {quotas.ON_DEMAND, quotas.SPOT}
    with pytest.raises(QuotaError):
        check(account, Wanted("m5.xlarge", 2, spot=True))


def test_nothing_is_refused_where_nothing_is_told_or_counted() -> None:
    check(Account(None, "m5.xlarge"), Wanted("m5.xlarge", 1000, spot=False))
    account = Account(4)
    check(account, Wanted("p5.xlarge", 1000, spot=False), Wanted("unknown.large", 1000, spot=False))
    assert not account.asked
