"""The clouds that the suite of cloud providers runs on, and what it has to know of each.

``docker`` makes real containers; ``ec2`` and ``openstack`` are servers that we did not write; ``four verbs``
is a third party's provider, written to the documented contract and no more, whose machines are real processes
of this computer; ``six verbs`` can pause, too; ``fake`` is the cloud in memory that other tests play with.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.clouds.ec2.listing import everything
from tests.clouds.ec2.server import DEBIAN, Ec2Server
from tests.clouds.openstack.cloud import FLAVOR, OpenStackCloud, Project

from elasticluster.engine.fakes import FakeCloud
from elasticluster.engine.ports import CloudProvider
from elasticluster.exceptions import (
    CloudProviderError,
    FlavorError,
    ImageError,
    InstanceNotFoundError,
    SecurityGroupError,
    SubnetError,
)
from elasticluster.providers import AbstractCloudProvider
from elasticluster.providers.common.tags import PREFIX
from elasticluster.providers.docker import DockerProvider
from elasticluster.providers.ec2_boto import BotoCloudProvider
from elasticluster.providers.openstack import OpenStackCloudProvider


class ProcessProvider(AbstractCloudProvider):
    """A machine is a process that sleeps; its id is the process id."""

    polling_interval = 0.1

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_instance(self, *args: Any, **kwargs: Any) -> str:
        process = subprocess.Popen(["sleep", "600"])
        self._processes[str(process.pid)] = process
        return str(process.pid)

    def stop_instance(self, instance_id: str) -> None:
        process = self._process(instance_id)
        process.kill()
        process.wait()
        self._processes.pop(instance_id, None)  # another thread may stop it, too

    def get_ips(self, instance_id: str) -> list[str]:
        self._process(instance_id)
        return ["127.0.0.1"]

    def is_instance_running(self, instance_id: str) -> bool:
        return self._process(instance_id).poll() is None

    def _process(self, instance_id: str) -> subprocess.Popen[bytes]:
        if instance_id not in self._processes:
            raise InstanceNotFoundError(f"There is no process {instance_id}.")
        return self._processes[instance_id]


class PausableProvider(ProcessProvider):
    """The same with the two optional verbs: a paused machine is a stopped process."""

    def pause_instance(self, instance_id: str) -> None:
        self._process(instance_id).send_signal(signal.SIGSTOP)

    def resume_instance(self, instance_id: str) -> None:
        self._process(instance_id).send_signal(signal.SIGCONT)

    def is_instance_running(self, instance_id: str) -> bool:
        process = self._process(instance_id)
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in {"T", "Z"}


@dataclass(kw_only=True)
class CloudUnderTest:
    """A cloud, and what is different there.

    Attributes:
        image: image that its machines boot.
        flavor: their size.
        cpus: how many processors that has.
        memory_mb: how much memory.
        more: further keys of a node that it needs.
        shares: types of what the machines of a cluster share there.
        nothing: well-formed ids of machines that there are not.
        refusals: for changes of a node's keys, the error with which it refuses them.
        pause: seconds between two looks.
    """

    image: str = "debian-13"
    flavor: str = "1cpu-0.5ram"
    cpus: int = 1
    memory_mb: int = 512
    more: Mapping[str, Any] = field(default_factory=dict)
    shares: frozenset[str] = frozenset()
    nothing: tuple[str, ...] = ("no-such-instance",)
    refusals: Mapping[tuple[str, str], type[CloudProviderError]] = field(default_factory=dict)
    pause: float = 0.1

    def provider(self) -> CloudProvider:
        """Return a provider as a new process would have it."""
        raise NotImplementedError

    def contents(self, uuids: set[str]) -> set[str]:
        """Return what is there: everything, or of these clusters only if others use the cloud, too."""
        raise NotImplementedError

    def stranger(self) -> contextlib.AbstractContextManager[str]:
        """Return the id of a machine of somebody else's, for a ``with`` block."""
        raise NotImplementedError


@dataclass(kw_only=True)
class ThirdParty(CloudUnderTest):
    """A third party's provider: nobody but the object that made them knows of its machines.

    Attributes:
        kind: the class.
    """

    kind: type[ProcessProvider]

    def provider(self) -> CloudProvider:
        return self.kind()

    def contents(self, uuids: set[str]) -> set[str]:
        return set()


