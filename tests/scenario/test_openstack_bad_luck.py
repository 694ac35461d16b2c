"""What can go wrong on an OpenStack cloud, and what users are told then.

The services are real. Where the door between the program and the services has to do something for a thing
to go wrong, the test says so by `inject`, `amend` or `down`.
"""

import subprocess

import pytest
from tests.clouds.openstack import guests
from tests.scenario.openstack_program import Impatient, Program

from elasticluster.exceptions import CloudProviderError, SecurityGroupError
from elasticluster.model import KeyPair

pytestmark = pytest.mark.e2e

MOMENTS = {
    "login": ("POST", "/auth/tokens$"),
    "preflight": ("GET", "/flavors"),
    "prepare": ("POST", "/security-groups$"),
    "create": ("POST", "/servers$"),
    "wait": ("GET", "/servers/detail"),
}
AT_THE_END = {"stop": ("DELETE", "/servers/"), "release": ("DELETE", "/security-groups/")}


@pytest.fixture(scope="module")
def servers():
    with guests.stand_in("ec-test-luck") as made:
        yield made


@pytest.fixture
def new_program(servers, tmp_path, monkeypatch, capsys):
    """Make the program of somebody with a project."""
    monkeypatch.setenv("HOME", str(tmp_path))
    servers.cloud.reset()

    def make(project):
        made = Program(home=tmp_path, cloud=servers.cloud, project=project, spoken=capsys.readouterr)
        made.configure()
        return made

    yield make
    servers.cloud.reset()


@pytest.fixture
def program(servers, new_program):
    """Return the program of somebody with a project of their own; their cluster is not left behind."""
    made = new_program(servers.new_project())
    yield made
    servers.cloud.reset()
    if (made.home / ".elasticluster/storage/mine.json").exists():
        assert made.stop().status == 0
    assert made.project.things() == {}


@pytest.fixture(scope="module")
def shared_project(servers):
    """Return a project in which nothing is ever made."""
    project = servers.new_project(instances=2)
    yield project
    assert project.things() == {}


@pytest.fixture
def asker(shared_project, new_program):
    """Return the program of somebody to whom the cloud says no before anything is made."""
    return new_program(shared_project)


# -- before anything is made -----------------------------------------------------------------------------


def test_wrong_password_is_told(asker):
    asker.configure({"password": "wrong"})
    said = asker.start()
    assert said.status == 77
    assert said.err == (
        "Error: Cannot log in to the cloud: The request you have made requires authentication (HTTP 401) "
        "Correct user, password, project and domains in the section of the cloud, in the OS_* variables or "
        "in `clouds.yaml`; a token may have expired. Nothing was made."
    )


def test_token_that_is_no_longer_valid_is_told(asker):
    token = asker.project.connect().auth_token
    asker.configure({"password": "", "username": "", "token": token})
    asker.cloud.revoke(token)
    said = asker.start()
    assert said.status == 77
    assert "Error: Cannot log in to the cloud: Failed to validate token (HTTP 404)" in said.err


