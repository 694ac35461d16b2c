"""What the benchmarks share: running commands, what figures depend on, where they are written."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Run:
    """A command that has succeeded.

    Attributes:
        output: what it printed, errors among it.
        wall_seconds: from its start to its end.
        cpu_seconds: of the command and of those of its children that it has waited for.
    """

    output: str
    wall_seconds: float
    cpu_seconds: float


def run(*command: str) -> Run:
    """Run a command, or end with what it said if it fails."""
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{text}")
    return Run(text, seconds, usage.ru_utime + usage.ru_stime)


def quiet(*command: str) -> str:
    """Return what a command prints to standard output, or end with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def new_user() -> Iterator[Path]:
    """Let commands run as a user who has no files yet; return the home directory.

    Told to end (SIGTERM), the program first destroys what it has made.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    before = os.environ["HOME"]
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        try:
            yield Path(home)
        finally:
            os.environ["HOME"] = before


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
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "engine": quiet("docker", "version", "--format", "{{.Server.Version}}").strip(),
    }


def write(name: str, result: Mapping[str, object]) -> None:
    """Write a result of today, and say where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{result['date']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"written to {path.relative_to(HERE.parent)}")


def verdict(what: str, figure: float, goal: float) -> bool:
    """Print whether a figure is within its goal, and return it."""
    met = figure <= goal
    print(f"{what}: {figure:.2f}, goal <= {goal:g}: {'met' if met else 'MISSED'}")
    return met
