"""Machines for the instances of a test cloud: containers with the addresses that the cloud has given them.

They are what a cloud's machines are: systemd, an SSH server, a user with the key pair's public key, user
data, host keys of their own that are written to the console. ``/home`` is a volume that all of them share.
"""

from __future__ import annotations

import contextlib
import ipaddress
import random
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import docker
from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from elasticluster.model import InstanceRequest, KeyPair, NodeSpec, Tags
from elasticluster.naming import new_uuid, object_name
from elasticluster.providers.docker import DockerProvider, images, node
from elasticluster.providers.docker.client import Engine
from elasticluster.providers.docker.flavors import parse_flavor

LABEL = "elasticluster-tests"
IMAGE = "debian-13"

PRIVATE = ipaddress.ip_network("10.64.0.0/10")
"""Where the networks of machines are, each of 16 bits."""

PUBLIC = ipaddress.ip_network("198.51.100.0/24")
"""Where their public addresses are, each network of 28 bits: nobody on earth has them (RFC 5737)."""

_AT_A_TIME = 2

_OWN_FILES = """
for file in hostname hosts resolv.conf; do
    text=$(cat "/etc/$file")
    umount "/etc/$file"
    [ -e /etc/.machine ] || printf '%s\\n' "$text" >"/etc/$file"
done
: >/etc/.machine
"""
"""A machine's own files, which the engine mounts into a container: nobody could put others in their place."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A machine as the cloud says that it is.

    Attributes:
        instance_id: its id on the cloud.
        private_ip: its address in the network.
        public_key: line of the public key that lets the user in; empty: nobody gets in.
        user: the user that the image has.
        user_data: script that is run once.
        public_ip: its public address, one of :attr:`Machines.public`; None if it has none.
        running: whether it is up.
    """

    instance_id: str
    private_ip: str
    public_key: str
    user: str = "debian"
    user_data: str = ""
    public_ip: str | None = None
    running: bool = True


