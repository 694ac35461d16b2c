"""The ``openstack`` cloud provider: nodes are servers on an OpenStack cloud.

Its configuration keys are here and cost nothing to read: the class is loaded when it is first used,
openstacksdk with the first call to the cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elasticluster.config.keys import Key
from elasticluster.providers.common.keys import NETWORK_IDS, REQUEST_FLOATING_IP, SSH_FROM, of_node

if TYPE_CHECKING:
    from elasticluster.providers.openstack.provider import OpenStackCloudProvider


def _os(*names: str) -> tuple[str, ...]:
    """Return variables of OpenStack's own command line."""
    return tuple(f"OS_{name}" for name in names)


_USER = ("username", "password", "user_domain_name", "user_domain_id")
_CREDENTIAL = (
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
)
_PROJECT = ("project_id", "project_name", "project_domain_name", "project_domain_id")


def _also_elsewhere(cloud: str, values: Mapping[str, Any]) -> str:
    """Refuse a second place and a second login beside a cloud of ``clouds.yaml``."""
    others = [name for name in ("auth_url", *_USER, *_CREDENTIAL, "token") if values.get(name)]
    return f"`clouds.yaml` says that already: remove {', '.join(others)}" if cloud and others else ""


def _two_logins(login: str, values: Mapping[str, Any]) -> str:
    """Refuse a password beside a token or an application credential, and those beside each other."""
    ways = ("password", "token", "application_credential_secret")
    given = [name for name in ways if values.get(name)]
    return f"{' and '.join(given)} are different ways to log in; keep one" if login and given[1:] else ""


def _credential_problem(secret: str, values: Mapping[str, Any]) -> str:
    """Refuse a secret of nobody knows which application credential."""
    if secret and not values.get(_CREDENTIAL[0]) and not values.get(_CREDENTIAL[1]):
        return f"is of no use without {_CREDENTIAL[0]}, or {_CREDENTIAL[1]} with username"
    return _two_logins(secret, values)


def _name_problem(name: str, values: Mapping[str, Any]) -> str:
    """Refuse the name of an application credential of nobody knows which user."""
    lost = name and not values.get("username") and not values.get(_CREDENTIAL[0])
    return "is of no use without username, or use application_credential_id" if lost else ""


