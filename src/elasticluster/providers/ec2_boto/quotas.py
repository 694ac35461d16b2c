"""How many virtual processors an account may have at a time, and how many it has."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elasticluster.exceptions import QuotaError
from elasticluster.providers.ec2_boto.catalog import Flavor
from elasticluster.providers.ec2_boto.client import Cloud
from elasticluster.providers.ec2_boto.instances import described

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceTypeDef

ON_DEMAND = "L-1216C47A"
SPOT = "L-34B43A08"
"""Quotas on virtual processors of the standard families (EC2 user guide, "On-Demand Instance quotas" and
"Spot Instance quotas")."""

_STANDARD = frozenset("acdhimrtz") | {"im", "is"}
_FAMILY_RE = re.compile(r"([a-z]+)\d")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Machines that are to be made: their flavor, how many, and whether on the spot market."""

    flavor: str
    count: int
    spot: bool


def check(cloud: Cloud, wanted: Sequence[Wanted], flavors: Mapping[str, Flavor]) -> None:
    """Make sure that there are processors left for some machines; no check where AWS does not tell.

    Only the standard families (A, C, D, H, I, M, R, T, Z) are looked at: of others few are started at once.

    Raises:
        QuotaError: there are not.
    """
    needed: Counter[bool] = Counter()
    for one in wanted:
        if one.flavor in flavors and is_standard(one.flavor):
            needed[one.spot] += one.count * flavors[one.flavor].cpus
    limits = {spot: _limit(cloud, SPOT if spot else ON_DEMAND) for spot in needed}
    if not any(limit is not None for limit in limits.values()):
        return
    used = _used(cloud)
    for spot, limit in limits.items():
        if limit is not None and used[spot] + needed[spot] > limit:
            kind = "spot" if spot else "on-demand"
            raise QuotaError(
                f"The machines need {needed[spot]} virtual processors ({kind}), and of the {limit} that the "
                f"account may have in region '{cloud.region}' {used[spot]} are in use.",
                hint=f'Ask for more on the page "Service Quotas" of AWS\'s console (EC2, '
                f"{SPOT if spot else ON_DEMAND}), or take fewer or smaller machines.",
            )


def is_standard(flavor: str) -> bool:
    """Return whether a flavor is of one of the standard families."""
    match = _FAMILY_RE.match(flavor)
    return bool(match and match[1] in _STANDARD)


def _limit(cloud: Cloud, code: str) -> int | None:
    def asked(quotas: Any) -> float:
        return float(quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])

    value = cloud.ask("service-quotas", asked)
    return None if value is None else math.floor(value)


def _used(cloud: Cloud) -> Counter[bool]:
    """Return how many processors the account's machines have, by whether they are on the spot market."""
    filters: Any = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    used: Counter[bool] = Counter()
    for one in cloud.call("list what runs", lambda ec2: described(ec2, filters)):
        if is_standard(one["InstanceType"]):
            used[one.get("InstanceLifecycle") == "spot"] += _cpus(one)
    return used


def _cpus(found: InstanceTypeDef) -> int:
    options = found.get("CpuOptions", {})
    return int(options.get("CoreCount", 1)) * int(options.get("ThreadsPerCore", 1))
