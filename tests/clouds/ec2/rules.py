"""What EC2 does and moto does not. Each rule names the page of AWS's documents that it follows.

A rule takes the cloud, a call, and what lets moto answer the call; it returns an answer or raises a refusal.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from html import escape

from moto.ec2.models.instance_types import INSTANCE_TYPES
from tests.clouds.ec2.cloud import PENDING, RUNNING, SHUTTING_DOWN, STOPPED, STOPPING, TERMINATED, Cloud
from tests.clouds.ec2.messages import NAMESPACE, Answer, Call, Refusal

Done = Callable[[Call], Answer]
Rule = Callable[[Cloud, Call, Done], Answer]

USER_DATA_LIMIT = 16 * 1024
PAGE = 1000
FILTER_VALUES = 200
_FILTER_VALUE_RE = re.compile(r"Filter\.\d+\.Value\.\d+")
_INSTANCE_RE = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
_GROUP_RE = re.compile(r"sg-([0-9a-f]{8}|[0-9a-f]{17})")
_LISTED = f"{{{NAMESPACE}}}"


def run_instances(cloud: Cloud, call: Call, done: Done) -> Answer:
    """RunInstances: idempotency, counts, user data, placement groups, limits and capacity."""
    token = call.parameters.get("ClientToken", "")
    asked = {key: value for key, value in call.parameters.items() if key != "ClientToken"}
    if token in cloud.tokens:  # API Reference, "Ensuring idempotency"
        before, answer = cloud.tokens[token]
        if before != asked:
            raise Refusal(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous "
                "request(s).",
            )
        return answer
    _check_launch(cloud, call)
    count = _granted(cloud, call)
    complete = _with_disk_sizes(cloud, _in_a_network(cloud, call))
    answer = done(complete.changed(MinCount=str(count), MaxCount=str(count)))
    if b"<Code>NoSuchEntity</Code>" in answer.body:  # IAM's word; EC2 has its own
        name = call.parameters.get("IamInstanceProfile.Name") or call.parameters["IamInstanceProfile.Arn"]
        raise Refusal(
            "InvalidParameterValue",
            f"Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile "
            "name",
        )
    if answer.good:
        made = set(re.findall(rb"<instanceId>(i-[0-9a-f]+)</instanceId>", answer.body))
        for instance in cloud.instances(call.region):
            if instance.id.encode() in made:
                cloud.launched(instance)
        if token:
            cloud.tokens[token] = (asked, answer)
    return answer


def _in_a_network(cloud: Cloud, call: Call) -> Call:
    """Choose a default subnet where none is named (API Reference, RunInstances, SubnetId)."""
    if _subnet(call):
        return call
    zone = _zone(cloud, call)
    subnet = cloud.backend(call.region).get_default_subnets().get(zone)
    field = (
        "NetworkInterface.1.SubnetId" if "NetworkInterface.1.DeviceIndex" in call.parameters else "SubnetId"
    )
    return call.changed(**{field: subnet.id}) if subnet else call


def _with_disk_sizes(cloud: Cloud, call: Call) -> Call:
    """Give a disk the size that it has in the image (API Reference, EbsBlockDevice, VolumeSize)."""
    image = cloud.backend(call.region).amis.get(call.parameters.get("ImageId"))
    sizes = (
        {one["DeviceName"]: one["Ebs"]["VolumeSize"] for one in image.block_device_mappings} if image else {}
    )
    missing = {}
    for key, device in call.parameters.items():
        disk, _, name = key.rpartition(".")
        sized = {f"{disk}.Ebs.VolumeSize", f"{disk}.Ebs.SnapshotId"} & set(call.parameters)
        if name == "DeviceName" and disk.startswith("BlockDeviceMapping") and device in sizes and not sized:
            missing[f"{disk}.Ebs.VolumeSize"] = str(sizes[device])
    return call.changed(**missing)


def _check_launch(cloud: Cloud, call: Call) -> None:
    """Refuse what can be seen from the call alone (API Reference, RunInstances)."""
    least, most = int(call.parameters["MinCount"]), int(call.parameters["MaxCount"])
    if not 1 <= least <= most:
        raise Refusal(
            "InvalidParameterValue", f"Invalid value '{least}' for MinCount and '{most}' for MaxCount."
        )
    data = base64.b64decode(call.parameters.get("UserData", ""))
    if len(data) > USER_DATA_LIMIT:  # User Guide, "Run commands when you launch an EC2 instance"
        raise Refusal("InvalidParameterValue", "User data is limited to 16384 bytes")
    group = call.parameters.get("Placement.GroupName", "")
    if group and group not in cloud.placement_groups:
        raise Refusal("InvalidPlacementGroup.Unknown", f"The Placement Group '{group}' is unknown.")


def _granted(cloud: Cloud, call: Call) -> int:
    """Return how many instances there will be: as many as can be (API Reference, RunInstances)."""
    least, most = int(call.parameters["MinCount"]), int(call.parameters["MaxCount"])
    present = cloud.instances(call.region)
    zone = _zone(cloud, call)
    free = cloud.settings.capacity.get(zone, most)
    if zone in cloud.settings.capacity:
        free -= sum(one.availability_zone == zone for one in present)
    allowed, limit = most, cloud.settings.vcpu_limit
    if limit is not None:
        used = sum(_vcpus(one.instance_type) for one in present)
        allowed = (limit - used) // _vcpus(call.parameters["InstanceType"])
    if allowed < least:
        raise Refusal(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the "
            "instance bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )
    if free < least:
        flavor = call.parameters["InstanceType"]
        raise Refusal(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {flavor} capacity in the Availability Zone you requested "
            f"({zone}).",
            500,
        )
    return min(most, free, allowed)


def _zone(cloud: Cloud, call: Call) -> str:
    subnet = _subnet(call)
    known = {one.id: one for zones in cloud.backend(call.region).subnets.values() for one in zones.values()}
    if subnet in known:
        return str(known[subnet].availability_zone)
    first = cloud.backend(call.region).describe_availability_zones()[0].name
    return call.parameters.get("Placement.AvailabilityZone") or str(first)


def _subnet(call: Call) -> str:
    return call.parameters.get("SubnetId") or call.parameters.get("NetworkInterface.1.SubnetId", "")


def _vcpus(flavor: str) -> int:
    return int(INSTANCE_TYPES.get(flavor, {}).get("VCpuInfo", {}).get("DefaultVCpus", 1))


def describe_instances(cloud: Cloud, call: Call, done: Done) -> Answer:
    """DescribeInstances: eventual consistency, ids, pages counted in instances (API Reference)."""
    _check_ids(call)
    wanted = call.parameters.get("MaxResults")
    if wanted is not None and not 5 <= int(wanted) <= PAGE:
        raise Refusal(
            "InvalidParameterValue",
            f"Value ( {wanted} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.",
        )
    every = {} if call.listed("InstanceId") else {"MaxResults": str(10**9)}
    with cloud.without_the_newest(call.region):
        answer = done(call.changed(NextToken=None, **every))
    if not answer.good or call.listed("InstanceId"):
        return answer
    return _page(answer, int(call.parameters.get("NextToken") or 0), int(wanted or PAGE))


def _page(answer: Answer, start: int, size: int) -> Answer:
    """Return one page of a listing of instances."""
    root = ET.fromstring(answer.body)  # noqa: S314 - it is our own server's answer
    number = 0
    for reservation in root.iter(f"{_LISTED}reservationSet"):
        for item in list(reservation):
            instances = item.find(f"{_LISTED}instancesSet")
            assert instances is not None
            for instance in list(instances):
                if not start <= number < start + size:
                    instances.remove(instance)
                number += 1
            if not len(instances):
                reservation.remove(item)
    for token in root.findall(f"{_LISTED}nextToken"):
        root.remove(token)
    if number > start + size:
        ET.SubElement(root, f"{_LISTED}nextToken").text = str(start + size)
    ET.register_namespace("", NAMESPACE)
    return Answer(answer.status, ET.tostring(root), answer.headers)


def create_tags(cloud: Cloud, call: Call, done: Done) -> Answer:
    """CreateTags: not for what listings do not show yet (API Reference, "Eventual consistency")."""
    with cloud.without_the_newest(call.region):
        shown = {one.id for one in cloud.instances(call.region)}
    for resource in call.listed("ResourceId"):
        if _INSTANCE_RE.fullmatch(resource) and resource not in shown:
            raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{resource}' does not exist")
    return done(call)


def terminate_instances(cloud: Cloud, call: Call, done: Done) -> Answer:
    """TerminateInstances: ids, and the time that it takes; one that is gone is no error (API Reference).

    The interfaces that were made with a machine go with it (User Guide, "Elastic network interfaces").
    """
    going = [one for one in cloud.instances(call.region) if one.id in call.listed("InstanceId")]
    answer = _changing(cloud, call, done, (SHUTTING_DOWN, TERMINATED), cloud.settings.shutdown_seconds)
    for interface in [nic for one in going for nic in one.nics.values()] if answer.good else []:
        cloud.backend(call.region).enis.pop(interface.id, None)
    return answer


def stop_instances(cloud: Cloud, call: Call, done: Done) -> Answer:
    """StopInstances: ids, and the time that it takes; not spot instances of one request (API Reference)."""
    for instance in cloud.instances(call.region):
        if instance.id in call.listed("InstanceId") and instance.lifecycle == "spot":
            raise Refusal(
                "UnsupportedOperation",
                f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time "
                "Spot Instance request. You can only stop Spot Instances associated with persistent Spot "
                "Instance requests.",
            )
    return _changing(cloud, call, done, (STOPPING, STOPPED), cloud.settings.shutdown_seconds)


def start_instances(cloud: Cloud, call: Call, done: Done) -> Answer:
    """StartInstances: ids, and the time that it takes."""
    return _changing(cloud, call, done, (PENDING, RUNNING), cloud.settings.boot_seconds)


def _changing(cloud: Cloud, call: Call, done: Done, states: tuple[int, int], seconds: float) -> Answer:
    _check_ids(call)
    wanted = [one for one in cloud.instances(call.region) if one.id in call.listed("InstanceId")]
    on_the_way = [one for one in wanted if one.state_code != states[1]]
    answer = done(call)
    if answer.good:
        for instance in on_the_way:
            cloud.change(instance, *states, seconds)
    return answer


def _check_ids(call: Call) -> None:
    """Tell ids that cannot be any from those of nothing (API Reference, "Error codes")."""
    for instance in call.listed("InstanceId"):
        if not _INSTANCE_RE.fullmatch(instance):
            raise Refusal("InvalidInstanceID.Malformed", f'Invalid id: "{instance}"')


def delete_security_group(cloud: Cloud, call: Call, done: Done) -> Answer:
    """DeleteSecurityGroup: not while an instance has it (API Reference; until that is terminated)."""
    group = call.parameters.get("GroupId", "")
    if group and not _GROUP_RE.fullmatch(group):
        raise Refusal("InvalidGroupId.Malformed", f'Invalid id: "{group}" (expecting "sg-...")')
    for instance in cloud.instances(call.region):
        groups = {
            *instance.security_groups,
            *(one for nic in instance.nics.values() for one in nic.group_set),
        }
        if group in {one.id for one in groups}:
            raise Refusal("DependencyViolation", f"resource {group} has a dependent object")
    return done(call)


def delete_key_pair(cloud: Cloud, call: Call, done: Done) -> Answer:
    """DeleteKeyPair: by its id, too (API Reference)."""
    names = {one.id: name for name, one in cloud.backend(call.region).key_pairs.items()}
    name = names.get(call.parameters.get("KeyPairId", ""))
    return done(call.changed(KeyName=name) if name else call)


def get_console_output(cloud: Cloud, call: Call, done: Done) -> Answer:
    """GetConsoleOutput: what the machine has written; nothing at first."""
    found = call.parameters["InstanceId"]
    if found not in {one.id for one in cloud.instances(call.region)}:
        return done(call)
    text = base64.b64encode(cloud.consoles.get(found, cloud.console).encode()).decode()
    output = f"<output>{text}</output>" if text else ""
    return Answer.of(
        "GetConsoleOutput",
        f"<instanceId>{found}</instanceId><timestamp>2026-01-01T00:00:00.000Z</timestamp>{output}",
    )


def create_placement_group(cloud: Cloud, call: Call, done: Done) -> Answer:
    """CreatePlacementGroup, which moto has not."""
    name = call.parameters["GroupName"]
    if name in cloud.placement_groups:
        raise Refusal("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")
    cloud.placement_groups[name] = {"strategy": call.parameters.get("Strategy", "cluster")}
    return Answer.of("CreatePlacementGroup", f"<return>true</return>{_group(name, cloud, 'placementGroup')}")


def describe_placement_groups(cloud: Cloud, call: Call, done: Done) -> Answer:
    """DescribePlacementGroups, which moto has not."""
    names = call.listed("GroupName") or call.listed("groupName") or [*cloud.placement_groups]
    for name in names:
        if name not in cloud.placement_groups:
            raise Refusal("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
    items = "".join(_group(name, cloud, "item") for name in names)
    return Answer.of("DescribePlacementGroups", f"<placementGroupSet>{items}</placementGroupSet>")


def _group(name: str, cloud: Cloud, element: str) -> str:
    strategy = cloud.placement_groups[name]["strategy"]
    return (
        f"<{element}><groupName>{escape(name)}</groupName><strategy>{escape(strategy)}</strategy>"
        f"<state>available</state></{element}>"
    )


def check_filters(call: Call) -> None:
    """Refuse a listing with more values in its filters than EC2 takes (User Guide, "Filter resources")."""
    if sum(bool(_FILTER_VALUE_RE.fullmatch(name)) for name in call.parameters) > FILTER_VALUES:
        raise Refusal(
            "FilterLimitExceeded",
            f"The maximum number of filter values specified on a single call is {FILTER_VALUES}",
        )


def describe_tags(cloud: Cloud, call: Call, done: Done) -> Answer:
    """DescribeTags: addresses are of the type elastic-ip (API Reference); moto has another word for that."""
    ours = {name: "vpc-elastic-ip" for name, value in call.parameters.items() if value == "elastic-ip"}
    answer = done(call.changed(**ours))
    return Answer(answer.status, answer.body.replace(b"vpc-elastic-ip", b"elastic-ip"), answer.headers)


RULES: Mapping[str, Rule] = {
    "RunInstances": run_instances,
    "DescribeInstances": describe_instances,
    "CreateTags": create_tags,
    "TerminateInstances": terminate_instances,
    "StopInstances": stop_instances,
    "StartInstances": start_instances,
    "DeleteSecurityGroup": delete_security_group,
    "DescribeTags": describe_tags,
    "DeleteKeyPair": delete_key_pair,
    "GetConsoleOutput": get_console_output,
    "CreatePlacementGroup": create_placement_group,
    "DescribePlacementGroups": describe_placement_groups,
}
"""Rule by action; what is not here is moto's alone."""