@dataclass(kw_only=True)
class Fake(CloudUnderTest):
    """The cloud in memory, with machines that run at once: its time passes only when it is told to."""

    shares: frozenset[str] = frozenset({"network"})

    def __post_init__(self) -> None:
        self._cloud = FakeCloud(boot_seconds=0, polling_interval=0.01)

    def provider(self) -> CloudProvider:
        return self._cloud

    def contents(self, uuids: set[str]) -> set[str]:
        resources = {one.id for one in self._cloud.list_resources()}
        return {one.id for one in self._cloud.list_instances()} | resources


@dataclass(kw_only=True)
class Docker(CloudUnderTest):
    """The container engine of this computer, which others use, too."""

    shares: frozenset[str] = frozenset({"network", "volume"})
    nothing: tuple[str, ...] = ("no-such-instance", "0123456789ab")
    refusals: Mapping[tuple[str, str], type[CloudProviderError]] = field(
        default_factory=lambda: {("flavor", "huge"): FlavorError}
    )

    def provider(self) -> CloudProvider:
        return DockerProvider()

    def contents(self, uuids: set[str]) -> set[str]:
        found: set[str] = set()
        for uuid in uuids:
            label = f"label={PREFIX}uuid={uuid}"
            for command in (["ps", "-aq"], ["network", "ls", "-q"], ["volume", "ls", "-q"]):
                found |= set(_output("docker", *command, "--filter", label).split())
        return found

    @contextlib.contextmanager
    def stranger(self) -> Iterator[str]:
        image = _output("docker", "images", "-q").split()[0]  # never run, so any
        made = _output("docker", "create", "--label", "com.example=database", image, "true").strip()
        try:
            yield made[:12]
        finally:
            _output("docker", "rm", "-f", made)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@dataclass(kw_only=True)
class CloudOfOthers(CloudUnderTest):
    """A cloud whose server we did not write, which nobody else uses."""

    shares: frozenset[str] = frozenset({"security group", "key pair"})
    pause: float = 0.2

    def key_pairs(self) -> set[str]:
        """Return the names of all key pairs."""
        raise NotImplementedError

    def import_key(self, name: str, line: str) -> None:
        """Make a key pair of somebody's."""
        raise NotImplementedError

    def remove_key(self, name: str) -> None:
        """Remove a key pair."""
        raise NotImplementedError

    def make_group(self, name: str, port: int) -> contextlib.AbstractContextManager[str]:
        """Return the id of a security group of somebody's, open at a port, for a ``with`` block."""
        raise NotImplementedError


@dataclass(kw_only=True)
class Ec2(CloudOfOthers):
    """EC2's API, as moto has it."""

    server: Ec2Server
    image: str = DEBIAN
    flavor: str = "t3.small"
    cpus: int = 2
    memory_mb: int = 2048 * 95 // 100  # what a system sees of it
    nothing: tuple[str, ...] = ("no-such-instance", "i-0123456789abcdef0")
    refusals: Mapping[tuple[str, str], type[CloudProviderError]] = field(
        default_factory=lambda: {
            ("image_id", "ami-0123456789abcdef0"): ImageError,
            ("image_id", "debian-13-amd65"): ImageError,
            ("flavor", "t3.smal"): FlavorError,
            ("security_group", "no-such-group"): SecurityGroupError,
            ("network_ids", "subnet-0123456789abcdef0"): SubnetError,
        }
    )

    def provider(self) -> CloudProvider:
        return BotoCloudProvider(
            self.server.url, self.server.region, self.server.access_key, self.server.secret_key
        )

    def contents(self, uuids: set[str]) -> set[str]:
        found = everything(self.server)
        return {f"{what} {name}" for what, names in found.items() for name in names}

    def key_pairs(self) -> set[str]:
        return {one["KeyName"] for one in self.server.client().describe_key_pairs()["KeyPairs"]}

    def import_key(self, name: str, line: str) -> None:
        self.server.client().import_key_pair(KeyName=name, PublicKeyMaterial=line.encode())

    def remove_key(self, name: str) -> None:
        self.server.client().delete_key_pair(KeyName=name)

    @contextlib.contextmanager
    def make_group(self, name: str, port: int) -> Iterator[str]:
        api = self.server.client()
        network = api.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
        group = api.create_security_group(GroupName=name, Description="theirs", VpcId=network)["GroupId"]
        try:
            api.authorize_security_group_ingress(
                GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
            )
            yield group
        finally:
            api.delete_security_group(GroupId=group)

    @contextlib.contextmanager
    def stranger(self) -> Iterator[str]:
        api = self.server.client()
        made = api.run_instances(ImageId=self.image, InstanceType=self.flavor, MinCount=1, MaxCount=1)
        instance_id = made["Instances"][0]["InstanceId"]
        try:
            yield instance_id
        finally:
            api.terminate_instances(InstanceIds=[instance_id])


