"""The ``openstack`` cloud provider: nodes are servers on an OpenStack cloud.

Its configuration keys are here and cost nothing to read: the class is loaded when it is first used,
openstacksdk with the first call to the cloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticluster.config.keys import Key
from elasticluster.providers.common.keys import NETWORK_IDS, REQUEST_FLOATING_IP, SSH_FROM, of_node

if TYPE_CHECKING:
    from elasticluster.providers.openstack.provider import OpenStackCloudProvider


def _os(*names: str) -> tuple[str, ...]:
    """Return variables of OpenStack's own command line."""
    return tuple(f"OS_{name}" for name in names)


CLOUD_KEYS: tuple[Key, ...] = (
    Key("os_cloud", "str", help="name of a cloud in `clouds.yaml`", place=True, environment=_os("CLOUD")),
    Key(
        "auth_url",
        "url",
        help="address of the identity service",
        place=True,
        environment=_os("AUTH_URL"),
    ),
    Key("username", "str", help="user", environment=_os("USERNAME")),
    Key("password", "str", help="password", secret=True, environment=_os("PASSWORD")),
    Key(
        "application_credential_id",
        "str",
        help="id of an application credential, instead of a user",
        environment=_os("APPLICATION_CREDENTIAL_ID"),
    ),
    Key(
        "application_credential_name",
        "str",
        help="its name, together with the user's; instead of the id",
        environment=_os("APPLICATION_CREDENTIAL_NAME"),
    ),
    Key(
        "application_credential_secret",
        "str",
        help="its secret",
        secret=True,
        environment=_os("APPLICATION_CREDENTIAL_SECRET"),
    ),
    Key("token", "str", help="token of a user, instead of a password", secret=True, environment=_os("TOKEN")),
    Key(
        "project_id",
        "str",
        help="id of the project, instead of its name",
        place=True,
        environment=_os("PROJECT_ID"),
    ),
    Key(
        "project_name",
        "str",
        help="project, once called tenant",
        place=True,
        environment=_os("PROJECT_NAME", "TENANT_NAME"),
    ),
    Key("user_domain_name", "str", help="domain of the user", environment=_os("USER_DOMAIN_NAME")),
    Key(
        "project_domain_name",
        "str",
        help="domain of the project",
        environment=_os("PROJECT_DOMAIN_NAME"),
    ),
    Key("region_name", "str", help="region", place=True, environment=_os("REGION_NAME")),
    Key("cacert", "path", help="certificates to trust", environment=_os("CACERT")),
    Key("availability_zone", "str", help="zone of the machines"),
    REQUEST_FLOATING_IP,
    Key("use_anti_affinity_groups", "bool", default=False, help="whether to spread machines over hosts"),
    Key("build_timeout", "int", default=30, minimum=0, help="seconds that making a machine may take"),
    Key("compute_api_version", "str", choices=("1.1", "2"), help="version of Nova's API"),
    Key("image_api_version", "str", choices=("1", "2"), help="version of Glance's API"),
    Key("network_api_version", "str", choices=("2.0",), help="version of Neutron's API"),
    Key("volume_api_version", "str", choices=("1", "2", "3"), help="version of Cinder's API"),
    Key(
        "identity_api_version",
        "str",
        choices=("2", "3"),
        help="version of Keystone's API",
        environment=_os("IDENTITY_API_VERSION"),
    ),
    SSH_FROM,
)
"""Keys of ``[cloud/NAME]`` for ``provider=openstack``, besides ``provider``."""

NODE_KEYS: tuple[Key, ...] = (
    NETWORK_IDS,
    of_node(REQUEST_FLOATING_IP),
    Key("floating_network_id", "str", help="network that public addresses come from"),
    Key("availability_zone", "str", help="as in [cloud/NAME], which it wins over"),
    Key("boot_disk_size", "int", minimum=1, help="size of the boot disk, in GB; makes a volume"),
    Key("boot_disk_type", "str", help="type of that volume"),
    Key("max_wait", "int", default=300, minimum=0, help="seconds that making it may take"),
)
"""Keys of ``[cluster/NAME]`` and ``[cluster/NAME/KIND]`` that this provider has besides those of all."""

__all__ = ["CLOUD_KEYS", "NODE_KEYS", "OpenStackCloudProvider"]


def __getattr__(name: str) -> Any:
    if name != "OpenStackCloudProvider":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from elasticluster.providers.openstack import provider

    return provider.OpenStackCloudProvider
