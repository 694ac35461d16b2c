"""What a cluster's machines share, whatever it is: it carries our tags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elasticluster.model import Resource
from elasticluster.providers.common.names import shared_name
from elasticluster.providers.common.tags import PREFIX, to_tags
from elasticluster.providers.ec2_boto.client import Cloud
from elasticluster.providers.ec2_boto.instances import of_cluster, tags_of

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import FilterTypeDef, TagDescriptionTypeDef

GROUP, KEY, ADDRESS = "security-group", "key-pair", "elastic-ip"
"""What we make, in EC2's words for types of resources (EC2 API reference, DescribeTags)."""


def resources(cloud: Cloud, cluster: str | None = None) -> list[Resource]:
    """Return what carries our tags and is there now: of the cluster of that UUID, or of any."""
    filters = of_cluster(cluster)

    def groups(ec2: EC2Client) -> list[Mapping[str, Any]]:
        pages = ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        return [one for page in pages for one in page["SecurityGroups"]]

    keys = cloud.call("list key pairs", lambda ec2: ec2.describe_key_pairs(Filters=filters))
    addresses = cloud.call("list addresses", lambda ec2: ec2.describe_addresses(Filters=filters))
    found: list[tuple[str, str, Mapping[str, Any]]] = [
        *(("security group", one["GroupId"], one) for one in cloud.call("list security groups", groups)),
        *(("key pair", one["KeyName"], one) for one in keys["KeyPairs"]),
        *(("elastic IP", one["AllocationId"], one) for one in addresses["Addresses"]),
    ]
    every = [Resource(type=kind, id=name, tags=tags_of(one)) for kind, name, one in found]
    return [one for one in every if one.tags.uuid]


def made_for(cloud: Cloud, cluster: str) -> dict[str, list[str]]:
    """Return what the cluster of a UUID has, by type, with one call for all types.

    Some of it may be gone already.

    Returns:
        names of key pairs, which some clouds with EC2's API know by these only; ids of the others.
    """
    written: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for one in cloud.call("list what is shared", _described):
        written[one["ResourceType"], one["ResourceId"]][one["Key"]] = one["Value"]
    found: dict[str, list[str]] = {GROUP: [], KEY: [], ADDRESS: []}
    for (kind, name), strings in written.items():
        tags = to_tags(strings)
        if tags.uuid == cluster:
            found[kind].append(shared_name(tags) if kind == KEY else name)
    return found


def _described(ec2: EC2Client) -> list[TagDescriptionTypeDef]:
    filters: list[FilterTypeDef] = [
        {"Name": "key", "Values": [f"{PREFIX}*"]},
        {"Name": "resource-type", "Values": [GROUP, KEY, ADDRESS]},
    ]
    pages = ec2.get_paginator("describe_tags").paginate(Filters=filters)
    return [one for page in pages for one in page["Tags"]]