@dataclass(kw_only=True)
class OpenStack(CloudOfOthers):
    """A project of its own on a cloud with OpenStack's own services.

    Attributes:
        project: the project.
    """

    project: Project
    flavor: str = FLAVOR
    memory_mb: int = 2048
    nothing: tuple[str, ...] = ("no-such-instance", "11111111-2222-4333-8444-555555555555")
    refusals: Mapping[tuple[str, str], type[CloudProviderError]] = field(
        default_factory=lambda: {
            ("image_id", "debian-31"): ImageError,
            ("flavor", "m1.smal"): FlavorError,
            ("security_group", "no-such-group"): SecurityGroupError,
            ("network_ids", "no-such-network"): SubnetError,
        }
    )

    def provider(self) -> CloudProvider:
        arguments = {name: value for name, value in self.project.section.items() if name != "provider"}
        return OpenStackCloudProvider(**arguments)

    def contents(self, uuids: set[str]) -> set[str]:
        return {f"{what} {name}" for what, names in self.project.things().items() for name in names}

    def key_pairs(self) -> set[str]:
        return {one.name for one in self.project.connect().compute.keypairs()}

    def import_key(self, name: str, line: str) -> None:
        self.project.connect().compute.create_keypair(name=name, public_key=line)

    def remove_key(self, name: str) -> None:
        self.project.connect().compute.delete_keypair(name)

    @contextlib.contextmanager
    def make_group(self, name: str, port: int) -> Iterator[str]:
        network = self.project.connect().network
        group = network.create_security_group(name=name, project_id=self.project.id).id
        try:
            network.create_security_group_rule(
                security_group_id=group,
                direction="ingress",
                ethertype="IPv4",
                protocol="tcp",
                port_range_min=port,
                port_range_max=port,
                remote_ip_prefix="0.0.0.0/0",
            )
            yield group
        finally:
            network.delete_security_group(group)

    @contextlib.contextmanager
    def stranger(self) -> Iterator[str]:
        api = self.project.connect()
        compute, image = api.compute, api.image.find_image(self.image)
        flavor = compute.find_flavor(self.flavor)
        made = compute.create_server(name="theirs", image_id=image.id, flavor_id=flavor.id, networks="none")
        try:
            yield made.id
        finally:
            compute.delete_server(made)
            compute.wait_for_delete(made)


@contextlib.contextmanager
def ec2() -> Iterator[Ec2]:
    """Return EC2, with nothing on it but what an account begins with."""
    with Ec2Server() as server:
        yield Ec2(server=server)


@contextlib.contextmanager
def openstack() -> Iterator[OpenStack]:
    """Return OpenStack, with a new project; the services run once for all tests."""
    with OpenStackCloud() as cloud:
        yield OpenStack(project=cloud.new_project())


CLOUDS: Mapping[str, Callable[[], contextlib.AbstractContextManager[CloudUnderTest]]] = {
    "docker": lambda: contextlib.nullcontext(Docker()),
    "ec2": ec2,
    "openstack": openstack,
    "four verbs": lambda: contextlib.nullcontext(ThirdParty(kind=ProcessProvider)),
    "six verbs": lambda: contextlib.nullcontext(ThirdParty(kind=PausableProvider)),
    "fake": lambda: contextlib.nullcontext(Fake()),
}
"""What makes each cloud for a ``with`` block."""

_MARKS = {"docker": [pytest.mark.e2e]}


def params(*names: str) -> list[Any]:
    """Return clouds by their names as parameters; all of them if none is named."""
    return [pytest.param(name, id=name, marks=_MARKS.get(name, [])) for name in names or CLOUDS]


def on(*names: str) -> pytest.MarkDecorator:
    """Return a mark for tests that are about some clouds only."""
    return pytest.mark.parametrize("cloud", params(*names), indirect=True, scope="module")
