"""Firewall rules as clouds have them, and whom they let in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from elasticluster.providers.base import SSH_PORT

TCP = "tcp"
_TCP_NAMES = frozenset({TCP, "6"})  # IANA protocol numbers
_ANY_PROTOCOL = frozenset({"", "-1", "0", "all", "any"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a group lets in.

    Attributes:
        protocol: name or number; empty, ``-1``, ``0``, ``all`` or ``any``: every one.
        first: lowest port; None: from the lowest.
        last: highest port; None: to the highest.
        source: network (CIDR) that it lets in; None: what else the rule says, like another group.
    """

    protocol: str = ""
    first: int | None = None
    last: int | None = None
    source: str | None = None

    def covers(self, port: int) -> bool:
        """Return whether it lets TCP to a port in, from wherever."""
        if self.protocol.lower() in _ANY_PROTOCOL:
            return True
        if self.protocol.lower() not in _TCP_NAMES:
            return False
        # "Every port" is no port on one cloud, and -1 on another.
        low = self.first if self.first is not None and self.first >= 0 else 0
        high = self.last if self.last is not None and self.last >= 0 else port
        return low <= port <= high


def sources(rules: Iterable[Rule], port: int = SSH_PORT) -> tuple[str, ...]:
    """Return the networks that TCP to a port is let in from; members of other groups are left out."""
    return tuple(dict.fromkeys(rule.source for rule in rules if rule.source and rule.covers(port)))
