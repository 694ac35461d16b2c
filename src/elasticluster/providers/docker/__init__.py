"""The ``docker`` cloud provider: nodes are containers on one's own computer.

Its configuration keys are here and cost nothing to read: the class is loaded when it is first used, the
Docker SDK with the first call to the container engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elasticluster.config.keys import Key

if TYPE_CHECKING:
    from elasticluster.providers.docker.provider import DockerProvider

CLOUD_KEYS: tuple[Key, ...] = (
    Key(
        "docker_host",
        "str",
        default="",
        help="address of the container engine as in DOCKER_HOST; none: where `docker` finds it",
        place=True,
    ),
    Key(
        "flavors",
        "list",
        default=(),
        help="flavors of your own: small=1cpu-0.5ram, big=4cpu-16ram",
    ),
)
"""Keys of ``[cloud/NAME]`` for ``provider=docker``, besides ``provider``."""


def _flavor_problem(flavor: str, cloud: Mapping[str, Any]) -> str:
    """Return why there is no such flavor; empty if there is one."""
    from elasticluster.exceptions import ConfigurationError, FlavorError
    from elasticluster.providers.docker.flavors import custom_flavors, parse_flavor

    try:
        parse_flavor(flavor, custom_flavors(cloud.get("flavors", ())))
    except (ConfigurationError, FlavorError) as exc:
        return f"{exc.message} {exc.hint}".strip()
    return ""


NODE_KEYS: tuple[Key, ...] = (
    Key(
        "flavor",
        "str",
        required=True,
        help="size of a node: `2cpu-4ram` has 2 processors and 4 GiB of memory; or one of `flavors`",
        check=_flavor_problem,
    ),
)
"""Keys of ``[cluster/NAME]`` and ``[cluster/NAME/KIND]`` of which this provider has more to say."""

__all__ = ["CLOUD_KEYS", "NODE_KEYS", "DockerProvider"]


def __getattr__(name: str) -> Any:
    if name != "DockerProvider":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from elasticluster.providers.docker import provider

    return provider.DockerProvider
