"""One machine for all instances of a test cloud: it has every address of a network, and a real SSH server.

So a thousand instances cost no more than one. They have one disk and one host key, and let in whoever has a
key at all.
"""

from __future__ import annotations

import contextlib
import functools
import io
import ipaddress
import tarfile
import time
from typing import Self

import docker
from docker.errors import NotFound
from tests.clouds.machines import IMAGE, LABEL, PRIVATE, make_network, networks_of

from elasticluster.naming import new_uuid, object_name
from elasticluster.providers.docker import images
from elasticluster.providers.docker.client import Engine

_USER = "admin"
_SCRIPT = """
set -eu
ip route add local {addresses} dev lo
useradd --create-home --shell /bin/bash --password '*' {user}
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f /etc/host_key
printf '#!/bin/sh\\necho "$1 $2"\\n' >/usr/local/bin/any_key
chmod 0755 /usr/local/bin/any_key
exec /usr/sbin/sshd -D -e -o HostKey=/etc/host_key -o UsePAM=no -o PidFile=none -o MaxStartups=2000 \
    -o AuthorizedKeysCommand='/usr/local/bin/any_key %t %k' -o AuthorizedKeysCommandUser=root
"""


class StandIn:
    """The machine.

    Args:
        prefix: beginning of the names of what is made on the container engine.

    Attributes:
        subnet: addresses of the cloud's network; the machine has those of its first half.
    """

    def __init__(self, prefix: str) -> None:
        self._name = object_name(prefix, new_uuid())
        self._labels = {LABEL: prefix}
        self._api = docker.from_env(timeout=120).api
        image = images.ensure(Engine(), IMAGE)
        try:
            self.subnet = make_network(
                self._api, self._name, networks_of(PRIVATE, 16), self._labels, gateway=-2
            )
            self._begin(image)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @functools.cached_property
    def host_key(self) -> str:
        """The SSH server's host key, ``"TYPE BASE64"``."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(NotFound):
                stream, _ = self._api.get_archive(self._name, "/etc/host_key.pub")
                with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                    file = archive.extractfile("host_key.pub")
                    return " ".join(file.read().decode().split()[:2]) if file else ""
            time.sleep(0.05)
        raise TimeoutError("the machine does not come up")

    def close(self) -> None:
        """Remove the machine and its network."""
        with contextlib.suppress(NotFound):
            self._api.remove_container(self._name, force=True, v=True)
        with contextlib.suppress(NotFound):
            self._api.remove_network(self._name)
        self._api.close()

    def _begin(self, image: str) -> None:
        network = ipaddress.ip_network(self.subnet)
        script = _SCRIPT.format(addresses=next(network.subnets()), user=_USER)
        endpoint = self._api.create_endpoint_config(ipv4_address=str(network[-3]))
        made = self._api.create_container(
            image=image,
            name=self._name,
            entrypoint=["/bin/sh", "-c", script],
            labels=self._labels,
            host_config=self._api.create_host_config(network_mode=self._name, cap_add=["NET_ADMIN"]),
            networking_config={"EndpointsConfig": {self._name: endpoint}},
        )
        self._api.start(made["Id"])
