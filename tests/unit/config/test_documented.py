"""The clouds that the documents name: their sections are checked, also where nothing can be started yet."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from elasticluster.config.documented import DOCUMENTED, OPEN
from elasticluster.providers.registry import CLOUDS, cloud_keys

TABLES = {**DOCUMENTED, **{name: cloud_keys(name) for name in CLOUDS}}

SECTIONS = {
    "azure": (
        "subscription_id=a\ntenant_id=b\nclient_id=c\nsecret=d\nlocation=westus",
        "boot_disk_size=30\nstorage_account_type=Premium_LRS",
    ),
    "ec2_boto": (
        (
            "ec2_url=https://ec2.us-east-1.amazonaws.com\nec2_region=us-east-1\nec2_access_key=a\n"
            "ec2_secret_key=b\nvpc=mine\nrequest_floating_ip=yes\nprice=0.08\ntimeout=60\ninstance_profile=p"
        ),
        (
            "network_ids=a,b\navailability_zone=eu-west-1a\nboot_disk_size=20\nboot_disk_type=gp3\nboot_disk_device=/dev/sda1\n"
            "boot_disk_iops=100\nplacement_group=near\nprice=0.1\ntimeout=0"
        ),
    ),
    "google": (
        (
            "gce_project_id=p\ngce_client_id=i\ngce_client_secret=s\nnoauth_local_webserver=yes\n"
            "network=default\nzone=europe-west6-a"
        ),
        (
            "boot_disk_size=10\nboot_disk_type=pd-ssd\naccelerator_count=1\naccelerator_type=t4\n"
            "min_cpu_platform=x\ntags=a,b\nscheduling=preemptible\nallow_project_ssh_keys=no\n"
            "local_ssd_count=1\nlocal_ssd_interface=NVME"
        ),
    ),
    "libcloud": ("driver_name=exoscale\nkey=a\nanything=b", "network_ids=n\nimage_user_password=p"),
    "opennebula": ("endpoint=http://localhost:2633/RPC2\nusername=u\npassword=p", "network_ids=n"),
    "openstack": (
        (
            "auth_url=https://cloud.example.org:5000/v3\nusername=u\npassword=50%off\ntenant_name=lab\n"
            "user_domain_name=default\nproject_domain_name=default\nregion_name=r\navailability_zone=z\n"
            "nova_api_version=2\nimage_api_version=2\nnetwork_api_version=2.0\nvolume_api_version=3\n"
            "identity_api_version=3\nuse_anti_affinity_groups=yes\nbuild_timeout=30\nrequest_floating_ip=True"
        ),
        (
            "network_ids=n\nrequest_floating_ip=no\nfloating_network_id=f\nboot_disk_size=20\n"
            "boot_disk_type=ssd\navailability_zone=z\nmax_wait=300"
        ),
    ),
}
"""For each provider: all keys of its section, and all of its own keys of nodes."""


def configuration(good: str, provider: str) -> str:
    cloud, node = SECTIONS[provider]
    return good.replace("provider=toy\nregion=north", f"provider={provider}\n{cloud}") + node + "\n"


@pytest.mark.parametrize("provider", SECTIONS)
def test_every_documented_key_of_a_cloud_is_understood(files: SimpleNamespace, provider: str) -> None:
    configured = files.read(configuration(files.good, provider))
    template = configured.template("slurm")
    assert configured.problems() == []
    assert template.cloud.type == provider
    assert template.cloud_available == (provider in CLOUDS)


@pytest.mark.parametrize("provider", sorted(SECTIONS.keys() - OPEN))
def test_unknown_key_of_a_documented_cloud_is_a_problem(files: SimpleNamespace, provider: str) -> None:
    text = configuration(files.good, provider).replace("[login", "zzz=1\n[login", 1) + "yyy=1\n"
    lines = files.problems(text)
    assert [line.partition(" ")[2] for line in lines] == [
        "[cloud/here] zzz: unknown key",
        "[cluster/slurm] yyy: unknown key",
    ]


def test_libcloud_needs_its_driver_and_hands_on_the_rest(files: SimpleNamespace) -> None:
    text = configuration(files.good, "libcloud")
    assert files.read(text).template("slurm").cloud.args == {
        "driver_name": "exoscale",
        "key": "a",
        "anything": "b",
    }
    assert files.problems(text.replace("driver_name=exoscale\n", "")) == [
        "config:1: [cloud/here] driver_name: is missing: driver of Apache Libcloud, like exoscale"
    ]


@pytest.mark.parametrize("provider", sorted(SECTIONS.keys() - {"libcloud"}))
def test_what_the_environment_can_supply_may_be_left_out(files: SimpleNamespace, provider: str) -> None:
    text = files.good.replace("provider=toy\nregion=north", f"provider={provider}")
    assert files.read(text).problems() == []


def test_key_of_azure_that_does_nothing_any_more_is_let_pass(files: SimpleNamespace) -> None:
    text = configuration(files.good, "azure").replace("location", "certificate=x\nlocation", 1)
    assert [warning.key for warning in files.read(text).template("slurm").warnings] == [
        "provider",
        "certificate",
    ]


def test_all_secrets_of_clouds_are_marked() -> None:
    tables = [table for table in TABLES.values() if table]
    keys = [key for cloud, node in tables for key in (*cloud, *node)]
    words = ("secret", "password", "token")
    looks = {key.name for key in keys if any(word in key.name for word in words)}
    assert {key.name for key in keys if key.secret} == looks


def test_no_table_has_a_key_twice() -> None:
    names = [[key.name for key in keys] for tables in TABLES.values() for keys in tables or ()]
    assert [one for one in names if len(one) != len(set(one))] == []
