"""Asks the services what nodes are at work on, and takes nodes out of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from elasticluster.engine.events import Listener, Notice, Warned, ignore
from elasticluster.engine.ports import Clock, SetupJob
from elasticluster.exceptions import SetupProviderError
from elasticluster.model import Json, Layer, SetupResult
from elasticluster.setup.inventory import group_members, masters, nodes_at_hand
from elasticluster.setup.runner import Order, play, set_up
from elasticluster.setup.settings import BUSY, LEAVE, SITE, Settings

_ROUND = 45  # seconds that one look at nodes at work may wait for them; a dropped connection costs no more
_END = 10  # seconds in which jobs that are told to end may do so by themselves
_PATIENCE = 600  # seconds without an answer of a service that has answered before
_PAUSE = 10  # seconds between two tries then
_REMIND = 600  # seconds between two notices that say the same
_MOST = 5  # nodes that a notice names


def busy(settings: Settings, job: SetupJob) -> dict[str, str]:
    """Return what nodes are at work on (``"jobs 17, 18"``), by name; idle ones are left out.

    Raises:
        SetupProviderError: a service could not be asked.
    """
    return _ask(settings, job, BUSY) if settings.services else {}


def leave(settings: Settings, job: SetupJob, tell: Listener, clock: Clock) -> SetupResult:
    """Take the nodes in ``job.leaving`` out of the services; see the port.

    Their services let them get no new work and are asked again and again for what is left, in short steps:
    a connection that breaks meanwhile does no harm. Then the masters are set up without them.

    Args:
        settings: which services there are.
        job: the cluster, who leaves it, and how to log in.
        tell: gets notices of what is waited for.
        clock: the time.
    """
    if not settings.services:
        return SetupResult()
    try:
        _empty(settings, job, tell, clock)
        order = Order(playbooks=(str(SITE),), limit=tuple(masters(job, settings)), whole=True)
        result = set_up(settings, job, order, tell)
    except SetupProviderError as error:
        return SetupResult(error=f"{error.message} {_mend(job)}")
    failures = {name: why for name, why in result.failures.items() if why.layer is not Layer.CHECK}
    groups = group_members(nodes_at_hand(job), settings.groups)
    needed = {name for service in settings.services for name in groups[service.master]}
    for name in failures.keys() - needed:  # a submit host must not keep everybody from leaving
        tell(Warned(f"{name} does not know yet who has left: {failures[name]}. {_mend(job)}"))
    lost = [f"{name}: {why}" for name, why in failures.items() if name in needed]
    wrong = [result.error] if result.error else lost
    why = f"{'; '.join(wrong)}. {_mend(job)}" if wrong else ""
    return SetupResult(changed=result.changed, error=why)


def _empty(settings: Settings, job: SetupJob, tell: Listener, clock: Clock) -> None:
    """Let nodes get no new work, and wait for what they are at work on, or end it.

    Raises:
        SetupProviderError: the services do not answer, or do not any more.
    """
    told: Mapping[str, str] = {}
    answered = clock.now()
    remind = 0.0
    seconds = 0 if job.wait_for_jobs else _END
    while True:
        try:
            working = _ask(settings, job, LEAVE, seconds)
        except SetupProviderError as error:
            if not told or clock.now() - answered > _PATIENCE:
                raise
            tell(Notice(f"{error.message} Trying again."))
            clock.sleep(_PAUSE)
            continue
        if not working or not job.wait_for_jobs:
            return
        answered = clock.now()
        if working != told or answered >= remind:
            tell(Notice(_waiting(working)))
            told, remind, seconds = working, answered + _REMIND, _ROUND


def _waiting(working: Mapping[str, str]) -> str:
    """Say what is being waited for."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for name, work in working.items():
        nodes[work].append(name)
    each = [f"{work} on {', '.join(names)}" for work, names in nodes.items()]
    more = f" and {len(each) - _MOST} others" if len(each) > _MOST else ""
    return f"Waiting for {'; '.join(each[:_MOST])}{more} to end."


def _ask(settings: Settings, job: SetupJob, playbook: Path, seconds: int = 0) -> dict[str, str]:
    """Return what nodes are at work on, by name.

    Args:
        settings: which services there are.
        job: the cluster.
        playbook: asks the masters.
        seconds: how long it may wait for nodes to become idle.

    Raises:
        SetupProviderError: a service could not be asked.
    """
    groups = group_members(nodes_at_hand(job), settings.groups)
    if not all(groups[service.master] for service in settings.services):
        raise SetupProviderError(_CANNOT + "its node cannot be logged in to.", hint=_mend(job))
    leaving = {"nodes": [*job.leaving], "wait": job.wait_for_jobs, "seconds": seconds}
    variables: dict[str, Json] = {"elasticluster_leave": leaving}
    limit = tuple(masters(job, settings))
    order = Order(playbooks=(str(playbook),), limit=limit, variables=variables, whole=True)
    seen, error = play(settings, job, order, ignore)
    wrong = [error] if error else [f"{name}: {failure}" for name, failure in seen.failures.items()]
    silent = [service.role for service in settings.services if service.role not in seen.busy]
    if silent and not wrong:  # its tasks were skipped: that is not to say that nobody works
        wrong = [f"there is no answer of {', '.join(silent)}"]
    if wrong:
        raise SetupProviderError(_CANNOT + "; ".join(wrong) + ".", hint=_mend(job))
    return _by_node([line for lines in seen.busy.values() for line in lines])


_CANNOT = "The master of a service cannot be asked which nodes are at work: "


def _mend(job: SetupJob) -> str:
    """Say what to do where a service does not answer."""
    return f"`elasticluster setup {job.cluster.name}` mends the services."


def _by_node(lines: Sequence[str]) -> dict[str, str]:
    """Turn ``"busy NODE JOB"`` into what each node is at work on; whatever else was said is left out."""
    jobs: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        match line.split():
            case ["busy", node, job]:
                jobs[node].append(job)
    return {
        node: f"{'jobs' if len(ids) > 1 else 'job'} {', '.join(ids)}" for node, ids in sorted(jobs.items())
    }
