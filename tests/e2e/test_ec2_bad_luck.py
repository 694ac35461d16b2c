"""Bad luck on EC2, through the real command line: what is said, and what is left."""

import json
import re
import threading

import pytest
from tests.clouds.ec2.listing import everything, nodes_of
from tests.clouds.ec2.server import DEBIAN
from tests.clouds.fixtures import ec2_with_stand_in
from tests.clouds.template import quick
from tests.e2e.killing import PAUSE, RESUME, START, STOP, Keyboard
from tests.e2e.warm import ROOT, Warm

pytestmark = pytest.mark.e2e

ZONES = ("us-east-1a", "us-east-1b")


@pytest.fixture(scope="module")
def cloud():
    with ec2_with_stand_in("ec-test-ec2-luck") as server:
        yield server


@pytest.fixture(scope="module")
def warm():
    with Warm("ec2_boto") as process:
        yield process


@pytest.fixture
def ec2(cloud):
    """Return EC2 without machines, settings and faults."""
    cloud.reset()
    return cloud


@pytest.fixture
def keyboard(ec2, warm, new_user, monkeypatch):
    """Return somebody with a template of two nodes on EC2; what is left in the end is removed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where the setup provider is found
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    user = new_user("ec2-luck")
    user.configure(quick(ec2))
    made = Keyboard(user, warm.run)
    yield made
    ec2.mend()
    if user.uuids():
        made.run("stop", "--yes", "--force", "slurm")


def configure(keyboard, ec2, cloud=None, **cluster):
    """Write another template; `cloud` has keys of ``[cloud/ec2]`` that are others."""
    text = quick(ec2, **cluster)
    for key, value in (cloud or {}).items():
        text = re.sub(f"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
    keyboard.user.configure(text)


def failed(done, code):
    """Return what a command has said that failed with an exit code."""
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def nodes(keyboard):
    listed = json.loads(keyboard.ok("list-nodes", "--json", "slurm"))["nodes"]
    return {node["name"]: node for node in listed}


def subnets(ec2):
    """Return the ids of the default subnets of two zones."""
    client = ec2.client()
    zones = [{"Name": "availability-zone", "Values": [*ZONES]}]
    listed = client.describe_subnets(Filters=zones)["Subnets"]
    found = {one["AvailabilityZone"]: one["SubnetId"] for one in listed}
    client.close()
    return [found[zone] for zone in ZONES]


def stopped_without_a_trace(keyboard, ec2):
    keyboard.ok(*STOP)
    assert everything(ec2) == {}


# -- said before anything is made --------------------------------------------------------------------


def test_wrong_credentials_are_named(keyboard, ec2):
    configure(keyboard, ec2, {"ec2_secret_key": "wrong"})
    said = failed(keyboard.run(*START), 77)
    assert "AuthFailure: AWS was not able to validate the provided access credentials" in said
    assert "Check ec2_access_key and ec2_secret_key" in said
    assert everything(ec2) == {}


def test_expired_credentials_are_named(keyboard, ec2):
    ec2.inject("*", "RequestExpired", message="Request has expired.", every=True)
    said = failed(keyboard.run(*START), 77)
    assert "RequestExpired: Request has expired." in said
    assert "Renew the credentials, and look whether this computer's clock is right." in said
    ec2.mend()
    assert everything(ec2) == {}


UNKNOWN = [
    (
        "image_id",
        "Ubuntu 12.40",
        "There is no image 'Ubuntu 12.40' in region",
        "Did you mean 'Ubuntu 12.04'?",
    ),
    ("flavor", "t3.mirco", "There is no flavor 't3.mirco'", "Did you mean 't3.micro'?"),
    (
        "network_ids",
        "subnet-0123456789abcdef0",
        "There is no subnet (`network_ids`) 'subnet-0123456789abcdef0'.",
        "There are: subnet-",
    ),
    ("security_group", "defualt", "There is no security group 'defualt'", "Did you mean 'default'?"),
    ("placement_group", "near", "There is no placement group 'near'", "Make it: aws ec2 create-placement"),
]


@pytest.mark.parametrize(("key", "value", "says", "near"), UNKNOWN, ids=[one[0] for one in UNKNOWN])
def test_what_does_not_exist_is_named_with_the_nearest(keyboard, ec2, key, value, says, near):
    configure(keyboard, ec2, **{key: value})
    said = failed(keyboard.run(*START), 69)
    assert says in said
    assert near in said
    assert everything(ec2) == {}


# -- while machines are made -------------------------------------------------------------------------


def test_quota_after_two_of_four_names_those_that_are_missing(keyboard, ec2):
    configure(keyboard, ec2, compute_nodes="3")
    ec2.set(vcpu_limit=4)
    said = failed(keyboard.run(*START), 4)
    assert "compute003: create: Cannot make " in said
    assert (
        "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 4" in said
    )
    assert len(everything(ec2)["instances"]) == 2
    ec2.set(vcpu_limit=None)
    keyboard.ok(*START)
    assert len(everything(ec2)["instances"]) == 4
    stopped_without_a_trace(keyboard, ec2)


def test_zone_without_capacity_is_named(keyboard, ec2):
    configure(keyboard, ec2, availability_zone=ZONES[0])
    ec2.set(capacity={ZONES[0]: 1})
    said = failed(keyboard.run(*START), 4)
    assert "InsufficientInstanceCapacity: We currently do not have sufficient t3.micro capacity" in said
    assert "Choose another availability_zone or flavor, or several network_ids in other zones." in said
    stopped_without_a_trace(keyboard, ec2)


def test_machines_are_made_in_another_zone_where_one_has_no_capacity(keyboard, ec2):
    configure(keyboard, ec2, network_ids=", ".join(subnets(ec2)), compute_nodes="3")
    ec2.set(capacity={ZONES[0]: 1})
    keyboard.ok(*START)
    client = ec2.client()
    found = client.describe_instances()["Reservations"]
    zones = [one["Placement"]["AvailabilityZone"] for group in found for one in group["Instances"]]
    client.close()
    assert sorted(zones) == [ZONES[0], ZONES[1], ZONES[1], ZONES[1]]
    stopped_without_a_trace(keyboard, ec2)


def test_create_call_without_a_reply_makes_its_machines_once(keyboard, ec2):
    ec2.inject("RunInstances", drop_reply=True, times=2)
    keyboard.ok(*START)
    assert len(everything(ec2)["instances"]) == 2
    assert ec2.calls().count("RunInstances") == 4
    stopped_without_a_trace(keyboard, ec2)


def test_machines_that_are_not_listed_at_once_are_waited_for(keyboard, ec2):
    ec2.set(consistency_seconds=2)
    keyboard.ok(*START)
    assert len(everything(ec2)["instances"]) == 2
    stopped_without_a_trace(keyboard, ec2)


# -- an account that is throttled, a service that does not answer ------------------------------------


def test_throttled_account_is_served_in_the_end(keyboard, ec2):
    ec2.inject("*", "RequestLimitExceeded", message="Request limit exceeded.", status=503, times=4)
    assert "RequestLimitExceeded: Request limit exceeded. Trying again for" in keyboard.run(*START).stderr
    assert len(nodes(keyboard)) == 2
    stopped_without_a_trace(keyboard, ec2)


@pytest.mark.full
def test_account_that_is_throttled_for_a_minute_is_served_in_the_end(keyboard, ec2):
    """It takes that long."""
    keyboard.ok("list")
    ec2.inject(
        "RunInstances", "RequestLimitExceeded", message="Request limit exceeded.", status=503, every=True
    )
    mending = threading.Timer(60, ec2.mend)
    mending.start()
    keyboard.ok(*START)
    mending.join()
    stopped_without_a_trace(keyboard, ec2)


PHASES = [
    (START, "DescribeInstanceTypes"),
    (START, "CreateSecurityGroup"),
    (START, "RunInstances"),
    (START, "DescribeInstances"),
    (PAUSE, "StopInstances"),
    (RESUME, "StartInstances"),
    (STOP, "DescribeInstances"),
    (STOP, "TerminateInstances"),
    (STOP, "DeleteKeyPair"),
]
EVERYDAY = [PHASES[index] for index in (1, 2, 5, 7)]
BEFORE = {START: (), PAUSE: (START,), RESUME: (START, PAUSE), STOP: (START,)}


def name_of(parameter):
    return parameter if isinstance(parameter, str) else parameter[0]


def survive_outage(keyboard, ec2, words, action, seconds):
    for earlier in BEFORE[words]:
        keyboard.ok(*earlier)
    ec2.inject(action, then_down=seconds)
    said = keyboard.run(*words)
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"WARNING: {ec2.url} does not answer; cannot " in said.stderr
    if words != STOP:
        assert len(nodes_of(ec2, keyboard.owner)) == 2
        keyboard.ok(*STOP)
    assert everything(ec2) == {}


@pytest.mark.parametrize(("words", "action"), EVERYDAY, ids=name_of)
def test_service_may_be_gone_for_seconds_after_a_phase(keyboard, ec2, words, action):
    survive_outage(keyboard, ec2, words, action, 3)


@pytest.mark.full
@pytest.mark.parametrize(("words", "action"), PHASES, ids=name_of)
def test_service_may_be_gone_for_half_a_minute_after_any_phase(keyboard, ec2, words, action):
    """It takes that long."""
    survive_outage(keyboard, ec2, words, action, 30)


# -- what is gone, or held -----------------------------------------------------------------------------


def test_stop_takes_what_is_gone_for_removed(keyboard, ec2):
    keyboard.ok(*START)
    client = ec2.client()
    client.terminate_instances(InstanceIds=[*nodes_of(ec2, keyboard.owner)])
    for group in everything(ec2)["groups"]:
        client.delete_security_group(GroupName=group)
    for key in everything(ec2)["keys"]:
        client.delete_key_pair(KeyName=key)
    client.close()
    stopped_without_a_trace(keyboard, ec2)
    assert not keyboard.user.uuids()


def test_stop_waits_until_ending_machines_let_go_of_the_group(keyboard, ec2):
    keyboard.ok(*START)
    ec2.set(shutdown_seconds=3)
    ec2.forget_calls()
    keyboard.ok(*STOP)
    assert ec2.calls().count("DeleteSecurityGroup") > 1
    assert everything(ec2) == {}


# -- machines that do not come up ------------------------------------------------------------------------


def test_machine_that_never_runs_is_named(keyboard, ec2):
    configure(keyboard, ec2, start_timeout="3")
    ec2.set(boot_seconds=10**9)
    said = failed(keyboard.run(*START), 4)
    assert "frontend001: boot: did not run within 3 s" in said
    assert "compute001: boot: did not run within 3 s" in said
    ec2.set(boot_seconds=0)
    stopped_without_a_trace(keyboard, ec2)


def test_machine_that_never_answers_is_named_and_its_console_shown(keyboard, ec2):
    """Its subnet is beyond what the stand-in answers for."""
    client = ec2.client()
    vpc = client.describe_vpcs()["Vpcs"][0]
    beyond = vpc["CidrBlock"].replace(".0.0/16", ".192.0/20")
    where = {"VpcId": vpc["VpcId"], "AvailabilityZone": f"{ec2.region}a"}  # not every zone has the flavor
    subnet = client.create_subnet(CidrBlock=beyond, **where)["Subnet"]["SubnetId"]
    client.close()
    configure(keyboard, ec2, network_ids=subnet, start_timeout="8", compute_nodes="0")
    said = failed(keyboard.run(*START), 4)
    assert "frontend001: timed out: 10." in said
    assert "cannot be reached: No route to host (given up after 8 s)" in said
    assert "-----BEGIN SSH HOST KEY KEYS-----" in said  # the end of its console
    stopped_without_a_trace(keyboard, ec2)


def test_image_is_found_by_its_name(keyboard, ec2):
    configure(keyboard, ec2, image_id="debian-13-amd64")
    keyboard.ok(*START)
    client = ec2.client()
    found = client.describe_instances()["Reservations"]
    assert {one["ImageId"] for group in found for one in group["Instances"]} == {DEBIAN}
    client.close()
    stopped_without_a_trace(keyboard, ec2)
