"""Images that tests start from."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from docker import APIClient
from docker.errors import ImageNotFound

BARE_PACKAGES = ("systemd", "systemd-sysv", "openssh-server")


def bare_image(client: APIClient, release: str = "trixie") -> str:
    """Return a Debian image with an init and an SSH server and nothing else: no Python, no sudo."""
    return _debian(client, release, BARE_PACKAGES)


def minimal_image(client: APIClient, release: str = "trixie") -> str:
    """Return a Debian image like those for single programs: not even an init."""
    return _debian(client, release, ())


def _debian(client: APIClient, release: str, packages: tuple[str, ...]) -> str:
    """Return an image made once, from mmdebstrap's mirror, and kept under a name that tells what is in it."""
    repository, tag = "elasticluster/test", "_".join([release, *packages])
    try:
        client.inspect_image(f"{repository}:{tag}")  # type: ignore[no-untyped-call]
    except ImageNotFound:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            Path(folder).chmod(0o755)
            archive = f"{folder}/bare.tar"
            command = ["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io"]
            command += [f"--include={package}" for package in packages]
            subprocess.run([*command, release, archive], check=True)
            client.import_image_from_file(archive, repository=repository, tag=tag)
    return f"{repository}:{tag}"
