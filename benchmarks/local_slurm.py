"""Time a local three-node Slurm, from nothing to the end of a job on both compute nodes.

Two ways to the same cluster, taken in turn on the same machine with the same node image and the same
packages: the floor (benchmarks/floor, plain shell) and `elasticluster start slurm`. Both without
accounting: the project's budget is for clusters with it, so no figure here is held against it.
One further round of the product comes first: it builds the node image, and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOB = ("elasticluster", "ssh", "slurm", "--", "timeout", "60", "srun", "-N2", "hostname")


def quiet(*command: str) -> str:
    """Run a command; return what it printed, or end with what it said if it failed."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def image_of_frontend() -> str:
    """Return the image that the running cluster's nodes were made from."""
    nodes = quiet("elasticluster", "list-nodes", "slurm")
    found = re.search(r"instance id: *(\S+)", nodes)
    if not found:
        sys.exit(f"No instance id in:\n{nodes}")
    return quiet("docker", "inspect", "--format", "{{.Image}}", found[1]).strip()


def product() -> tuple[float, str]:
    """Start, run the job, stop; return the seconds up to the end of the job, and the nodes' image."""
    begin = time.monotonic()
    try:
        quiet("elasticluster", "start", "slurm")
        hosts = quiet(*JOB)
        seconds = time.monotonic() - begin
        if sorted(hosts.split()) != ["compute001", "compute002"]:
            sys.exit(f"The job did not run on both compute nodes:\n{hosts}")
        image = image_of_frontend()
    finally:
        subprocess.run(["elasticluster", "stop", "--yes", "slurm"], capture_output=True, check=False)
    return seconds, image


def floor(image: str) -> float:
    """Time the shell script; it prints the seconds itself, so that cleaning up does not count."""
    return float(quiet(str(HERE / "floor"), image).splitlines()[-1])


def measure(rounds: int) -> dict[str, object]:
    """Take both ways in turn, with a new user's home."""
    print("warm-up: building the node image", flush=True)
    _, image = product()
    floors, products = [], []
    for number in range(1, rounds + 1):
        floors.append(floor(image))
        products.append(round(product()[0], 2))
        print(f"round {number}: floor {floors[-1]:6.2f} s   elasticluster {products[-1]:6.2f} s", flush=True)
    ratio = statistics.median(products) / statistics.median(floors)
    return {"floor_seconds": floors, "elasticluster_seconds": products, "ratio": round(ratio, 2)}


def commit() -> str:
    """Return the commit that is measured, ``unknown`` outside a git checkout or without git."""
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def context() -> dict[str, object]:
    """Return what the figures depend on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "accounting": False,
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "engine": quiet("docker", "version", "--format", "{{.Server.Version}}").strip(),
    }


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=3, help="how often each way is taken (3)")
    rounds = parser.parse_args().rounds
    result = context()
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        result |= measure(rounds)
    print(f"ratio of the medians: {result['ratio']}, without accounting")
    path = HERE / "results" / f"local_slurm-{result['date']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"written to {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
