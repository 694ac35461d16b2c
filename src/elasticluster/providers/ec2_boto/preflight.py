"""What can be checked before the first call that costs money, with a few calls for any number of nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elasticluster.exceptions import (
    CloudProviderError,
    FlavorError,
    ImageError,
    SecurityGroupError,
    SubnetError,
    UnsupportedError,
)
from elasticluster.model import ClusterRecord, InstanceRequest, Json, NodeSpec
from elasticluster.providers.base import SSH_PORT
from elasticluster.providers.common.names import KeyName
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.common.rules import Rule, sources
from elasticluster.providers.ec2_boto import quotas
from elasticluster.providers.ec2_boto.catalog import AVAILABLE, Catalog, Flavor
from elasticluster.providers.ec2_boto.client import Cloud
from elasticluster.providers.ec2_boto.networks import vpc_of
from elasticluster.providers.ec2_boto.options import Options
from elasticluster.providers.ec2_boto.shared import Shared, rules_of

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import SecurityGroupTypeDef

USER_DATA_BYTES = 16 * 1024
"""Most user data that a machine takes, before it is encoded (EC2 user guide, "Run commands at launch")."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Machines that differ only in name: what they are made of, and how many are to be made."""

    spec: NodeSpec
    options: Options
    count: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """The checks.

    Attributes:
        cloud: the connection.
        catalog: where images, flavors and subnets are looked up.
        shared: where groups and keys are looked up.
        config: keys of ``[cloud/NAME]``.
    """

    cloud: Cloud
    catalog: Catalog
    shared: Shared
    config: Mapping[str, Json]

    def check(self, cluster: ClusterRecord, requests: Sequence[InstanceRequest]) -> None:
        """Check everything that some machines need; credentials are, by the first call.

        Raises:
            CloudProviderError: it will not work; the message says how to mend it.
        """
        kinds = _kinds(requests, self.config)
        for kind in kinds:
            _check_by_itself(kind)
        flavors = self.catalog.flavors([kind.spec.flavor for kind in kinds])
        for kind in kinds:
            self._check_image(kind, flavors.get(kind.spec.flavor))
        vpc = vpc_of([kind.spec for kind in kinds], self.config, self.catalog)
        self._check_places(kinds)
        name = KeyName.of(cluster, requests[0].key)
        if not name.own:
            self.shared.check_key(name, requests[0].key)
        self._check_groups(kinds, vpc, proxied=bool(cluster.login.proxy_command))
        self._check_placement_groups({kind.options.placement_group for kind in kinds} - {""})
        for profile in sorted({kind.options.instance_profile for kind in kinds} - {""}):
            self._check_profile(profile)
        wanted = [quotas.Wanted(one.spec.flavor, one.count, bool(one.options.price)) for one in kinds]
        quotas.check(self.cloud, wanted, flavors)

    def _check_image(self, kind: Kind, flavor: Flavor | None) -> None:
        image, wanted = self.catalog.image(kind.spec.image_id), kind.spec.image_id
        if image.state != AVAILABLE:
            raise ImageError(f"The image '{wanted}' cannot be used: it is {image.state}.")
        if flavor and flavor.architectures and image.architecture not in {"", *flavor.architectures}:
            raise FlavorError(
                f"The image '{wanted}' is for {image.architecture}, and the flavor '{flavor.name}' of kind "
                f"'{kind.spec.kind}' for {', '.join(flavor.architectures)}.",
                hint="Choose another flavor, or the same image for the other architecture.",
            )
        device = kind.options.disk_device
        if device and image.device and device != image.device:  # it would be a second, empty disk
            raise ImageError(
                f"The boot disk of the image '{wanted}' is {image.device}, "
                f"not {device} (`boot_disk_device`).",
                hint="Leave `boot_disk_device` out: the image tells it.",
            )
        if 0 < kind.options.disk_size < image.disk_size:
            raise ImageError(
                f"A boot disk of {kind.options.disk_size} GB (`boot_disk_size`) is too small for the image "
                f"'{wanted}', which needs {image.disk_size} GB."
            )

    def _check_places(self, kinds: Sequence[Kind]) -> None:
        """Check that flavors are offered where the machines are to be, and that there are addresses."""
        zones = [self._zones(kind.options) for kind in kinds]
        placed = [kind.spec.flavor for kind, some in zip(kinds, zones, strict=True) if some]
        offered = self.catalog.zones_of(placed) if placed else {}
        for kind, some in zip(kinds, zones, strict=True):
            there = offered.get(kind.spec.flavor)
            if there is not None and some and not some & there:
                raise FlavorError(
                    f"The flavor '{kind.spec.flavor}' is not offered in {', '.join(sorted(some))}.",
                    hint=f"It is offered in {', '.join(sorted(there)) or 'no zone of the region'}.",
                )
            subnets = self.catalog.subnets(kind.options.subnets)
            free = sum(one.free for one in subnets)
            if subnets and free < kind.count:
                raise SubnetError(
                    f"Kind '{kind.spec.kind}' needs {kind.count} addresses, and there are {free} left in "
                    f"{', '.join(kind.options.subnets)} (`network_ids`).",
                    hint="Name more subnets, or others.",
                )

    def _zones(self, options: Options) -> set[str]:
        """Return the zones that machines are to be in; none if the cloud may choose."""
        of_subnets = {one.id: one.zone for one in self.catalog.subnets(options.subnets)}
        wrong = [one for one, zone in of_subnets.items() if options.zone and zone != options.zone]
        if wrong:
            raise SubnetError(
                f"The subnet '{wrong[0]}' (`network_ids`) is in the zone '{of_subnets[wrong[0]]}', "
                f"not in '{options.zone}' (`availability_zone`).",
                hint="Leave `availability_zone` out: the subnet tells it.",
            )
        return {zone for zone in (*of_subnets.values(), options.zone) if zone}

    def _check_groups(self, kinds: Sequence[Kind], vpc: str, *, proxied: bool) -> None:
        """Check that named security groups exist and let SSH in, from outside or through another node."""
        named = [kind for kind in kinds if kind.options.groups]
        if not named:
            return
        every = list(dict.fromkeys(name for kind in named for name in kind.options.groups))
        within = vpc or self.catalog.default_vpc()
        found = dict(zip(every, self.shared.named_groups(every, within), strict=True))
        groups = [[found[name] for name in kind.options.groups] for kind in named]
        if proxied:  # whatever that goes through may be let in where we cannot see it
            return
        entrances = {one["GroupId"] for some in groups if sources(rules_of(some)) for one in some}
        for kind, some in zip(named, groups, strict=True):
            if not sources(rules_of(some)) and not _members_let_in(some) & entrances:
                raise SecurityGroupError(
                    f"The security group {', '.join(kind.options.groups)} of kind '{kind.spec.kind}' lets no "
                    "SSH in.",
                    hint=f"Add a rule to it that lets TCP port {SSH_PORT} in from your address, or leave "
                    "`security_group` out: the cluster then gets one of its own.",
                )

    def _check_placement_groups(self, names: set[str]) -> None:
        if not names:
            return
        answer = self.catalog.if_told(
            "list placement groups", lambda ec2: ec2.describe_placement_groups()["PlacementGroups"]
        )
        known = [one["GroupName"] for one in answer or ()]
        for name in sorted(names):
            if answer is not None and name not in known:
                raise CloudProviderError(
                    f"There is no placement group '{name}' (`placement_group`).",
                    hint=suggestion(name, known, "placement groups")
                    or f"Make it: aws ec2 create-placement-group --strategy cluster --group-name {name}",
                )

    def _check_profile(self, profile: str) -> None:
        name = profile.rpartition("/")[2]

        def known(iam: Any) -> list[str]:
            try:
                iam.get_instance_profile(InstanceProfileName=name)
            except iam.exceptions.NoSuchEntityException:
                pages = iam.get_paginator("list_instance_profiles").paginate()
                return [one["InstanceProfileName"] for page in pages for one in page["InstanceProfiles"]]
            return [name]

        names = self.cloud.ask("iam", known)
        if names is not None and name not in names:
            raise CloudProviderError(
                f"There is no instance profile '{name}' (`instance_profile`).",
                hint=suggestion(name, names, "instance profiles") or "IAM's console shows and makes them.",
            )


