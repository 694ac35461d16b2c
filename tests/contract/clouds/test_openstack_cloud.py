"""The OpenStack test cloud itself: real services, and doors at which things go wrong when told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tests.clouds.openstack.cloud import FLAVOR, IMAGE, OpenStackCloud, Project


@pytest.fixture(scope="module")
def services() -> Iterator[OpenStackCloud]:
    with OpenStackCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def project(services: OpenStackCloud) -> Project:
    return services.new_project()


@pytest.fixture
def cloud(services: OpenStackCloud) -> Iterator[OpenStackCloud]:
    services.reset()
    yield services
    services.reset()


@pytest.fixture
def nova(cloud: OpenStackCloud, project: Project) -> str:
    """Return the address of Nova as the catalog tells it to whoever logs in at Keystone's door."""
    return endpoint(login(project).json(), "nova")


@pytest.fixture
def token(cloud: OpenStackCloud, project: Project) -> str:
    return login(project).headers["X-Subject-Token"]


def login(project: Project) -> requests.Response:
    domain = {"id": "default"}
    user = {"name": project.username, "domain": domain, "password": project.password}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": project.name, "domain": domain}}
    asked = {"auth": {"identity": identity, "scope": scope}}
    return requests.post(f"{project.cloud.auth_url}/auth/tokens", json=asked, timeout=60)


def endpoint(said: Any, name: str) -> str:
    (service,) = [one for one in said["token"]["catalog"] if one["name"] == name]
    return str(next(one["url"] for one in service["endpoints"] if one["interface"] == "public"))


def ask(method: str, url: str, token: str, body: Any = None) -> requests.Response:
    return requests.request(method, url, headers={"X-Auth-Token": token}, json=body, timeout=60)


def test_traffic_goes_through_the_doors_from_the_catalog_on(
    cloud: OpenStackCloud, nova: str, token: str
) -> None:
    assert nova == f"http://127.0.0.1:{cloud.doors.ports['nova']}/v2.1"
    version = ask("GET", nova, token).json()
    assert version["version"]["links"][0]["href"].rstrip("/") == nova
    assert cloud.calls()[-1] == "nova GET /v2.1"


def test_projects_see_nothing_of_each_other(cloud: OpenStackCloud, project: Project) -> None:
    other = cloud.new_project()
    project.connect().network.create_security_group(name="mine")
    assert project.things() == {"security group": ["mine"]}
    assert other.things() == {}
    project.connect().network.delete_security_group(project.connect().network.find_security_group("mine"))


def test_requests_fail_as_often_as_they_are_told_to(cloud: OpenStackCloud, nova: str, token: str) -> None:
    cloud.inject(
        "GET", "/servers$", status=429, message="Slowly.", headers={"Retry-After": "7"}, times=2, skip=1
    )
    answers = [ask("GET", f"{nova}/servers", token) for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "7"
    assert answers[1].json()["error"]["message"] == "Slowly."


def test_work_is_done_where_only_the_reply_is_lost(
    cloud: OpenStackCloud, project: Project, nova: str, token: str
) -> None:
    cloud.inject("POST", "/os-keypairs$", drop_reply=True)
    with pytest.raises(requests.ConnectionError):
        ask("POST", f"{nova}/os-keypairs", token, {"keypair": {"name": "lost"}})
    # A key pair that exists cannot be made again: so it was made.
    assert ask("POST", f"{nova}/os-keypairs", token, {"keypair": {"name": "lost"}}).status_code in {400, 409}
    project.connect().compute.delete_keypair("lost")


def test_services_that_are_down_answer_nobody_until_they_are_up_again(
    cloud: OpenStackCloud, nova: str, token: str
) -> None:
    cloud.down(60, "nova")
    with pytest.raises(requests.ConnectionError):
        ask("GET", f"{nova}/servers", token)
    assert requests.get(cloud.auth_url, timeout=60).ok
    cloud.reset()
    assert ask("GET", f"{nova}/servers", token).ok


def test_tokens_expire_when_told_to_and_new_ones_are_good(
    cloud: OpenStackCloud, project: Project, nova: str, token: str
) -> None:
    assert ask("GET", f"{nova}/servers", token).ok
    cloud.expire_tokens()
    assert ask("GET", f"{nova}/servers", token).status_code == 401
    assert ask("GET", f"{nova}/servers", login(project).headers["X-Subject-Token"]).ok


def test_answers_can_be_amended(cloud: OpenStackCloud, nova: str, token: str) -> None:
    cloud.amend("GET", "/servers$", lambda said: said["servers"].append({"id": "made-up"}))
    assert ask("GET", f"{nova}/servers", token).json() == {"servers": [{"id": "made-up"}]}


def test_use_by_somebody_else_is_of_the_same_services_through_other_doors(cloud: OpenStackCloud) -> None:
    with OpenStackCloud() as other:
        assert other.doors.real == cloud.doors.real
        assert other.auth_url != cloud.auth_url
        other.down(60)
        assert requests.get(cloud.auth_url, timeout=60).ok
    assert requests.get(cloud.auth_url, timeout=60).ok


def test_server_boots_from_a_volume_that_goes_with_it(project: Project) -> None:
    user = project.connect()
    disk = {
        "boot_index": 0,
        "uuid": user.image.find_image(IMAGE).id,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 3,
        "delete_on_termination": True,
    }
    server = user.compute.create_server(
        name="of-a-volume",
        flavor_id=user.compute.find_flavor(FLAVOR).id,
        networks=[{"uuid": project.network_id}],
        block_device_mapping_v2=[disk],
    )
    user.compute.wait_for_server(server, interval=0.3, wait=120)
    (volume,) = user.block_storage.volumes()
    assert (volume.status, volume.size) == ("in-use", 3)
    user.compute.delete_server(server.id)
    deadline = time.monotonic() + 60
    while project.things() and time.monotonic() < deadline:
        time.sleep(0.3)
    assert project.things() == {}
