"""Instances: what they are made with, and what EC2 says of them in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from elasticluster.model import Instance, InstanceRequest, InstanceState, Tags
from elasticluster.providers.common.tags import PREFIX, to_strings, to_tags
from elasticluster.providers.ec2_boto.catalog import Image
from elasticluster.providers.ec2_boto.many import chunks
from elasticluster.providers.ec2_boto.options import Options

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef, TagTypeDef

BATCH = 500
"""Most instances to ask for with one call: half of what an account's bucket for RunInstances holds, so that
two kinds of a large cluster do not wait for each other (EC2 developer guide, "Request throttling for the
Amazon EC2 API", resource rate limiting)."""

PAGE = 1000
"""Most instances that DescribeInstances lists at once, and that TerminateInstances and its siblings take."""

FILTER_VALUES = 200
"""Most values of one filter (EC2 user guide, "Filter resources")."""

FIRST = f"{PREFIX}first"
"""Tag with the place of a call's first instance among the names of the request."""

WANTS_ADDRESS = f"{PREFIX}public"
"""Tag of an instance that is to have a public address of its own."""

_TAGGED = ("instance", "volume", "network-interface")

_STATES = {
    "pending": InstanceState.PENDING,
    "running": InstanceState.RUNNING,
    "stopping": InstanceState.STOPPED,
    "stopped": InstanceState.STOPPED,
    "shutting-down": InstanceState.TERMINATED,
    "terminated": InstanceState.TERMINATED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What all instances of one request have in common.

    Attributes:
        request: the request.
        options: its options.
        image: what they boot.
        groups: ids of their security groups.
        key: name of the key pair on the cloud.
        assigns_addresses: whether the cloud gives public addresses to those that want one as it makes them.
    """

    request: InstanceRequest
    options: Options
    image: Image
    groups: tuple[str, ...]
    key: str
    assigns_addresses: bool

    def parameters(self, attempt: int, first: int, count: int, subnet: str = "") -> dict[str, Any]:
        """Return the parameters of a call of RunInstances.

        Args:
            attempt: which of the request's calls it is; those of one number are one, however often sent.
            first: place of its first instance among the names of the request.
            count: how many instances to make, at most.
            subnet: id of their subnet; empty: as the cloud sees fit.
        """
        spec, options = self.request.spec, self.options
        given = {
            "ImageId": self.image.id,
            "InstanceType": spec.flavor,
            "KeyName": self.key,
            "UserData": spec.image_userdata,
            "IamInstanceProfile": _profile(options.instance_profile),
            "BlockDeviceMappings": self._disks(),
            "Placement": _placement(options),
            "InstanceMarketOptions": _market(options),
        }
        return {
            **{name: value for name, value in given.items() if value},
            **self._network(subnet),
            "MinCount": 1,
            "MaxCount": count,
            "ClientToken": f"{self.request.token}-{attempt}",
            "TagSpecifications": self._tags(first),
        }

    def _network(self, subnet: str) -> dict[str, Any]:
        if self.options.wants_address and self.assigns_addresses:
            interface = {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
                "Groups": list(self.groups),
            }
            return {"NetworkInterfaces": [interface | ({"SubnetId": subnet} if subnet else {})]}
        return {"SecurityGroupIds": list(self.groups)} | ({"SubnetId": subnet} if subnet else {})

    def _disks(self) -> list[dict[str, Any]]:
        """Return the boot disk; whatever the image says, all disks go with their machine."""
        options = self.options
        device, size = options.disk_device or self.image.device, options.disk_size or self.image.disk_size
        disk = {"VolumeSize": size, "VolumeType": options.disk_type, "Iops": options.disk_iops}
        given = {name: value for name, value in disk.items() if value}
        mapped = {device: given} if device and given else {}
        mapped = {kept: {} for kept in self.image.kept_devices} | mapped
        return [
            {"DeviceName": name, "Ebs": disk | {"DeleteOnTermination": True}} for name, disk in mapped.items()
        ]

    def _tags(self, first: int) -> list[dict[str, Any]]:
        tags = self.request.tags
        alone = len(self.request.names) == 1
        named = replace(tags, batch=self.request.token, node=self.request.names[0] if alone else "")
        written = to_strings(named) | {"Name": f"{tags.name}-{tags.kind or 'node'}", FIRST: str(first)}
        if self.options.wants_address and not self.assigns_addresses:
            written[WANTS_ADDRESS] = "yes"
        kinds = (*_TAGGED, "spot-instances-request") if self.options.price else _TAGGED
        return [{"ResourceType": kind, "Tags": tag_list(written)} for kind in kinds]


def of_cluster(cluster: str | None) -> list[FilterTypeDef]:
    """Return a filter for what carries our tags: of the cluster of that UUID, or of any."""
    uuid = f"{PREFIX}uuid"
    if cluster is None:
        return [{"Name": "tag-key", "Values": [uuid]}]
    return [{"Name": f"tag:{uuid}", "Values": [cluster]}]


def tag_list(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """Return tags as EC2's API has them."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def tags_of(thing: Mapping[str, Any]) -> Tags:
    """Return our tags on something that EC2 describes."""
    return to_tags(_texts(thing))


def described(ec2: EC2Client, filters: Sequence[FilterTypeDef]) -> list[InstanceTypeDef]:
    """Return what EC2 says of all instances that pass a filter, a page at a time."""
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=filters, PaginationConfig={"PageSize": PAGE}
    )
    return [one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]]


