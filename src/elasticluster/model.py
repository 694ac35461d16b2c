"""The values that travel between the parts: records of clusters and nodes, instances, outcomes.

All of them are immutable; a change makes a new one (:func:`dataclasses.replace`). They hold only what
JSON can hold, apart from enumerations (which are strings) and each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self, TypeAlias

Json: TypeAlias = Any
"""None, bool, int, float, str, or a list or dict of these."""


class NodeState(StrEnum):
    """How far a node has come, as last seen by us."""

    PLANNED = "planned"  # has a name; nothing was asked of the cloud yet
    CREATING = "creating"  # a create call was announced; the instance may or may not exist
    RUNNING = "running"  # the cloud says that it runs
    REACHABLE = "reachable"  # SSH login works and the host key is pinned
    CONFIGURED = "configured"  # set up, without a check that proves it
    READY = "ready"  # set up, and its check passed
    DOWN = "down"  # not usable; `failure` says why
    PAUSED = "paused"
    LEAVING = (
        "leaving"  # given up on purpose: no service counts on it any more, its machine is to be destroyed
    )


class InstanceState(StrEnum):
    """What a cloud says of an instance, in one vocabulary for all clouds."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"  # exists, keeps its disk, can be started again
    TERMINATED = "terminated"  # is gone or about to be
    ERROR = "error"


class Layer(StrEnum):
    """What failed, from the outside in; users are told this first."""

    CREATE = "create"
    BOOT = "boot"
    NO_ADDRESS = "no address"
    GATEWAY = "gateway"  # the node of the cluster through which this one is reached
    PROXY = "proxy command"
    REFUSED = "connection refused"
    TIMED_OUT = "timed out"
    HOST_KEY = "host key"
    LOGIN = "login"
    SETUP = "setup"
    CHECK = "check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a node is not usable.

    Attributes:
        layer: what failed.
        message: one line for people.
        evidence: what there is to look at: end of the console output, standard error of a task …
    """

    layer: Layer
    message: str
    evidence: str = ""

    def __str__(self) -> str:
        return f"{self.layer}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """What a node of a kind is made of.

    Attributes:
        kind: kind of node, e.g. ``compute``.
        image_id: image to boot, in the provider's words (``debian-13``, ``ami-…``).
        image_user: user to log in as.
        flavor: size, in the provider's words (``2cpu-4ram``, ``m1.small``).
        security_group: firewall rules, in the provider's words; empty: the cluster's own.
        image_userdata: shell script run once, as root, after boot; empty for none.
        extra: further provider-specific keys, e.g. ``boot_disk_size``.
    """

    kind: str
    image_id: str
    image_user: str
    flavor: str
    security_group: str = ""
    image_userdata: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node of a cluster, as we remember it.

    Attributes:
        name: name in the cluster and host name, e.g. ``compute001``.
        spec: what it is made of.
        state: how far it has come.
        instance_id: the cloud's name for its machine; None before it is known.
        batch: token of the create call that was announced for it; None before that.
        public_ip: address reachable from here, preferred for connections; may be a name.
        private_ip: address inside the cluster's network.
        ssh_port: TCP port of SSH at `public_ip` (or `private_ip`, if that is the only one).
        host_keys: pinned SSH host keys, each ``"ssh-ed25519 AAAA…"``.
        failure: why it is down; None otherwise.
    """

    name: str
    spec: NodeSpec
    state: NodeState = NodeState.PLANNED
    instance_id: str | None = None
    batch: str | None = None
    public_ip: str | None = None
    private_ip: str | None = None
    ssh_port: int = 22
    host_keys: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def kind(self) -> str:
        """Kind of node."""
        return self.spec.kind

    @property
    def address(self) -> str | None:
        """Address to connect to: the public one if there is one."""
        return self.public_ip or self.private_ip

    @property
    def staying(self) -> bool:
        """Whether the node is to be a part of the cluster."""
        return self.state is not NodeState.LEAVING

    @property
    def untagged(self) -> bool:
        """Whether its machine was made by a program that writes no tags, so that no listing shows it."""
        return bool(self.instance_id) and not self.batch

    @property
    def usable(self) -> bool:
        """Whether SSH login has worked and nothing has failed since."""
        return self.state in _USABLE

    def failed(self, layer: Layer, message: str, evidence: str = "") -> Self:
        """Return this node marked as down."""
        failure = Failure(layer=layer, message=message, evidence=evidence)
        return replace(self, state=NodeState.DOWN, failure=failure)


SET_UP = frozenset({NodeState.CONFIGURED, NodeState.READY})
"""States of a node that takes part in the cluster's services."""

