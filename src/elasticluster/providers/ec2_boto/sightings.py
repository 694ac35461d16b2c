"""Which machines this process has made, seen and destroyed, so that it need not ask once more."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable

from elasticluster.model import Instance, InstanceState

_LATE_SECONDS = 60  # for so long a machine may be unknown to a part of the cloud


class Sightings:
    """What is known of machines; told from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._uuids: dict[str, str] = {}
        self._alive: dict[str, float] = {}
        self._ended: set[str] = set()
        self._destroyed: set[str] = set()
        self._addressed: set[str] = set()
        self._spot: set[str] = set()

    def made(self, machines: Iterable[Instance]) -> None:
        """Note machines that were made just now."""
        with self._guard:
            for one in machines:
                self._uuids[one.id] = one.tags.uuid
                self._alive[one.id] = time.monotonic()

    def saw(
        self, machines: Iterable[Instance], wanting: Collection[str] = (), spot: Collection[str] = ()
    ) -> None:
        """Note machines that exist; ids of those that are to have an address, and of spot machines."""
        with self._guard:
            for one in machines:
                self._uuids[one.id] = one.tags.uuid
                if one.state is InstanceState.TERMINATED:
                    self._ended.add(one.id)
                else:
                    self._alive[one.id] = time.monotonic()
            self._addressed.update(wanting)
            self._spot.update(spot)

    def destroyed(self, ids: Iterable[str]) -> None:
        """Note machines that were destroyed just now."""
        with self._guard:
            self._destroyed.update(ids)

    def knows(self, instance_id: str) -> bool:
        """Return whether a machine was made or seen."""
        return instance_id in self._uuids

    def uuid_of(self, instance_id: str) -> str | None:
        """Return the UUID of a machine's cluster; empty if it carries none; None if there is no machine.

        One that has ended loses its tags after a while (EC2 user guide, "Terminate your instance"): it tells
        nothing any more, and is none.
        """
        uuid = self._uuids.get(instance_id)
        return None if not uuid and instance_id in self._ended else uuid

    def was_alive(self, instance_id: str) -> bool:
        """Return whether a machine was there so lately that it is not gone if the cloud says so."""
        seen = self._alive.get(instance_id)
        return seen is not None and time.monotonic() - seen < _LATE_SECONDS

    def is_spot(self, instance_id: str) -> bool:
        """Return whether a machine is known to be a spot machine."""
        return instance_id in self._spot

    def ended(self, machine: Instance) -> bool:
        """Return whether a machine is gone because it was destroyed by us."""
        return machine.state is InstanceState.TERMINATED and machine.id in self._destroyed

    def with_addresses(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """Return those of some machines that may have addresses of their own, by their clusters' UUIDs."""
        found = defaultdict(list)
        for one in ids:
            if one in self._addressed:
                found[self._uuids[one]].append(one)
        return dict(found)
