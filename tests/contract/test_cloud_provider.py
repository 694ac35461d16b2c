"""What the engine relies on, proved of every cloud provider.

``docker`` makes real containers; ``four verbs`` is a third party's provider, written to the documented
contract and no more, whose machines are real processes of this computer; ``six verbs`` can pause, too;
``fake`` is the cloud in memory that other tests play with.
"""

from __future__ import annotations

import inspect
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.engine.events import ignore
from elasticluster.engine.fakes import FakeCloud
from elasticluster.engine.ports import CloudProvider
from elasticluster.exceptions import InstanceNotFoundError, UnsupportedError
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    ImageRequest,
    Instance,
    InstanceRequest,
    InstanceState,
    KeyPair,
    NodeSpec,
    Tags,
)
from elasticluster.naming import new_uuid
from elasticluster.providers import AbstractCloudProvider
from elasticluster.providers.docker import DockerProvider

NAMES = ("worker001", "worker002")


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
        del self._processes[instance_id]

    def get_ips(self, instance_id: str) -> list[str]:
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


class QuickFake(FakeCloud):
    """The cloud in memory, with machines that run at once: its time passes only when it is told to."""

    def __init__(self) -> None:
        super().__init__(boot_seconds=0)


PROVIDERS = [
    pytest.param(DockerProvider, id="docker", marks=pytest.mark.e2e),
    pytest.param(ProcessProvider, id="four verbs"),
    pytest.param(PausableProvider, id="six verbs"),
    pytest.param(QuickFake, id="fake"),
]


@pytest.fixture
def key(tmp_path: Path) -> KeyPair:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return KeyPair(name="contract", public_path=f"{path}.pub", private_path=str(path))


@pytest.fixture
def request_(key: KeyPair) -> InstanceRequest:
    spec = NodeSpec(kind="worker", image_id="debian-13", image_user="debian", flavor="1cpu-0.5ram")
    uuid, batch = new_uuid(), new_uuid()
    tags = Tags(
        uuid=uuid, name="contract", template="t", owner="test", created="0", kind="worker", batch=batch
    )
    return InstanceRequest(token=batch, spec=spec, names=NAMES, tags=tags, key=key)


@pytest.fixture
def cluster(request_: InstanceRequest) -> ClusterRecord:
    none = ComponentRef(type="none")
    return ClusterRecord(uuid=request_.tags.uuid, name="contract", template="t", cloud=none, setup=none)


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, cluster: ClusterRecord) -> Iterator[CloudProvider]:
    made: CloudProvider = request.param()
    yield made
    made.stop_instances([one.id for one in made.list_instances(cluster.uuid)])
    made.remove_images([one.id for one in made.list_images() if one.tags.uuid == cluster.uuid])
    made.release(cluster.uuid)


@pytest.fixture
def instances(provider: CloudProvider, cluster: ClusterRecord, request_: InstanceRequest) -> list[Instance]:
    """The instances of one request, running."""
    provider.preflight(cluster, [request_], ignore)
    provider.prepare(cluster, request_.key)
    created = provider.create_instances(request_)
    assert not created.failures
    return wait_for_state(provider, cluster, InstanceState.RUNNING)


def wait_for_state(
    provider: CloudProvider, cluster: ClusterRecord, state: InstanceState, seconds: float = 60
) -> list[Instance]:
    """Return the instances, by name, when all are in a state."""
    deadline = time.monotonic() + seconds
    while True:
        found = sorted(provider.list_instances(cluster.uuid), key=lambda one: one.tags.node)
        states = [one.state for one in found]
        if states == [state] * len(NAMES):
            return found
        assert time.monotonic() < deadline, states
        time.sleep(provider.polling_interval)


@pytest.mark.parametrize("provider_class", [DockerProvider, ProcessProvider, FakeCloud])
def test_every_method_of_the_port_can_be_called_as_the_port_says(provider_class: type[Any]) -> None:
    assert provider_class.polling_interval > 0
    assert provider_class.delivers_host_keys in {True, False}
    assert provider_class.tags_instances in {True, False}
    assert provider_class.captures_instances in {True, False}
    verbs = {name: verb for name, verb in vars(CloudProvider).items() if inspect.isfunction(verb)}
    for name, verb in verbs.items():
        if not name.startswith("_"):
            wanted = list(inspect.signature(verb).parameters)
            assert list(inspect.signature(getattr(provider_class, name)).parameters) == wanted, name


def test_created_instances_run_and_say_which_node_they_are(
    instances: list[Instance], request_: InstanceRequest
) -> None:
    assert tuple(one.tags.node for one in instances) == NAMES
    assert {one.tags.uuid for one in instances} == {request_.tags.uuid}
    assert {one.tags.batch for one in instances} == {request_.token}
    assert len({one.id for one in instances}) == len(NAMES)


def test_running_instances_have_an_address(instances: list[Instance]) -> None:
    assert all(one.public_ip or one.private_ip for one in instances)
    assert all(0 < one.ssh_port < 65536 for one in instances)


