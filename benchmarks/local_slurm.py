"""Time a local three-node Slurm, from nothing to the end of a job on both compute nodes, beside the floor.

Two ways to the same cluster, taken in turn on the same machine with the same node image and packages:
`elasticluster start`, and the floor (benchmarks/floor), plain shell written by hand. Each of them without and
with accounting, and from a bare image and from one with the packages in it (`elasticluster bake`; for the
floor an image made here). The clock starts with the command, so that the product's own checks count, too.

One start of each template comes first. It builds the node image, tells the packages that the floor has to
install, and is not counted. Should the nodes of both ways differ in their packages, the figures would mean
nothing, and the benchmark ends there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from measurement import HERE, context, new_user, quiet, verdict, write

TEMPLATES = {False: "plain", True: "accounting"}
ACCOUNTING = "slurm_accounting"
TEMPLATE = """
[setup/{name}]
provider=ansible
frontend_groups=slurm_master
compute_groups=slurm_worker
global_var_{variable}={value}

[cluster/{name}]
cloud=local
login=local
setup={name}
image_id=debian-13
flavor=1cpu-2ram
frontend_nodes=1
compute_nodes=2
ssh_to=frontend
"""
BY_HAND = {"plain": 10.8, "accounting": 19.5}  # seconds, from SSH up to the end of the job, machine idle
GOALS = {("bare", True): 2.0, ("baked", True): 4.0}  # times the floor
FRONTEND, WORKER = "frontend001", "compute001"


@dataclass(frozen=True)
class Recipe:
    """What the floor is made of, for the frontend and for a worker.

    Attributes:
        bare: the product's node image, without packages of its own.
        images: to boot from.
        packages: to install, by name.
        installed: lines ``NAME VERSION`` of the product's nodes, which the floor's have to equal.
    """

    bare: str
    images: tuple[str, str]
    packages: tuple[tuple[str, ...], tuple[str, ...]]
    installed: tuple[frozenset[str], frozenset[str]]


@dataclass(frozen=True)
class Row:
    """The seconds of one combination, of each round."""

    image: str
    accounting: bool
    floor_seconds: list[float]
    elasticluster_seconds: list[float]

    @property
    def medians(self) -> tuple[float, float]:
        """Of the floor, and of the product."""
        return statistics.median(self.floor_seconds), statistics.median(self.elasticluster_seconds)

    @property
    def ratio(self) -> float:
        """Of the medians: how many times the floor the product takes."""
        below, above = self.medians
        return round(above / below, 2)


def configure(home: Path) -> None:
    """Add a template without and one with accounting to the configuration that every new user gets."""
    quiet("elasticluster", "list-templates")
    with (home / ".elasticluster" / "config").open("a", encoding="utf-8") as config:
        for accounting, name in TEMPLATES.items():
            value = "yes" if accounting else "no"
            config.write(TEMPLATE.format(name=name, variable=ACCOUNTING, value=value))


@contextmanager
def started(name: str) -> Iterator[float]:
    """Start a cluster of the product and run the job; give the seconds, and destroy it in the end."""
    begin = time.monotonic()
    try:
        quiet("elasticluster", "start", name)
        hosts = quiet("elasticluster", "ssh", name, "--", "timeout", "60", "srun", "-N2", "hostname")
        seconds = time.monotonic() - begin
        if sorted(hosts.split()) != ["compute001", "compute002"]:
            sys.exit(f"The job did not run on both compute nodes:\n{hosts}")
        yield round(seconds, 2)
    finally:
        stop = ["elasticluster", "stop", "--yes", "--force", name]
        subprocess.run(stop, capture_output=True, check=False)


def recipe(name: str) -> Recipe:
    """Start a cluster of the product from a bare image, and look what is on its nodes."""
    with started(name):
        frontend, worker = containers(name)
        image = image_of(frontend)
        return Recipe(
            bare=image,
            images=(image, image),
            packages=(asked_for(image, frontend), asked_for(image, worker)),
            installed=(installed(frontend), installed(worker)),
        )


def containers(name: str) -> tuple[str, str]:
    """Return the containers of a running cluster's frontend and of its first worker."""
    nodes = json.loads(quiet("elasticluster", "list-nodes", "--json", name))["nodes"]
    ids = {node["name"]: node["instance_id"] for node in nodes}
    return ids[FRONTEND], ids[WORKER]


def image_of(container: str) -> str:
    """Return the image that a container was made from."""
    return quiet("docker", "inspect", "--format", "{{.Image}}", container).strip()


def asked_for(image: str, container: str) -> tuple[str, ...]:
    """Return the packages that somebody has asked for on a node, without those of its image."""
    command = ("apt-mark", "showmanual")
    before = quiet("docker", "run", "--rm", image, *command).split()
    return tuple(sorted({*quiet("docker", "exec", container, *command).split()} - {*before}))


def installed(container: str) -> frozenset[str]:
    """Return a line ``NAME VERSION`` for each package on a node."""
    query = ("dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n")
    return frozenset(quiet("docker", "exec", container, *query).splitlines())