def test_login_that_expires_on_the_way_is_made_anew(asker):
    provider = Impatient(**asker.project.section)
    assert provider.list_instances() == []
    asker.cloud.expire_tokens()
    assert provider.list_instances() == []
    assert asker.cloud.calls().count("keystone POST /v3/auth/tokens") == 2


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (
            {"image_id": "debain-13"},
            (
                "There is no image 'debain-13' on this cloud. Did you mean 'debian-13'? These images exist: "
                "debian-12, debian-13, needs-a-large-disk."
            ),
        ),
        (
            {"image_id": "needs-a-large-disk"},
            (
                "Image 'needs-a-large-disk' needs a disk of 500 GB; flavor 'm1.small' has 20. Choose a "
                "larger flavor, or set `boot_disk_size`."
            ),
        ),
        (
            {"flavor": "m1.smal"},
            (
                "There is no flavor 'm1.smal' on this cloud. Did you mean 'm1.small'? These flavors exist: "
                "m1.impossible, m1.large, m1.small, m1.tiny."
            ),
        ),
        (
            {"network_ids": "privat"},
            (
                "`network_ids`: there is no network or subnet 'privat'. Did you mean 'private'? These "
                "networks and subnets exist: private, private-v4, public, public-v4."
            ),
        ),
        (
            {"security_group": "defalt"},
            (
                "There is no security group 'defalt' in this project. Did you mean 'default'? These "
                "security groups exist: default."
            ),
        ),
        (
            {"security_group": "default"},
            (
                "Security group 'default' does not let SSH in (TCP port 22). Add a rule with "
                "`openstack security group rule create --protocol tcp --dst-port 22 --remote-ip "
                "YOUR-ADDRESS default`, or leave out `security_group`: then the cluster gets a group "
                "of its own."
            ),
        ),
        (
            {"availability_zone": "nowa"},
            (
                "There is no availability zone 'nowa' on this cloud. Did you mean 'nova'? These "
                "availability zones exist: nova."
            ),
        ),
        (
            {"request_floating_ip": "yes", "floating_network_id": "pubic"},
            (
                "`floating_network_id`: there is no external network 'pubic'. Did you mean 'public'? "
                "These external networks exist: public."
            ),
        ),
        (
            {},
            (
                "The project's quota of instances is too small: 3 needed, 0 of 2 in use. Ask for fewer or "
                "smaller nodes, have the quota raised, or remove what nobody needs."
            ),
        ),
    ],
    ids=["image", "disk", "flavor", "network", "group", "port 22", "zone", "external network", "quota"],
)
def test_what_the_cloud_would_refuse_is_told_before_anything_is_made(asker, wish, message):
    asker.configure(**wish)
    said = asker.start()
    assert said.status == 69
    assert said.err == f"Checking … Error: {message} Nothing was made."


def test_cloud_that_is_down_for_longer_than_we_wait_is_told(asker):
    asker.cloud.down(60)
    provider = Impatient(**asker.project.section)
    with pytest.raises(CloudProviderError) as error:
        provider.list_instances()
    assert str(error.value) == (
        f"Cannot log in to the cloud: the cloud does not answer at {asker.cloud.auth_url}/auth/tokens: "
        "Connection reset by peer.\n"
        "Look whether the cloud is up and `auth_url` is right, then run the same command again."
    )


def test_security_group_that_something_else_uses_is_told_and_removed_later(asker, new_cluster, tmp_path):
    private = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
    key = KeyPair(name="", public_path=f"{private}.pub", private_path=str(private))
    cluster, provider = new_cluster(), Impatient(**asker.project.section)
    provider.prepare(cluster, key)
    user = asker.project.connect().network
    group = next(one for one in user.security_groups() if one.name != "default")
    port = user.create_port(network_id=asker.project.network_id, security_groups=[group.id])
    with pytest.raises(SecurityGroupError) as error:
        provider.release(cluster.uuid)
    assert str(error.value) == (
        f"The security group '{group.id}' is still in use.\nA server or port that is not the cluster's own "
        f"may use it; `openstack port list --security-group {group.id}` shows which."
    )
    user.delete_port(port.id)
    provider.release(cluster.uuid)
    assert asker.project.things() == {}


# -- on the way ------------------------------------------------------------------------------------------


def test_quota_that_others_use_up_meanwhile_costs_only_the_nodes_that_find_no_room(program):
    program.project.set_quota(instances=2)
    program.cloud.amend("GET", "/limits", lambda said: said["limits"]["absolute"].update(maxTotalInstances=9))
    program.configure(frontend_nodes=3, frontend_nodes_min=1, compute_nodes=0)
    said = program.start()
    assert said.status == 3
    # Nova counts when it takes the call, and once more when it builds the server.
    refused = "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances"
    assert said.verdict[1] in {
        f"frontend003: create: Cannot make servers for 'mine': {refused} (HTTP 403)",
        f"frontend003: boot: its instance UUID is broken: {refused}",
    }
    assert sorted(program.project.things()["server"])[:2] == ["mine-frontend-1", "mine-frontend-2"]