_USABLE = frozenset({NodeState.REACHABLE, NodeState.CONFIGURED, NodeState.READY})


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRef:
    """How to make a provider again in a new process.

    Attributes:
        type: name of an entry point (``docker``) or import path (``package.module:Class``).
        args: keyword arguments of its constructor; None for a secret that is not stored, as the
            configuration or the environment has it.
        section: name of the configuration section it came from; empty if it was made in Python.
    """

    type: str
    args: Mapping[str, Json] = field(default_factory=dict, repr=False)
    section: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to get into a cluster's nodes, besides each node's ``image_user``.

    Attributes:
        user_key_name: name of the key pair on the cloud.
        user_key_public: path of the public key; empty: a key pair is generated for this cluster.
        user_key_private: path of the private key; empty with a public one: an SSH agent holds it.
        image_sudo: whether commands are run through sudo.
        image_user_sudo: the user that sudo turns into.
        proxy_command: ``ssh -o ProxyCommand``, with ``%h``, ``%p`` and ``%r``; empty for none.
        probe_timeout: seconds that one SSH attempt may take.
    """

    user_key_name: str = "elasticluster-key"
    user_key_public: str = ""
    user_key_private: str = ""
    image_sudo: bool = True
    image_user_sudo: str = "root"
    proxy_command: str = ""
    probe_timeout: float = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRecord:
    """A cluster, as we remember it: everything needed to use it again in a new process.

    Attributes:
        uuid: its identity, in every tag and label of what is made for it.
        name: its name, for people and for commands.
        template: the ``[cluster/NAME]`` section it was made from.
        owner: ``user@host`` and a short hash of the storage path of whoever made it.
        created: when, seconds since the epoch.
        cloud: its cloud provider.
        setup: its setup provider.
        login: how to get in.
        kinds: kinds of nodes in the template's order, also those without nodes.
        nodes: its nodes, grouped by kind in that order, each kind in order of creation.
        min_nodes: for each kind the least number of nodes to go on with; all of them if missing.
        ssh_to: kind or name of the node that `ssh` and `sftp` go to; empty: found by rule.
        start_timeout: seconds that instances may take to run, and again to answer SSH.
        start_failure: what becomes of the machines of a start that ends without enough usable nodes:
            ``keep`` or ``stop`` (only those that it made itself).
        ready: whether the last setup ended with every check passed.
        secrets: passwords and keys made for this cluster, by name; never shown.
        extra: anything else the template or the caller gave.
    """

    uuid: str
    name: str
    template: str
    owner: str = ""
    created: float = 0.0
    cloud: ComponentRef
    setup: ComponentRef
    login: Login = field(default_factory=Login)
    kinds: tuple[str, ...] = ()
    nodes: tuple[NodeRecord, ...] = ()
    min_nodes: Mapping[str, int] = field(default_factory=dict)
    ssh_to: str = ""
    start_timeout: float = 600
    start_failure: str = "keep"
    ready: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra: Mapping[str, Json] = field(default_factory=dict)

    def node(self, name: str) -> NodeRecord | None:
        """Return the node called `name`, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def of_kind(self, kind: str) -> tuple[NodeRecord, ...]:
        """Return the nodes of `kind`, in order of creation."""
        return tuple(node for node in self.nodes if node.kind == kind)

    def without(self, names: Collection[str]) -> Self:
        """Return this cluster without some nodes; no kind needs more nodes than are left of it."""
        nodes = tuple(node for node in self.nodes if node.name not in names)
        left = Counter(node.kind for node in nodes)
        least = {kind: min(count, left[kind]) for kind, count in self.min_nodes.items()}
        return replace(self, nodes=nodes, min_nodes=least)

    def with_nodes(self, *changed: NodeRecord) -> Self:
        """Return this cluster with the nodes of the same names replaced."""
        new = {node.name: node for node in changed}
        return replace(self, nodes=tuple(new.get(node.name, node) for node in self.nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What is written on everything made on a cloud; found again by :attr:`uuid`.

    A provider stores each field under its own prefix (``elasticluster.uuid`` as a Docker label).
    `node` is empty where one call makes several instances that cannot be tagged one by one.
    """

    uuid: str
    name: str
    template: str
    owner: str
    created: str
    kind: str = ""
    batch: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A machine on a cloud, as the cloud describes it.

    Attributes:
        id: the cloud's name for it.
        state: what the cloud says of it.
        tags: what we wrote on it.
        public_ip: address reachable from here, or None.
        private_ip: address inside its network, or None.
        ssh_port: TCP port of SSH at `public_ip`.
        launch_index: its place in the create call that made it; orders the unnamed.
        reason: the cloud's own words where `state` is an error or termination.
    """

    id: str
    state: InstanceState
    tags: Tags
    public_ip: str | None = None
    private_ip: str | None = None
    ssh_port: int = 22
    launch_index: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something on a cloud that machines of a cluster share, as the cloud describes it.

    Attributes:
        type: what it is, in the cloud's words: ``network``, ``volume``, ``security group`` …
        id: the cloud's name for it.
        tags: what we wrote on it.
    """

    type: str
    id: str
    tags: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """The key pair for logging in.

    Attributes:
        name: its name on the cloud.
        public_path: path of the public key.
        private_path: path of the private key; empty: only an SSH agent has it.
    """

    name: str
    public_path: str
    private_path: str

    @property
    def identity(self) -> str:
        """Path of the half to log in with; of a public one, an SSH agent holds the other half."""
        return self.private_path or self.public_path


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRequest:
    """One create call: some nodes that differ only in name.

    Attributes:
        token: idempotency token; a call that a library sends again after a lost reply makes the
            instances once.
        spec: what they are made of.
        names: the nodes' names, in launch order.
        tags: to be written on each, with `node` filled in where the cloud can do that.
        key: key pair to let in.
        max_parallel: at most so many calls at the same time; 0: as many as the provider sees fit.
        image: id of the prepared image to boot instead of the spec's; empty for none.
    """

    token: str
    spec: NodeSpec
    names: tuple[str, ...]
    tags: Tags
    key: KeyPair
    max_parallel: int = 0
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """An image to be made of a machine.

    Attributes:
        instance_id: the machine.
        key: what the image is found by: it changes with everything that is in it.
        tags: to be written on the image; `kind` is that of the nodes it is for.
    """

    instance_id: str
    key: str
    tags: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedImage:
    """An image that was made of a machine, as the cloud describes it.

    Attributes:
        id: the cloud's name for it.
        key: as it was asked for.
        tags: what we wrote on it.
        size: bytes; 0 if the cloud does not tell.
    """

    id: str
    key: str
    tags: Tags
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SshTarget:
    """Where and how to log in to a node.

    Attributes:
        name: the node's name; host keys are known under it.
        host: address.
        port: TCP port.
        user: user to log in as.
        key_path: private key, or a public one whose other half an agent holds; empty: any key of the agent.
        public_key_path: public half of a private key, by which an agent's is known; empty: ``KEY_PATH.pub``.
        host_keys: keys to accept; empty: accept and report what the host shows (first contact).
        proxy_command: ``ProxyCommand``; empty for none.
        via: the node to go through; None: directly, or by the proxy command.
        timeout: seconds for the attempt.
    """

    name: str
    host: str
    port: int
    user: str
    key_path: str
    public_key_path: str = ""
    host_keys: tuple[str, ...] = ()
    proxy_command: str = ""
    via: SshTarget | None = None
    timeout: float = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What one SSH attempt found: the host's keys if the login worked, else which layer failed."""

    host_keys: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupResult:
    """What configuring a cluster came to, or what taking nodes out of its services did.

    Attributes:
        failures: for each node that is not usable, or could not be taken out, why.
        checked: names of the nodes that a check proved to work.
        unverified: groups in use that brought no check.
        changed: for each node, how many tasks changed something.
        error: what kept the whole run from going on (a playbook that cannot be read …); empty if nothing.
    """

    failures: Mapping[str, Failure] = field(default_factory=dict)
    checked: frozenset[str] = frozenset()
    unverified: tuple[str, ...] = ()
    changed: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


class Verdict(StrEnum):
    """How a `start` or `setup` ended; the last lines printed say the same in words."""

    READY = "ready"
    PARTLY_READY = "partly ready"  # quorum reached; some nodes are lost
    NOT_VERIFIED = "not verified"  # set up; a group in use brought no check
    NOT_CONFIGURED = "not configured"  # setup was not asked for
    NOT_READY = "not ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The end of a `start` or `setup`: one outcome a node.

    Attributes:
        cluster: the cluster as it is now.
        verdict: how it ended.
        lost: nodes that are not usable, with their failures.
        unverified: groups in use that brought no check.
        error: what concerns the cluster as a whole; empty if nothing.
        changed: for each node, how many setup tasks changed something.
        undone: names of the nodes whose machines were made and, since there were too few, destroyed again.
    """

    cluster: ClusterRecord
    verdict: Verdict
    lost: Mapping[str, Failure] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()
    error: str = ""
    changed: Mapping[str, int] = field(default_factory=dict)
    undone: tuple[str, ...] = ()
