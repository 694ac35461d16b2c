"""The documented contracts of providers: a third party writes a few verbs and gets the rest."""

from __future__ import annotations

import contextlib
import inspect
import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

from elasticluster.config.masking import presentable, secret_texts, without
from elasticluster.engine import trace
from elasticluster.engine.events import Listener
from elasticluster.engine.pool import default_workers, run_all
from elasticluster.engine.ports import Created
from elasticluster.exceptions import (
    CloudProviderError,
    CredentialsError,
    InstanceError,
    InstanceNotFoundError,
    UnsupportedError,
)
from elasticluster.model import (
    ClusterRecord,
    ImageRequest,
    Instance,
    InstanceRequest,
    InstanceState,
    Json,
    KeyPair,
    NodeSpec,
    NodeState,
    PreparedImage,
    Resource,
    Tags,
)

R = TypeVar("R")

SSH_PORT = 22
_SECURITY_GROUP = "default"
"""What a third party is told where none is named: the contract wants a name, and every cloud has this one."""
_PRIVATE_NETWORKS = [
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]
"""Addresses that mean nothing outside of a cloud (RFC 1918, RFC 6598, RFC 4193)."""


class Remembered:
    """Remembers what it was made with, so that it can be made again in another process.

    Attributes:
        init_arguments: arguments of the constructor by name, as given.
    """

    init_arguments: Mapping[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Note the arguments here: a third party's ``__init__`` may not call ours."""
        made = super().__new__(cls)
        signature = inspect.signature(cls.__init__)
        bound = signature.bind(made, *args, **kwargs).arguments
        given = dict(list(bound.items())[1:])
        for parameter in signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                given |= given.pop(parameter.name, {})
        made.init_arguments = given
        return made


class AbstractCloudProvider(Remembered, ABC):
    """A cloud. A third party writes the four abstract methods; threads may call them at the same time.

    Everything else that the engine wants is done here in terms of those four, with a weaker promise
    than the providers that come with ElastiCluster give:

    - Instances carry no tags. :meth:`list_instances` answers from the ids that this object has started
      or was told by :meth:`adopt`; an instance whose start was cut short by a crash is not found again.
    - Every look at the instances costs a call for each of them.
    - SSH host keys have to be believed on first contact.
    - Clusters cannot be paused, unless the provider has two more methods: ``pause_instance(instance_id)``
      stops an instance and keeps its disk, ``resume_instance(instance_id)`` starts it again.

    Any method that takes an id raises :class:`elasticluster.exceptions.InstanceNotFoundError` if there is
    no such instance (any more). What else they raise is taken to pass, and not to mean that it is gone.

    A provider that can do better overrides the methods of :class:`elasticluster.engine.ports.CloudProvider`.

    Args:
        **config: the keys of the ``[cloud/NAME]`` section; kept as :attr:`config`.
    """

    polling_interval: float = 10
    """Seconds between two looks at instances that are on their way."""

    delivers_host_keys: bool = False

    host_key_patience: float = 0
    """Seconds for which host keys that the cloud may tell are waited for; 0: it never tells them."""

    tags_instances: bool = False
    """Whether machines carry what was written on them, so that a lost reply is found again by listing."""

    captures_instances: bool = False
    """Whether images can be made of machines."""

    def __init__(self, **config: Any) -> None:
        self.config = config

    @abstractmethod
    def start_instance(
        self,
        key_name: str,
        public_key_path: str,
        private_key_path: str,
        security_group: str,
        flavor: str,
        image_id: str,
        image_userdata: str,
        username: str | None = None,
        node_name: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Start a new instance; return as soon as it is accepted, not when it runs.

        Args:
            key_name: name of the SSH key pair.
            public_key_path: path of its public key.
            private_key_path: path of its private key.
            security_group: firewall rules to apply.
            flavor: size of the machine.
            image_id: operating system to boot.
            image_userdata: command to run after the start.
            username: user to let in with the key.
            node_name: name of the node in its cluster.
            **kwargs: ``cluster_name``, and further keys of the node's section. A method without
                ``**kwargs`` gets those that it names.

        Returns:
            the instance's id: a string, or a dict with the key ``instance_id``.
        """

    @abstractmethod
    def stop_instance(self, instance_id: str) -> None:
        """Destroy an instance for good."""

    @abstractmethod
    def get_ips(self, instance_id: str) -> list[str]:
        """Return an instance's addresses; each may carry a port (``IP:2222``).

        The first public one and the first private one are remembered, and the public one is connected to
        if there is one.
        """

    @abstractmethod
    def is_instance_running(self, instance_id: str) -> bool:
        """Return whether an instance is up and running."""

    def adopt(self, cluster: ClusterRecord) -> None:
        """Learn which instances a cluster has, from its record."""
        for node in cluster.nodes:
            if node.instance_id:
                tags = Tags(
                    uuid=cluster.uuid,
                    name=cluster.name,
                    template=cluster.template,
                    owner=cluster.owner,
                    created=str(cluster.created),
                    kind=node.kind,
                    batch=node.batch or "",
                    node=node.name,
                )
                self._known.setdefault(node.instance_id, tags)
                if node.state is NodeState.PAUSED:
                    self._paused.add(node.instance_id)

    def account(self) -> str:
        """Return that nobody knows."""
        return ""

    def preflight(self, cluster: ClusterRecord, requests: Sequence[InstanceRequest], tell: Listener) -> None:
        """Check nothing: a cloud known by four verbs cannot be asked."""

    def prepare(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Make nothing."""

    def create_instances(self, request: InstanceRequest) -> Created:
        """Start one instance for each name, several at a time."""
        workers = request.max_parallel or default_workers()
        return created(attempt_all(lambda name: self._start(request, name), request.names, workers))

    def list_instances(self, cluster: str | None = None) -> list[Instance]:
        """Return the instances that this object has started or was told of, without those that are gone.

        One that cannot be looked at is on its way, with the error as its ``reason``: so the others go on,
        it can be stopped, and it is neither given up nor made a second time for an error that passes.

        Raises:
            CredentialsError: the cloud does not let us in, so nothing is known of any instance.
        """
        ids = [one for one, tags in list(self._known.items()) if cluster in {None, tags.uuid}]
        found = attempt_all(self._look, ids, default_workers())
        for error in errors_of(found).values():
            raise error
        return [one for one in found.values() if isinstance(one, Instance)]

    def stop_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Stop every instance; one that the provider says does not exist counts as stopped."""
        return errors_of(attempt_all(self._stop, ids, default_workers()))

    def pause_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Stop instances by the provider's ``pause_instance``; without one each has an error."""
        errors = self._by_verb("pause_instance", "stop an instance and keep its disk", ids)
        self._paused.update(set(ids) - set(errors))
        return errors

    def resume_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Start instances again by the provider's ``resume_instance``; without one each has an error."""
        errors = self._by_verb("resume_instance", "start a stopped instance again", ids)
        self._paused.difference_update(set(ids) - set(errors))
        return errors

    def list_resources(self, cluster: str | None = None) -> list[Resource]:
        """Return nothing, as :meth:`prepare` makes nothing."""
        return []

    def release(self, cluster: str) -> None:
        """Remove nothing, as :meth:`prepare` makes nothing."""

    def host_keys(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return no keys."""
        return {}

    def console_output(self, instance_id: str) -> str:
        """Return no output."""
        return ""

    def image_base(self, spec: NodeSpec) -> str:
        """Return nothing: no image is made, so none has to fit."""
        return ""

    def capture_instances(self, requests: Sequence[ImageRequest]) -> Mapping[str, CloudProviderError]:
        """Make no image; each instance has an error."""
        cannot = UnsupportedError(
            f"{type(self).__name__} cannot make images of instances.",
            hint="Without images, `start` installs everything itself.",
        )
        return dict.fromkeys([request.instance_id for request in requests], cannot)

    def list_images(self) -> list[PreparedImage]:
        """Return none."""
        return []

    def remove_images(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Remove nothing, as there is nothing."""
        return {}

    def node_vars(self, node_flavor: str) -> Mapping[str, Json]:
        """Return nothing: the node itself knows best."""
        return {}

    @property
    def _known(self) -> dict[str, Tags]:
        """Tags by instance id; made on use, as a third party's ``__init__`` may not call ours."""
        known: dict[str, Tags] = self.__dict__.setdefault("_known_instances", {})
        return known

    @property
    def _paused(self) -> set[str]:
        """Ids of instances that were paused: the four verbs do not tell a stopped one from a new one."""
        paused: set[str] = self.__dict__.setdefault("_paused_instances", set())
        return paused

    @contextlib.contextmanager
    def _foreign_code(self, what: str) -> Iterator[None]:
        """Note a call of a third party's code, and turn whatever it raises into an error of ours."""
        try:
            with trace.call(what):
                yield
        except CloudProviderError:
            raise
        except Exception as exc:
            raise InstanceError(f"{what} failed: {told(exc, self)}") from exc

    def _start(self, request: InstanceRequest, name: str) -> Instance:
        spec = request.spec
        arguments = {
            **spec.extra,
            "key_name": request.key.name,
            "public_key_path": request.key.public_path,
            "private_key_path": request.key.private_path,
            "security_group": spec.security_group or _SECURITY_GROUP,
            "flavor": spec.flavor,
            "image_id": spec.image_id,
            "image_userdata": spec.image_userdata,
            "cluster_name": request.tags.name,
            "username": spec.image_user,
            "node_name": name,
        }
        with self._foreign_code("start_instance"):
            answer = self.start_instance(**_accepted(self.start_instance, arguments))
        instance_id = answer.get("instance_id") if isinstance(answer, Mapping) else answer
        if not isinstance(instance_id, str) or not instance_id:
            raise self._no_id(instance_id, name)
        tags = replace(request.tags, node=name)
        self._known[instance_id] = tags
        return Instance(id=instance_id, state=InstanceState.PENDING, tags=tags)

    def _no_id(self, instance_id: Any, name: str) -> InstanceError:
        """Destroy a machine whose id cannot be remembered, if there is one, and return the error for that."""
        end = ""
        try:
            if instance_id:
                with self._foreign_code("stop_instance"):
                    self.stop_instance(instance_id)
                end = "; its machine was destroyed again"
        except CloudProviderError as exc:
            end = f"; its machine may run, and nobody else knows of it: {exc.message}"
        return InstanceError(
            f"{type(self).__name__}.start_instance returned {instance_id!r} for node '{name}', "
            f"not the id of an instance as text{end}.",
            hint="Let it return a text, as by str().",
        )

    def _by_verb(self, verb: str, doing: str, ids: Sequence[str]) -> dict[str, CloudProviderError]:
        """Call a method that a provider may or may not have with each id; return what went wrong."""
        method: Callable[[str], object] | None = getattr(self, verb, None)
        if method is None:
            missing = UnsupportedError(f"{type(self).__name__} cannot {doing}: it has no `{verb}`.")
            return dict.fromkeys(ids, missing)

        def call(instance_id: str) -> None:
            with self._foreign_code(verb):
                method(instance_id)

        return errors_of(attempt_all(call, ids, default_workers()))

    def _look(self, instance_id: str) -> Instance | None:
        """Return an instance as it is now, or None if it does not exist."""
        machine = Instance(id=instance_id, state=InstanceState.PENDING, tags=self._known[instance_id])
        try:
            with self._foreign_code("is_instance_running"):
                running = self.is_instance_running(instance_id)
            with self._foreign_code("get_ips"):
                addresses = _sorted_out(self.get_ips(instance_id) if running else None)
        except InstanceNotFoundError:
            return None
        except CredentialsError:
            raise
        except CloudProviderError as exc:
            return replace(machine, reason=exc.message)
        if not running:
            return replace(machine, state=InstanceState.STOPPED) if instance_id in self._paused else machine
        public, private, port = addresses
        return replace(
            machine,
            state=InstanceState.RUNNING,
            public_ip=public,
            private_ip=private,
            ssh_port=port,
        )

    def _stop(self, instance_id: str) -> None:
        with contextlib.suppress(InstanceNotFoundError), self._foreign_code("stop_instance"):
            self.stop_instance(instance_id)
        self._known.pop(instance_id, None)
        self._paused.discard(instance_id)


class AbstractSetupProvider(Remembered, ABC):
    """Configures clusters. A third party writes the two abstract methods.

    Such a provider says yes or no for a whole cluster: which node failed, and whether a node really
    works, is not known of it.
    """

    HUMAN_READABLE_NAME: str = ""
    """What people call it."""

    @abstractmethod
    def setup_cluster(self, cluster: Any, extra_args: Sequence[str] = ()) -> bool:
        """Configure all nodes of a cluster; safe to be called again and again.

        Args:
            cluster: an :class:`elasticluster.cluster.Cluster`.
            extra_args: further arguments for the configuration tool. A method without this parameter
                is called without it.

        Returns:
            whether the cluster is configured, even if nothing had to be done.
        """

    @abstractmethod
    def cleanup(self, cluster: Any = None) -> None:
        """Remove what was made for setting up a cluster; called whenever a cluster is stopped.

        Args:
            cluster: an :class:`elasticluster.cluster.Cluster`. A method without this parameter is
                called without it.
        """


def attempt_all(
    work: Callable[[str], R], items: Sequence[str], workers: int
) -> dict[str, R | CloudProviderError]:
    """Do something to every item, and return what came of each: a result, or the error that it raised."""

    def attempt(item: str) -> R | CloudProviderError:
        try:
            return work(item)
        except CloudProviderError as exc:
            return exc

    return dict(zip(items, run_all(attempt, items, workers), strict=True))


def errors_of(outcomes: Mapping[str, object]) -> dict[str, CloudProviderError]:
    """Return those of the outcomes of :func:`attempt_all` that are errors."""
    return {item: one for item, one in outcomes.items() if isinstance(one, CloudProviderError)}


def created(outcomes: Mapping[str, Instance | CloudProviderError]) -> Created:
    """Return the outcomes, by node name, of an attempt to make instances."""
    instances = tuple(one for one in outcomes.values() if isinstance(one, Instance))
    return Created(instances=instances, failures=errors_of(outcomes))


def without_secrets(text: str, kind: type[Any], arguments: Mapping[str, Any]) -> str:
    """Return what a third party's code has said, without the secrets that it was given.

    Args:
        text: what it said.
        kind: the class of a provider; tables beside it (``CLOUD_KEYS``, ``SETUP_KEYS``) say what is secret,
            and names do.
        arguments: what it was made with.
    """
    module = inspect.getmodule(kind)
    keys = (*getattr(module, "CLOUD_KEYS", ()), *getattr(module, "SETUP_KEYS", ()))
    secrets = secret_texts(arguments, names=[key.name for key in keys if key.secret])
    return presentable("", without(text, secrets))


def told(error: BaseException, provider: object) -> str:
    """Return the kind and the words of an error that a provider's code has raised, without secrets."""
    text = f"{type(error).__name__}: {error}"
    return without_secrets(text, type(provider), getattr(provider, "init_arguments", {}))


def _accepted(function: Callable[..., object], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those arguments that a function takes."""
    parameters = inspect.signature(function).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}


def _sorted_out(addresses: Iterable[str] | None) -> tuple[str | None, str | None, int]:
    """Return (public address, private address, SSH port of the first of them), of each sort the first.

    Addresses of one link (169.254.…, fe80:…) are left out: nobody else can connect to them.

    Raises:
        TypeError: they are no list of texts.
    """
    known = [*filter(None, addresses or ())]
    if isinstance(addresses, (str, bytes)) or not all(isinstance(one, str) for one in known):
        raise TypeError(f"it returned {addresses!r}, not a list of addresses")
    split = [pair for pair in (_split_port(one) for one in known) if not _is_of_link(pair[0])]
    public = [pair for pair in split if not _is_private(pair[0])]
    private = [pair for pair in split if _is_private(pair[0])]
    port = next((port for _, port in public + private), SSH_PORT)
    return public[0][0] if public else None, private[0][0] if private else None, port


def _split_port(address: str) -> tuple[str, int]:
    """Split ``host``, ``host:port`` or ``[v6]:port``; a bare IPv6 address has many colons and no port."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.startswith("[")):
        return address.strip("[]"), SSH_PORT
    return host.strip("[]"), int(port)


def _is_private(host: str) -> bool:
    address = _address(host)
    return address is not None and any(address in network for network in _PRIVATE_NETWORKS)


def _is_of_link(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_link_local


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None  # a name