def test_server_for_which_there_is_no_host_is_told(program):
    program.project.set_quota(cores=-1)
    program.configure(flavor="m1.impossible", compute_nodes=0)
    said = program.start()
    assert said.status == 4
    assert said.verdict == [
        "Your cluster `mine` is not ready:",
        "frontend001: boot: its instance UUID is broken: No valid host was found.",
        "0 of 1 frontend nodes are usable, at least 1 are needed",
    ]


def test_server_that_never_runs_is_told(program):
    def building(said):
        for server in said["servers"]:
            server |= {
                "status": "BUILD",
                "OS-EXT-STS:vm_state": "building",
                "OS-EXT-STS:task_state": "spawning",
            }

    program.cloud.amend("GET", "/servers/detail", building)
    program.configure(start_timeout=6, compute_nodes=0)
    said = program.start()
    assert said.status == 4
    assert said.verdict == [
        "Your cluster `mine` is not ready:",
        "frontend001: boot: did not run within 6 s",
        "0 of 1 frontend nodes are usable, at least 1 are needed",
    ]


def test_server_that_never_answers_ssh_is_told(servers, program):
    program.project = servers.new_project(pool=servers.silent)
    program.configure(start_timeout=10, compute_nodes=0)
    said = program.start()
    assert said.status == 4
    (server,) = program.project.connect().compute.servers()
    address = server.addresses["private"][0]["addr"]
    assert said.verdict == [
        "Your cluster `mine` is not ready:",
        f"frontend001: timed out: {address}:22 cannot be reached: No route to host (given up after 10 s)",
        "0 of 1 frontend nodes are usable, at least 1 are needed",
    ]


def test_start_waits_where_it_is_throttled_and_stop_does_not_miss_what_is_gone(program):
    slowly = {"status": 429, "times": 2, "headers": {"Retry-After": "1"}}
    faults = [program.cloud.inject(method, path, **slowly) for method, path in MOMENTS.values()]
    assert program.start().status == 0
    assert len(program.project.things()["server"]) == 3
    assert len(program.nodes()) == 3
    assert [fault.path for fault in faults if fault.hits <= 2] == []

    compute = program.project.connect().compute
    for server in compute.servers():
        compute.delete_server(server.id)
    said = program.stop()
    assert (said.status, said.out) == (0, "Cluster `mine` was stopped.\n")
    assert program.project.things() == {}


def test_servers_are_not_made_twice_where_the_replies_of_the_calls_are_lost(program):
    lost = program.cloud.inject("POST", "/servers$", drop_reply=True, times=2)
    assert program.start().status == 0
    assert lost.hits == 2
    servers = program.project.connect().compute.servers()
    assert {server.id for server in servers} == {node["instance_id"] for node in program.nodes().values()}
    assert len(program.nodes()) == 3


def test_start_and_stop_go_on_where_the_cloud_is_down_for_a_moment_in_each_phase(program):
    _survive(program, {**MOMENTS, **AT_THE_END}, 1.5)


@pytest.mark.full
@pytest.mark.parametrize("moment", [*MOMENTS, *AT_THE_END])
def test_start_and_stop_go_on_where_the_cloud_is_down_for_half_a_minute(program, moment):
    _survive(program, {moment: {**MOMENTS, **AT_THE_END}[moment]}, 30)


def _survive(program, moments, outage):
    """Start and stop a cluster while at each of these moments the cloud goes away for so many seconds."""
    faults = [program.cloud.inject(method, path, outage=outage) for method, path in moments.values()]
    assert program.start().status == 0
    assert len(program.project.things()["server"]) == 3
    said = program.stop()
    assert (said.status, said.out) == (0, "Cluster `mine` was stopped.\n")
    assert all(fault.hits for fault in faults)
