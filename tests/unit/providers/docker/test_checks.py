"""What this computer must have before nodes are made."""

from __future__ import annotations

import pytest

from elasticluster.exceptions import CapacityError, QuotaError
from elasticluster.providers.docker.checks import check_disk, check_inotify


def test_inotify_limit_of_most_systems_is_enough_for_28_nodes() -> None:
    check_inotify(128, wanted=20, present=8)


def test_inotify_limit_that_is_too_low_is_told_with_the_mending_command() -> None:
    with pytest.raises(QuotaError) as caught:
        check_inotify(128, wanted=27, present=2)
    assert str(caught.value) == (
        "27 nodes beside 2 running ones need about 131 inotify instances; this machine allows 128.\n"
        "Raise the limit with `sudo sysctl -w fs.inotify.max_user_instances=8192`; "
        "put the same setting into a file in /etc/sysctl.d to keep it."
    )


def test_disk_that_is_nearly_full_is_refused() -> None:
    check_disk("/var/lib/docker", 2 * 2**30)
    with pytest.raises(CapacityError) as caught:
        check_disk("/var/lib/docker", 2 * 2**30 - 1)
    assert caught.value.message == (
        "Only 2.0 GiB are free in /var/lib/docker, where containers are kept; nodes need 2 GiB at least."
    )
