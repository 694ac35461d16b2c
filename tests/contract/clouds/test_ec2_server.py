"""The test cloud's layer in front of moto does what EC2 does, as it is seen through boto3."""

from __future__ import annotations

import base64

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError
from tests.clouds.ec2.faults import Bucket
from tests.clouds.ec2.server import DEBIAN
from tests.e2e.own_playbook import wait_for

ONE = {"ImageId": DEBIAN, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}


@pytest.fixture
def client(ec2):
    made = ec2.client()
    made.import_key_pair(KeyName="mine", PublicKeyMaterial=KEY)
    yield made
    made.close()


KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFr6VVrfT+bu5/lxvoKCGMwwZ4jer9JJ8MiOer/qCxw1 somebody"


def launch(client, **changes):
    answer = client.run_instances(**{**ONE, "KeyName": "mine", **changes})
    return [one["InstanceId"] for one in answer["Instances"]]


def listed(client, **arguments):
    pages = client.get_paginator("describe_instances").paginate(**arguments)
    return [one for page in pages for group in page["Reservations"] for one in group["Instances"]]


def states(client):
    return {one["InstanceId"]: one["State"]["Name"] for one in listed(client)}


def refusal(call, *args, **arguments):
    """Return code and message of the refusal of a call."""
    with pytest.raises(ClientError) as caught:
        call(*args, **arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def answers(client):
    try:
        return bool(client.describe_vpcs()["Vpcs"])
    except EndpointConnectionError:
        return False


# -- what moto lacks ---------------------------------------------------------------------------------


def test_call_with_the_same_token_makes_instances_once(client):
    assert launch(client, ClientToken="t", MaxCount=2) == launch(client, ClientToken="t", MaxCount=2)
    assert len(listed(client)) == 2


def test_token_is_refused_with_other_parameters(client):
    launch(client, ClientToken="t")
    code, message = refusal(launch, client, ClientToken="t", InstanceType="t3.small")
    assert code == "IdempotentParameterMismatch"
    assert message.startswith("Arguments on this idempotent request are inconsistent")


def test_as_many_instances_are_made_as_are_asked_for(client):
    assert len(launch(client, MinCount=2, MaxCount=5)) == 5
    assert refusal(launch, client, MinCount=3, MaxCount=2)[0] == "InvalidParameterValue"


def test_instance_is_in_a_default_subnet_and_has_a_public_address(client):
    (instance,) = (launch(client), listed(client))[1]
    assert instance["PrivateIpAddress"].startswith("172.31.")
    assert instance["PublicIpAddress"].startswith("203.0.113.")
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1a"


def test_interface_without_a_public_address_is_in_a_default_subnet(client):
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": False}
    launch(client, NetworkInterfaces=[interface])
    (instance,) = listed(client)
    assert instance["PrivateIpAddress"].startswith("172.31.")
    assert "PublicIpAddress" not in instance


def test_limit_of_processors_lets_through_what_fits_and_then_nothing(ec2, client):
    ec2.set(vcpu_limit=8)
    assert len(launch(client, MaxCount=10)) == 4
    code, message = refusal(launch, client)
    assert code == "VcpuLimitExceeded"
    assert "your current vCPU limit of 8 allows" in message


def test_zone_without_capacity_does_not_concern_another(ec2, client):
    ec2.set(capacity={"us-east-1a": 2})
    assert len(launch(client, MaxCount=3)) == 2
    code, message = refusal(launch, client)
    assert code == "InsufficientInstanceCapacity"
    assert message.endswith("in the Availability Zone you requested (us-east-1a).")
    assert len(launch(client, Placement={"AvailabilityZone": "us-east-1b"})) == 1


def test_user_data_is_limited(client):
    assert refusal(launch, client, UserData="x" * 16385) == (
        "InvalidParameterValue",
        "User data is limited to 16384 bytes",
    )
    launch(client, UserData="x" * 16384)


def test_placement_group_has_to_exist(client):
    where = {"Placement": {"GroupName": "near"}}
    assert refusal(launch, client, **where) == (
        "InvalidPlacementGroup.Unknown",
        "The Placement Group 'near' is unknown.",
    )
    assert (
        refusal(client.describe_placement_groups, GroupNames=["near"])[0] == "InvalidPlacementGroup.Unknown"
    )
    client.create_placement_group(GroupName="near", Strategy="cluster")
    launch(client, **where)
    (group,) = client.describe_placement_groups()["PlacementGroups"]
    assert (group["GroupName"], group["Strategy"], group["State"]) == ("near", "cluster", "available")


def test_profile_that_does_not_exist_is_an_error_of_ec2_and_not_of_iam(client):
    code, message = refusal(launch, client, IamInstanceProfile={"Name": "nobody"})
    assert code == "InvalidParameterValue"
    assert message == (
        "Value (nobody) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    )


@pytest.mark.parametrize("verb", ["describe", "terminate", "stop", "start"])
def test_id_that_cannot_be_one_is_told_from_one_of_nothing(client, verb):
    call = getattr(client, f"{verb}_instances")
    assert refusal(call, InstanceIds=["nonsense"]) == (
        "InvalidInstanceID.Malformed",
        'Invalid id: "nonsense"',
    )
    assert refusal(call, InstanceIds=["i-0123456789abcdef0"])[0] == "InvalidInstanceID.NotFound"


def test_listing_has_pages_of_instances(client):
    made = launch(client, MinCount=7, MaxCount=7) + launch(client)
    first = client.describe_instances(MaxResults=5)
    assert sum(len(group["Instances"]) for group in first["Reservations"]) == 5
    assert first["NextToken"]
    assert [one["InstanceId"] for one in listed(client, MaxResults=5)] == made
    assert refusal(client.describe_instances, MaxResults=4)[0] == "InvalidParameterValue"


def test_filter_takes_as_many_values_as_on_aws_and_no_more(client):
    ids = [f"i-{number:017x}" for number in range(201)]
    named = {"Name": "instance-id"}
    assert not listed(client, Filters=[{**named, "Values": ids[1:]}])
    code, message = refusal(client.describe_instances, Filters=[{**named, "Values": ids}])
    assert code == "FilterLimitExceeded"
    assert message == "The maximum number of filter values specified on a single call is 200"


def test_fingerprint_of_an_ed25519_key_is_base64(client):
    (key,) = client.describe_key_pairs()["KeyPairs"]
    assert len(base64.b64decode(key["KeyFingerprint"])) == 32


# -- time --------------------------------------------------------------------------------------------


def test_instance_runs_after_a_while(ec2, client):
    ec2.set(boot_seconds=60)
    (made,) = launch(client)
    assert states(client) == {made: "pending"}
    ec2.skip(61)
    assert states(client) == {made: "running"}


def test_group_is_in_use_until_its_instance_is_gone(ec2, client):
    ec2.set(shutdown_seconds=60)
    group = client.create_security_group(GroupName="g", Description="g")["GroupId"]
    (made,) = launch(client, SecurityGroupIds=[group])
    client.terminate_instances(InstanceIds=[made])
    assert states(client) == {made: "shutting-down"}
    assert refusal(client.delete_security_group, GroupId=group) == (
        "DependencyViolation",
        f"resource {group} has a dependent object",
    )
    ec2.skip(61)
    client.delete_security_group(GroupId=group)


def test_instance_stops_and_starts_again(ec2, client):
    ec2.set(shutdown_seconds=60, boot_seconds=60)
    (made,) = launch(client)
    ec2.skip(61)
    client.stop_instances(InstanceIds=[made])
    assert states(client) == {made: "stopping"}
    ec2.skip(61)
    assert states(client) == {made: "stopped"}
    client.start_instances(InstanceIds=[made])
    assert states(client) == {made: "pending"}
    ec2.skip(61)
    assert states(client) == {made: "running"}


def test_spot_instance_of_one_request_cannot_be_stopped(client):
    (made,) = launch(client, InstanceMarketOptions={"MarketType": "spot"})
    assert refusal(client.stop_instances, InstanceIds=[made])[0] == "UnsupportedOperation"


def test_new_instance_is_not_listed_at_once(ec2, client):
    ec2.set(consistency_seconds=60)
    (made,) = launch(client)
    assert listed(client) == []
    assert refusal(client.describe_instances, InstanceIds=[made])[0] == "InvalidInstanceID.NotFound"
    tag = {"Resources": [made], "Tags": [{"Key": "k", "Value": "v"}]}
    assert refusal(client.create_tags, **tag)[0] == "InvalidInstanceID.NotFound"
    ec2.skip(61)
    assert list(states(client)) == [made]


def test_console_has_what_the_machine_has_written(ec2, client):
    (made,) = launch(client)
    assert "Output" not in client.get_console_output(InstanceId=made)
    ec2.console(made, "hello\n")
    assert client.get_console_output(InstanceId=made)["Output"] == "hello\n"


# -- faults ------------------------------------------------------------------------------------------


def test_injected_fault_happens_as_often_as_asked_for(ec2, client):
    ec2.inject("RunInstances", "InternalError", message="An internal error has occurred", status=500, times=2)
    for _ in range(2):
        assert refusal(launch, client) == ("InternalError", "An internal error has occurred")
    assert len(launch(client)) == 1


def test_injected_fault_of_all_calls_lasts_until_it_is_mended(ec2, client):
    ec2.inject("*", "RequestExpired", message="Request has expired.", every=True)
    assert (
        refusal(launch, client) == refusal(client.describe_vpcs) == ("RequestExpired", "Request has expired.")
    )
    ec2.mend()
    assert client.describe_vpcs()["Vpcs"]


def test_reply_is_lost_after_the_work_was_done(ec2, client):
    ec2.inject("RunInstances", drop_reply=True)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        launch(client, ClientToken="t")
    assert len(listed(client)) == 1
    launch(client, ClientToken="t")
    assert len(listed(client)) == 1


def test_server_that_is_down_comes_back(ec2, client):
    ec2.down(2)
    with pytest.raises(EndpointConnectionError):
        client.describe_vpcs()
    assert wait_for(lambda: answers(client))


@pytest.mark.parametrize("wrong", ["aws_access_key_id", "aws_secret_access_key"])
def test_wrong_credentials_are_refused(ec2, wrong):
    client = ec2.client(**{wrong: "x" * 20})
    assert refusal(client.describe_vpcs) == (
        "AuthFailure",
        "AWS was not able to validate the provided access credentials",
    )
    client.close()


def test_bucket_of_requests_runs_empty(ec2, client):
    ec2.set(token_bucket=[2, 0.01])
    client.describe_vpcs()
    client.describe_vpcs()
    assert refusal(client.describe_vpcs) == ("RequestLimitExceeded", "Request limit exceeded.")
    client.describe_subnets()  # each action has a bucket of its own


def test_instances_cost_tokens_of_their_own_on_aws(ec2, client):
    ec2.set(token_bucket="aws", vcpu_limit=4)  # noqa: S106 - no password
    assert len(launch(client, MinCount=1, MaxCount=900)) == 2
    assert refusal(launch, client, MinCount=1, MaxCount=900)[0] == "RequestLimitExceeded"
    assert refusal(launch, client, MinCount=1, MaxCount=20)[0] == "VcpuLimitExceeded"


def test_bucket_fills_up_to_its_size():
    now = [0.0]
    bucket = Bucket(2, 1, now=lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_calls_are_counted_by_their_actions(ec2, client):
    ec2.forget_calls()
    client.describe_vpcs()
    launch(client)
    assert ec2.calls() == ["DescribeVpcs", "RunInstances"]


def test_unknown_setting_is_an_error(ec2):
    with pytest.raises(ValueError, match="there is no setting 'nonsense'"):
        ec2.set(nonsense=1)


def test_other_service_of_the_same_account_answers(ec2):
    sts = ec2.client("sts")
    assert sts.get_caller_identity()["Account"] == "123456789012"
    sts.close()
