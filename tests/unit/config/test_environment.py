"""What environment variables supply, and what keys of clouds cannot stand beside one another."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import pytest

from elasticluster.config import environment
from elasticluster.providers.registry import CLOUDS, cloud_keys

AUTH_URL = "https://cloud.example.org:5000/v3"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CLOUDS:
        for key in cloud_keys(name)[0]:
            for variable in key.environment:
                monkeypatch.delenv(variable, raising=False)


def configuration(good: str, provider: str, cloud: str = "", node: str = "") -> str:
    lines = "".join(f"{line}\n" for line in (f"provider={provider}", *cloud.split()))
    return good.replace("provider=toy\nregion=north\n", lines) + "".join(f"{one}\n" for one in node.split())


def args(files: SimpleNamespace, text: str) -> dict[str, object]:
    found = files.read(text).template("slurm").cloud.args
    return {name: value for name, value in found.items() if name in SHOWN}


SHOWN = (
    "os_cloud",
    "auth_url",
    "username",
    "password",
    "token",
    "application_credential_id",
    "application_credential_secret",
    "project_name",
    "region_name",
    "ec2_region",
    "ec2_access_key",
    "ec2_secret_key",
    "ec2_profile",
)


@pytest.mark.parametrize(
    ("provider", "cloud", "variables", "expected"),
    [
        (
            "openstack",
            "username=u",
            {"OS_USERNAME": "other", "OS_PASSWORD": "p", "OS_AUTH_URL": AUTH_URL, "OS_TENANT_NAME": "lab"},
            {"auth_url": AUTH_URL, "username": "u", "password": "p", "project_name": "lab"},
        ),
        (
            "openstack",
            f"auth_url={AUTH_URL} application_credential_id=i",
            {
                "OS_APPLICATION_CREDENTIAL_SECRET": "s",
                "OS_USERNAME": "u",
                "OS_PASSWORD": "p",
                "OS_TOKEN": "t",
                "OS_PROJECT_NAME": "lab",
                "OS_CLOUD": "c",
            },
            {"auth_url": AUTH_URL, "application_credential_id": "i", "application_credential_secret": "s"},
        ),
        (
            "openstack",
            "os_cloud=mine",
            {"OS_AUTH_URL": AUTH_URL, "OS_PASSWORD": "p", "OS_PROJECT_NAME": "lab", "OS_REGION_NAME": "r"},
            {"os_cloud": "mine"},
        ),
        (
            "openstack",
            "",
            {"OS_AUTH_URL": AUTH_URL, "OS_TOKEN": "t", "OS_USERNAME": "u", "OS_PASSWORD": "p"},
            {"auth_url": AUTH_URL, "token": "t"},
        ),
        (
            "ec2_boto",
            "ec2_access_key=a",
            {"EC2_ACCESS_KEY": "b", "EC2_SECRET_KEY": "s", "AWS_DEFAULT_REGION": "eu-west-1"},
            {"ec2_access_key": "a", "ec2_secret_key": "s", "ec2_region": "eu-west-1"},
        ),
        (
            "ec2_boto",
            "ec2_profile=lab ec2_region=us-east-1",
            {"EC2_ACCESS_KEY": "b", "EC2_SECRET_KEY": "s", "AWS_DEFAULT_REGION": "eu-west-1"},
            {"ec2_profile": "lab", "ec2_region": "us-east-1"},
        ),
    ],
    ids=["file wins", "credential", "clouds.yaml", "first way", "secret only", "profile"],
)
def test_environment_supplies_what_the_file_leaves_out_and_nothing_that_it_stands_for(
    files: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    cloud: str,
    variables: dict[str, str],
    expected: dict[str, str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert args(files, configuration(files.good, provider, cloud)) == expected


def test_value_of_the_environment_is_shown_with_its_variable_and_a_secret_masked(
    files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_USERNAME", "somebody")
    monkeypatch.setenv("OS_PASSWORD", "hunter22")
    parts = files.read(configuration(files.good, "openstack", f"auth_url={AUTH_URL}")).explain("slurm")
    shown = {one.key: (one.value, str(one.origin).rpartition("/")[2]) for one in parts[0].settings}
    assert shown["username"] == ("somebody", "$OS_USERNAME")
    assert shown["password"] == ("********", "$OS_PASSWORD")
    assert shown["auth_url"] == (AUTH_URL, "config:3")


def test_variable_that_is_overruled_by_the_file_is_a_warning_of_the_check(
    files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_USERNAME", "another")
    monkeypatch.setenv("OS_PASSWORD", "hunter22")
    text = configuration(files.good, "openstack", f"auth_url={AUTH_URL} username=u password=hunter22")
    read = files.read(text)
    expected = "config:4: [cloud/here] username: counts, although $OS_USERNAME says something else"
    for warnings in (read.warnings(), read.warnings("slurm")):
        assert [str(one).replace(f"{files.folder}/", "") for one in warnings] == [expected]
    assert read.template("slurm").warnings == ()


def test_wrong_value_of_a_variable_is_a_problem_that_names_it(
    files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_IDENTITY_API_VERSION", "5")
    assert files.problems(configuration(files.good, "openstack")) == [
        "config:1: [cloud/here] $OS_IDENTITY_API_VERSION: expected one of 2, 3, not '5'"
    ]


def test_relative_path_of_a_variable_begins_at_the_present_folder(
    files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.folder / "here").mkdir()
    (files.folder / "here" / "ca.pem").touch()
    monkeypatch.chdir(files.folder / "here")
    monkeypatch.setenv("OS_CACERT", "ca.pem")
    found = files.read(configuration(files.good, "openstack")).template("slurm").cloud.args
    assert found["cacert"] == str(files.folder / "here" / "ca.pem")


def test_nothing_is_found_while_the_environment_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EC2_SECRET_KEY", "s")
    keys = cloud_keys("ec2_boto")[0]
    elsewhere: list[dict[str, str]] = []
    with environment.closed():
        assert (environment.supplied(keys, {}), environment.here()) == ({}, {})
        thread = threading.Thread(target=lambda: elsewhere.append(environment.supplied(keys, {})))
        thread.start()
        thread.join()
    assert elsewhere == [{"ec2_secret_key": "s"}]  # other threads make providers of their own
    assert environment.here() is os.environ


@pytest.mark.parametrize(
    ("provider", "cloud", "node", "expected"),
    [
        (
            "ec2_boto",
            "ec2_secret_key=s",
            "",
            "config:3: [cloud/here] ec2_secret_key: is of no use without ec2_access_key",
        ),
        (
            "ec2_boto",
            "ec2_access_key=a ec2_secret_key=s ec2_profile=p",
            "",
            (
                "config:5: [cloud/here] ec2_profile: a profile and ec2_access_key are two ways to log in; "
                "remove one"
            ),
        ),
        (
            "ec2_boto",
            "vpc=mine",
            "",
            (
                "config:9: [cluster/slurm] network_ids: is missing; [cloud/…] says vpc=mine, so it has to "
                "name subnets of it"
            ),
        ),
        (
            "ec2_boto",
            "",
            "boot_disk_iops=100",
            "config:16: [cluster/slurm] boot_disk_iops: is for disks with boot_disk_type=io1, io2 or gp3",
        ),
        (
            "ec2_boto",
            "",
            "boot_disk_type=gp2 boot_disk_iops=100",
            "config:17: [cluster/slurm] boot_disk_iops: is for disks with boot_disk_type=io1, io2 or gp3",
        ),
        (
            "ec2_boto",
            "",
            "boot_disk_type=io1",
            "config:16: [cluster/slurm] boot_disk_type: a disk of type io1 needs boot_disk_iops",
        ),
        (
            "ec2_boto",
            "",
            "timeout=60",
            "config:16: [cluster/slurm] timeout: is for spot machines; set price, too",
        ),
        (
            "openstack",
            f"os_cloud=mine auth_url={AUTH_URL} password=p",
            "",
            "config:3: [cloud/here] os_cloud: `clouds.yaml` says that already: remove auth_url, password",
        ),
        (
            "openstack",
            "application_credential_secret=s",
            "",
            (
                "config:3: [cloud/here] application_credential_secret: is of no use without "
                "application_credential_id, or application_credential_name with username"
            ),
        ),
        (
            "openstack",
            "application_credential_name=n",
            "",
            (
                "config:3: [cloud/here] application_credential_name: is of no use without username, or use "
                "application_credential_id"
            ),
        ),
        (
            "openstack",
            "token=t password=p",
            "",
            "config:3: [cloud/here] token: password and token are different ways to log in; keep one",
        ),
    ],
)
def test_keys_that_make_no_sense_together_are_one_located_line(
    files: SimpleNamespace, provider: str, cloud: str, node: str, expected: str
) -> None:
    text = configuration(files.good, provider, cloud, node)
    assert files.problems(text) == [expected]
    assert len(files.read(text).problems()) == 1


@pytest.mark.parametrize(
    ("cloud", "node"),
    [
        ("vpc=mine", "network_ids=a,b"),
        ("", "network_ids=a,b"),  # a subnet tells its network
        ("", "boot_disk_type=gp3"),
        ("", "boot_disk_type=gp3 boot_disk_iops=4000"),
        ("price=0.08 timeout=60", ""),
        ("price=0.08", "timeout=60"),
        ("", "price=0.08 timeout=60"),
        ("timeout=0 price=0", "timeout=0"),
        ("ec2_access_key=a", ""),  # the other half may be in the environment tomorrow
    ],
)
def test_keys_of_ec2_that_make_sense_together_are_let_through(
    files: SimpleNamespace, cloud: str, node: str
) -> None:
    assert files.read(configuration(files.good, "ec2_boto", cloud, node)).problems() == []


def test_kind_may_have_what_another_lacks(files: SimpleNamespace) -> None:
    text = configuration(files.good, "ec2_boto", "vpc=mine")
    own = "[cluster/slurm/compute]\nnetwork_ids=a\n"
    assert len(files.problems(text + own)) == 1
    assert files.read(f"{text}{own}[cluster/slurm/frontend]\nnetwork_ids=b\n").problems() == []
