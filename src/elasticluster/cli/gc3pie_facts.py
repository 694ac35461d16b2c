"""What GC3Pie is told of a cluster: from what its frontend prints to sections of a configuration file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ASK = """\
echo "machine $(uname -m)"
if command -v sinfo >/dev/null 2>&1; then
    sinfo --noheader --Node --format='slurm %N %c %m %l'
elif command -v qhost >/dev/null 2>&1; then
    qhost | tail -n +4 | sed 's/^/sge /'
    qconf -spl 2>/dev/null | sed 's/^/pe /'
fi
"""
"""Shell commands to be run on the frontend; :func:`read_facts` understands what they print."""

_FOREVER = 672  # hours, four weeks: GC3Pie wants a number also where there is no limit
_TIME_RE = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")
_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}  # MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A node that executes jobs: its cores, memory in MiB, and for how many hours a job may run on it."""

    cores: int
    memory: int
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a frontend has told.

    Attributes:
        scheduler: ``slurm``, ``sge``; empty for none that is known.
        architecture: of the frontend's processor, e.g. ``x86_64``.
        workers: nodes that execute jobs, by name.
        parallel_environment: the first one of Grid Engine; empty for none.
    """

    scheduler: str
    architecture: str
    workers: Mapping[str, Worker]
    parallel_environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to log in to a frontend; an empty path of the private key: an SSH agent has it."""

    user: str
    host: str
    port: int
    key_path: str


def read_facts(output: str) -> Facts:
    """Return what the commands in :data:`ASK` have printed; lines of another form are passed over."""
    rows = [line.split() for line in output.splitlines() if line.strip()]
    workers: dict[str, Worker] = {}
    for scheduler, name, *columns in (row for row in rows if len(row) > 1):
        worker = _WORKERS[scheduler](columns) if scheduler in _WORKERS else None
        if worker:
            workers[name] = _larger(worker, workers.get(name))
    first = {row[0]: row[1] if len(row) > 1 else "" for row in reversed(rows)}
    return Facts(
        scheduler=next((name for name in _WORKERS if name in first), ""),
        architecture=first.get("machine", ""),
        workers=workers,
        parallel_environment=first.get("pe", ""),
    )


def sections(name: str, facts: Facts, access: Access) -> dict[str, dict[str, str]]:
    """Return the sections of GC3Pie's configuration for a cluster, by their names.

    Args:
        name: the cluster's name.
        facts: what its frontend has told, a scheduler and workers among it.
        access: how to log in to the frontend.
    """
    workers = facts.workers.values()
    label = _label(name)
    auth = {"type": "ssh", "username": access.user, "port": str(access.port)}
    resource = {
        "enabled": "yes",
        "type": facts.scheduler,
        "auth": label,
        "transport": "ssh",
        "frontend": access.host,
        "architecture": facts.architecture,
        "max_cores": str(sum(worker.cores for worker in workers)),
        "max_cores_per_job": str(_most(worker.cores for worker in workers)),
        "max_memory_per_core": f"{_most(worker.memory // worker.cores for worker in workers)}MiB",
        "max_walltime": f"{_most(worker.hours for worker in workers)} hours",
    }
    if access.key_path:
        auth["keyfile"] = access.key_path
    if facts.parallel_environment:
        resource["default_pe"] = facts.parallel_environment
    return {f"auth/{label}": auth, f"resource/{label}": resource}


def _label(name: str) -> str:
    """Return what GC3Pie is to call a cluster: it takes letters, digits and ``_``, and no name twice."""
    import hashlib

    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    tail = "" if plain == name else "_" + hashlib.sha256(name.encode()).hexdigest()[:4]
    return f"elasticluster_{plain}{tail}"


def ini(found: Mapping[str, Mapping[str, str]]) -> str:
    """Return sections as the text of a configuration file, in which ``%`` is written twice."""
    lines = (
        [f"[{section}]", *(f"{key} = {value.replace('%', '%%')}" for key, value in values.items()), ""]
        for section, values in found.items()
    )
    return "\n".join(line for some in lines for line in some)


def _most(numbers: Iterable[int]) -> int:
    return max(numbers)


def _larger(one: Worker, other: Worker | None) -> Worker:
    """Return the worker with the longer limit: a node in several partitions is told once for each."""
    return one if other is None or one.hours > other.hours else other


def _slurm_worker(columns: list[str]) -> Worker | None:
    """Read ``CPUS MEMORY TIMELIMIT``, the memory in MB."""
    match columns:
        case [cores, memory, limit] if cores.isdecimal() and memory.rstrip("+").isdecimal() and int(cores):
            return Worker(cores=int(cores), memory=int(memory.rstrip("+")), hours=_hours(limit))
    return None


def _hours(limit: str) -> int:
    """Return a limit as Slurm writes it (``DAYS-HH:MM:SS``, ``infinite``) in whole hours, at least one."""
    match = _TIME_RE.fullmatch(limit)
    if not match:
        return _FOREVER
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return max(1, 24 * days + hours + minutes // 60)


def _sge_worker(columns: list[str]) -> Worker | None:
    """Read the columns of ``qhost`` after the name: ``ARCH NCPU … MEMTOT MEMUSE SWAPTO SWAPUS``."""
    memory = _mib(columns[-4]) if len(columns) > 5 else 0  # noqa: PLR2004 - with the two at the beginning
    if memory and columns[1].isdecimal() and int(columns[1]):
        return Worker(cores=int(columns[1]), memory=memory, hours=_FOREVER)
    return None


def _mib(text: str) -> int:
    """Return an amount of memory like ``3.9G`` in MiB; 0 if it is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])", text)
    return int(float(match[1]) * _UNITS[match[2]]) if match else 0


_WORKERS = {"slurm": _slurm_worker, "sge": _sge_worker}
