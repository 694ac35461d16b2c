"""Making the instances of a request: in few calls, in turn in its subnets, and what is left undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from elasticluster.engine.ports import Created
from elasticluster.exceptions import CapacityError, CloudProviderError, FlavorError, InstanceError
from elasticluster.model import Instance
from elasticluster.providers.ec2_boto import errors
from elasticluster.providers.ec2_boto.client import Cloud
from elasticluster.providers.ec2_boto.instances import BATCH, Launch, to_instances

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import ReservationResponseTypeDef

SPOT_INTERVAL = 10.0
"""Seconds between two attempts to have spot machines."""

_LATE = frozenset({errors.NO_KEY}) | errors.NO_GROUP
_OF_PLACE = (CapacityError, FlavorError)  # another zone may have what this one has not
_LATE_SECONDS = 60  # what was made a moment ago may be unknown to another part of the cloud


@dataclass
class Launching:
    """The making of one request's instances; used once.

    Attributes:
        cloud: the connection.
        launch: what they have in common.
        subnets: ids of the subnets to spread them over; none: as the cloud sees fit.
        patience: seconds to wait for spot machines.
        made: instances that were made.
    """

    cloud: Cloud
    launch: Launch
    subnets: Sequence[str] = ()
    patience: float = 0
    made: list[Instance] = field(default_factory=list)
    _attempts: int = 0

    def run(self) -> Created:
        """Make as many of the instances as can be had.

        Returns:
            those made, and why there are no others.
        """
        names = self.launch.request.names
        deadline = self.cloud.clock.now() + self.patience
        while True:
            error = self._round()
            left = deadline - self.cloud.clock.now()
            if error is None or not isinstance(error, CapacityError) or left <= 0:
                break
            self.cloud.clock.sleep(min(SPOT_INTERVAL, left))
        rest = names[len(self.made) :]
        return Created(
            instances=tuple(self.made), failures=dict.fromkeys(rest, error or _too_few()) if rest else {}
        )

    def _round(self) -> CloudProviderError | None:
        """Ask for what is missing in one subnet after the other; return what keeps us from having all."""
        places = [*self.subnets] or [""]
        error: CloudProviderError | None = None
        while places and self._missing:
            for place, share in zip(list(places), _shares(self._missing, len(places)), strict=True):
                failed = self._fill(place, share)
                if failed and not isinstance(failed, _OF_PLACE):
                    return failed
                if failed:
                    error = failed
                    places.remove(place)
        return error if self._missing else None

    def _fill(self, subnet: str, count: int) -> CloudProviderError | None:
        """Make instances in one subnet; return what keeps us from having all of them."""
        wanted = len(self.made) + count
        while len(self.made) < wanted:
            try:
                more = self._ask(subnet, min(BATCH, wanted - len(self.made)))
            except CloudProviderError as exc:
                return exc
            if not more:
                return _too_few()
            self.made += more
        return None

    def _ask(self, subnet: str, count: int) -> list[Instance]:
        """Ask for instances once; EC2 may make fewer, and says why when it is asked for the others.

        Raises:
            CloudProviderError: none was made.
        """
        request = self.launch.request
        parameters = self.launch.parameters(self._attempts, len(self.made), count, subnet)
        self._attempts += 1

        def call() -> ReservationResponseTypeDef:
            kind = request.tags.kind or "node"
            return self.cloud.call(
                f"make {count} machine{'s' if count > 1 else ''} of kind '{kind}'",
                lambda ec2: ec2.run_instances(**parameters),
                InstanceError,
            )

        late = self.cloud.patience(_LATE_SECONDS)
        answer = late.attempt(call, lambda error: errors.code_of(error) in _LATE)
        return to_instances(answer["Instances"])

    @property
    def _missing(self) -> int:
        return len(self.launch.request.names) - len(self.made)


def _shares(count: int, places: int) -> list[int]:
    """Return how many instances each of some places gets; they differ by one at most.

    >>> _shares(10, 3)
    [4, 3, 3]
    """
    each, more = divmod(count, places)
    return [each + (place < more) for place in range(places)]


def _too_few() -> InstanceError:
    return InstanceError("The cloud made fewer machines than it was asked for, and gives no reason.")