def test_listing_keeps_clusters_apart(instances: list[Instance], provider: CloudProvider) -> None:
    assert not provider.list_instances(new_uuid())
    assert {one.id for one in instances} <= {one.id for one in provider.list_instances()}


def test_stopped_instances_are_gone_and_the_others_are_not(
    instances: list[Instance], provider: CloudProvider, cluster: ClusterRecord
) -> None:
    first, second = instances
    assert not provider.stop_instances([first.id])
    assert [one.id for one in provider.list_instances(cluster.uuid)] == [second.id]
    assert not provider.stop_instances([first.id, second.id, "no-such-instance"])
    assert not provider.list_instances(cluster.uuid)


def test_paused_instances_are_stopped_and_run_again_when_resumed(
    instances: list[Instance], provider: CloudProvider, cluster: ClusterRecord
) -> None:
    ids = [one.id for one in instances]
    errors = provider.pause_instances(ids)
    if errors:
        assert {type(error) for error in errors.values()} == {UnsupportedError}
        assert type(provider) is ProcessProvider, "only a third party may be unable to pause"
        assert {type(error) for error in provider.resume_instances(ids).values()} == {UnsupportedError}
        return
    assert not provider.pause_instances(ids)
    assert [one.id for one in wait_for_state(provider, cluster, InstanceState.STOPPED)] == ids
    assert not provider.resume_instances(ids)
    again = wait_for_state(provider, cluster, InstanceState.RUNNING)
    assert [one.id for one in again] == ids
    assert all(one.public_ip or one.private_ip for one in again)


def test_pausing_what_is_not_there_is_an_error_of_its_own(provider: CloudProvider) -> None:
    assert list(provider.pause_instances(["no-such-instance"])) == ["no-such-instance"]


def test_captured_instances_become_images_until_these_are_removed(
    instances: list[Instance], provider: CloudProvider, cluster: ClusterRecord, request_: InstanceRequest
) -> None:
    wanted = [
        ImageRequest(instance_id=one.id, key=f"key of {one.id}", tags=replace(one.tags, node="", batch=""))
        for one in instances
    ]
    errors = provider.capture_instances(wanted)
    if not provider.captures_instances:
        assert {type(error) for error in errors.values()} == {UnsupportedError}
        assert errors.keys() == {one.id for one in instances}
        assert not provider.image_base(request_.spec)
        assert not provider.list_images()
        return
    assert not errors
    assert provider.image_base(request_.spec)
    assert len(provider.list_instances(cluster.uuid)) == len(NAMES), "an image is no member of the cluster"
    found = [image for image in provider.list_images() if image.tags.uuid == cluster.uuid]
    assert {(image.key, image.tags) for image in found} == {(one.key, one.tags) for one in wanted}
    assert not provider.remove_images([image.id for image in found])
    assert not provider.remove_images([image.id for image in found])
    assert not [image for image in provider.list_images() if image.tags.uuid == cluster.uuid]


def test_prepared_image_that_is_gone_does_not_keep_instances_from_being_made(
    provider: CloudProvider, cluster: ClusterRecord, request_: InstanceRequest
) -> None:
    if not provider.captures_instances:
        return
    provider.preflight(cluster, [request_], ignore)
    provider.prepare(cluster, request_.key)
    created = provider.create_instances(replace(request_, image="elasticluster/prepared:gone"))
    assert not created.failures
    assert len(created.instances) == len(NAMES)


def test_capturing_what_is_not_there_is_an_error_of_its_own(
    provider: CloudProvider, request_: InstanceRequest
) -> None:
    wanted = ImageRequest(instance_id="no-such-instance", key="key", tags=request_.tags)
    assert list(provider.capture_instances([wanted])) == ["no-such-instance"]
    assert not [image for image in provider.list_images() if image.tags.uuid == request_.tags.uuid]


def test_listing_finds_what_another_process_made_where_instances_carry_tags(
    instances: list[Instance], provider: CloudProvider, cluster: ClusterRecord
) -> None:
    """A fake's machines live in one object; of the others a new object stands for a new process."""
    if isinstance(provider, FakeCloud):
        assert provider.tags_instances
        return
    found = type(provider)().list_instances(cluster.uuid)
    assert {one.id for one in found} == ({one.id for one in instances} if provider.tags_instances else set())


def test_release_can_be_repeated_and_needs_nothing_to_be_there(
    provider: CloudProvider, cluster: ClusterRecord, key: KeyPair
) -> None:
    provider.prepare(cluster, key)
    provider.prepare(cluster, key)
    provider.release(cluster.uuid)
    provider.release(cluster.uuid)


def test_questions_about_an_unknown_instance_have_empty_answers(provider: CloudProvider) -> None:
    assert not provider.host_keys(["no-such-instance"])
    assert not provider.console_output("no-such-instance")


def test_size_of_a_flavor_is_told_in_full_or_not_at_all(provider: CloudProvider) -> None:
    told = provider.node_vars("1cpu-0.5ram")
    size = {name: told[name] for name in ("cpus", "memory_mb") if name in told}
    assert size in ({}, {"cpus": 1, "memory_mb": 512})