def described_by_id(ec2: EC2Client, ids: Sequence[str]) -> list[InstanceTypeDef]:
    """Return what EC2 says of some instances; those that do not exist are no error."""
    parts = chunks(ids, FILTER_VALUES)
    return [one for some in parts for one in described(ec2, [{"Name": "instance-id", "Values": some}])]


def to_instances(found: Iterable[InstanceTypeDef]) -> list[Instance]:
    """Return instances as EC2 describes them."""
    return [to_instance(one) for one in found]


def to_instance(found: InstanceTypeDef) -> Instance:
    """Return an instance as EC2 describes it.

    The reason is told only where it will not run by itself: of one on its way EC2 says "pending".
    """
    written = _texts(found)
    state = _STATES.get(found["State"]["Name"], InstanceState.ERROR)
    reason = found.get("StateReason", {}).get("Message") or found.get("StateTransitionReason", "")
    first = written.get(FIRST, "")
    return Instance(
        id=found["InstanceId"],
        state=state,
        tags=to_tags(written),
        public_ip=found.get("PublicIpAddress") or None,
        private_ip=found.get("PrivateIpAddress") or None,
        launch_index=(int(first) if first.isdecimal() else 0) + found.get("AmiLaunchIndex", 0),
        reason="" if state in {InstanceState.PENDING, InstanceState.RUNNING} else reason,
    )


def is_to_have(found: InstanceTypeDef) -> bool:
    """Return whether an instance is to have a public address of its own."""
    return WANTS_ADDRESS in _texts(found)


def wants_address(found: InstanceTypeDef) -> bool:
    """Return whether an instance runs without the public address that it is to have."""
    return found["State"]["Name"] == "running" and not found.get("PublicIpAddress") and is_to_have(found)


def is_spot(found: InstanceTypeDef) -> bool:
    """Return whether an instance was bought on the spot market."""
    return found.get("InstanceLifecycle") == "spot"


def _texts(thing: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", ())}


def _profile(name: str) -> dict[str, str]:
    if not name:
        return {}
    return {"Arn" if name.startswith("arn:") else "Name": name}


def _placement(options: Options) -> dict[str, str]:
    given = {"AvailabilityZone": options.zone, "GroupName": options.placement_group}
    return {name: value for name, value in given.items() if value}


def _market(options: Options) -> dict[str, Any]:
    """Return what asks for a spot machine that ends when it is taken away: it is not kept to come back."""
    if not options.price:
        return {}
    spot = {
        "MaxPrice": f"{options.price:.6f}".rstrip("0").rstrip("."),
        "SpotInstanceType": "one-time",
        "InstanceInterruptionBehavior": "terminate",
    }
    return {"MarketType": "spot", "SpotOptions": spot}
