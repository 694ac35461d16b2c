"""Time and memory of `elasticluster --help`, of `elasticluster list`, and of the first use of each provider.

`list` has ten stored clusters, of which one has 1000 nodes. The floor is an interpreter that does nothing.
The first use of a provider is all that its first call loads and does; a server on loopback refuses that call
at once. Its floors are an import of the cloud's SDK, and the same call by hand with that SDK. Nothing is
asserted: the figures depend on the machine, so they are shown beside the floors and the budget.
"""

from __future__ import annotations

import argparse
import http.server
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from elasticluster.model import ClusterRecord, ComponentRef, NodeRecord, NodeSpec, NodeState
from elasticluster.naming import NodeNamingPolicy, new_uuid
from elasticluster.state.store import DiskStore

BUDGET_SECONDS = 0.15
BUDGET_MB = 40
LARGE, SMALL, SMALL_CLUSTERS = 1000, 3, 9
HEAVIEST = 8
FEWER = 4  # runs of a provider: they take longer

SDKS = {
    "docker": (
        "import docker",
        "docker.APIClient(base_url={engine!r}, version='1.41').containers()",
        {"docker_host": "{engine}"},
    ),
    "ec2_boto": (
        "import boto3",
        (
            "boto3.client('ec2', endpoint_url={url!r}, region_name='us-east-1', aws_access_key_id='a', "
            "aws_secret_access_key='b').describe_instances()"
        ),
        {"ec2_url": "{url}", "ec2_region": "us-east-1", "ec2_access_key": "a", "ec2_secret_key": "b"},
    ),
    "openstack": (
        "import openstack",
        (
            "openstack.connect(load_envvars=False, load_yaml_config=False, auth_url={url!r}, username='a', "
            "password='b', project_name='c', user_domain_id='default', "
            "project_domain_id='default').authorize()"
        ),
        {"auth_url": "{url}", "username": "a", "password": "b", "project_name": "c"},
    ),
}
"""For each provider: how its SDK is imported, a first call by hand, and the keys of its section."""


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


class Refusal(http.server.BaseHTTPRequestHandler):
    """Answers every call with: you may not."""

    def do_GET(self) -> None:
        """Refuse."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)  # keystoneauth waits for itself for ever after a 401
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - as the standard library calls it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
        """Say nothing."""


@contextmanager
def refusing() -> Iterator[str]:
    """Run a server that refuses every call; yield its address without scheme."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def first_uses(runs: int, floor: Figures) -> None:
    """Print what the first use of each provider takes, below what its SDK takes."""
    with refusing() as address:
        urls = {"url": f"http://{address}", "engine": f"tcp://{address}"}
        for name, (sdk, call, section) in SDKS.items():
            args = {key: text.format(**urls) for key, text in section.items()}
            by_hand = f"{sdk}; {call.format(**urls)}"
            ours = (
                "from elasticluster.model import ComponentRef; "
                "from elasticluster.providers.registry import cloud_provider; "
                f"cloud_provider(ComponentRef(type={name!r}, args={args!r})).list_instances()"
            )
            for title, statement in ((sdk, sdk), ("  a call by hand", by_hand), (f"  provider {name}", ours)):
                refused = f"try:\n {statement}\nexcept Exception:\n pass"
                inner = statement.replace("; ", "\n ")
                command = [sys.executable, "-c", refused]
                report(title, measure(command, f"{inner}\nexcept Exception:\n pass", runs), floor)


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
        print("\nfirst use of each provider, below its SDK alone:")
        first_uses(max(1, runs // FEWER), floor)
        for command in commands:
            print(f"\nheaviest imports of `{' '.join(command)}`, each by itself:")
            print("\n".join(heaviest_imports(command)))


if __name__ == "__main__":
    main()
