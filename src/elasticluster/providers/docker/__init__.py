"""The ``docker`` cloud provider: nodes are containers on one's own computer.

Its configuration keys are here and cost nothing to read: the class is loaded when it is first used, the
Docker SDK with the first call to the container engine.
"""

from __future__ import annotations

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

NODE_KEYS: tuple[Key, ...] = ()
"""Keys of ``[cluster/NAME]`` and ``[cluster/NAME/KIND]`` that only this provider knows: none."""

__all__ = ["CLOUD_KEYS", "NODE_KEYS", "DockerProvider"]


def __getattr__(name: str) -> Any:
    if name != "DockerProvider":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from elasticluster.providers.docker import provider

    return provider.DockerProvider