def _kinds(requests: Sequence[InstanceRequest], config: Mapping[str, Json]) -> list[Kind]:
    """Return the kinds of machines among some requests."""
    found: list[Kind] = []
    for spec in (request.spec for request in requests):
        if spec not in [kind.spec for kind in found]:
            count = sum(len(request.names) for request in requests if request.spec == spec)
            found.append(Kind(spec, Options.of(spec, config), count))
    return found


def _check_by_itself(kind: Kind) -> None:
    """Check what needs no call.

    Raises:
        UnsupportedError: the user data is too long.
    """
    size = len(kind.spec.image_userdata.encode())
    if size > USER_DATA_BYTES:
        raise UnsupportedError(
            f"`image_userdata` of kind '{kind.spec.kind}' has {size} bytes; EC2 takes {USER_DATA_BYTES}.",
            hint="Let it fetch the rest from somewhere, or do it in a playbook.",
        )


def _members_let_in(groups: Sequence[SecurityGroupTypeDef]) -> set[str]:
    """Return the ids of the groups whose members some groups let in by SSH."""
    return {
        pair.get("GroupId", "")
        for group in groups
        for one in group.get("IpPermissions", ())
        if Rule(protocol=one.get("IpProtocol", ""), first=one.get("FromPort"), last=one.get("ToPort")).covers(
            SSH_PORT
        )
        for pair in one.get("UserIdGroupPairs", ())
    }