CLOUD_KEYS: tuple[Key, ...] = (
    Key(
        "os_cloud",
        "str",
        help="name of a cloud in `clouds.yaml`, which says the rest",
        place=True,
        environment=_os("CLOUD"),
        instead_of=("auth_url", *_CREDENTIAL, "token", *_USER, *_PROJECT, "region_name", "cacert"),
        check=_also_elsewhere,
    ),
    Key(
        "auth_url",
        "url",
        help="address of the identity service",
        place=True,
        environment=_os("AUTH_URL"),
        instead_of=("os_cloud",),
    ),
    Key(
        "application_credential_id",
        "str",
        help="id of an application credential, instead of a user",
        environment=_os("APPLICATION_CREDENTIAL_ID"),
        instead_of=("os_cloud", "application_credential_name", "token", *_USER, *_PROJECT),
    ),
    Key(
        "application_credential_name",
        "str",
        help="its name, together with the user's; instead of the id",
        environment=_os("APPLICATION_CREDENTIAL_NAME"),
        instead_of=("os_cloud", "application_credential_id", "token", "password", *_PROJECT),
        check=_name_problem,
    ),
    Key(
        "application_credential_secret",
        "str",
        help="its secret",
        secret=True,
        environment=_os("APPLICATION_CREDENTIAL_SECRET"),
        instead_of=("os_cloud", "token", "password"),
        check=_credential_problem,
    ),
    Key(
        "token",
        "str",
        help="token of a user, instead of a password",
        secret=True,
        environment=_os("TOKEN"),
        instead_of=("os_cloud", *_CREDENTIAL, *_USER),
        check=_two_logins,
    ),
    Key(
        "username",
        "str",
        help="user",
        environment=_os("USERNAME"),
        instead_of=("os_cloud", "application_credential_id", "token"),
    ),
    Key(
        "password",
        "str",
        help="password",
        secret=True,
        environment=_os("PASSWORD"),
        instead_of=("os_cloud", *_CREDENTIAL, "token"),
    ),
    Key(
        "project_id",
        "str",
        help="id of the project, instead of its name",
        place=True,
        environment=_os("PROJECT_ID"),
        instead_of=("project_name", "project_domain_name", "project_domain_id"),
    ),
    Key(
        "project_name",
        "str",
        help="project, once called tenant",
        place=True,
        environment=_os("PROJECT_NAME", "TENANT_NAME"),
        instead_of=("project_id",),
    ),
    Key(
        "user_domain_name",
        "str",
        help="domain of the user",
        environment=_os("USER_DOMAIN_NAME"),
        instead_of=("user_domain_id",),
    ),
    Key("user_domain_id", "str", help="its id, instead of its name", environment=_os("USER_DOMAIN_ID")),
    Key(
        "project_domain_name",
        "str",
        help="domain of the project",
        environment=_os("PROJECT_DOMAIN_NAME"),
        instead_of=("project_domain_id",),
    ),
    Key("project_domain_id", "str", help="its id, instead of its name", environment=_os("PROJECT_DOMAIN_ID")),
    Key(
        "interface",
        "str",
        help="which addresses of the services to use, like `internal`; none: the public ones",
        environment=_os("INTERFACE", "ENDPOINT_TYPE"),
    ),
    Key("region_name", "str", help="region", place=True, environment=_os("REGION_NAME")),
    Key("cacert", "path", help="certificates to trust", environment=_os("CACERT")),
    Key("availability_zone", "str", help="zone of the machines"),
    REQUEST_FLOATING_IP,
    Key(
        "use_anti_affinity_groups",
        "bool",
        default=False,
        help="whether to spread the machines of a kind over hosts",
    ),
    Key(
        "build_timeout",
        "int",
        minimum=0,
        help="accepted for older configurations; a slow machine is never removed, `start_timeout` counts",
    ),
    Key(
        "compute_api_version",
        "str",
        choices=("1.1", "2"),
        help="accepted for older configurations; there is one version of Nova's API left",
    ),
    Key(
        "image_api_version",
        "str",
        choices=("1", "2"),
        help="accepted for older configurations; there is one version of Glance's API left",
    ),
    Key(
        "network_api_version",
        "str",
        choices=("2.0",),
        help="accepted for older configurations; there is one version of Neutron's API left",
    ),
    Key(
        "volume_api_version",
        "str",
        choices=("1", "2", "3"),
        help="accepted for older configurations; there is one version of Cinder's API left",
    ),
    Key(
        "identity_api_version",
        "str",
        choices=("2", "3"),
        help="accepted for older configurations; there is one version of Keystone's API left",
        environment=_os("IDENTITY_API_VERSION"),
    ),
    SSH_FROM,
)
"""Keys of ``[cloud/NAME]`` for ``provider=openstack``, besides ``provider``."""

NODE_KEYS: tuple[Key, ...] = (
    NETWORK_IDS,
    of_node(REQUEST_FLOATING_IP),
    Key(
        "floating_network_id",
        "str",
        help="network that public addresses come from; none: the one behind the machines' router",
    ),
    Key("availability_zone", "str", help="as in [cloud/NAME], which it wins over"),
    Key("boot_disk_size", "int", minimum=1, help="size of the boot disk, in GB; makes a volume"),
    Key(
        "boot_disk_type",
        "str",
        help="type of that volume; without a size, it is as large as the flavor's disk",
    ),
    Key(
        "max_wait",
        "int",
        minimum=0,
        help="accepted for older configurations; making the volume is part of `start_timeout`",
    ),
)
"""Keys of ``[cluster/NAME]`` and ``[cluster/NAME/KIND]`` that this provider has besides those of all."""

__all__ = ["CLOUD_KEYS", "NODE_KEYS", "OpenStackCloudProvider"]


def __getattr__(name: str) -> Any:
    if name != "OpenStackCloudProvider":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from elasticluster.providers.openstack import provider

    return provider.OpenStackCloudProvider
