"""Templates of clusters on test clouds: the one that is shipped for all clouds, and a quick one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clouds.ec2.server import DEBIAN, Ec2Server
from tests.clouds.openstack.cloud import FLAVOR, IMAGE, Project

THREE_CLOUDS = Path(__file__).parents[2] / "examples" / "three-clouds.conf"

ON_MACHINES = {
    "global_var_common_shared_home": "volume",
    "global_var_slurm_accounting": "no",
    "global_var_slurm_mpi": "no",
}
"""Machines of the test clouds share ``/home`` by themselves: a container cannot be a server of NFS. The rest
spares time."""

_QUICK = """
[cloud/{name}]
{cloud}

[login/mine]
image_user=admin

[setup/mine]
{setup}
frontend_groups=front
compute_groups=work

[cluster/slurm]
cloud={name}
login=mine
setup=mine
{cluster}
"""
_TWO_NODES = {"frontend_nodes": "1", "compute_nodes": "1"}


def configure_three_clouds(user: Any, values: Mapping[str, Mapping[str, str]]) -> None:
    """Let a user have the shipped template for all clouds, as it is shipped; what differs is in ``config.d``.

    Args:
        user: the user.
        values: by section, then by key.
    """
    user.configure(THREE_CLOUDS.read_text(encoding="utf-8"))
    sections = {"setup/slurm": ON_MACHINES, **values}
    lines = [
        line
        for section, keys in sections.items()
        for line in [f"[{section}]", *(f"{key}={value}" for key, value in keys.items())]
    ]
    folder = user.home / ".elasticluster/config.d"
    folder.mkdir(exist_ok=True)
    (folder / "test.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")


def account(server: Ec2Server) -> dict[str, str]:
    """Return the keys of ``[cloud/NAME]`` that lead to a server."""
    return {
        "ec2_url": server.url,
        "ec2_region": server.region,
        "ec2_access_key": server.access_key,
        "ec2_secret_key": server.secret_key,
    }


NO_SETUP = "provider=tests.clouds.no_setup:NoSetup"
"""Nodes are not set up at all."""


def quick(server: Ec2Server, setup: str = NO_SETUP, **cluster: str) -> str:
    """Return a template of two nodes on EC2 that are up in a moment.

    Args:
        server: the cloud.
        setup: what ``[setup/mine]`` says.
        **cluster: keys of ``[cluster/slurm]``, which take the place of those that it has.
    """
    cloud = {"provider": "ec2_boto", **account(server)}
    return _quick("ec2", cloud, setup, {"image_id": DEBIAN, "flavor": "t3.micro", **cluster})


def quick_on_openstack(project: Project, cloud: Mapping[str, str], **cluster: str) -> str:
    """Return a template of two nodes on OpenStack that are up in a moment, and not set up.

    Args:
        project: where.
        cloud: further keys of ``[cloud/openstack]``, which take the place of those that it has.
        **cluster: keys of ``[cluster/slurm]``, likewise.
    """
    section = {**project.section, **cloud}
    return _quick("openstack", section, NO_SETUP, {"image_id": IMAGE, "flavor": FLAVOR, **cluster})


def _quick(name: str, cloud: Mapping[str, str], setup: str, cluster: Mapping[str, str]) -> str:
    return _QUICK.format(
        name=name, cloud=_lines(cloud), setup=setup, cluster=_lines(_TWO_NODES | {**cluster})
    )


def _lines(keys: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in keys.items())
