"""The template that is shipped for all clouds, on OpenStack, from the API to a job."""

import subprocess

import pytest
from tests.clouds.openstack import guests
from tests.clouds.template import configure_three_clouds

pytestmark = pytest.mark.e2e

CLUSTER = "slurm-on-openstack"


@pytest.fixture(scope="module")
def project():
    with guests.containers("ec-test-openstack") as cloud:
        yield cloud.new_project()


@pytest.fixture(scope="module")
def owner(new_user, project):
    """Return somebody with a key pair, for whom the template for all clouds leads to the test cloud."""
    made = new_user("openstack")
    private = made.home / "mine"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
    login = {
        "user_key_name": "mine",
        "user_key_private": str(private),
        "user_key_public": f"{private}.pub",
    }
    configure_three_clouds(made, {"cloud/openstack": project.section, "login/openstack": login})
    return made


def test_shipped_template_goes_from_the_api_to_a_job_and_leaves_what_was_the_users(project, owner):
    user = project.connect()
    user.network.create_security_group(name="of-the-user")
    user.compute.create_keypair(name="of-the-user", public_key=(owner.home / "mine.pub").read_text())
    public = user.network.find_network("public")
    address = user.network.create_ip(floating_network_id=public.id).floating_ip_address
    before = project.things()
    assert before == {
        "key pair": ["of-the-user"],
        "security group": ["of-the-user"],
        "floating IP": [address],
    }

    assert owner.ok("start", CLUSTER).endswith(f"Your cluster `{CLUSTER}` is ready!\n")
    said = owner.ssh("srun --nodes 2 hostname", cluster=CLUSTER)
    assert sorted(said.split()) == ["compute001", "compute002"]
    during = project.things()
    assert len(during["server"]) == 3
    assert len(during["floating IP"]) == 4
    assert len(during["security group"]) == 2

    owner.ok("stop", "--yes", CLUSTER)
    # The key was uploaded under a name that the user gave, so it is the user's.
    assert project.things() == before | {"key pair": ["mine", "of-the-user"]}
