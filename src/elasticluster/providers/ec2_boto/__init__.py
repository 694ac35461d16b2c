"""The ``ec2_boto`` cloud provider: nodes are instances on EC2, or on a cloud that has its API.

Its configuration keys are here and cost nothing to read: the class is loaded when it is first used, boto3
with the first call to the cloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticluster.config.keys import Key
from elasticluster.providers.common.keys import NETWORK_IDS, REQUEST_FLOATING_IP, SSH_FROM, of_node

if TYPE_CHECKING:
    from elasticluster.providers.ec2_boto.provider import BotoCloudProvider


CLOUD_KEYS: tuple[Key, ...] = (
    Key("ec2_url", "url", help="address of the service", place=True, environment=("EC2_URL",)),
    Key("ec2_region", "str", help="region", place=True, environment=("AWS_DEFAULT_REGION",)),
    Key(
        "ec2_access_key",
        "str",
        help="id of the access key",
        environment=("EC2_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ),
    Key(
        "ec2_secret_key",
        "str",
        help="the access key itself",
        secret=True,
        environment=("EC2_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"),
    ),
    Key(
        "ec2_profile",
        "str",
        help="profile of the AWS command line's files, instead of an access key",
        environment=("AWS_PROFILE",),
    ),
    REQUEST_FLOATING_IP,
    Key("vpc", "str", help="name or id of the virtual network; all kinds then need network_ids"),
    Key("instance_profile", "str", help="IAM profile of the machines"),
    Key("price", "float", minimum=0, help="most that a spot machine may cost an hour, in US dollars"),
    Key("timeout", "int", minimum=0, help="seconds to wait for spot machines; 0: for ever"),
    SSH_FROM,
)
"""Keys of ``[cloud/NAME]`` for ``provider=ec2_boto``, besides ``provider``."""

NODE_KEYS: tuple[Key, ...] = (
    NETWORK_IDS,
    Key("availability_zone", "str", help="zone of the region"),
    Key("boot_disk_size", "int", minimum=1, help="size of the boot disk, in GB"),
    Key("boot_disk_type", "str", help="type of the boot disk, like gp3"),
    Key("boot_disk_device", "str", help="device of the boot disk, like /dev/sda1"),
    Key("boot_disk_iops", "int", minimum=1, help="operations a second of an io1 or io2 disk"),
    Key("placement_group", "str", help="placement group of the machines"),
    Key("price", "float", minimum=0, help="as in [cloud/NAME], which it wins over"),
    Key("timeout", "int", minimum=0, help="as in [cloud/NAME], which it wins over"),
    of_node(REQUEST_FLOATING_IP),
)
"""Keys of ``[cluster/NAME]`` and ``[cluster/NAME/KIND]`` that this provider has besides those of all."""

__all__ = ["CLOUD_KEYS", "NODE_KEYS", "BotoCloudProvider"]


def __getattr__(name: str) -> Any:
    if name != "BotoCloudProvider":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from elasticluster.providers.ec2_boto import provider

    return provider.BotoCloudProvider
