"""What the engine needs from the outside world.

Adapters implement these protocols without inheriting from them. The documented abstract classes
(:class:`elasticluster.providers.AbstractCloudProvider` and its siblings) implement them in terms of the
few verbs that a third party has to write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from elasticluster.engine.events import Listener
from elasticluster.engine.scheduler import Ask, Scheduler
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import (
    ClusterRecord,
    ImageRequest,
    Instance,
    InstanceRequest,
    Json,
    KeyPair,
    NodeSpec,
    PreparedImage,
    ProbeResult,
    Resource,
    SetupResult,
    SshTarget,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What a create call came to: the instances made, and what kept the others from being made.

    Attributes:
        instances: those made; their tags carry the node's name where the cloud can do that.
        failures: for each name without an instance, the error.
    """

    instances: tuple[Instance, ...] = ()
    failures: Mapping[str, CloudProviderError] = field(default_factory=dict)


class CloudProvider(Protocol):
    """A cloud, or the container engine on one's own computer.

    Every method may be called from several threads. Errors are :class:`CloudProviderError`.
    """

    polling_interval: float
    """Seconds between two looks at instances that are on their way."""

    delivers_host_keys: bool
    """Whether :meth:`host_keys` is certain to tell the keys of every instance in the end.

    No key is believed on first contact then, and no node is logged in to before its keys are known.
    """

    host_key_patience: float
    """Seconds for which host keys that may be told are waited for after SSH has first answered.

    A console shows them some seconds later than that. 0: they are never told, and never asked for.
    """

    tags_instances: bool
    """Whether machines carry what was written on them, so that a lost reply is found again by listing."""

    captures_instances: bool
    """Whether images can be made of machines: whether :meth:`capture_instances` works."""

    def account(self) -> str:
        """Return whose account or project is used, as the cloud names it; empty if it does not tell.

        Asked for often: an answer that costs a call is remembered.
        """

    def preflight(self, cluster: ClusterRecord, requests: Sequence[InstanceRequest], tell: Listener) -> None:
        """Check everything that can be checked before the first machine is made, and prepare it.

        Builds or finds images, checks credentials, flavors, quota and what else the cloud can say no to.
        Makes nothing that belongs to the cluster.

        Raises:
            CloudProviderError: it will not work; the message says how to mend it.
        """

    def prepare(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Make what the cluster's instances need and share (network, volume, security group, key pair).

        Does nothing where it exists already. Called after the cluster is safely on disk.

        Args:
            cluster: the cluster.
            key: key pair that its nodes let in.

        Raises:
            CloudProviderError: something cannot be made, or a key of that name is another one.
        """

    def create_instances(self, request: InstanceRequest) -> Created:
        """Make the instances of one request; return as soon as they are accepted, not when they run.

        Never raises for a single instance: what failed is in the result.
        """

    def list_instances(self, cluster: str | None = None) -> list[Instance]:
        """Return all instances that carry our tags; only those of the cluster of that UUID if given."""

    def stop_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Destroy instances for good; one that does not exist counts as destroyed.

        Returns:
            for each instance that may still exist, the error.
        """

    def pause_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Stop instances and keep their disks; afterwards :meth:`list_instances` says that they are stopped.

        One that is stopped already counts as stopped.

        Returns:
            for each instance that could not be stopped, the error.
        """

    def resume_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Start stopped instances again; their addresses may be others afterwards.

        Returns:
            for each instance that could not be started, the error.
        """

    def list_resources(self, cluster: str | None = None) -> list[Resource]:
        """Return what :meth:`prepare` has made: for the cluster of that UUID, or for any."""

    def release(self, cluster: str) -> None:
        """Remove what :meth:`prepare` made for the cluster of that UUID; what is gone is no error."""

    def host_keys(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the SSH host keys of instances, had through the cloud and not over the network.

        Where they are not certain to come, and there is a call for each instance, that many are made: each
        instance is asked for twice at most in a start, when SSH has first answered and when
        :attr:`host_key_patience` is over.

        Returns:
            ``"TYPE BASE64"`` lines by instance id; those that cannot be had (yet) are left out.
        """

    def console_output(self, instance_id: str) -> str:
        """Return the last lines an instance wrote to its console; empty if there are none."""

    def image_base(self, spec: NodeSpec) -> str:
        """Return what changes whenever the content of the image changes that such a node boots.

        Empty as long as that is not known; it is after :meth:`preflight`.
        """

    def capture_instances(self, requests: Sequence[ImageRequest]) -> Mapping[str, CloudProviderError]:
        """Make images of machines; return when they can be booted.

        The machines are stopped for that and need not run again. An image comes into being as a whole or
        not at all: :meth:`list_images` shows none that is not complete.

        Returns:
            for each machine, by its id, of which there is no image, the error.
        """

    def list_images(self) -> list[PreparedImage]:
        """Return all images that carry our tags, those of other owners too."""

    def remove_images(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Remove images; one that does not exist counts as removed, one that is in use stays.

        Returns:
            for each image that may still exist, the error.
        """

    def node_vars(self, node_flavor: str) -> Mapping[str, Json]:
        """Return what roles are told about a flavor.

        ``cpus`` (int) and ``memory_mb`` (int) are its size, which schedulers have to be told; ``gpus`` is
        its number of GPUs (int). ``shared_home`` is ``"volume"`` where the cloud itself shares ``/home``, and
        ``resolver`` is ``"provider"`` where its name service knows the nodes by their names. What the cloud
        cannot tell is left out: users then say it by variables.
        """


class SshProber(Protocol):
    """Finds out whether nodes let us in, and keeps what was learnt for OpenSSH."""

    def probe(self, targets: Sequence[SshTarget]) -> Mapping[str, ProbeResult]:
        """Try every target once, all at the same time.

        Returns:
            a result for each target, by the target's name.
        """

    def write_known_hosts(self, cluster: ClusterRecord, path: str) -> None:
        """Write the pinned keys of all nodes under their names and present addresses, all or nothing."""

    def output(self, target: SshTarget, known_hosts: str, command: str, seconds: float) -> str:
        """Run a shell command on a node, without a terminal and without input.

        Args:
            target: the node.
            known_hosts: path of the cluster's known-hosts file.
            command: what its shell is to run.
            seconds: how long that may take, with the login.

        Returns:
            its standard output.

        Raises:
            ReadinessError: the node does not let us in, the command fails, or takes longer.
        """


class SetupProvider(Protocol):
    """Configures the nodes of a cluster."""

    def check(self, cluster: ClusterRecord) -> None:
        """Check groups, variables and playbooks before any machine is made.

        Raises:
            ConfigurationError: a variable, group or playbook is wrong; all problems are named.
        """

    def make_secrets(self, cluster: ClusterRecord) -> Mapping[str, str]:
        """Return secrets that this cluster's roles need and that it does not have yet, newly made."""

    def image_key(self, kind: str) -> str:
        """Return what changes whenever other things would be installed on nodes of a kind.

        Empty where nothing can be installed ahead of time.
        """

    def bake(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Install what the usable nodes need, each for its kind, and make them fit to be made images of.

        Nothing is configured and no service is started. Afterwards nothing on them is secret, or belongs to
        one machine only; so nobody can log in any more.
        """

    def setup(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Configure the usable nodes of a cluster, then prove that they work. Safe to repeat.

        If ``job.joining`` names nodes, only these are set up, and whoever has to know of new members (the
        masters of the services) is told of them; nothing is changed on the others.
        """

    def busy(self, job: SetupJob, tell: Listener) -> Mapping[str, str]:
        """Return what nodes are at work on (``"job 17"``), by name; idle ones are left out.

        Raises:
            SetupProviderError: no service could be asked.
        """

    def scheduler(self, cluster: ClusterRecord, ask: Ask) -> Scheduler | None:
        """Return what the cluster's scheduler says of nodes and queues; None if there is none.

        One that does not answer is in the result, with the reason. Nothing is changed.

        Args:
            cluster: the cluster.
            ask: runs a command on one of its nodes.
        """

    def leave(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Take the nodes in ``job.leaving`` out of the cluster's services, so that their machines can go.

        They get no new work. If ``job.wait_for_jobs``, what they are at work on comes to its end first,
        however long that takes; else it ends now. Nothing is changed on the other nodes but the masters.
        Safe to repeat. A node that could not be taken out is in the result's failures; `error` concerns all.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupJob:
    """What a setup provider works on.

    Attributes:
        cluster: the cluster; nodes that are not usable are not to be touched.
        key: key pair to log in with.
        known_hosts_path: file with the pinned host keys.
        node_vars: facts about each node's flavor (``cpus``, ``memory_mb``), by node name.
        joining: names of the nodes that are new to a cluster whose others are set up; empty: set up all.
        leaving: names of the nodes to take out of the services; empty but for :meth:`SetupProvider.leave`.
        wait_for_jobs: whether a node that leaves may first end what it is at work on.
        extra_args: further arguments for the configuration tool, given by the user.
        verbosity: 0 quiet … 4 everything.
    """

    cluster: ClusterRecord
    key: KeyPair
    known_hosts_path: str
    node_vars: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    joining: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    wait_for_jobs: bool = True
    extra_args: tuple[str, ...] = ()
    verbosity: int = 0


class ClusterStore(Protocol):
    """Where clusters are remembered."""

    def names(self) -> list[str]:
        """Return the names of all stored clusters, sorted."""

    def load(self, name: str) -> ClusterRecord:
        """Return a cluster as last saved or journaled.

        Raises:
            ClusterNotFound: there is none of that name.
            StateError: what is stored cannot be read, or a newer version wrote it.
        """

    def save(self, cluster: ClusterRecord) -> None:
        """Store a cluster; when this returns it survives a power cut."""

    def journal(self, cluster: ClusterRecord, changed: Sequence[str]) -> None:
        """Store the nodes of these names only; cheap, and as durable as :meth:`save`."""

    def delete(self, name: str) -> None:
        """Forget a cluster and everything kept for it; one that is not there is no error."""

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Keep other processes from changing the cluster of that name; ends with the process.

        Raises:
            ClusterLocked: another process holds it.
        """

    def known_hosts_path(self, name: str) -> str:
        """Return the path of the cluster's known-hosts file."""

    def trace_path(self, name: str) -> str:
        """Return the path of the trace of what was last done with the cluster; see :mod:`.trace`."""

    def key_pair(self, cluster: ClusterRecord) -> KeyPair:
        """Return the key pair of a cluster: the template's, else its own, generated on first use.

        Raises:
            KeypairError: a key file is missing, unreadable, of an unsupported type, or the two do not match.
        """


class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now(self) -> float:
        """Return seconds that only go forward."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
