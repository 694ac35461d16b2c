"""Everything that an account has on EC2, for tests that look at what is left."""

from __future__ import annotations

from typing import Any

from tests.clouds.ec2.server import Ec2Server


def everything(server: Ec2Server) -> dict[str, list[str]]:
    """Return the names or ids of all that somebody made, by what it is; empty lists are left out."""
    client = server.client()
    found = {
        "instances": [one["InstanceId"] for one in _instances(client)],
        "volumes": [one["VolumeId"] for one in client.describe_volumes()["Volumes"]],
        "interfaces": [
            one["NetworkInterfaceId"] for one in client.describe_network_interfaces()["NetworkInterfaces"]
        ],
        "groups": [
            one["GroupName"]
            for one in client.describe_security_groups()["SecurityGroups"]
            if one["GroupName"] != "default"
        ],
        "keys": [one["KeyName"] for one in client.describe_key_pairs()["KeyPairs"]],
        "addresses": [one["PublicIp"] for one in client.describe_addresses()["Addresses"]],
        "spot requests": [
            one["SpotInstanceRequestId"]
            for one in client.describe_spot_instance_requests()["SpotInstanceRequests"]
            if one["State"] in {"open", "active"}
        ],
    }
    client.close()
    return {what: sorted(names) for what, names in found.items() if names}


def of_owner(server: Ec2Server, owner: str) -> list[str]:
    """Return what carries the tag of an owner of clusters, each as ``what id``."""
    client = server.client()
    tag = {"Name": "tag:elasticluster.owner", "Values": [owner]}
    groups = client.describe_security_groups(Filters=[tag])["SecurityGroups"]
    found = [f"instance {one['InstanceId']}" for one in _instances(client, tag)]
    found += [f"group {one['GroupName']}" for one in groups]
    found += [f"key {one['KeyName']}" for one in client.describe_key_pairs(Filters=[tag])["KeyPairs"]]
    found += [f"address {one['PublicIp']}" for one in client.describe_addresses(Filters=[tag])["Addresses"]]
    found += [f"volume {one['VolumeId']}" for one in client.describe_volumes(Filters=[tag])["Volumes"]]
    client.close()
    return found


def _instances(client: Any, *filters: dict[str, Any]) -> list[dict[str, Any]]:
    pages = client.get_paginator("describe_instances").paginate(Filters=[*filters])
    return [
        one
        for page in pages
        for group in page["Reservations"]
        for one in group["Instances"]
        if one["State"]["Name"] != "terminated"
    ]


def nodes_of(server: Ec2Server, owner: str) -> list[str]:
    """Return the ids of all instances of an owner of clusters."""
    client = server.client()
    found = _instances(client, {"Name": "tag:elasticluster.owner", "Values": [owner]})
    client.close()
    return sorted(one["InstanceId"] for one in found)