def floor(parts: Recipe, *, accounting: bool) -> float:
    """Time the shell script; it prints the seconds itself, so that cleaning up does not count."""
    frontend, worker = (" ".join(names) for names in parts.packages)
    options = [*(["-a"] if accounting else []), "-f", frontend, "-w", worker]
    with tempfile.TemporaryDirectory() as folder:
        printed = quiet(str(HERE / "floor"), *options, "-r", folder, *parts.images)
        for node, expected in zip(("front", "n1"), parts.installed, strict=True):
            found = frozenset(Path(folder, node).read_text(encoding="utf-8").splitlines())
            if found != expected:
                sys.exit(
                    f"The packages of the floor's {node} are not those of the product.\n"
                    f"Only the floor has: {', '.join(sorted(found - expected))}\n"
                    f"Only the product has: {', '.join(sorted(expected - found))}"
                )
    return float(printed.splitlines()[-1])


@contextmanager
def baked_floor(name: str, bare: Recipe) -> Iterator[Recipe]:
    """Make images for the floor that have the packages in them; remove them in the end."""
    tags = tuple(f"floor-{os.getpid()}:{name}-{node}" for node in ("frontend", "worker"))
    try:
        for tag, image, packages in zip(tags, bare.images, bare.packages, strict=True):
            commit_image(image, tag, packages)
        yield replace(bare, images=(tags[0], tags[1]), packages=((), ()))
    finally:
        subprocess.run(["docker", "image", "rm", *tags], capture_output=True, check=False)


def commit_image(image: str, tag: str, packages: tuple[str, ...]) -> None:
    """Make an image of another one with packages installed."""
    container = tag.replace(":", "-")
    script = (HERE / "install.sh").read_text(encoding="utf-8")
    try:
        quiet("docker", "run", "--name", container, image, "sh", "-c", script, "install", *packages)
        quiet("docker", "commit", container, tag)
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)


@contextmanager
def baked_product(name: str) -> Iterator[None]:
    """Let a template boot from images of its own; remove them in the end."""
    try:
        quiet("elasticluster", "bake", name)
        yield
    finally:
        subprocess.run(["elasticluster", "bake", name, "--remove"], capture_output=True, check=False)


def product(name: str, image: str, bare: str) -> float:
    """Time a start, and make sure that the nodes were made from an image of the kind that is named."""
    with started(name) as seconds:
        found = {image_of(container) for container in containers(name)}
        if found != {bare} if image == "bare" else bare in found:
            sys.exit(f"The nodes of cluster {name} were not made from {image} images.")
        return seconds


def in_turn(image: str, recipes: dict[bool, Recipe], rounds: int) -> list[Row]:
    """Take floor and product in turn, without and with accounting."""
    rows = [Row(image, accounting, [], []) for accounting in recipes]
    for number in range(1, rounds + 1):
        for one in rows:
            name, parts = TEMPLATES[one.accounting], recipes[one.accounting]
            one.floor_seconds.append(floor(parts, accounting=one.accounting))
            one.elasticluster_seconds.append(product(name, image, parts.bare))
            print(
                f"{image:5} {name:10} round {number}: floor {one.floor_seconds[-1]:6.2f} s"
                f"   elasticluster {one.elasticluster_seconds[-1]:6.2f} s",
                flush=True,
            )
    return rows


def measure(rounds: int) -> list[Row]:
    """Take all four combinations, the bare images first: a baked one is used as soon as it is there."""
    print("warm-up: building the node image, looking at the packages", flush=True)
    recipes = {accounting: recipe(name) for accounting, name in TEMPLATES.items()}
    rows = in_turn("bare", recipes, rounds)
    with ExitStack() as stack:
        print("making images with the packages in them", flush=True)
        for name in TEMPLATES.values():
            stack.enter_context(baked_product(name))
        floors = {
            accounting: stack.enter_context(baked_floor(TEMPLATES[accounting], bare))
            for accounting, bare in recipes.items()
        }
        rows += in_turn("baked", floors, rounds)
    return rows


def judge(rows: list[Row]) -> bool:
    """Print the medians and the ratios; return whether those with a goal are within it."""
    print("image  template        floor   elasticluster  ratio")
    for one in rows:
        below, above = one.medians
        print(f"{one.image:6} {TEMPLATES[one.accounting]:11} {below:7.2f} s {above:13.2f} s {one.ratio:6.2f}")
    hand = ", ".join(f"{name} {seconds} s" for name, seconds in BY_HAND.items())
    print(f"by hand, from SSH up, on two idle cores: {hand}")
    met = [
        verdict(f"{one.image}, {TEMPLATES[one.accounting]}: times the floor", one.ratio, goal)
        for one in rows
        if (goal := GOALS.get((one.image, one.accounting)))
    ]
    return all(met)


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=3, help="how often each way is taken (3)")
    rounds = parser.parse_args().rounds
    result = context()
    with new_user() as home:
        configure(home)
        rows = measure(rounds)
    good = judge(rows)
    write("local_slurm", result | {"rows": [asdict(one) | {"ratio": one.ratio} for one in rows]})
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
