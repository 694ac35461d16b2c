# ruff: noqa: INP001, T201 - a program of its own
"""Run a job on every worker, all at once, and print the outcome as JSON.

That is ``{group: {node: "" or what is wrong}}``. Arguments: name of the controller's node, how /home is
shared, seconds to wait, names of the workers. Runs on the controller's node, which has nothing but
Python's standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUSY = (
    "allocated",
    "mixed",
    "planned",
)  # runs jobs right now, or is kept for the next: nothing is left to prove
WAITING = ("unknown", "down", "reboot", "completing")  # may still be on its way
SILENT = "*"
FLAGS = "+-~#!%$@^"  # of sinfo; they follow a state and do not matter here
TIMED_OUT = 124  # exit status of timeout(1)


def output(*command: str, seconds: int = 10) -> tuple[str, str]:
    """Return what a program printed, and what went wrong or nothing."""
    # SIGTERM, so that srun takes its job with it
    limited = ["timeout", "--kill-after=5", str(seconds), *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    if done.returncode == TIMED_OUT:
        return "", f"no answer in {seconds} seconds"
    words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return done.stdout.strip(), words[-1] if done.returncode else ""


def states() -> dict[str, str]:
    """Return the state of every worker as Slurm calls it; a star at the end says that it does not answer."""
    nodes = {}
    for line in output("sinfo", "--noheader", "--Node", "--format=%N %T")[0].splitlines():
        node, _, state = line.partition(" ")
        nodes[node] = state.strip().rstrip(FLAGS)
    return nodes


def wait(workers: Sequence[str], deadline: float) -> dict[str, str]:
    """Wait until every worker has registered with the controller; return the last states."""
    while True:
        now = states()
        late = [now.get(node, "unknown") for node in workers]
        if time.monotonic() > deadline or not any(s.startswith(WAITING) or s.endswith(SILENT) for s in late):
            return now
        time.sleep(0.2)


def check(node: str, state: str, witness: str, seconds: int) -> str:
    """Run a job on a worker that looks for the file `witness`; return what is wrong, or nothing."""
    if state in BUSY:
        return ""
    job = ["srun", "--quiet", "--job-name=elasticluster-check", "--time=1", "--chdir=/", "--ntasks=1"]
    script = 'hostname; test -e "$0"'
    printed, error = output(*job, f"--nodelist={node}", "sh", "-c", script, witness, seconds=seconds)
    if printed == node and error:
        return "a job does not see the home directory of the controller's node"
    if error:
        return f"srun: {error.removeprefix('srun: ')} (Slurm calls the node '{state}')"
    return "" if printed == node else f"the job ran on a host called '{printed}'"


def check_all(workers: Sequence[str], witness: str, seconds: int) -> dict[str, str]:
    """Run a job on every worker; return what is wrong with each, or nothing."""
    deadline = time.monotonic() + seconds
    now = wait(workers, deadline)
    left = max(10, int(deadline - time.monotonic()))
    with ThreadPoolExecutor(max(1, len(workers))) as pool:
        jobs = {node: pool.submit(check, node, now.get(node, "missing"), witness, left) for node in workers}
        return {node: job.result() for node, job in jobs.items()}


def shared_folder(shared_home: str, home: Path) -> Path | None:
    """Return the folder in which every worker should see a file; None: there is none."""
    if shared_home == "none":
        return None
    if home.is_relative_to("/home"):
        return home
    return Path("/home") if os.access("/home", os.W_OK) else None  # root's own is not shared


def main(master: str, shared_home: str, seconds: str, *workers: str) -> None:
    """Check the controller, then the workers."""
    wrong = output("scontrol", "ping")[1]
    controller = f"the controller does not answer: {wrong}" if wrong else ""
    folder = shared_folder(shared_home, Path.home())
    try:
        with tempfile.NamedTemporaryFile(prefix=".elasticluster-", dir=folder) as file:
            jobs = check_all(workers, file.name if folder else "/", int(seconds))
    except OSError as exc:
        controller = controller or f"{folder} cannot be written to: {exc.strerror}"
        jobs = check_all(workers, "/", int(seconds))
    print(json.dumps({"slurm_master": {master: controller}, "slurm_worker": jobs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
