"""A cloud, a network and a clock that live in memory, for tests and for trying things out.

They are honest about what they stand for: instances take time to run and to answer, can fail one by one,
and everything made stays there until it is destroyed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from elasticluster.engine.create import tags_of
from elasticluster.engine.events import Listener, NodeDone, Phase
from elasticluster.engine.ports import Created, SetupJob
from elasticluster.engine.scheduler import Ask, Scheduler, Worker
from elasticluster.exceptions import (
    CloudProviderError,
    ElastiClusterError,
    InstanceNotFoundError,
    ReadinessError,
)
from elasticluster.model import (
    ClusterRecord,
    Failure,
    ImageRequest,
    Instance,
    InstanceRequest,
    InstanceState,
    Json,
    KeyPair,
    Layer,
    NodeSpec,
    PreparedImage,
    ProbeResult,
    Resource,
    SetupResult,
    SshTarget,
    Tags,
)


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        """Return the seconds slept so far."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.seconds += seconds


@dataclass(slots=True)
class _Machine:
    instance: Instance
    runs_at: float


@dataclass
class FakeCloud:
    """A cloud in memory.

    Attributes:
        clock: whose time machines need.
        boot_seconds: how long a machine takes to run.
        tags_each: whether each machine of a bulk call gets its own name as a tag.
        broken: for node names, the error that their creation ends in.
        ill: for node names, the state that their machines come to instead of running.
        delivers_host_keys: whether host keys are certain to be had from the cloud.
        host_key_patience: how long they are waited for if they are not; 0: they cannot be had.
        consoles: for node names, the host keys that can be had if they are not certain to be.
        inner_kinds: kinds of nodes that get no public address.
        tags_instances: whether machines carry their tags.
        owner: whose account is used; empty: it does not tell.
        calls: how often each verb was called.
        shared: UUIDs of clusters for which shared resources exist.
        prepared: what was written on them, by UUID.
        outage: raised by every call while it is set.
        images: the images made of machines, by id.
        booted: the prepared image that each machine was made of, by instance id; empty for none.
        blurred: for kinds of nodes, why no image can be made of them.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    boot_seconds: float = 5
    tags_each: bool = True
    broken: dict[str, CloudProviderError] = field(default_factory=dict)
    ill: dict[str, InstanceState] = field(default_factory=dict)
    delivers_host_keys: bool = True
    host_key_patience: float = 0
    consoles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    inner_kinds: frozenset[str] = frozenset()
    tags_instances: bool = True
    owner: str = ""
    polling_interval: float = 1.0
    calls: Counter[str] = field(default_factory=Counter)
    shared: set[str] = field(default_factory=set)
    prepared: dict[str, Tags] = field(default_factory=dict)
    outage: CloudProviderError | None = None
    refused: ElastiClusterError | None = None
    captures_instances: bool = True
    images: dict[str, PreparedImage] = field(default_factory=dict)
    booted: dict[str, str] = field(default_factory=dict)
    blurred: dict[str, CloudProviderError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without machines."""
        self.machines: dict[str, _Machine] = {}
        self._numbers = itertools.count(1)

    def account(self) -> str:
        """Return what it was told."""
        return self.owner

    def preflight(self, cluster: ClusterRecord, requests: Sequence[InstanceRequest], tell: Listener) -> None:
        """Say no if told to."""
        self._called("preflight")
        if self.refused:
            raise self.refused

    def prepare(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Note that the cluster has shared resources."""
        self._called("prepare")
        self.shared.add(cluster.uuid)
        self.prepared[cluster.uuid] = tags_of(cluster)

    def create_instances(self, request: InstanceRequest) -> Created:
        """Make machines that will run after a while."""
        self._called("create_instances")
        made = [self._make(request, i, n) for i, n in enumerate(request.names) if n not in self.broken]
        failures = {name: self.broken[name] for name in request.names if name in self.broken}
        return Created(instances=tuple(made), failures=failures)

    def list_instances(self, cluster: str | None = None) -> list[Instance]:
        """Return machines, those of one cluster if its UUID is given."""
        self._called("list_instances")
        return [
            self._now(machine)
            for machine in self.machines.values()
            if cluster in (None, machine.instance.tags.uuid)
        ]

    def stop_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Destroy machines."""
        self._called("stop_instances")
        for instance_id in ids:
            self.machines.pop(instance_id, None)
        return {}

    def pause_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Let machines stop; they can be resumed."""
        self._called("pause_instances")
        known = self.machines.keys() & set(ids)
        for instance_id in known:
            self.halt(instance_id)
        return {i: InstanceNotFoundError(f"No instance {i}.") for i in ids if i not in known}

    def resume_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Let stopped machines run again, under other addresses."""
        self._called("resume_instances")
        missing = {i: InstanceNotFoundError(f"No instance {i}.") for i in ids if i not in self.machines}
        for instance_id in set(ids) - set(missing):
            machine = self.machines[instance_id]
            port = machine.instance.ssh_port + 1000
            machine.instance = replace(machine.instance, state=InstanceState.PENDING, ssh_port=port)
            machine.runs_at = self.clock.now() + self.boot_seconds
        return missing

    def list_resources(self, cluster: str | None = None) -> list[Resource]:
        """Return a network for each cluster that has shared resources."""
        self._called("list_resources")
        nothing = Tags(uuid="", name="", template="", owner="", created="")
        return [
            Resource(
                type="network", id=f"net-{uuid}", tags=self.prepared.get(uuid, replace(nothing, uuid=uuid))
            )
            for uuid in sorted(self.shared)
            if cluster in (None, uuid)
        ]

    def release(self, cluster: str) -> None:
        """Remove the cluster's shared resources."""
        self._called("release")
        self.shared.discard(cluster)

    def host_keys(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return a key for each running machine, or what its console shows."""
        self._called("host_keys")
        here = {i: self.machines[i].instance.tags.node for i in ids if i in self.machines}
        if self.delivers_host_keys:
            return {i: (host_key(i),) for i in here}
        return {i: self.consoles[name] for i, name in here.items() if name in self.consoles}

    def console_output(self, instance_id: str) -> str:
        """Return a line for a machine that exists."""
        return f"console of {instance_id}" if instance_id in self.machines else ""

    def image_base(self, spec: NodeSpec) -> str:
        """Return the image's name: what is called so never changes."""
        return spec.image_id

    def capture_instances(self, requests: Sequence[ImageRequest]) -> Mapping[str, CloudProviderError]:
        """Make images, and let the machines stop."""
        self._called("capture_instances")
        outcomes = {request.instance_id: self._capture(request) for request in requests}
        return {machine: error for machine, error in outcomes.items() if error}

    def list_images(self) -> list[PreparedImage]:
        """Return all images."""
        self._called("list_images")
        return [*self.images.values()]

    def remove_images(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Remove images."""
        self._called("remove_images")
        for image in ids:
            self.images.pop(image, None)
        return {}

    def node_vars(self, node_flavor: str) -> Mapping[str, Json]:
        """Return the same size for every flavor."""
        return {"cpus": 1, "memory_mb": 512}

    def halt(self, instance_id: str, state: InstanceState = InstanceState.STOPPED) -> None:
        """Make a machine stop, as a power cut or a person would."""
        machine = self.machines[instance_id]
        machine.instance = replace(machine.instance, state=state)

    def _called(self, verb: str) -> None:
        self.calls[verb] += 1
        if self.outage:
            raise self.outage

    def _make(self, request: InstanceRequest, index: int, name: str) -> Instance:
        number = next(self._numbers)
        tags = replace(request.tags, node=name if self.tags_each else "")
        instance = Instance(
            id=f"i-{number:04d}",
            state=InstanceState.PENDING,
            tags=tags,
            private_ip=f"10.0.0.{number}",
            ssh_port=20000 + number,
            launch_index=index,
        )
        if name in self.ill:
            instance = replace(instance, state=self.ill[name], reason="ill on purpose")
        self.machines[instance.id] = _Machine(instance, self.clock.now() + self.boot_seconds)
        self.booted[instance.id] = request.image
        return instance

    def _capture(self, request: ImageRequest) -> CloudProviderError | None:
        if request.instance_id not in self.machines:
            return InstanceNotFoundError(f"No instance {request.instance_id}.")
        self.halt(request.instance_id)
        if request.tags.kind in self.blurred:
            return self.blurred[request.tags.kind]
        name = f"image-{next(self._numbers)}"
        self.images[name] = PreparedImage(id=name, key=request.key, tags=request.tags)
        return None

    def _now(self, machine: _Machine) -> Instance:
        pending = machine.instance.state is InstanceState.PENDING
        if pending and self.clock.now() >= machine.runs_at:
            inner = machine.instance.tags.kind in self.inner_kinds
            public = None if inner else f"192.0.2.{len(self.machines)}"
            machine.instance = replace(machine.instance, state=InstanceState.RUNNING, public_ip=public)
        return machine.instance


def host_key(instance_id: str) -> str:
    """Return the host key of a fake machine."""
    return f"ssh-ed25519 KEY-OF-{instance_id}"


@dataclass
class FakeNetwork:
    """Answers SSH probes.

    Attributes:
        deaf: for node names, why they never let anybody in.
        known_hosts: contents of the known-hosts files written, by path.
        outputs: for node names, what every command prints there.
    """

    deaf: dict[str, Failure] = field(default_factory=dict)
    known_hosts: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def probe(self, targets: Sequence[SshTarget]) -> Mapping[str, ProbeResult]:
        """Let everybody in who is not deaf."""
        return {target.name: self._answer(target) for target in targets}

    def write_known_hosts(self, cluster: ClusterRecord, path: str) -> None:
        """Remember what would be written."""
        self.known_hosts[path] = [f"{node.name} {key}" for node in cluster.nodes for key in node.host_keys]

    def output(self, target: SshTarget, known_hosts: str, command: str, seconds: float) -> str:
        """Return what it was told that commands print there."""
        if target.name not in self.outputs:
            raise ReadinessError(f"node {target.name}: {command}: not found")
        return self.outputs[target.name]

    def _answer(self, target: SshTarget) -> ProbeResult:
        if target.name in self.deaf:
            return ProbeResult(failure=self.deaf[target.name])
        if target.via and (target.via.name in self.deaf or not target.via.host_keys):
            failure = Failure(layer=Layer.GATEWAY, message=f"through {target.via.name}: it is deaf")
            return ProbeResult(failure=failure)
        return ProbeResult(host_keys=target.host_keys or (f"ssh-ed25519 SEEN-AT-{target.name}",))


@dataclass
class FakeSetup:
    """Configures nothing and says so node by node.

    Attributes:
        failing: for node names, the error their setup ends in.
        working: for node names, what they are at work on; it does not end by itself.
        stubborn: for node names, why they cannot be taken out of the services.
        unverified: groups that bring no check.
        broken: what keeps a setup as a whole from going on; empty if nothing.
        jobs: what it was asked to do.
        refused: raised by the check before anything is made.
        keys: for kinds of nodes, what changes with what is installed on them.
        master: name of the node whose scheduler is asked; empty: there is none.
    """

    failing: dict[str, str] = field(default_factory=dict)
    working: dict[str, str] = field(default_factory=dict)
    stubborn: dict[str, str] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()
    broken: str = ""
    jobs: list[SetupJob] = field(default_factory=list)
    refused: ElastiClusterError | None = None
    meanwhile: Callable[[], None] = lambda: None
    keys: dict[str, str] = field(default_factory=dict)
    master: str = ""

    def check(self, cluster: ClusterRecord) -> None:
        """Say no if told to."""
        if self.refused:
            raise self.refused

    def make_secrets(self, cluster: ClusterRecord) -> Mapping[str, str]:
        """Make one secret, once."""
        return {} if "munge_key" in cluster.secrets else {"munge_key": f"secret of {cluster.uuid}"}

    def image_key(self, kind: str) -> str:
        """Return what it was told; nothing can be installed ahead of time for other kinds."""
        return self.keys.get(kind, "")

    def bake(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Do as for a setup, without a check."""
        return replace(self.setup(job, tell), checked=frozenset())

    def setup(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Note the job; every usable node that is not failing passes."""
        self.jobs.append(job)
        self.meanwhile()
        usable = [
            node.name
            for node in job.cluster.nodes
            if node.usable and (not job.joining or node.name in job.joining)
        ]
        for name in usable:
            tell(NodeDone(Phase.SETUP, name, self.failing.get(name, "")))
        return SetupResult(
            failures={
                n: Failure(layer=Layer.SETUP, message=m) for n, m in self.failing.items() if n in usable
            },
            checked=frozenset(usable) - frozenset(self.failing),
            unverified=self.unverified,
            error=self.broken,
        )

    def busy(self, job: SetupJob, tell: Listener) -> Mapping[str, str]:
        """Return what it was told that nodes are at work on."""
        names = {node.name for node in job.cluster.nodes if node.usable}
        return {name: work for name, work in self.working.items() if name in names}

    def scheduler(self, cluster: ClusterRecord, ask: Ask) -> Scheduler | None:
        """Return what the master prints: a line ``NODE STATE`` for each worker."""
        if not self.master:
            return None
        try:
            lines = ask(self.master, "workers").splitlines()
        except ReadinessError as error:
            return Scheduler(name="fake", error=error.message)
        states = dict(line.split() for line in lines)
        workers = {name: Worker(state=state, usable=state == "idle") for name, state in states.items()}
        return Scheduler(name="fake", workers=workers)

    def leave(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Note the job; every node leaves that is not stubborn."""
        self.jobs.append(job)
        self.meanwhile()
        failures = {
            name: Failure(layer=Layer.SETUP, message=why)
            for name, why in self.stubborn.items()
            if name in job.leaving
        }
        return SetupResult(failures=failures)
