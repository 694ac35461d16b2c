"""Images that tests start from."""

from __future__ import annotations

import fcntl
import io
import subprocess
import tempfile
from pathlib import Path

from docker import APIClient
from docker.errors import ImageNotFound

from elasticluster.providers.docker.client import Engine
from elasticluster.providers.docker.images import ensure

BARE_PACKAGES = ("systemd", "systemd-sysv", "openssh-server")
SLURM_PACKAGES = (  # all but those for MPI, which are as large as the others together
    *("dnsmasq-base", "munge", "slurm-client", "slurmctld", "slurmd"),
    *("mariadb-server", "slurm-wlm-mysql-plugin", "slurmdbd"),
)
_WITH_SLURM = """
FROM {base}
RUN printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 0755 /usr/sbin/policy-rc.d \\
    && apt-get -qq update \\
    && DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Options::=--force-unsafe-io \\
        install -y --no-install-recommends {packages} \\
    && systemctl disable munge mariadb slurmctld slurmd slurmdbd \\
    && rm -rf /usr/sbin/policy-rc.d /etc/munge/munge.key /var/lib/munge/munge.seed /var/lib/apt/lists/*
"""


def bare_image(client: APIClient, release: str = "trixie") -> str:
    """Return a Debian image with an init and an SSH server and nothing else: no Python, no sudo."""
    return _debian(client, release, BARE_PACKAGES)


def minimal_image(client: APIClient, release: str = "trixie") -> str:
    """Return a Debian image like those for single programs: not even an init."""
    return _debian(client, release, ())


def slurm_image(client: APIClient, release: str = "debian-13") -> str:
    """Return a node's image with the packages of Slurm and its accounting, none of them configured.

    For tests whose subject is what comes after: the packages are most of the time of a start. That they are
    installed, also on a node that joins, is the subject of others. It is built once, and kept.
    """
    base = ensure(Engine(), release)
    reference = f"elasticluster/test:slurm_{base.partition(':')[2]}"
    with Path(__file__).open("rb") as lock:  # several processes run tests
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            client.inspect_image(reference)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            recipe = _WITH_SLURM.format(base=base, packages=" ".join(SLURM_PACKAGES))
            file = io.BytesIO(recipe.encode())
            steps = list(client.build(fileobj=file, tag=reference, rm=True, forcerm=True, decode=True))
            assert not any("error" in step for step in steps), steps[-3:]
    return reference


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
