"""What there is on the cloud to make machines of: images, flavors and subnets, each looked up once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from elasticluster.exceptions import CloudProviderError, FlavorError, ImageError, SubnetError, VpcError
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.ec2_boto import errors
from elasticluster.providers.ec2_boto.client import Cloud

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import (
        FilterTypeDef,
        ImageTypeDef,
        InstanceTypeInfoTypeDef,
        SubnetTypeDef,
        VpcTypeDef,
    )

T = TypeVar("T")

AVAILABLE = "available"

PUBLISHERS = (
    "self",
    "amazon",
    "136693071363",  # Debian
    "099720109477",  # Canonical: Ubuntu
    "792107900819",  # Rocky Linux
    "764336703387",  # AlmaLinux
)
"""Accounts whose images are found by name alone: anybody may give an image a well-known name (EC2 user guide,
"Find an AMI"; the others are what the distributions' own pages on EC2 say). Sellers on the AWS Marketplace
do, too, and what they sell has to be subscribed to first."""

_IMAGE_ID_RE = re.compile(r"[ae]mi-[0-9a-fA-F]+")
_OWNER_RE = re.compile(r"(\d{12}|self|amazon|aws-marketplace)/(.+)")
_SUBNET_ID_RE = re.compile(r"subnet-[0-9a-fA-F]+")
_VPC_ID_RE = re.compile(r"vpc-[0-9a-fA-F]+")
_UNKNOWN_ACTION = re.compile(r"InvalidAction|Unsupported|NotImplemented|UnknownOperation|Unavailable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image.

    Attributes:
        id: its id.
        name: its name.
        architecture: ``x86_64``, ``arm64`` …; empty if the cloud does not tell.
        state: ``available`` if machines can be made of it.
        device: name of its root device.
        disk_size: size of its root disk in GiB; 0 if it has none of its own.
        kept_devices: names of the devices whose disks would outlive a machine.
    """

    id: str
    name: str = ""
    architecture: str = ""
    state: str = AVAILABLE
    device: str = ""
    disk_size: int = 0
    kept_devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """An instance type.

    Attributes:
        name: its name.
        cpus: virtual processors.
        memory_mb: memory in MiB.
        gpus: GPUs.
        architectures: those of images that run on it; empty if the cloud does not tell.
    """

    name: str
    cpus: int
    memory_mb: int
    gpus: int = 0
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet.

    Attributes:
        id: its id.
        vpc: id of its virtual network.
        zone: its availability zone.
        free: addresses that are left in it.
    """

    id: str
    vpc: str
    zone: str = ""
    free: int = 0


class Catalog:
    """Looks things up, many with one call, and remembers what was found.

    Args:
        cloud: the connection.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._images: dict[str, Image] = {}
        self._flavors: dict[str, Flavor] = {}
        self._subnets: dict[str, Subnet] = {}
        self._networks: list[VpcTypeDef] | None = None

    def image(self, wanted: str) -> Image:
        """Return an image by id or by name; of several of one name, or fitting a pattern, the newest.

        Args:
            wanted: ``ami-…``, ``NAME`` or ``OWNER/NAME``, where NAME may have ``*`` and ``?``.

        Raises:
            ImageError: there is none.
        """
        with self._lock:
            if wanted not in self._images:
                self._images[wanted] = self._find_image(wanted)
            return self._images[wanted]

    def flavors(self, wanted: Collection[str]) -> Mapping[str, Flavor]:
        """Return flavors by name, with one call; nothing where the cloud does not tell sizes.

        Raises:
            FlavorError: some of them do not exist.
        """
        with self._lock:
            missing = [name for name in dict.fromkeys(wanted) if name not in self._flavors]
            if missing:
                self._flavors |= self._find_flavors(missing)
            return {name: self._flavors[name] for name in wanted if name in self._flavors}

    def subnets(self, wanted: Collection[str]) -> tuple[Subnet, ...]:
        """Return subnets by id or by ``Name`` tag, in the order given.

        Raises:
            SubnetError: one does not exist, or its name is that of several.
        """
        with self._lock:
            missing = [name for name in dict.fromkeys(wanted) if name not in self._subnets]
            if missing:
                self._subnets |= self._find_subnets(missing)
            return tuple(self._subnets[name] for name in dict.fromkeys(wanted))

    def vpc(self, wanted: str) -> str:
        """Return the id of a virtual network by id or by ``Name`` tag.

        Raises:
            VpcError: it does not exist, or its name is that of several.
        """
        by_name = {one["VpcId"]: _name_of(one) for one in self._vpcs()}
        found = _matching(wanted, by_name, _VPC_ID_RE)
        return _the_one(wanted, found, by_name, VpcError, "virtual network (`vpc`)")

    def default_vpc(self) -> str:
        """Return the id of the account's default virtual network; empty if it has none."""
        return next((one["VpcId"] for one in self._vpcs() if one.get("IsDefault")), "")

    def subnets_of(self, vpc: str) -> list[str]:
        """Return the ids of the subnets of a virtual network."""
        return sorted(one["SubnetId"] for one in self._all_subnets() if one["VpcId"] == vpc)

    def zones_of(self, flavors: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Return the availability zones in which flavors are offered, by flavor; empty if not told."""

        def offered(ec2: EC2Client) -> list[tuple[str, str]]:
            filters: list[FilterTypeDef] = [{"Name": "instance-type", "Values": list(flavors)}]
            pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
                LocationType="availability-zone", Filters=filters
            )
            return [
                (one["InstanceType"], one["Location"]) for p in pages for one in p["InstanceTypeOfferings"]
            ]

        pairs = self.if_told("list zones of flavors", offered) or []
        return {
            name: frozenset(zone for flavor, zone in pairs if flavor == name) for name in flavors if pairs
        }

    def _find_image(self, wanted: str) -> Image:
        find = self._images_by_id if _IMAGE_ID_RE.fullmatch(wanted) else self._images_by_name
        found = find(wanted)
        if not found:
            raise self._no_image(wanted)
        return _image(max(found, key=lambda one: (one.get("CreationDate", ""), one["ImageId"])))

    def _images_by_id(self, wanted: str) -> list[ImageTypeDef]:
        try:
            answer = self._cloud.call(
                f"look for the image '{wanted}'",
                lambda ec2: ec2.describe_images(ImageIds=[wanted]),
                ImageError,
            )
        except ImageError as exc:
            if errors.code_of(exc).startswith("InvalidAMIID"):
                return []
            raise
        return answer["Images"]

    def _images_by_name(self, wanted: str) -> list[ImageTypeDef]:
        match = _OWNER_RE.fullmatch(wanted)
        owners, name = ([match[1]], match[2]) if match else (list(PUBLISHERS), wanted)
        filters: list[FilterTypeDef] = [{"Name": "name", "Values": [name]}]
        known: dict[str, Any] = {"Owners": owners} if match or self._cloud.is_aws else {}
        answer = self._cloud.call(
            f"look for the image '{wanted}'",
            lambda ec2: ec2.describe_images(Filters=filters, **known),
            ImageError,
        )
        usable = [one for one in answer["Images"] if one.get("State") == AVAILABLE]
        return usable or answer["Images"]

    def _no_image(self, wanted: str) -> ImageError:
        """Return the error that an image does not exist; names of others help only where they are ours."""
        answer = self._cloud.call("list images", lambda ec2: ec2.describe_images(Owners=["self"]))
        own = [text for one in answer["Images"] for text in (one["ImageId"], one.get("Name", "")) if text]
        where = f"in region '{self._cloud.region}'"
        return ImageError(
            f"There is no image '{wanted}' {where}, or you may not use it.",
            hint=suggestion(wanted, own, "images of your own")
            or "Ids of images differ from region to region.",
        )

    def _find_flavors(self, wanted: list[str]) -> dict[str, Flavor]:
        def described(ec2: EC2Client) -> list[InstanceTypeInfoTypeDef]:
            names: Any = wanted
            return ec2.describe_instance_types(InstanceTypes=names)["InstanceTypes"]

        try:
            found = self.if_told("look for flavors", described)
        except FlavorError as exc:
            raise self._no_flavor(wanted) from exc
        if found is None:
            return {}
        flavors = {one.name: one for one in map(_flavor, found)}
        if set(wanted) - set(flavors):
            raise self._no_flavor([name for name in wanted if name not in flavors])
        return flavors

    def _no_flavor(self, wanted: list[str]) -> FlavorError:
        """Return the error that one of some flavors does not exist, with the nearest that do."""

        def offered(ec2: EC2Client) -> list[str]:
            pages = ec2.get_paginator("describe_instance_type_offerings").paginate()
            return [one["InstanceType"] for page in pages for one in page["InstanceTypeOfferings"]]

        known = self.if_told("list flavors", offered) or []
        unknown = [name for name in wanted if name not in known] or wanted
        return FlavorError(
            f"There is no flavor '{unknown[0]}' in region '{self._cloud.region}'.",
            hint=suggestion(unknown[0], _alike(unknown[0], known), "flavors"),
        )

    def _vpcs(self) -> list[VpcTypeDef]:
        with self._lock:
            if self._networks is None:
                answer = self._cloud.call("list networks", lambda ec2: ec2.describe_vpcs())
                self._networks = answer["Vpcs"]
            return self._networks

    def _all_subnets(self) -> list[SubnetTypeDef]:
        def described(ec2: EC2Client) -> list[SubnetTypeDef]:
            pages = ec2.get_paginator("describe_subnets").paginate()
            return [one for page in pages for one in page["Subnets"]]

        return self._cloud.call("list subnets", described)

    def _find_subnets(self, wanted: list[str]) -> dict[str, Subnet]:
        there = self._all_subnets()
        by_name = {one["SubnetId"]: _name_of(one) for one in there}
        by_id = {one["SubnetId"]: _subnet(one) for one in there}
        found = {name: _matching(name, by_name, _SUBNET_ID_RE) for name in wanted}
        return {
            name: by_id[_the_one(name, ids, by_name, SubnetError, "subnet (`network_ids`)")]
            for name, ids in found.items()
        }

    def if_told(self, doing: str, work: Callable[[EC2Client], T]) -> T | None:
        """Return what the cloud says; None if it has no such call, as some with EC2's API have not."""
        try:
            return self._cloud.call(doing, work)
        except CloudProviderError as exc:
            if self._cloud.is_aws or not _UNKNOWN_ACTION.search(errors.code_of(exc)):
                raise
            return None


def _matching(wanted: str, by_name: Mapping[str, str], is_id: re.Pattern[str]) -> list[str]:
    """Return the ids of what has an id or a name."""
    if is_id.fullmatch(wanted):
        return [wanted] if wanted in by_name else []
    return [one for one, name in by_name.items() if name == wanted]


def _the_one(
    wanted: str,
    found: list[str],
    by_name: Mapping[str, str],
    error: type[CloudProviderError],
    what: str,
) -> str:
    """Return the only one of the ids found.

    Raises:
        CloudProviderError: there is none, or more than one.
    """
    if len(found) > 1:
        raise error(
            f"Several of them are called '{wanted}': {', '.join(sorted(found))} ({what}).",
            hint="Give the id.",
        )
    if not found:
        known: Iterable[str] = (text for pair in by_name.items() for text in pair)
        raise error(f"There is no {what} '{wanted}'.", hint=suggestion(wanted, known))
    return found[0]


def _alike(wanted: str, known: Collection[str]) -> Collection[str]:
    """Return those of some hundred flavors that begin as one that does not exist; all if none does."""
    return next(
        (some for length in (2, 1) if (some := [name for name in known if name[:length] == wanted[:length]])),
        known,
    )


def _name_of(thing: Mapping[str, Any]) -> str:
    """Return the ``Name`` tag of something; empty if it has none."""
    return next((tag["Value"] for tag in thing.get("Tags", ()) if tag["Key"] == "Name"), "")


def _image(found: ImageTypeDef) -> Image:
    device = found.get("RootDeviceName", "")
    disks = {
        one.get("DeviceName", ""): one["Ebs"] for one in found.get("BlockDeviceMappings", ()) if "Ebs" in one
    }
    return Image(
        id=found["ImageId"],
        name=found.get("Name", ""),
        architecture=found.get("Architecture", ""),
        state=found.get("State", AVAILABLE),
        device=device if found.get("RootDeviceType", "ebs") == "ebs" else "",
        disk_size=disks.get(device, {}).get("VolumeSize", 0),
        kept_devices=tuple(name for name, disk in disks.items() if not disk.get("DeleteOnTermination", True)),
    )


def _flavor(found: InstanceTypeInfoTypeDef) -> Flavor:
    gpus = found.get("GpuInfo", {}).get("Gpus", ())
    return Flavor(
        name=found["InstanceType"],
        cpus=found["VCpuInfo"]["DefaultVCpus"],
        memory_mb=found["MemoryInfo"]["SizeInMiB"],
        gpus=sum(gpu.get("Count", 0) for gpu in gpus),
        architectures=tuple(found.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
    )


def _subnet(found: SubnetTypeDef) -> Subnet:
    return Subnet(
        id=found["SubnetId"],
        vpc=found["VpcId"],
        zone=found.get("AvailabilityZone", ""),
        free=found.get("AvailableIpAddressCount", 0),
    )
