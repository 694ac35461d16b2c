"""What a node's container is made of, and what it finds on its first boot."""

from __future__ import annotations

import io
import shlex
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.exceptions import KeypairError
from elasticluster.model import InstanceRequest, Tags
from elasticluster.naming import object_name
from elasticluster.providers.common.tags import to_strings
from elasticluster.providers.docker.flavors import Flavor
from elasticluster.providers.docker.labels import SSH_PORT

if TYPE_CHECKING:
    from docker import APIClient

FUSE = Path("/dev/fuse")
STATE_DIR = "/var/lib/elasticluster"
"""Directory in a node with one directory for each instance id; see ``first-boot.sh``."""

_CONF_DIR = "etc/elasticluster"

_INIT = "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /sbin/init"
# A cgroup tree of the container's own. Showing the host's to it, as recipes on the net do, makes all
# nodes' systemd share one tree, and newer ones do not even start their journal on it.

_CAPABILITIES = [
    "SYS_ADMIN",  # the mount above, systemd's own mounts, FUSE
    "NET_ADMIN",
    "SYS_PTRACE",  # MPI's shared-memory transport
    "SYS_NICE",
]


def network_name(tags: Tags) -> str:
    """Return the name of a cluster's network."""
    return object_name(tags.name, tags.uuid)


def volume_name(tags: Tags) -> str:
    """Return the name of the volume that is a cluster's ``/home``."""
    return object_name(tags.name, tags.uuid, "home")


def container_options(api: APIClient, image: str, flavor: Flavor, tags: Tags, shared: Tags) -> dict[str, Any]:
    """Return the arguments that make a node's container (:meth:`docker.APIClient.create_container`).

    Args:
        api: the container engine.
        image: the node's image.
        flavor: its size.
        tags: its tags.
        shared: those of the network and volume of its cluster, which may have had another name then.
    """
    network = network_name(shared)
    return {
        "image": image,
        "entrypoint": ["/bin/sh", "-c", _INIT],
        "name": object_name(tags.name, tags.uuid, tags.node),
        "hostname": tags.node,
        "user": "root",
        "working_dir": "/",
        "environment": {"container": "docker", "TERM": "dumb"},  # no colours on the console
        "labels": to_strings(tags),
        "tty": True,  # makes /dev/console, so that what happens at boot can be read
        "stop_signal": "SIGRTMIN+3",  # systemd's "halt"; SIGTERM would take ten seconds
        "ports": [SSH_PORT],
        "host_config": _host_config(api, flavor, shared),
        "networking_config": {"EndpointsConfig": {network: api.create_endpoint_config(aliases=[tags.node])}},
    }


def _host_config(api: APIClient, flavor: Flavor, shared: Tags) -> Any:
    from docker.types import LogConfig

    return api.create_host_config(
        network_mode=network_name(shared),
        port_bindings={SSH_PORT: ("127.0.0.1",)},
        binds={volume_name(shared): {"bind": "/home", "mode": "rw"}},
        tmpfs={"/run": "mode=755", "/run/lock": "mode=1777", "/tmp": "exec,mode=1777"},  # noqa: S108 - the node's
        cap_add=_CAPABILITIES,
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        cgroupns="private",
        devices=[f"{FUSE}:{FUSE}:rwm"] if FUSE.exists() else [],
        nano_cpus=int(flavor.cpus * 1_000_000_000),
        mem_limit=flavor.memory,
        memswap_limit=flavor.memory,
        shm_size=flavor.memory // 2,  # as on a machine of that size; MPI uses it
        log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
    )


def first_boot_files(instance_id: str, name: str, request: InstanceRequest) -> bytes:
    """Return a tar archive with what ``first-boot.sh`` reads, to be unpacked at ``/``.

    Raises:
        KeypairError: the public key cannot be read.
    """
    facts = {"instance": instance_id, "user": request.spec.image_user, "name": name}
    node = "".join(f"{key}={shlex.quote(value)}\n" for key, value in facts.items())
    files = {"node": (node, 0o600), "authorized_keys": (_public_key(request), 0o600)}
    if request.spec.image_userdata.strip():
        files["userdata"] = (_script(request.spec.image_userdata), 0o700)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo(_CONF_DIR)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for file, (text, mode) in files.items():
            _add(archive, f"{_CONF_DIR}/{file}", text, mode)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, path: str, text: str, mode: int) -> None:
    data = text.encode()
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(data), mode
    archive.addfile(member, io.BytesIO(data))


def _script(text: str) -> str:
    """Return user data as a file that can be executed."""
    return text if text.startswith("#!") else f"#!/bin/sh\n{text}\n"


def _public_key(request: InstanceRequest) -> str:
    path = Path(request.key.public_path).expanduser()
    try:
        return path.read_text(encoding="utf-8").strip() + "\n"
    except (OSError, UnicodeDecodeError) as exc:
        raise KeypairError(f"Cannot read the public key '{path}': {exc}") from exc
