"""Nodes as containers on one's own computer."""

from __future__ import annotations

import io
import logging
import re
import tarfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.engine.create import tags_of
from elasticluster.engine.events import Listener
from elasticluster.engine.pool import run_all
from elasticluster.engine.ports import Created
from elasticluster.exceptions import CloudProviderError, ImageError, InstanceError, InstanceNotFoundError
from elasticluster.model import (
    ClusterRecord,
    ImageRequest,
    Instance,
    InstanceRequest,
    InstanceState,
    Json,
    KeyPair,
    NodeSpec,
    PreparedImage,
    Resource,
    Tags,
)
from elasticluster.providers.base import attempt_all, created, errors_of
from elasticluster.providers.common.bulk import BulkCloudProvider
from elasticluster.providers.common.tags import to_strings, to_tags
from elasticluster.providers.docker import checks, images, labels, node, prepared
from elasticluster.providers.docker.client import CONFLICT, NOT_FOUND, Engine
from elasticluster.providers.docker.flavors import Flavor, custom_flavors, parse_flavor

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger("elasticluster")

WORKERS = 4
"""Calls at a time: the engine sets up one network connection after the other, more only wait."""

_CONSOLE_LINES = 100
_HOST_KEY_RE = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+")
_CONTROL_RE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")  # colours, and line ends of a terminal
_STOP_TIMEOUT = 30  # seconds that the services of a node have to end; then it is killed
_REMOVAL_TIMEOUT = 60  # seconds that a removal begun by somebody else may take


