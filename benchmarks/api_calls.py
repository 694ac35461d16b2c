"""Calls and seconds that starting and stopping clusters costs on EC2, beside a floor.

The cloud is the test cloud (moto behind a layer of ours): each call takes 100 ms more, accounts have the
token buckets that AWS documents, machines take half a minute to boot, and to end. So the seconds tell how
calls are made, one after the other or at the same time, and how long one waits for tokens; moto's own time is
in them, a few seconds for 1000 machines.

`start` is the engine's: checks, security group, key pair, one frontend and the other nodes as a second kind,
until all run; connecting to them is pretended. It looks every five seconds whether they do. The floor is a
program for this one purpose that makes no call that is not needed: like any that may be run twice, each verb
first lists what machines there are; then it asks what the image and the flavor are, makes group, rules, key
pair and machines, and waits as often. Its `stop` knows group and key by heart. Both wait with the group's
removal until the machines are gone.

Calls that tell SSH host keys (`GetConsoleOutput`) can be made for single machines only. They belong to
connecting, and are counted apart.
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measurement import commit, verdict, write
from tests.clouds.ec2.server import DEBIAN, Ec2Server
from tests.clouds.machines import console

from elasticluster.engine import execute
from elasticluster.engine import stop as ending
from elasticluster.engine.configure import StartOptions
from elasticluster.engine.fakes import FakeNetwork, FakeSetup
from elasticluster.engine.run import Tools
from elasticluster.model import ClusterRecord, ComponentRef, Login, NodeRecord, NodeSpec, NodeState
from elasticluster.naming import new_uuid
from elasticluster.providers.ec2_boto import BotoCloudProvider
from elasticluster.state.memory import MemoryStore

GOAL = 1.2
SIZES = (10, 100, 1000)
LATENCY, BOOT, SHUTDOWN, INTERVAL = 0.1, 30.0, 30.0, 5.0
FLAVOR = "t3.micro"
BATCH, PAGE = 500, 1000
APART = "GetConsoleOutput"
_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
CONSOLE = console("machine", [f"ssh-ed25519 {base64.b64encode(_BLOB).decode()}"])


@dataclass(frozen=True)
class Cost:
    """What something took.

    Attributes:
        calls: calls of the API.
        seconds: wall time.
        actions: how many calls of each action.
        apart: calls that tell host keys.
    """

    calls: int
    seconds: float
    actions: dict[str, int]
    apart: int


def cost(server: Ec2Server, work: Callable[[], object]) -> Cost:
    """Do something, and return what it took."""
    server.forget_calls()
    began = time.monotonic()
    work()
    seconds = time.monotonic() - began
    actions = Counter(server.calls())
    apart = actions.pop(APART, 0)
    return Cost(actions.total(), seconds, dict(actions), apart)


# -- the floor ---------------------------------------------------------------------------------------


@dataclass
class Floor:
    """A program that makes the calls that are needed, and no other."""

    client: Any
    public_key: bytes
    group: str = ""
    ids: tuple[str, ...] = ()

    def start(self, nodes: int) -> None:
        """Make a frontend and the other nodes; return when all run."""
        self._states()
        self.client.describe_images(ImageIds=[DEBIAN])
        self.client.describe_instance_types(InstanceTypes=[FLAVOR])
        self.group = self.client.create_security_group(GroupName="floor", Description="floor")["GroupId"]
        inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": self.group}]}
        ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.1/32"}]}
        self.client.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[ssh, inside])
        self.client.import_key_pair(KeyName="floor", PublicKeyMaterial=self.public_key)
        for count in (1, *batches(nodes - 1, BATCH)):
            made = self._patiently(self.client.run_instances, **self._launch(count))["Instances"]
            self.ids += tuple(one["InstanceId"] for one in made)
        while self._states() != {"running"}:
            time.sleep(INTERVAL)

    def stop(self) -> None:
        """Destroy everything."""
        self._states()
        for first in range(0, len(self.ids), PAGE):
            self._patiently(self.client.terminate_instances, InstanceIds=[*self.ids[first : first + PAGE]])
        self.client.delete_key_pair(KeyName="floor")
        self._patiently(self.client.delete_security_group, GroupId=self.group)
        self.ids = ()

    def _launch(self, count: int) -> dict[str, Any]:
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "cluster", "Value": "floor"}]}]
        given = {"ImageId": DEBIAN, "InstanceType": FLAVOR, "KeyName": "floor"}
        counts = {"MinCount": 1, "MaxCount": count}
        return given | counts | {"SecurityGroupIds": [self.group], "TagSpecifications": tags}

    def _states(self) -> set[str]:
        pages = self.client.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "tag:cluster", "Values": ["floor"]}], PaginationConfig={"PageSize": PAGE}
        )
        found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
        return {one["State"]["Name"] for one in found if one["InstanceId"] in self.ids}

    def _patiently(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """Make a call, again while it is throttled or machines are not gone yet."""
        while True:
            try:
                return call(**arguments)
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in {"RequestLimitExceeded", "DependencyViolation"}:
                    raise
            time.sleep(INTERVAL)


def batches(count: int, most: int) -> list[int]:
    """Return how many to make with each call."""
    return [min(most, count - done) for done in range(0, count, most)]


# -- ours --------------------------------------------------------------------------------------------


@dataclass
class Ours:
    """The engine with the provider for EC2, and nothing behind it to connect to."""

    server: Ec2Server
    store: MemoryStore
    name: str = "api-calls"

    def start(self, nodes: int) -> None:
        """Start a cluster; return when all its machines run."""
        frontend = NodeSpec(kind="frontend", image_id=DEBIAN, image_user="admin", flavor=FLAVOR)
        compute = NodeSpec(kind="compute", image_id=DEBIAN, image_user="admin", flavor=FLAVOR)
        names = [NodeRecord(name=f"compute{i:04d}", spec=compute) for i in range(1, nodes)]
        cluster = ClusterRecord(
            uuid=new_uuid(),
            name=self.name,
            template=self.name,
            owner="benchmark",
            cloud=ComponentRef(type="ec2_boto"),
            setup=ComponentRef(type=""),
            kinds=("frontend", "compute"),
            login=Login(),
            nodes=(NodeRecord(name="frontend001", spec=frontend), *names),
        )
        report = execute.start(cluster, self._tools(), StartOptions(configure=False))
        running = sum(node.state is NodeState.REACHABLE for node in report.cluster.nodes)
        if running != nodes:
            sys.exit(f"{running} of {nodes} nodes run: {report.error}")

    def stop(self) -> None:
        """Destroy the cluster."""
        ending.stop(self.store.load(self.name), self._tools())

    def _tools(self) -> Tools:
        """Return what a command has to work with: each is a new process."""
        provider = BotoCloudProvider(
            self.server.url,
            self.server.region,
            self.server.access_key,
            self.server.secret_key,
            ssh_from=["192.0.2.1/32"],
        )
        return Tools(provider=provider, prober=FakeNetwork(), setup=FakeSetup(), store=self.store)


def measure(server: Ec2Server, nodes: int, public_key: bytes) -> dict[str, Cost]:
    """Return what each verb of each program costs for so many nodes."""
    found = {}
    store = MemoryStore()
    client = server.client()
    for name, program in (("floor", Floor(client, public_key)), ("ours", Ours(server, store))):
        server.reset()
        server.set(latency=LATENCY, boot_seconds=BOOT, shutdown_seconds=SHUTDOWN)
        server.set(token_bucket="aws")  # noqa: S106 - no password
        found[f"start, {name}"] = cost(server, lambda p=program: p.start(nodes))  # type: ignore[misc]
        found[f"stop, {name}"] = cost(server, program.stop)
    store.close()
    client.close()
    return found


def total(found: dict[str, Cost], who: str) -> int:
    """Return the calls of both verbs."""
    return sum(found[f"{verb}, {who}"].calls for verb in ("start", "stop"))


def new_key() -> bytes:
    """Return a new public key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path.with_name("key.pub").read_bytes()


def main() -> None:
    """Measure, print a table, write the result, and end with 1 if a goal is missed."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("nodes", nargs="*", type=int, default=list(SIZES), help="sizes of clusters")
    sizes = parser.parse_args().nodes
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    loaded = round(os.getloadavg()[0], 2)
    results, good = {}, True
    print(f"{'nodes':>6} {'':<14}{'calls':>7}{'seconds':>9}{'host keys':>11}")
    with Ec2Server(written=CONSOLE) as server:
        for nodes in sizes:
            found = results[nodes] = measure(server, nodes, new_key())
            for what, one in found.items():
                print(f"{nodes:>6} {what:<14}{one.calls:>7}{one.seconds:>9.1f}{one.apart:>11}")
            ratio = total(found, "ours") / total(found, "floor")
            good &= verdict(f"calls, {nodes} nodes, ours : floor", ratio, GOAL)
    write(
        "api_calls",
        {
            "date": time.strftime("%Y-%m-%d"),
            "commit": commit(),
            "cores": os.cpu_count(),
            "load_before": loaded,
            "latency": LATENCY,
            "boot_seconds": BOOT,
            "interval": INTERVAL,
            "nodes": {n: {what: asdict(one) for what, one in found.items()} for n, found in results.items()},
        },
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
