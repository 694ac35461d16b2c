"""The ``ec2_boto`` cloud provider: nodes are instances on EC2, or on a cloud that has its API.

Its configuration keys are here and cost nothing to read: the class is loaded when it is first used, boto3
with the first call to the cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.config.keys import Key
from elasticluster.providers.common.keys import NETWORK_IDS, REQUEST_FLOATING_IP, SSH_FROM, of_node

if TYPE_CHECKING:
    from elasticluster.providers.ec2_boto.provider import BotoCloudProvider

_WITH_IOPS = ("io1", "io2", "gp3")
_ALWAYS_WITH_IOPS = ("io1", "io2")


def _alone(secret: str, values: Mapping[str, Any]) -> str:
    return "is of no use without ec2_access_key" if secret and not values.get("ec2_access_key") else ""


def _two_logins(profile: str, values: Mapping[str, Any]) -> str:
    both = profile and values.get("ec2_access_key")
    return "a profile and ec2_access_key are two ways to log in; remove one" if both else ""


def _no_subnet(networks: list[str] | None, values: Mapping[str, Any]) -> str:
    vpc = values.get("vpc")
    return (
        f"is missing; [cloud/…] says vpc={vpc}, so it has to name subnets of it"
        if vpc and not networks
        else ""
    )


def _no_iops(disk: str, values: Mapping[str, Any]) -> str:
    needed = disk in _ALWAYS_WITH_IOPS and not values.get("boot_disk_iops")
    return f"a disk of type {disk} needs boot_disk_iops" if needed else ""


def _without_iops(iops: int, values: Mapping[str, Any]) -> str:
    unfit = iops and values.get("boot_disk_type") not in _WITH_IOPS
    return (
        f"is for disks with boot_disk_type={', '.join(_WITH_IOPS[:-1])} or {_WITH_IOPS[-1]}" if unfit else ""
    )


def _not_spot(timeout: int, values: Mapping[str, Any]) -> str:
    return "is for spot machines; set price, too" if timeout and not values.get("price") else ""


CLOUD_KEYS: tuple[Key, ...] = (
    Key("ec2_url", "url", help="address of the service", place=True, environment=("EC2_URL",)),
    Key("ec2_region", "str", help="region", place=True, environment=("AWS_REGION", "AWS_DEFAULT_REGION")),
    Key(
        "ec2_access_key",
        "str",
        help="id of the access key; none: as the AWS command line finds one",
        environment=("EC2_ACCESS_KEY",),
        instead_of=("ec2_profile",),
    ),
    Key(
        "ec2_secret_key",
        "str",
        help="the access key itself",
        secret=True,
        environment=("EC2_SECRET_KEY",),
        check=_alone,
    ),
    Key(
        "ec2_profile",
        "str",
        help="profile of the AWS command line's files, instead of an access key",
        instead_of=("ec2_access_key", "ec2_secret_key"),
        check=_two_logins,
    ),
    REQUEST_FLOATING_IP,
    Key("vpc", "str", help="name or id of the virtual network; all kinds then need network_ids"),
    Key("instance_profile", "str", help="IAM profile of the machines"),
    Key("price", "float", minimum=0, help="most that a spot machine may cost an hour, in US dollars"),
    Key(
        "timeout", "int", minimum=0, help="seconds to wait for spot machines; 0: as long as a start may take"
    ),
    SSH_FROM,
)
"""Keys of ``[cloud/NAME]`` for ``provider=ec2_boto``, besides ``provider``."""

NODE_KEYS: tuple[Key, ...] = (
    replace(NETWORK_IDS, check=_no_subnet),
    Key("availability_zone", "str", help="zone of the region"),
    Key("boot_disk_size", "int", minimum=1, help="size of the boot disk, in GB"),
    Key("boot_disk_type", "str", help="type of the boot disk, like gp3", check=_no_iops),
    Key("boot_disk_device", "str", help="device of the boot disk, like /dev/sda1"),
    Key(
        "boot_disk_iops",
        "int",
        minimum=1,
        help="operations a second of an io1, io2 or gp3 disk",
        check=_without_iops,
    ),
    Key("placement_group", "str", help="placement group of the machines"),
    Key("price", "float", minimum=0, help="as in [cloud/NAME], which it wins over"),
    Key("timeout", "int", minimum=0, help="as in [cloud/NAME], which it wins over", check=_not_spot),
    of_node(REQUEST_FLOATING_IP),
)
"""Keys of ``[cluster/NAME]`` and ``[cluster/NAME/KIND]`` that this provider has besides those of all."""

__all__ = ["CLOUD_KEYS", "NODE_KEYS", "BotoCloudProvider"]


def __getattr__(name: str) -> Any:
    if name != "BotoCloudProvider":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from elasticluster.providers.ec2_boto import provider

    return provider.BotoCloudProvider