class DockerProvider(BulkCloudProvider):
    """The container engine on one's own computer, used as a cloud.

    A node is a container with systemd and an SSH server that is reached through a port of 127.0.0.1.
    A cluster has a network and a volume, its ``/home``, of its own. Nodes get what a cloud gives to a
    machine on its first boot: the user with the key, SSH host keys of its own, user data.

    Containers are not virtual machines: whoever is root in a node is close to root on this computer.

    Args:
        docker_host: address of the engine as in ``DOCKER_HOST``; empty: where the ``docker`` command
            would find it.
        flavors: flavors of your own, each ``NAME=2cpu-4ram``.
        **config: further keys of the cloud section, kept as they are.

    Raises:
        ConfigurationError: an entry of `flavors` cannot be understood.
    """

    polling_interval = 0.5
    delivers_host_keys = True
    captures_instances = True

    def __init__(self, docker_host: str = "", flavors: Iterable[str] = (), **config: Any) -> None:
        listed = tuple(flavors)
        super().__init__(docker_host=docker_host, flavors=listed, **config)
        self._engine = Engine(docker_host)
        self._custom = custom_flavors(listed)
        self._shared: dict[str, Tags] = {}
        self._resumed: set[str] = set()
        self._preparing = threading.Lock()

    def preflight(self, cluster: ClusterRecord, requests: Sequence[InstanceRequest], tell: Listener) -> None:
        """Check engine, flavors and this computer's limits, and build the images that are missing.

        Raises:
            CloudProviderError: it will not work; the message says how to mend it.
        """
        sizes = [parse_flavor(request.spec.flavor, self._custom) for request in requests]
        present = sum(one.state is InstanceState.RUNNING for one in self.list_instances())
        wanted = sum(len(request.names) for request in requests)
        if not wanted:
            return
        checks.check_machine(self._engine, sizes, wanted, present, tell)
        for image_id in dict.fromkeys(request.spec.image_id for request in requests if not request.image):
            images.ensure(self._engine, image_id, tell)

    def prepare(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Make the cluster's network and its ``/home``; does nothing where they exist."""
        with self._preparing:  # the engine would make two networks of one name
            self._prepare(tags_of(cluster))

    def create_instances(self, request: InstanceRequest) -> Created:
        """Make and start one container for each name; each that fails leaves the others alone."""
        try:
            flavor = parse_flavor(request.spec.flavor, self._custom)
            image = request.image or images.ensure(self._engine, request.spec.image_id)
        except CloudProviderError as exc:
            return Created(failures=dict.fromkeys(request.names, exc))
        workers = min(request.max_parallel or WORKERS, WORKERS)
        made = attempt_all(lambda name: self._make(request, name, flavor, image), request.names, workers)
        return created(made)

    def list_instances(self, cluster: str | None = None) -> list[Instance]:
        """Return all containers that carry our labels: one call, and one more for each that went down."""
        with self._engine.use("list containers") as api:
            found = api.containers(all=True, filters=labels.cluster_filter(cluster))
        ours = [summary for summary in found if to_tags(summary["Labels"]).uuid]
        return [self._to_instance(summary) for summary in ours]

    def stop_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Remove containers, running or not; one that does not exist counts as removed."""
        return errors_of(attempt_all(self._remove, ids, WORKERS))

    def pause_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Stop containers as their systemd wants it; they keep their files, and so does ``/home``."""
        return errors_of(attempt_all(self._pause, ids, WORKERS))

    def resume_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Start stopped containers again; the ports that they are reached through change."""
        return errors_of(attempt_all(self._resume, ids, WORKERS))

    def list_resources(self, cluster: str | None = None) -> list[Resource]:
        """Return the networks and volumes that carry our labels, in two calls to the engine."""
        wanted = labels.cluster_filter(cluster)
        with self._engine.use("list networks and volumes") as api:
            networks = api.networks(filters=wanted)
            volumes = api.volumes(filters=wanted)["Volumes"] or []
        found = [("network", one["Name"], one["Labels"]) for one in networks]
        found += [("volume", one["Name"], one["Labels"]) for one in volumes]
        return [Resource(type=kind, id=name, tags=to_tags(given)) for kind, name, given in found]

    def release(self, cluster: str) -> None:
        """Remove the network and the ``/home`` of the cluster of that UUID."""
        with self._engine.use("remove the cluster's network and volume") as api:
            for network in api.networks(filters=labels.cluster_filter(cluster)):
                _remove_network(api, network["Id"])
            for volume in api.volumes(filters=labels.cluster_filter(cluster))["Volumes"] or []:
                _unless_missing(api.remove_volume, volume["Name"])

    def host_keys(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the host keys that nodes made on their first boot, read through the engine."""
        keys = dict(zip(ids, run_all(self._host_keys, ids, WORKERS), strict=True))
        return {instance_id: found for instance_id, found in keys.items() if found}

    def console_output(self, instance_id: str) -> str:
        """Return the end of what the container wrote at boot, and of its journal if it runs."""
        try:
            with self._engine.use(f"read the console of '{instance_id}'") as api:
                text = api.logs(instance_id, tail=_CONSOLE_LINES) + _journal(api, instance_id)
        except InstanceNotFoundError:
            return ""
        return _CONTROL_RE.sub("", text.decode(errors="replace"))

    def image_base(self, spec: NodeSpec) -> str:
        """Return the reference of the node image; empty if its base has to be fetched first."""
        return images.node_reference(self._engine, spec.image_id)

    def capture_instances(self, requests: Sequence[ImageRequest]) -> Mapping[str, CloudProviderError]:
        """Stop containers and make images of them; what is on volumes, as ``/home``, is not in them."""
        wanted = {request.instance_id: request for request in requests}
        return errors_of(attempt_all(lambda one: self._capture(wanted[one]), [*wanted], WORKERS))

    def list_images(self) -> list[PreparedImage]:
        """Return all images made of containers, with one call."""
        return prepared.listed(self._engine)

    def remove_images(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Remove images; the engine keeps one that a container was made of."""
        return errors_of(attempt_all(lambda image: prepared.remove(self._engine, image), ids, WORKERS))

    def node_vars(self, node_flavor: str) -> Mapping[str, Json]:
        """Return ``cpus`` and ``memory_mb`` of a flavor, and that names and ``/home`` are shared.

        A container sees all processors and all memory of the computer; what it may use is told here.

        Raises:
            FlavorError: there is no such flavor.
        """
        flavor = parse_flavor(node_flavor, self._custom)
        shared = {"shared_home": "volume", "resolver": "provider"}
        return {"cpus": flavor.whole_cpus, "memory_mb": flavor.memory_mb, **shared}

    def _find(self, instance_id: str) -> Instance | None:
        return super()._find(labels.short_id(instance_id))

    def _prepare(self, tags: Tags) -> None:
        with self._engine.use(f"look for the network of cluster '{tags.name}'") as api:
            tags = self._shared[tags.uuid] = _shared_tags(api, tags)
        described = to_strings(tags)
        network, volume = node.network_name(tags), node.volume_name(tags)
        with self._engine.use(f"make the network '{network}'") as api:
            _make_network(api, network, described, labels.cluster_filter(tags.uuid))
        with self._engine.use(f"make the volume '{volume}'") as api:
            api.create_volume(volume, labels=described)  # one of that name is left as it is

    def _make(self, request: InstanceRequest, name: str, flavor: Flavor, image: str) -> Instance:
        """Make and start one container, without the prepared image if somebody has removed that meanwhile."""
        try:
            return self._make_of(request, name, flavor, image)
        except ImageError:
            if not request.image:
                raise
        log.warning("The image '%s' is gone: node '%s' is set up from the beginning.", image, name)
        return self._make_of(request, name, flavor, images.ensure(self._engine, request.spec.image_id))

    def _make_of(self, request: InstanceRequest, name: str, flavor: Flavor, image: str) -> Instance:
        """Make and start one container; a second call with the same token finds the first one's."""
        tags = replace(request.tags, node=name, batch=request.token)
        with self._engine.use(f"make a container for node '{name}'", InstanceError) as api:
            shared = self._shared.get(tags.uuid, tags)
            options = node.container_options(api, image, flavor, tags, shared)
            found = _create_or_find(api, options, tags)
            if found.state is InstanceState.RUNNING:
                return found
            try:
                api.put_archive(found.id, "/", node.first_boot_files(found.id, name, request))
                api.start(found.id)
            except BaseException:
                _unless_missing(api.remove_container, found.id, v=True, force=True)
                raise
        return replace(found, state=InstanceState.PENDING, reason="")

    def _remove(self, instance_id: str) -> None:
        with self._engine.use(f"remove the container '{instance_id}'", InstanceError) as api:
            _unless_missing(self._own, api, instance_id)
            _remove_container(api, instance_id)

    def _pause(self, instance_id: str) -> None:
        with self._engine.use(f"stop the container '{instance_id}'", InstanceError) as api:
            self._own(api, instance_id)
            api.stop(instance_id, timeout=_STOP_TIMEOUT)

    def _capture(self, request: ImageRequest) -> None:
        with self._engine.use(f"look at the container '{request.instance_id}'", ImageError) as api:
            self._own(api, request.instance_id)
        prepared.capture(self._engine, request)

    def _own(self, api: APIClient, instance_id: str) -> Mapping[str, Any]:
        """Return what the engine says of a container of ours: a record may name any, whoever wrote it.

        Raises:
            InstanceError: it is not one of ours, or of another cluster than the one whose record names it.
        """
        found: Mapping[str, Any] = api.inspect_container(instance_id)
        uuid = to_tags(found["Config"]["Labels"] or {}).uuid
        known = self._known.get(instance_id)
        if not uuid or (known and known.uuid != uuid):
            raise InstanceError(
                f"The container '{instance_id}' is left alone: it is no node of this cluster.",
                hint=f"`docker inspect {instance_id}` says what it is.",
            )
        return found

    def _resume(self, instance_id: str) -> None:
        self._resumed.add(instance_id)
        with self._engine.use(f"start the container '{instance_id}'", InstanceError) as api:
            if self._own(api, instance_id)["State"]["Paused"]:  # by hand: it was frozen as it ran
                api.unpause(instance_id)
            else:
                api.start(instance_id)

    def _to_instance(self, summary: Mapping[str, Any]) -> Instance:
        """Return a container as an instance.

        One that was up before has not failed at boot: this computer, or its engine, went down at once. It can
        be started again with all that is on it. If it ends so as soon as we have started it, it is broken.
        """
        found = labels.to_instance(summary)
        if found.state is InstanceState.RUNNING:
            self._resumed.discard(found.id)
        went_down = labels.init_failed(summary) and found.id not in self._resumed
        if went_down and self._host_keys(found.id):
            return replace(found, state=InstanceState.STOPPED, reason="")
        return found

    def _host_keys(self, instance_id: str) -> tuple[str, ...]:
        with self._engine.use(f"read the host keys of '{instance_id}'") as api:
            text = _read_file(api, instance_id, f"{node.STATE_DIR}/{instance_id}/host_keys")
        return tuple(match[0] for match in map(_HOST_KEY_RE.match, text.splitlines()) if match)


def _create_or_find(api: APIClient, options: Mapping[str, Any], tags: Tags) -> Instance:
    """Make a container, or return the one that the same create call has made before."""
    from docker.errors import APIError

    try:
        made = labels.short_id(api.create_container(**options)["Id"])
    except APIError as exc:
        if exc.status_code != CONFLICT:
            raise
        name = options["name"]
        for summary in api.containers(all=True, filters={"name": f"^/{name}$"}):
            found = labels.to_instance(summary)
            if (found.tags.uuid, found.tags.node, found.tags.batch) == (tags.uuid, tags.node, tags.batch):
                return found
        raise InstanceError(
            f"A container called '{name}' exists, and it is not the one that was asked for.",
            hint=f"Look at it with `docker inspect {name}`; remove it if nobody needs it.",
        ) from exc
    return Instance(id=made, state=InstanceState.PENDING, tags=tags)


def _shared_tags(api: APIClient, tags: Tags) -> Tags:
    """Return the tags of what a cluster's nodes share, as it was made, else those to make it with.

    A cluster that was adopted or imported may be called something else since.
    """
    for network in api.networks(filters=labels.cluster_filter(tags.uuid)):
        return to_tags(network["Labels"])
    return tags


def _make_network(api: APIClient, name: str, described: dict[str, str], ours: Mapping[str, Any]) -> None:
    """Make a network unless it exists; another thread may make it at the same time."""
    from docker.errors import APIError

    if api.networks(filters=ours):
        return
    try:
        api.create_network(name, driver="bridge", check_duplicate=True, labels=described)
    except APIError as exc:
        if exc.status_code != CONFLICT or not api.networks(filters=ours):
            raise


def _remove_container(api: APIClient, instance_id: str) -> None:
    from docker.errors import APIError

    try:
        _unless_missing(api.remove_container, instance_id, v=True, force=True)
    except APIError as exc:
        if exc.status_code != CONFLICT:
            raise
        # Somebody else is removing it.
        _unless_missing(api.wait, instance_id, timeout=_REMOVAL_TIMEOUT, condition="removed")


def _remove_network(api: APIClient, network: str) -> None:
    """Remove a network, and first whatever hangs on to it: it may belong to a container half gone."""
    from docker.errors import APIError

    try:
        left = api.inspect_network(network).get("Containers") or {}
    except APIError as exc:
        if exc.status_code == NOT_FOUND:
            return
        raise
    for container in left:
        _unless_missing(api.disconnect_container_from_network, container, network, force=True)
    _unless_missing(api.remove_network, network)


def _unless_missing(call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Make a call to the engine that has nothing to do if the thing is not there."""
    from docker.errors import APIError

    try:
        call(*args, **kwargs)
    except APIError as exc:
        if exc.status_code != NOT_FOUND:
            raise


def _read_file(api: APIClient, instance_id: str, path: str) -> str:
    """Return the text of a file in a container; empty if either is not there (yet)."""
    from docker.errors import APIError

    try:
        stream, _ = api.get_archive(instance_id, path)
        archive = b"".join(stream)
    except APIError:
        return ""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.next()
        file = tar.extractfile(member) if member else None
        return file.read().decode(errors="replace") if file else ""


def _journal(api: APIClient, instance_id: str) -> bytes:
    """Return the end of a running container's journal."""
    from docker.errors import APIError

    command = ["journalctl", "--boot", "--no-pager", f"--lines={_CONSOLE_LINES}"]
    try:
        run = api.exec_create(instance_id, command)
        output: bytes = api.exec_start(run["Id"])
    except APIError:
        return b""  # it does not run
    return output
