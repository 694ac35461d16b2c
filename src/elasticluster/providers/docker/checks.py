"""What this computer must have before nodes are made on it, and how to mend what is missing."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elasticluster.engine.events import Listener, Notice, Warned
from elasticluster.exceptions import CapacityError, FlavorError, QuotaError, UnsupportedError
from elasticluster.providers.docker.client import Engine
from elasticluster.providers.docker.flavors import Flavor
from elasticluster.providers.docker.node import FUSE

INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_PER_NODE = 4.5  # measured with Debian 12 and 13: 128 are enough for 28 nodes
_INOTIFY_ENOUGH = 8192
_GIB = 2**30
_MIN_DISK = 2 * _GIB  # a node image and what a few nodes install


def check_machine(engine: Engine, sizes: Sequence[Flavor], wanted: int, present: int, tell: Listener) -> None:
    """Check the engine and the computer that it runs on.

    Args:
        engine: the container engine.
        sizes: flavors of the nodes that are to be made.
        wanted: how many nodes are to be made.
        present: how many of ours run already.
        tell: hears of what is worth knowing and does not keep nodes from being made.

    Raises:
        CloudProviderError: nodes cannot be made; the message says how to mend it.
    """
    with engine.use("ask the container engine about itself") as api:
        info: Mapping[str, Any] = api.info()
    if info.get("OSType") != "linux":
        raise UnsupportedError(f"The container engine runs {info.get('OSType')} containers; nodes are Linux.")
    for flavor in sizes:
        check_flavor(flavor, float(info["NCPU"]), int(info["MemTotal"]))
    _check_cgroups(info, tell)
    if info.get("KernelVersion") == os.uname().release:
        # Not so where the engine lives in a virtual machine of its own, with limits of its own.
        _check_limits(str(info["DockerRootDir"]), wanted, present, tell)


def check_flavor(flavor: Flavor, cpus: float, memory: int) -> None:
    """Check that one node of a flavor fits on the computer; the sum of many may well be more.

    Raises:
        FlavorError: it does not; says what the flavor wants and what there is.
    """
    if flavor.cpus > cpus:
        raise FlavorError(
            f"Flavor '{flavor.name}' wants {flavor.cpus:g} processors; this machine has {cpus:g}.",
            hint="Choose a smaller flavor.",
        )
    if flavor.memory > memory:
        raise FlavorError(
            f"Flavor '{flavor.name}' wants {flavor.memory / _GIB:g} GiB of memory; "
            f"this machine has {memory / _GIB:.1f} GiB.",
            hint="Choose a smaller flavor.",
        )


def check_inotify(limit: int, wanted: int, present: int) -> None:
    """Check that there are inotify instances for all nodes: a node that gets none dies without a word.

    Raises:
        QuotaError: there are not; says how to raise the limit.
    """
    needed = math.ceil(_INOTIFY_PER_NODE * (wanted + present))
    if needed > limit:
        raise QuotaError(
            f"{wanted} nodes beside {present} running ones need about {needed} inotify instances; "
            f"this machine allows {limit}.",
            hint=f"Raise the limit with `sudo sysctl -w fs.inotify.max_user_instances={_INOTIFY_ENOUGH}`; "
            "put the same setting into a file in /etc/sysctl.d to keep it.",
        )


def _check_cgroups(info: Mapping[str, Any], tell: Listener) -> None:
    missing = [
        words
        for key, words in (("CpuCfsQuota", "processors"), ("MemoryLimit", "memory"))
        if not info.get(key, True)
    ]
    if missing:
        tell(
            Warned(
                f"This machine's control groups (version {info.get('CgroupVersion', '1')}) cannot limit "
                f"{' and '.join(missing)}: nodes may use more than their flavor."
            )
        )


def check_disk(folder: str, free: int) -> None:
    """Check that there are enough free bytes in the folder where the engine keeps containers.

    Raises:
        CapacityError: there are not.
    """
    if free < _MIN_DISK:
        raise CapacityError(
            f"Only {free / _GIB:.1f} GiB are free in {folder}, where containers are kept; "
            f"nodes need {_MIN_DISK / _GIB:g} GiB at least.",
            hint="Free some disk space, e.g. with `docker system prune`.",
        )


def _check_limits(root_dir: str, wanted: int, present: int, tell: Listener) -> None:
    check_inotify(int(INOTIFY_LIMIT.read_text()), wanted, present)
    with contextlib.suppress(OSError):  # not ours to look at: the engine will say if there is no space
        check_disk(root_dir, shutil.disk_usage(root_dir).free)
    if not FUSE.exists():
        tell(Notice(f"There is no {FUSE} here: FUSE file systems (GlusterFS, sshfs) do not work in nodes."))
