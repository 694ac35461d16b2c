"""Flavors of containers: ``2cpu-4ram`` and names given to such."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from elasticluster.exceptions import ConfigurationError, FlavorError

_FLAVOR_RE = re.compile(r"(?P<cpus>\d+(?:\.\d+)?)cpu-(?P<ram>\d+(?:\.\d+)?)ram", re.ASCII)
_GRAMMAR = "a flavor is '2cpu-4ram' (processors and GiB of memory, fractions as in '0.5cpu-0.75ram')"
_MIB = 2**20
_MIN_MEMORY = 64 * _MIB  # systemd and an SSH server do not come up in less
_MIN_CPUS = 0.01  # Docker's own lower bound


@dataclass(frozen=True, slots=True)
class Flavor:
    """The size of a node: processors (may be a fraction) and bytes of memory."""

    name: str
    cpus: float
    memory: int

    @property
    def whole_cpus(self) -> int:
        """Processors for a scheduler, which counts in whole ones; at least one."""
        return max(1, int(self.cpus))

    @property
    def memory_mb(self) -> int:
        """Memory in MiB."""
        return self.memory // _MIB


def parse_flavor(name: str, custom: Mapping[str, str]) -> Flavor:
    """Return the flavor called `name`.

    Args:
        name: ``2cpu-4ram``, or one of the custom names.
        custom: what custom names stand for.

    Raises:
        FlavorError: there is no such flavor, or it is too small for a node.
    """
    match = _FLAVOR_RE.fullmatch(custom.get(name, name))
    if not match:
        known = f"; of your own: {', '.join(sorted(custom))}" if custom else ""
        raise FlavorError(f"There is no flavor '{name}'.", hint=f"For containers {_GRAMMAR}{known}.")
    flavor = Flavor(name, float(match["cpus"]), int(float(match["ram"]) * 1024) * _MIB)
    if flavor.memory < _MIN_MEMORY or flavor.cpus < _MIN_CPUS:
        raise FlavorError(
            f"Flavor '{name}' is too small for a node: "
            f"{flavor.cpus:g} processors and {flavor.memory_mb} MiB.",
            hint=f"A node needs at least {_MIN_CPUS} processors and {_MIN_MEMORY // _MIB} MiB.",
        )
    return flavor


def custom_flavors(entries: Iterable[str]) -> dict[str, str]:
    """Return the custom flavors of a ``flavors`` key.

    Args:
        entries: each ``NAME=2cpu-4ram``.

    Raises:
        ConfigurationError: an entry is not of that form.
    """
    custom = {}
    for entry in entries:
        name, equals, meaning = (part.strip() for part in entry.partition("="))
        if not (name and equals and _FLAVOR_RE.fullmatch(meaning)):
            raise ConfigurationError(
                f"flavors: '{entry}' is not NAME=FLAVOR.",
                hint=f"Write for example 'flavors=small=1cpu-0.5ram, big=4cpu-16ram'; {_GRAMMAR}.",
            )
        custom[name] = meaning
    return custom
