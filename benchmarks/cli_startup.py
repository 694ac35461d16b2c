"""Time and memory of `elasticluster --help`, and of `elasticluster list` with ten stored clusters.

One of the ten has 1000 nodes. The floor is an interpreter that does nothing. Nothing is asserted: the
figures depend on the machine, so they are shown beside the floor and the budget.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from elasticluster.model import ClusterRecord, ComponentRef, NodeRecord, NodeSpec, NodeState
from elasticluster.naming import NodeNamingPolicy, new_uuid
from elasticluster.state.store import DiskStore

BUDGET_SECONDS = 0.15
BUDGET_MB = 40
LARGE, SMALL, SMALL_CLUSTERS = 1000, 3, 9
HEAVIEST = 8


@dataclass(frozen=True)
class Figures:
    """What some runs of a command took.

    Attributes:
        best: seconds of wall time of the quickest run.
        median: seconds of wall time of the middle one.
        peak: largest resident set, in MB.
    """

    best: float
    median: float
    peak: float


def cluster(name: str, size: int) -> ClusterRecord:
    """Return a running cluster with `size` nodes, one of them the frontend."""
    naming = NodeNamingPolicy()
    nodes = tuple(
        node(naming.new(kind), kind, i) for i, kind in enumerate(["frontend", *["compute"] * (size - 1)])
    )
    return ClusterRecord(
        uuid=new_uuid(),
        name=name,
        template="slurm",
        owner="somebody@somewhere",
        created=time.time(),
        cloud=ComponentRef(type="docker", section="local"),
        setup=ComponentRef(type="ansible", section="slurm"),
        kinds=("frontend", "compute"),
        nodes=nodes,
        ready=True,
    )


def node(name: str, kind: str, number: int) -> NodeRecord:
    """Return a ready node with everything that is remembered of one."""
    return NodeRecord(
        name=name,
        spec=NodeSpec(kind=kind, image_id="debian-13", image_user="debian", flavor="2cpu-4ram"),
        state=NodeState.READY,
        instance_id=f"{number:012x}",
        batch=new_uuid(),
        public_ip="127.0.0.1",
        private_ip=f"10.0.{number // 250}.{number % 250 + 1}",
        ssh_port=32768 + number,
        host_keys=("ssh-ed25519 " + "A" * 68,),
    )


def store_clusters(storage: Path) -> None:
    """Write the ten clusters as the program itself does."""
    store = DiskStore(storage)
    store.save(cluster("large", LARGE))
    for number in range(SMALL_CLUSTERS):
        store.save(cluster(f"small{number}", SMALL))


def measure(command: list[str], statement: str, runs: int) -> Figures:
    """Run a command several times, after one run that warms the caches.

    Args:
        command: what users type.
        statement: the same in Python, to look at its memory from inside.
        runs: how often.
    """
    wall_seconds(command)
    seconds = [wall_seconds(command) for _ in range(runs)]
    return Figures(min(seconds), statistics.median(seconds), peak_megabytes(statement))


def wall_seconds(command: list[str]) -> float:
    """Return the seconds that a command takes, which has to succeed."""
    begin = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - begin


def peak_megabytes(statement: str) -> float:
    """Return the largest resident set of an interpreter that runs a statement, in MB (Linux only).

    The process looks at itself: what the kernel tells a parent includes the parent's own size.
    """
    code = f"try:\n {statement}\nfinally:\n open(2, 'w').write(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = re.search(r"^VmHWM:\s+(\d+) kB$", done.stderr, flags=re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def heaviest_imports(command: list[str]) -> list[str]:
    """Return the lines of ``python -X importtime`` for the imports that cost most by themselves."""
    module = [sys.executable, "-X", "importtime", "-m", "elasticluster", *command[1:]]
    report = subprocess.run(module, capture_output=True, text=True, check=True).stderr
    found = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", report, flags=re.MULTILINE)
    heaviest = sorted(((int(own), name) for own, name in found), reverse=True)[:HEAVIEST]
    return [f"{own / 1000:8.1f} ms  {name}" for own, name in heaviest]


def report(title: str, figures: Figures, floor: Figures) -> None:
    """Print one row."""
    print(
        f"{title:28} {figures.best:7.3f} s {figures.median:7.3f} s {figures.peak:6.1f} MB"
        f"   {figures.median / floor.median:4.1f} x time, {figures.peak / floor.peak:4.1f} x memory"
    )


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=int, nargs="?", default=20, help="how often each command is run (20)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        # An installed package is compiled once; without this a checkout may be compiled in every run.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        store_clusters(Path(home, ".elasticluster", "storage"))
        commands = (["elasticluster", "--help"], ["elasticluster", "list"])
        floor = measure([sys.executable, "-c", "pass"], "pass", runs)
        print(f"{'':28} {'best':>9} {'median':>9} {'peak':>9}   beside the floor")
        report("floor: python -c pass", floor, floor)
        for command in commands:
            statement = (
                f"import sys; sys.argv[1:] = {command[1:]}; from elasticluster.main import main; main()"
            )
            report(" ".join(command), measure(command, statement, runs), floor)
        print(f"{'budget':28} {'':9} {BUDGET_SECONDS:7.3f} s {BUDGET_MB:6.1f} MB")
        for command in commands:
            print(f"\nheaviest imports of `{' '.join(command)}`, each by itself:")
            print("\n".join(heaviest_imports(command)))


if __name__ == "__main__":
    main()
