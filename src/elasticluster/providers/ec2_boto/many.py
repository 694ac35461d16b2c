"""Calls about many instances at once, of which some may be refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from elasticluster.exceptions import CloudProviderError, CredentialsError, ThrottledError
from elasticluster.providers.ec2_boto import errors

ID_RE = re.compile(r"i-[0-9a-f]+")

Failures = dict[str, CloudProviderError]


def in_bulk(call: Callable[[list[str]], object], ids: Sequence[str], size: int) -> Failures:
    """Do something to many instances, with as few calls as can be.

    EC2 does nothing of a call that names one instance that cannot be dealt with. What it says tells which
    that is, as a rule; else the call is halved until it is found.

    Args:
        call: does it to those of some ids.
        ids: the instances.
        size: most of them in one call.

    Returns:
        for each instance to which it could not be done, the error.
    """
    failures: Failures = {}
    for some in chunks(ids, size):
        failures |= _attempt(call, some)
    return failures


def chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """Return ids in lists of some size, the last one of the rest."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def _attempt(call: Callable[[list[str]], object], ids: list[str]) -> Failures:
    failures: Failures = {}
    left = ids
    while left:
        try:
            call(left)
        except CloudProviderError as exc:
            if len(left) == 1 or _concerns_all(exc):
                return failures | dict.fromkeys(left, exc)
            accused = set(ID_RE.findall(exc.message)) & set(left)
            if not accused or len(accused) == len(left):
                middle = len(left) // 2
                return failures | _attempt(call, left[:middle]) | _attempt(call, left[middle:])
            failures |= dict.fromkeys(sorted(accused), exc)
            left = [one for one in left if one not in accused]
        else:
            break
    return failures


def _concerns_all(error: CloudProviderError) -> bool:
    return isinstance(error, (CredentialsError, ThrottledError)) or errors.is_silence(error)
