# ruff: noqa: INP001, T201 - a program of its own
"""Prove that workers run jobs, one on each and all at once; or that a submit host can have a job run.

Prints the outcome as JSON: ``{group: {node: "" or what is wrong}}``. Arguments: name of this node, which of
its groups to check (``slurm_master,slurm_submit``), how /home is shared, seconds to wait, the workers' names.
Runs as the user who logs in, on a node that has nothing but Python's standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

BUSY = (
    "allocated",
    "mixed",
    "planned",
)  # runs jobs right now, or is kept for the next: nothing is left to prove
WAITING = ("unknown", "down", "reboot", "completing")  # may still be on its way
SILENT = "*"  # at the end of a worker's state
DEFAULT = "*"  # at the end of a partition's name
FLAGS = "+-~#!%$@^"  # of sinfo; they follow a state and do not matter here
TIMED_OUT = 124  # exit status of timeout(1)
NAME = "elasticluster-check"


def output(*command: str, seconds: int = 10) -> tuple[str, str]:
    """Return what a program printed, and what went wrong or nothing."""
    # SIGTERM, so that srun takes its job with it
    limited = ["timeout", "--kill-after=5", str(seconds), *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    if done.returncode == TIMED_OUT:
        return "", f"no answer in {seconds} seconds"
    words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return done.stdout.strip(), words[-1] if done.returncode else ""


class Worker(NamedTuple):
    """What Slurm says of a worker.

    Attributes:
        state: as Slurm calls it; a star at the end says that it does not answer.
        partition: one that lets jobs in, the default one if possible; empty if there is none.
    """

    state: str
    partition: str


MISSING = Worker("missing", "")


def look() -> dict[str, Worker]:
    """Return what Slurm says of every worker."""
    workers: dict[str, Worker] = {}
    for line in output("sinfo", "--noheader", "--all", "--Node", "--format=%N %T %a %P")[0].splitlines():
        node, state, available, partition = line.split()
        kept = workers[node].partition if node in workers else ""
        usable = available == "up" and (not kept or partition.endswith(DEFAULT))
        name = partition.removesuffix(DEFAULT) if usable else kept
        workers[node] = Worker(state.rstrip(FLAGS), name)
    return workers


def wait(workers: Sequence[str], deadline: float) -> dict[str, Worker]:
    """Wait until every worker has registered with the controller; return what Slurm said last."""
    while True:
        now = look()
        late = [now[node].state if node in now else "unknown" for node in workers]
        if time.monotonic() > deadline or not any(s.startswith(WAITING) or s.endswith(SILENT) for s in late):
            return now
        time.sleep(0.2)


def run(partition: str, witness: str, seconds: int, *options: str) -> tuple[str, str]:
    """Run a job that looks for the file `witness`; return where it ran, and what is wrong or nothing."""
    job = ["srun", "--quiet", f"--job-name={NAME}", "--time=1", "--chdir=/", "--ntasks=1", *options]
    where = [f"--partition={partition}"] if partition else []
    look_for = ["sh", "-c", 'hostname; test -e "$0"', witness]
    host, error = output(*job, *where, *look_for, seconds=seconds)
    if host and error:
        return host, "a job does not see the home directory of the node that it comes from"
    return host, error and f"srun: {error.removeprefix('srun: ')}"


def check(node: str, worker: Worker, witness: str, seconds: int) -> str:
    """Run a job on a worker; return what is wrong, or nothing."""
    if worker.state in BUSY:
        return ""
    host, error = run(worker.partition, witness, seconds, f"--nodelist={node}")
    if error:
        return error if host else f"{error} (Slurm calls the node '{worker.state}')"
    return "" if host == node else f"the job ran on a host called '{host}'"


def check_workers(workers: Sequence[str], witness: str, seconds: int) -> dict[str, str]:
    """Run a job on every worker; return what is wrong with each, or nothing."""
    deadline = time.monotonic() + seconds
    now = wait(workers, deadline)
    left = max(10, int(deadline - time.monotonic()))
    with ThreadPoolExecutor(max(1, len(workers))) as pool:
        jobs = {node: pool.submit(check, node, now.get(node, MISSING), witness, left) for node in workers}
        return {node: job.result() for node, job in jobs.items()}


def room(now: Mapping[str, Worker]) -> str | None:
    """Return a partition in which a job would begin soon; None: there is none.

    That is where a worker is idle, or at work on a check as this one.
    """
    idle = [worker.partition for worker in now.values() if worker.state == "idle"]
    checks = output("squeue", "--noheader", "--states=RUNNING", f"--name={NAME}", "--format=%P")[0]
    return next(iter(idle + checks.split()), None)


def queue(partition: str) -> str:
    """Put a job into the queue and take it out again; return what is wrong, or nothing."""
    job = ["sbatch", "--parsable", "--hold", f"--job-name={NAME}", "--output=/dev/null", "--wrap=:"]
    number, error = output(*job, *([f"--partition={partition}"] if partition else []))
    return f"sbatch: {error.removeprefix('sbatch: ')}" if error else output("scancel", number)[1]


def check_submit(workers: Sequence[str], witness: str, seconds: int) -> str:
    """Run a job from here, or where no worker is free have one queued; return what is wrong, or nothing."""
    deadline = time.monotonic() + seconds
    now = wait(workers, deadline)
    partition = room(now)
    if partition is not None:
        error = run(partition, witness, max(10, int(deadline - time.monotonic())))[1]
        if not error or room(look()) is not None:
            return error
    if not now:
        return output("scontrol", "ping")[1]
    return queue(next(worker.partition for worker in now.values()))


def recorded(deadline: float) -> str:
    """Wait until slurmdbd knows the controller, where there is one; return what is wrong, or nothing.

    Until then the records of jobs pile up, and are lost in the end.
    """
    pairs = [
        line.split("=", 1) for line in output("scontrol", "show", "config")[0].splitlines() if "=" in line
    ]
    settings = {name.strip(): value.strip() for name, value in pairs}
    if settings.get("AccountingStorageType") != "accounting_storage/slurmdbd":
        return ""
    ask = ["sacctmgr", "-nP", "list", "cluster", settings["ClusterName"], "format=controlhost"]
    while True:
        host, wrong = output(*ask)
        if host:
            return ""
        if time.monotonic() > deadline:
            return f"slurmdbd does not know the controller: {wrong or 'it has not registered'}"
        time.sleep(0.2)


def shared_folder(shared_home: str, home: Path) -> Path | None:
    """Return the folder in which every worker should see a file; None: there is none."""
    if shared_home == "none":
        return None
    if home.is_relative_to("/home"):
        return home
    return Path("/home") if os.access("/home", os.W_OK) else None  # root's own is not shared


def main(node: str, groups: str, shared_home: str, seconds: str, *workers: str) -> None:
    """Check this node, and where it is the controller's the workers too."""
    folder = shared_folder(shared_home, Path.home())
    witness, unwritable = "/", ""
    said: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix=".elasticluster-", dir=folder))
            witness = file.name if folder else "/"
        except OSError as exc:
            unwritable = f"{folder} cannot be written to: {exc.strerror}"
        if "slurm_master" in groups.split(","):
            deadline = time.monotonic() + int(seconds)
            wrong = output("scontrol", "ping")[1]
            jobs = check_workers(workers, witness, int(seconds))
            controller = (
                f"the controller does not answer: {wrong}" if wrong else recorded(deadline) or unwritable
            )
            said |= {"slurm_master": {node: controller}, "slurm_worker": jobs}
        if "slurm_submit" in groups.split(","):
            said["slurm_submit"] = {node: check_submit(workers, witness, int(seconds)) or unwritable}
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