class Machines:
    """The machines of one test cloud.

    Args:
        prefix: beginning of the names of all that is made on the container engine.
        subnet: addresses of the cloud's network (CIDR), the first one the gateway's; empty: some are chosen.
        flavor: size of each machine, as the docker provider has it.
        image: what they boot, as the docker provider has it.

    Attributes:
        subnet: addresses of the cloud's network.
        public: public addresses (CIDR); the first one is taken.
    """

    def __init__(self, prefix: str, subnet: str = "", flavor: str = "1cpu-1ram", image: str = IMAGE) -> None:
        self._shared = Tags(uuid=new_uuid(), name=prefix, template="", owner="tests", created="0")
        self._flavor = parse_flavor(flavor, {})
        self._engine = Engine()
        self._api = docker.from_env(timeout=120).api
        self._image = images.ensure(self._engine, image)
        self._labels = {LABEL: prefix}
        self._present: dict[str, Wanted] = {}
        self._guard = threading.Lock()
        self._networks: list[str] = []
        self._volume = node.volume_name(self._shared)
        self._api.create_volume(self._volume, labels=self._labels)
        try:
            name = node.network_name(self._shared)
            self.subnet = self._make_network(name, [subnet] if subnet else networks_of(PRIVATE, 16))
            self.public = self._make_network(f"{name}-public", networks_of(PUBLIC, 28))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def create(
        self,
        instance_id: str,
        private_ip: str,
        public_key: str,
        user: str = "debian",
        user_data: str = "",
        public_ip: str | None = None,
    ) -> None:
        """Make and start a machine; return before it is up."""
        wanted = Wanted(
            instance_id=instance_id,
            private_ip=private_ip,
            public_key=public_key,
            user=user,
            user_data=user_data,
            public_ip=public_ip,
        )
        options = self._options(wanted)
        self._present[instance_id] = replace(wanted, public_ip=None)
        made = self._api.create_container(**options)["Id"]
        self._api.put_archive(made, "/", self._first_boot_files(wanted))
        self._api.start(made)
        self.give_public(instance_id, public_ip)

    def stop(self, instance_id: str) -> None:
        """Stop a machine; it keeps its disk."""
        self._present[instance_id] = replace(self._present[instance_id], running=False)
        self._api.stop(self._name(instance_id), timeout=10)

    def start(self, instance_id: str) -> None:
        """Start a stopped machine again."""
        self._present[instance_id] = replace(self._present[instance_id], running=True)
        self._api.start(self._name(instance_id))

    def destroy(self, instance_id: str) -> None:
        """Remove a machine; none is no error."""
        self._present.pop(instance_id, None)
        with contextlib.suppress(NotFound):
            self._api.remove_container(self._name(instance_id), force=True, v=True)

    def give_public(self, instance_id: str, public_ip: str | None) -> None:
        """Let a machine have a public address, or none; it answers on that as on its own."""
        present = self._present[instance_id]
        if present.public_ip == public_ip:
            return
        container, network = self._name(instance_id), self._networks[1]
        if present.public_ip:
            self._api.disconnect_container_from_network(container, network, force=True)
        if public_ip:
            self._api.connect_container_to_network(container, network, ipv4_address=public_ip)
        self._present[instance_id] = replace(present, public_ip=public_ip)

    def console(self, instance_id: str) -> str:
        """Return what a machine has written to its console: its host keys, as cloud-init does."""
        keys = DockerProvider().host_keys([self._name(instance_id)])
        return console(instance_id, [key for found in keys.values() for key in found])

    def reconcile(self, wanted: Sequence[Wanted]) -> None:
        """Make, start, stop and remove machines until they are as the cloud says."""
        with self._guard:
            there = {machine.instance_id: machine for machine in wanted}
            with ThreadPoolExecutor(_AT_A_TIME) as pool:
                list(pool.map(self.destroy, [one for one in self._present if one not in there]))
                list(pool.map(self._follow, there.values()))

    @contextlib.contextmanager
    def following(
        self, look: Callable[[], Sequence[Wanted]], say: Callable[[str, str], None] = lambda *_: None
    ) -> Iterator[None]:
        """Keep the machines as the cloud says for the length of a ``with`` block.

        Args:
            look: returns what the cloud says.
            say: hears a machine's id and its console, once its host keys are there.
        """
        end = threading.Event()
        said: set[str] = set()

        def follow() -> None:
            while not end.wait(0.2):
                wanted = look()
                self.reconcile(wanted)
                for one in {machine.instance_id for machine in wanted if machine.running} - said:
                    if text := self.console(one):
                        say(one, text)
                        said.add(one)

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(follow)
            try:
                yield
            finally:
                end.set()
                running.result()

    def close(self) -> None:
        """Remove everything."""
        for container in self._api.containers(all=True, filters=self._ours):
            with contextlib.suppress(NotFound):
                self._api.remove_container(container["Id"], force=True, v=True)
        for network in self._networks:
            self._api.remove_network(network)
        self._networks.clear()
        with contextlib.suppress(NotFound):
            self._api.remove_volume(self._volume)
        self._api.close()

    @property
    def _ours(self) -> dict[str, Any]:
        return {"label": [f"{LABEL}={self._shared.name}"]}

    def _follow(self, wanted: Wanted) -> None:
        present = self._present.get(wanted.instance_id)
        if present is None:
            if wanted.running:
                self.create(**{key: value for key, value in vars(wanted).items() if key != "running"})
            return
        if present.running != wanted.running:
            (self.start if wanted.running else self.stop)(wanted.instance_id)
        if wanted.running:
            self.give_public(wanted.instance_id, wanted.public_ip)

    def _name(self, instance_id: str) -> str:
        return object_name(self._shared.name, self._shared.uuid, instance_id)

    def _make_network(self, name: str, subnets: Sequence[str]) -> str:
        made = make_network(self._api, name, subnets, self._labels)
        self._networks.append(name)
        return made

    def _options(self, wanted: Wanted) -> dict[str, Any]:
        tags = replace(self._shared, node=wanted.instance_id)
        options = node.container_options(self._api, self._image, self._flavor, tags, self._shared)
        endpoint = self._api.create_endpoint_config(ipv4_address=wanted.private_ip)
        options["networking_config"] = {"EndpointsConfig": {self._networks[0]: endpoint}}
        options["host_config"]["PortBindings"] = {}
        *shell, init = options["entrypoint"]
        options["entrypoint"] = [*shell, _OWN_FILES + init]
        options["labels"] = self._labels
        options["hostname"] = f"ip-{wanted.private_ip.replace('.', '-')}"
        return options

    def _first_boot_files(self, wanted: Wanted) -> bytes:
        with tempfile.NamedTemporaryFile("w", suffix=".pub") as key:
            key.write(wanted.public_key)
            key.flush()
            spec = NodeSpec(kind="", image_id=IMAGE, image_user=wanted.user, flavor="")
            request = InstanceRequest(
                token="",
                spec=replace(spec, image_userdata=wanted.user_data),
                names=(),
                tags=self._shared,
                key=KeyPair(name="", public_path=str(Path(key.name)), private_path=""),
            )
            return node.first_boot_files(self._name(wanted.instance_id), wanted.instance_id, request)


def console(instance_id: str, host_keys: Sequence[str]) -> str:
    """Return what cloud-init writes to a machine's console about its host keys; empty if it has none yet."""
    if not host_keys:
        return ""
    keys = [f"{key} root@{instance_id}" for key in host_keys]
    block = ["-----BEGIN SSH HOST KEY KEYS-----", *keys, "-----END SSH HOST KEY KEYS-----"]
    return "\n".join(["[    0.000000] Linux version 6", *block, "login:", ""])


def networks_of(pool: ipaddress.IPv4Network | ipaddress.IPv6Network, bits: int) -> list[str]:
    """Return the networks of a pool in an order of chance: others look for some at the same time."""
    networks = [str(one) for one in pool.subnets(new_prefix=bits)]
    random.shuffle(networks)
    return networks


def make_network(
    api: APIClient, name: str, subnets: Sequence[str], labels: dict[str, str], gateway: int = 1
) -> str:
    """Make a network on the container engine.

    Args:
        api: the engine.
        name: its name.
        subnets: what its addresses may be; the first that nobody else has are taken.
        labels: its labels.
        gateway: which of its addresses is this computer's.

    Returns:
        its addresses.
    """
    for subnet in subnets:
        pool = IPAMPool(subnet=subnet, gateway=str(ipaddress.ip_network(subnet)[gateway]))
        try:
            api.create_network(name, ipam=IPAMConfig(pool_configs=[pool]), labels=labels)
        except APIError as error:
            if subnet == subnets[-1] or "overlap" not in str(error):
                raise
            continue
        return subnet
    raise ValueError("no subnet is given")
