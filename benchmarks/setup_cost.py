"""What configuring a local Slurm cluster costs: the first time, again with nothing to do, and one node more.

For each size a new cluster is made, set up, set up again, and then grows by one node and shrinks again a few
times. Adding one node should cost the same however large the cluster is.

The counts are those of `elasticluster list-nodes --timings`. A *task step* is one task of a playbook, however
many nodes run it. A *host-task* is one step on one node; one that was skipped there counts too, as it costs
nearly as much. The *controller's CPU seconds* are those of the `elasticluster` command and of Ansible below
it; SSH's master processes, which outlive it, are not in it. A node that is added is made as well: its wall
time is that of the whole command, a boot included.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from measurement import Run, context, new_user, quiet, run, verdict, write

CLUSTER = "slurm"
FLAVOR = "1cpu-1ram"
GOAL = 1.2


@dataclass(frozen=True)
class Cost:
    """What one command took.

    Attributes:
        nodes: how many nodes Ansible worked on.
        steps: task steps.
        host_tasks: task steps, each on each of its nodes.
        changed: those that changed something.
        cpu_seconds: of the command and its children.
        wall_seconds: of the command.
    """

    nodes: int
    steps: int
    host_tasks: int
    changed: int
    cpu_seconds: float
    wall_seconds: float


def cost(done: Run) -> Cost:
    """Return what the last command took: the counts are those of its trace."""
    listed = json.loads(quiet("elasticluster", "list-nodes", "--timings", "--json", CLUSTER))
    hosts = [host for step in listed["timings"]["steps"] for host in step["hosts"]]
    return Cost(
        nodes=len({host["host"] for host in hosts}),
        steps=listed["timings"]["task_steps"],
        host_tasks=listed["timings"]["host_tasks"],
        changed=sum(host["status"] == "changed" for host in hosts),
        cpu_seconds=round(done.cpu_seconds, 2),
        wall_seconds=round(done.wall_seconds, 2),
    )


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure by itself."""
    rows = [asdict(one) for one in costs]
    return Cost(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


def configure(home: Path) -> None:
    """Write the configuration that every new user gets, with smaller nodes."""
    quiet("elasticluster", "list-templates")
    path = home / ".elasticluster" / "config"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"^flavor=.*", f"flavor={FLAVOR}", text, flags=re.MULTILINE), encoding="utf-8")


def measure(workers: int, repeats: int) -> dict[str, Cost]:
    """Return what the three ways cost on a new cluster, which is destroyed afterwards."""
    try:
        quiet("elasticluster", "start", CLUSTER, "--no-setup", "--nodes", f"{workers}:compute")
        setups = [cost(run("elasticluster", "setup", CLUSTER)) for _ in range(2)]
        added = []
        for number in range(repeats):
            if number:
                quiet("elasticluster", "resize", "--remove", "1:compute", "--yes", CLUSTER)
            added.append(cost(run("elasticluster", "resize", "--add", "1:compute", CLUSTER)))
    finally:
        stop = ["elasticluster", "stop", "--yes", "--force", CLUSTER]
        subprocess.run(stop, capture_output=True, check=False)
    return {"first setup": setups[0], "second setup": setups[1], "one node more": middle(added)}


def show(workers: int, costs: dict[str, Cost]) -> None:
    """Print one row for each way."""
    for way, one in costs.items():
        print(
            f"{workers:7} {way:14} {one.nodes:6g} {one.steps:6g} {one.host_tasks:11g} {one.changed:8g}"
            f" {one.cpu_seconds:8.2f} {one.wall_seconds:8.2f}",
            flush=True,
        )


def judge(costs: dict[int, dict[str, Cost]]) -> bool:
    """Print the ratios between the largest and the smallest cluster; return whether all goals are met."""
    small, large = min(costs), max(costs)
    one, other = costs[small]["one node more"], costs[large]["one node more"]
    pairs = {
        "host-tasks": (other.host_tasks, one.host_tasks),
        "controller CPU seconds": (other.cpu_seconds, one.cpu_seconds),
    }
    ratios = [
        verdict(f"one node more on {large} / on {small}, {what}", above / below, GOAL)
        for what, (above, below) in pairs.items()
    ]
    changed = sum(ways["second setup"].changed for ways in costs.values())
    return all([*ratios, verdict("changed by the second setups", changed, 0)])


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workers", type=int, nargs="*", default=[2, 5, 10], help="sizes (2 5 10)")
    parser.add_argument("--repeats", type=int, default=3, help="how often a node is added (3); medians count")
    arguments = parser.parse_args()
    result = context()
    print("workers                 nodes  steps  host-tasks  changed    CPU s   wall s")
    costs: dict[int, dict[str, Cost]] = {}
    with new_user() as home:
        configure(home)
        for workers in arguments.workers:
            costs[workers] = measure(workers, arguments.repeats)
            show(workers, costs[workers])
    good = judge(costs)
    figures = {size: {way: asdict(one) for way, one in ways.items()} for size, ways in costs.items()}
    write("setup_cost", result | {"repeats": arguments.repeats, "workers": figures})
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
