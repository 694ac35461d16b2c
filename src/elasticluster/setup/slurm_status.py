"""What Slurm says of its nodes, partitions and queues: one command on the controller's node."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable

from elasticluster.engine.scheduler import Ask, Partition, Scheduler, Worker
from elasticluster.exceptions import ReadinessError
from elasticluster.naming import printable

NAME = "slurm"

_SCRIPT = """
ask() { said=$(timeout 10 "$@" 2>&1) || { printf '%s\\n' "$said" >&2; exit 1; }; printf '%s\\n' "$said"; }
nodes=$(ask sinfo --noheader --all --Node --format='node|%N|%T|%E') || exit 1
partitions=$(ask sinfo --noheader --all --format='partition|%R|%a') || exit 1
jobs=$(ask squeue --noheader --all --array --format='jobs|%P|%T') || exit 1
printf '%s\\n' "$nodes" | sort -u
printf '%s\\n' "$partitions" | uniq
printf '%s\\n' "$jobs" | sort | uniq -c
"""
COMMAND = shlex.join(["/bin/sh", "-c", _SCRIPT])
"""Counts jobs there, as there may be a million; leaves out doubles, as a node is in several partitions."""

_USABLE = frozenset({"idle", "allocated", "mixed", "completing", "planned", "reserved"})
_SILENT = "*"  # at the end of the state of a node that does not answer
_FLAGS = "~#!%$@^-+"  # further signs at the end of a state; they do not matter here
_NO_REASON = "none"
_RUNNING = frozenset(
    {"RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING", "STAGE_OUT", "SIGNALING", "RESIZING"}
)
_PENDING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
_NOT_RESPONDING = "does not answer the controller"
_UNKNOWN = Worker(state="missing", usable=False, reason="the controller does not know it")


def status(master: str, workers: Collection[str], ask: Ask) -> Scheduler:
    """Return what Slurm says.

    Args:
        master: name of the controller's node; empty if there is none.
        workers: names of the nodes that should execute jobs.
        ask: runs a command on a node.
    """
    if not master:
        return Scheduler(name=NAME, error="no node is its controller")
    try:
        lines = ask(master, COMMAND).splitlines()
    except ReadinessError as error:
        return Scheduler(name=NAME, error=error.message)
    return parsed(lines, workers)


def parsed(lines: Iterable[str], workers: Collection[str]) -> Scheduler:
    """Return what the lines that :data:`COMMAND` prints say; other lines are left out."""
    found: dict[str, Worker] = dict.fromkeys(workers, _UNKNOWN)
    states: dict[str, str] = {}
    jobs: Counter[tuple[str, bool]] = Counter()
    for line in lines:
        match line.strip().split("|", 3):
            case ["node", name, state, reason]:
                found[name] = _worker(state, reason)
            case ["partition", name, state]:
                states.setdefault(printable(name), state)
            case [counted, name, state] if counted.endswith(" jobs") and state in _RUNNING | _PENDING:
                for one in name.split(","):  # a job that waits may do so in several
                    jobs[printable(one), state in _RUNNING] += int(counted.split()[0])
    names = dict.fromkeys([*states, *(name for name, _ in jobs)])
    partitions = (
        Partition(name=n, state=states.get(n, "unknown"), running=jobs[n, True], pending=jobs[n, False])
        for n in names
    )
    return Scheduler(name=NAME, workers=found, partitions=tuple(partitions))


def _worker(state: str, reason: str) -> Worker:
    """Return a node as ``sinfo`` shows it; a star at the end of its state means that it does not answer."""
    silent = state.endswith(_SILENT)
    plain = printable(state.rstrip(_SILENT + _FLAGS))
    said = "" if reason.strip() == _NO_REASON else printable(reason.strip())
    usable = plain in _USABLE and not silent
    return Worker(state=plain, usable=usable, reason=said or (_NOT_RESPONDING if silent else ""))
