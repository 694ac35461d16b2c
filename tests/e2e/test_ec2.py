"""The template that is shipped for all clouds, on EC2, from the API to a job."""

import subprocess

import pytest
from tests.clouds.ec2.listing import everything
from tests.clouds.ec2.server import DEBIAN
from tests.clouds.fixtures import ec2_with_machines
from tests.clouds.template import account, configure_three_clouds

pytestmark = pytest.mark.e2e

CLUSTER = "slurm-on-ec2"


@pytest.fixture(scope="module")
def ec2():
    with ec2_with_machines("ec-test-ec2") as server:
        yield server


@pytest.fixture(scope="module")
def owner(new_user, ec2):
    """Return somebody with a key pair, for whom the template for all clouds leads to the test cloud."""
    made = new_user("ec2")
    private = made.home / "mine"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
    login = {
        "user_key_name": "mine",
        "user_key_private": str(private),
        "user_key_public": f"{private}.pub",
    }
    values = {
        "cloud/ec2": account(ec2),
        "login/ec2": login,
        f"cluster/{CLUSTER}": {"image_id": DEBIAN, "flavor": "t3.small"},
    }
    configure_three_clouds(made, values)
    return made


def test_shipped_template_goes_from_the_api_to_a_job_and_leaves_what_was_the_users(ec2, owner):
    client = ec2.client()
    group = client.create_security_group(GroupName="of-the-user", Description="d")["GroupId"]
    client.import_key_pair(KeyName="of-the-user", PublicKeyMaterial=(owner.home / "mine.pub").read_bytes())
    address = client.allocate_address(Domain="vpc")["PublicIp"]
    before = everything(ec2)
    assert before == {"groups": ["of-the-user"], "keys": ["of-the-user"], "addresses": [address]}

    assert owner.ok("start", CLUSTER).endswith(f"Your cluster `{CLUSTER}` is ready!\n")
    said = owner.ssh("srun --nodes 2 hostname", cluster=CLUSTER)
    assert sorted(said.split()) == ["compute001", "compute002"]
    during = everything(ec2)
    assert len(during["instances"]) == 3
    assert len(during["groups"]) == 2

    owner.ok("stop", "--yes", CLUSTER)
    # The key was uploaded under a name that the user gave, so it is the user's.
    assert everything(ec2) == before | {"keys": ["mine", "of-the-user"]}
    client.delete_security_group(GroupId=group)
    client.close()
