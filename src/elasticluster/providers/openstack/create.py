"""Making servers: many with a call, none twice, each name with its own outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from elasticluster.engine.ports import Created
from elasticluster.engine.wait import wait_until
from elasticluster.exceptions import CloudProviderError, InstanceError
from elasticluster.model import Instance, InstanceRequest, InstanceState
from elasticluster.providers.base import attempt_all, errors_of
from elasticluster.providers.openstack.client import Cloud, unless_missing
from elasticluster.providers.openstack.errors import NoAnswerError, NoReplyError
from elasticluster.providers.openstack.instances import Options, attributes, to_instance
from elasticluster.providers.openstack.servers import list_servers

PER_CALL = 20
"""Servers with one call. Nova finds hosts for all servers of a call or for none (its scheduler's "No valid
host"), so where room is scarce a larger call would lose more."""

_ROUNDS = 4
_SCHEDULING = "scheduling"
_SETTLE_INTERVAL = 2.0  # seconds between two looks at what came of a call whose reply was lost
_SETTLE_SECONDS = 60.0  # for all looks
_AT_WORK_SECONDS = 20.0  # that Nova may take to make the first server of a call whose reply was lost


def create(cloud: Cloud, request: InstanceRequest, options: Options) -> Created:
    """Make the servers of a request.

    Nova's call has no token that would make it safe to repeat, and makes fewer servers than asked for where
    the quota allows no more. So what there is of the batch is looked at before and after each round of calls,
    and only what is missing is asked for: its error is the reason for the names left.

    Raises:
        CloudProviderError: the cloud was asked, and then did not say what there is.
    """
    batch = _Batch(cloud, request, options)
    batch.look()
    for _ in range(_ROUNDS):
        if not batch.missing:
            break
        batch.ask()
        batch.let_count()
    return batch.outcome()


@dataclass
class _Batch:
    """What has come of a request so far, by the place of each name in it."""

    cloud: Cloud
    request: InstanceRequest
    options: Options
    found: dict[int, Instance] = field(default_factory=dict)
    failed: dict[int, CloudProviderError] = field(default_factory=dict)
    doubts: dict[int, CloudProviderError] = field(default_factory=dict)
    uncounted: bool = False

    @property
    def missing(self) -> list[int]:
        """Places of which there is neither a server nor the certainty that there will be none."""
        return [
            one for one in range(len(self.request.names)) if one not in self.found and one not in self.failed
        ]

    def ask(self) -> None:
        """Ask for what is missing, and look what there is."""
        calls = {str(run[0]): run for run in _runs(self.missing)}
        # One after the other: Nova counts once more when servers are built, and breaks those too many.
        answers = attempt_all(lambda first: self._make(calls[first]), [*calls], 1)
        errors = errors_of(answers)
        lost = [first for first, error in errors.items() if isinstance(error, NoAnswerError)]
        if lost:
            self._settle(at_work=any(isinstance(errors[first], NoReplyError) for first in lost))
        else:
            self._take([*calls.values()], answers)
        for first, error in errors.items():
            kept = self.doubts if first in lost else self.failed
            kept.update({place: error for place in calls[first] if place not in self.found})

    def look(self) -> None:
        """Take over what there is: another process may have made this call before."""
        self.found |= self._listed()

    def let_count(self) -> None:
        """Wait until Nova counts what it has taken, before more is asked for than the quota may allow.

        It does once a host is looked for; until then it takes more, and breaks what is too much.
        """

        def counted() -> bool:
            self.look()
            return not self.uncounted

        if self.uncounted and self.missing:
            wait_until(counted, timeout=_SETTLE_SECONDS, interval=_SETTLE_INTERVAL, clock=self.cloud.clock)

    def outcome(self) -> Created:
        """Return what has come of it, name by name."""
        names, silence = (
            self.request.names,
            InstanceError("The cloud took the call, but lists no server of it."),
        )
        reasons = {**self.doubts, **self.failed}
        return Created(
            instances=tuple(
                replace(self.found[place], tags=replace(self.found[place].tags, node=names[place]))
                for place in sorted(self.found)
            ),
            failures={
                name: reasons.get(place, silence)
                for place, name in enumerate(names)
                if place not in self.found
            },
        )

    def _make(self, run: Sequence[int]) -> Any:
        asked = attributes(self.request, self.options, run[0], len(run))
        with self.cloud.use(f"make servers for '{self.request.tags.name}'", InstanceError) as api:
            return api.compute.create_server(**asked)

    def _take(self, runs: Sequence[Sequence[int]], answers: Mapping[str, Any]) -> None:
        """Take over what there is; a call for one server has told that, if there was a reply to it."""
        accepted = {run[0]: run for run in runs if not isinstance(answers[str(run[0])], CloudProviderError)}
        if any(len(run) > 1 for run in accepted.values()):
            self.look()
        else:
            self.found |= {place: self._accepted(place, answers[str(place)]) for place in accepted}

    def _accepted(self, place: int, server: Any) -> Instance:
        """Return a server that Nova has just said yes to; it says no more of it than its id."""
        tags = replace(self.request.tags, batch=self.request.token)
        return Instance(id=str(server.id), state=InstanceState.PENDING, tags=tags, launch_index=place)

    def _settle(self, *, at_work: bool) -> None:
        """Look what there is after a lost reply, until two looks show the same.

        Args:
            at_work: whether Nova may still be at work, so that nothing yet does not mean nothing at all.
        """
        before = -1
        until = self.cloud.clock.now() + (_AT_WORK_SECONDS if at_work else 0)

        def settled() -> bool:
            nonlocal before
            self.look()
            same, before = before == len(self.found), len(self.found)
            return not self.missing or (same and self.cloud.clock.now() >= until)

        wait_until(settled, timeout=_SETTLE_SECONDS, interval=_SETTLE_INTERVAL, clock=self.cloud.clock)

    def _listed(self) -> dict[int, Instance]:
        """Return the servers of the request by place; of two for one place the second is destroyed."""
        found: dict[int, Instance] = {}
        servers = list_servers(self.cloud, self.request.tags.uuid, self.request.token)
        self.uncounted = any(server.task_state == _SCHEDULING for server in servers)
        for machine in map(to_instance, sorted(servers, key=lambda one: (str(one.created_at), str(one.id)))):
            if machine.launch_index in found or machine.launch_index >= len(self.request.names):
                self._destroy(machine.id)
            else:
                found[machine.launch_index] = machine
        return found

    def _destroy(self, server: str) -> None:
        with self.cloud.use(f"delete the server '{server}'", InstanceError) as api:
            unless_missing(api.compute.delete_server, server, ignore_missing=False)


def _runs(places: Sequence[int]) -> list[list[int]]:
    """Split places into runs without gaps, none longer than a call may be."""
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1 and len(runs[-1]) < PER_CALL:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs
