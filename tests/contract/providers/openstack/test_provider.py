"""The OpenStack provider, on Keystone, Glance, Placement, Neutron, Nova and Cinder themselves."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.clouds.openstack.cloud import OpenStackCloud
from tests.contract.providers.openstack.sites import Site

from elasticluster.engine.events import Event, Warned, ignore
from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    CredentialsError,
    FlavorError,
    ImageError,
    InstanceError,
    InstanceNotFoundError,
    KeypairError,
    QuotaError,
    SecurityGroupError,
    SubnetError,
    UnsupportedError,
)
from elasticluster.model import InstanceState

RUNNING, STOPPED = InstanceState.RUNNING, InstanceState.STOPPED
NOBODY = "00000000-0000-4000-8000-000000000000"


def test_cluster_comes_and_goes_with_all_that_is_its_own(site: Site) -> None:
    """Floating IP addresses, server group, security group and key pair; nothing of it is left."""
    site = site.of(3)
    own = site.provider(request_floating_ip=True, use_anti_affinity_groups=True)
    provider = site.ready(own)
    provider.prepare(site.cluster, site.key)
    made = provider.create_instances(site.request)
    assert not made.failures
    assert [one.tags.node for one in made.instances] == ["compute001", "compute002", "compute003"]

    machines = site.wait(provider, RUNNING, RUNNING, RUNNING)
    assert [one.id for one in machines] == [one.id for one in made.instances]
    assert {one.tags.batch for one in machines} == {site.request.token}
    assert len({one.public_ip for one in machines}) == len({one.private_ip for one in machines}) == 3
    assert site.wait(site.provider(), RUNNING, RUNNING, RUNNING) == machines, "another process sees the same"

    things = site.project.things()
    name = f"elasticluster-ectest-1-{site.cluster.uuid}"
    assert things["server"] == ["ectest+1-compute-1", "ectest+1-compute-2", "ectest+1-compute-3"]
    assert (things["security group"], things["key pair"]) == ([name], [name])
    assert things["server group"] == [f"{name}-compute"]
    assert sorted(things["floating IP"]) == sorted(str(one.public_ip) for one in machines)
    resources = site.provider().list_resources(site.cluster.uuid)
    assert {one.tags for one in resources} == {replace(site.request.tags, kind="")}
    assert not site.provider().list_resources(NOBODY)

    assert not provider.stop_instances([one.id for one in machines])
    provider.release(site.cluster.uuid)
    assert not site.project.things()


def test_paused_machines_are_off_and_keep_their_addresses(site: Site) -> None:
    provider = site.ready(site.provider(request_floating_ip=True))
    provider.create_instances(site.request)
    before = site.wait(provider, RUNNING, RUNNING)
    ids = [one.id for one in before]
    assert not provider.pause_instances(ids)
    assert not provider.pause_instances(ids)
    assert [one.state for one in provider.list_instances(site.cluster.uuid)] == [STOPPED, STOPPED]
    assert not provider.resume_instances(ids)
    assert not provider.resume_instances(ids)
    assert site.wait(provider, RUNNING, RUNNING) == before


def test_machines_whose_reply_was_lost_are_not_made_twice(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    provider = site.ready(site.provider())
    openstack_cloud.inject("POST", "/servers$", drop_reply=True)
    made = provider.create_instances(site.request)
    assert (len(made.instances), dict(made.failures)) == (2, {})
    assert len(site.project.things()["server"]) == 2


def test_machine_alone_whose_reply_was_lost_is_found_again(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    site = site.of(1)
    provider = site.ready(site.provider())
    openstack_cloud.inject("POST", "/servers$", drop_reply=True)
    made = provider.create_instances(site.request)
    assert [one.tags.node for one in made.instances] == ["compute001"]
    assert site.project.things()["server"] == ["ectest+1-compute001"]


def test_machines_are_asked_for_again_where_nothing_came_of_the_call(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    provider = site.ready(site.provider())
    openstack_cloud.inject("POST", "/servers$", status=503)
    made = provider.create_instances(site.request)
    assert (len(made.instances), dict(made.failures)) == (2, {})


@pytest.mark.parametrize("path", ["/security-groups$", "/os-keypairs$", "/security-group-rules$"])
def test_what_machines_share_is_made_once_though_the_reply_was_lost(
    site: Site, openstack_cloud: OpenStackCloud, path: str
) -> None:
    fault = openstack_cloud.inject("POST", path, drop_reply=True)
    provider = site.provider()
    try:
        provider.prepare(site.cluster, site.key)
    except CloudProviderError:
        assert "rules" in path, "a rule whose reply was lost is there when the same command is run again"
        provider.prepare(site.cluster, site.key)
    assert fault.hits
    things = site.project.things()
    assert (len(things["security group"]), len(things["key pair"])) == (1, 1)


def test_floating_ip_address_is_allocated_once_though_the_reply_was_lost(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    site = site.of(1)
    provider = site.ready(site.provider(request_floating_ip=True))
    provider.create_instances(site.request)
    openstack_cloud.inject("POST", "/floatingips$", drop_reply=True)
    (machine,) = site.wait(provider, RUNNING)
    assert site.project.things()["floating IP"] == [machine.public_ip]


def test_free_address_and_named_key_of_the_user_stay(
    site_alone: Site, key_of_type: Callable[[str], Path]
) -> None:
    site_alone = site_alone.of(1).with_key("the-users", key_of_type("rsa"))
    user = site_alone.project.connect()
    public = user.network.find_network("public")
    free = user.network.create_ip(floating_network_id=public.id).floating_ip_address
    provider = site_alone.ready(site_alone.provider(request_floating_ip=True))
    provider.create_instances(site_alone.request)
    (machine,) = site_alone.wait(provider, RUNNING)
    assert machine.public_ip != free
    provider.stop_instances([machine.id])
    provider.release(site_alone.cluster.uuid)
    assert site_alone.project.things() == {"floating IP": [free], "key pair": ["the-users"]}


def test_every_type_of_key_that_nova_takes_can_be_uploaded(
    site_alone: Site, key_of_type: Callable[[str], Path]
) -> None:
    kinds = ["ecdsa", "ed25519", "rsa"]
    for kind in kinds:
        one = site_alone.with_key(f"of-{kind}", key_of_type(kind))
        for provider in (one.provider(), one.provider()):
            provider.prepare(one.cluster, one.key)
            provider.preflight(one.cluster, [one.request], ignore)
    assert site_alone.project.things()["key pair"] == [f"of-{kind}" for kind in kinds]


def test_other_key_of_the_same_name_is_refused_with_both(
    site_alone: Site, key_of_type: Callable[[str], Path]
) -> None:
    mine = site_alone.with_key("mine", key_of_type("ed25519"))
    mine.provider().prepare(mine.cluster, mine.key)
    other = site_alone.with_key("mine", key_of_type("ecdsa"))
    with pytest.raises(KeypairError) as raised:
        other.provider().preflight(other.cluster, [other.request], ignore)
    path = re.escape(other.key.public_path)
    assert re.fullmatch(
        rf"The key pair 'mine' on the cloud \(SHA256:\S+\) is not the one in {path} \(SHA256:\S+\)\.",
        raised.value.message,
    )


def test_quota_after_some_gives_each_name_its_outcome(site_alone: Site) -> None:
    site_alone = site_alone.of(4)
    provider = site_alone.ready(site_alone.provider())
    site_alone.project.set_quota(instances=3)
    made = provider.create_instances(site_alone.request)
    assert [one.tags.node for one in made.instances] == ["compute001", "compute002", "compute003"]
    assert [*made.failures] == ["compute004"]
    error = made.failures["compute004"]
    assert type(error) is QuotaError
    assert error.message == (
        "Cannot make servers for 'ectest+1': Quota exceeded for instances: Requested 1, but already used "
        "3 of 3 instances (HTTP 403)"
    )


QUOTAS = {
    "instances": "The project's quota of instances is too small: 2 needed, 0 of 1 in use.",
    "cores": "The project's quota of processors is too small: 2 needed, 0 of 1 in use.",
    "floatingip": "The project's quota of floating IP addresses is too small: 2 needed, 0 of 1 in use.",
}


def test_quota_too_small_for_the_plan_is_told_before_anything_is_made(site_alone: Site) -> None:
    provider = site_alone.provider(request_floating_ip=True)
    for name, message in QUOTAS.items():
        site_alone.project.set_quota(**{name: 1})
        with pytest.raises(QuotaError) as raised:
            provider.preflight(site_alone.cluster, [site_alone.request], ignore)
        assert raised.value.message == message
        site_alone.project.set_quota(**{name: 50})
    assert not site_alone.project.things()


MISTAKES: list[tuple[dict[str, Any], type[CloudProviderError], str, str]] = [
    ({"image_id": "debian-31"}, ImageError, "There is no image 'debian-31' on this cloud.", "debian-13"),
    ({"flavor": "m1.smal"}, FlavorError, "There is no flavor 'm1.smal' on this cloud.", "m1.small"),
    (
        {"extra": {"network_ids": ["privat"]}},
        SubnetError,
        "`network_ids`: there is no network or subnet 'privat'.",
        "private",
    ),
    (
        {"security_group": "defualt"},
        SecurityGroupError,
        "There is no security group 'defualt' in this project.",
        "default",
    ),
    (
        {"security_group": "default"},
        SecurityGroupError,
        "Security group 'default' does not let SSH in (TCP port 22).",
        "openstack security group rule create --protocol tcp --dst-port 22 --remote-ip YOUR-ADDRESS default",
    ),
    (
        {"extra": {"availability_zone": "nowa"}},
        CapacityError,
        "There is no availability zone 'nowa' on this cloud.",
        "nova",
    ),
    (
        {"extra": {"request_floating_ip": True, "floating_network_id": "pubic"}},
        SubnetError,
        "`floating_network_id`: there is no external network 'pubic'.",
        "public",
    ),
    (
        {"image_userdata": "#" * 50000},
        UnsupportedError,
        "`image_userdata` has 50000 bytes; OpenStack takes 49149 at most.",
        "fetch",
    ),
]


def test_mistakes_are_told_before_anything_is_made_with_the_nearest_names(site: Site) -> None:
    provider = site.provider()
    for spec, error, message, hint in MISTAKES:
        wrong = site.of(2, **spec)
        with pytest.raises(CloudProviderError) as raised:
            provider.preflight(wrong.cluster, [wrong.request], ignore)
        assert (type(raised.value), raised.value.message) == (error, message)
        assert hint in raised.value.hint
    assert not site.project.things()


def test_several_networks_want_one_to_be_named(site_alone: Site) -> None:
    user = site_alone.project.connect()
    second = user.network.create_network(name="second")
    subnet = user.network.create_subnet(
        network_id=second.id, name="second-v4", ip_version=4, cidr="10.9.0.0/24"
    )
    with pytest.raises(SubnetError) as raised:
        site_alone.provider().preflight(site_alone.cluster, [site_alone.request], ignore)
    assert raised.value.message == "There are several networks that machines could be connected to."
    assert f"second ({second.id})" in raised.value.hint
    both = site_alone.of(1, extra={"network_ids": ["private", subnet.id]})
    provider = both.ready(both.provider())
    provider.create_instances(both.request)
    both.wait(provider, RUNNING)
    (server,) = user.compute.servers()
    assert sorted(server.addresses) == ["private", "second"]


def test_images_and_flavors_go_by_id_and_ambiguous_names_are_refused(
    site_alone: Site, openstack_cloud: OpenStackCloud
) -> None:
    user = site_alone.project.connect()
    image, flavor = user.image.find_image("debian-13"), user.compute.find_flavor("m1.small")
    by_id = site_alone.of(1, image_id=image.id, flavor=flavor.id)
    site_alone.provider().preflight(by_id.cluster, [by_id.request], ignore)
    assert site_alone.provider().node_vars(flavor.id) == {"cpus": flavor.vcpus, "memory_mb": flavor.ram}
    twins = [
        user.image.create_image(name="twin", disk_format="raw", container_format="bare", data=b"0").id
        for _ in range(2)
    ]
    double = site_alone.of(1, image_id="twin")
    with pytest.raises(ImageError) as raised:
        site_alone.provider().preflight(double.cluster, [double.request], ignore)
    assert str(raised.value) == (
        f"There are 2 images called 'twin'.\nGive an id: {', '.join(sorted(twins))}."
    )


def test_machines_in_groups_that_the_user_names_leave_these_alone(site_alone: Site) -> None:
    user = site_alone.project.connect()
    group = user.network.create_security_group(name="let-in")
    user.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=20, port_range_max=30
    )
    named = site_alone.of(1, security_group=f"default, {group.id}")
    provider = named.ready(named.provider())
    provider.create_instances(named.request)
    (machine,) = named.wait(provider, RUNNING)
    assert [*provider.get_ips(machine.id)] == [machine.private_ip]
    provider.stop_instances([machine.id])
    provider.release(site_alone.cluster.uuid)
    assert site_alone.project.things() == {"security group": ["let-in"]}


def test_boot_volume_is_made_and_removed_with_its_machine(site: Site) -> None:
    disk = site.of(1, extra={"boot_disk_size": 3})
    provider = disk.ready(disk.provider())
    provider.create_instances(disk.request)
    (machine,) = disk.wait(provider, RUNNING)
    user = site.project.connect()
    assert [volume.size for volume in user.block_storage.volumes()] == [3]
    provider.stop_instances([machine.id])
    provider.release(site.cluster.uuid)
    assert not site.project.things().get("volume")


def test_own_group_lets_in_ssh_and_the_other_members(site: Site) -> None:
    provider = site.provider(ssh_from=["203.0.113.0/24", "2001:db8::/48"])
    provider.prepare(site.cluster, site.key)
    user = site.project.connect()
    (group,) = [one for one in user.network.security_groups() if one.name != "default"]
    rules = [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]
    told = sorted(
        (rule["ethertype"], rule["protocol"], rule["port_range_min"], rule["remote_ip_prefix"])
        for rule in rules
        if not rule["remote_group_id"]
    )
    assert told == [("IPv4", "tcp", 22, "203.0.113.0/24"), ("IPv6", "tcp", 22, "2001:db8::/48")]
    members = [rule["ethertype"] for rule in rules if rule["remote_group_id"] == group.id]
    assert sorted(members) == ["IPv4", "IPv6"]


def test_user_data_reaches_the_machine_as_it_is(site: Site) -> None:
    script = "#!/bin/sh\necho grüezi\n"
    one = site.of(1, image_userdata=script)
    provider = one.ready(one.provider())
    (machine,) = provider.create_instances(one.request).instances
    server = site.project.cloud.connect().compute.get_server(machine.id)  # only operators see it
    assert base64.b64decode(server.user_data).decode() == script


def test_machines_of_others_are_left_alone(site_alone: Site) -> None:
    user = site_alone.project.connect()
    image, flavor = user.image.find_image("debian-13"), user.compute.find_flavor("m1.small")
    foreign = user.compute.create_server(
        name="foreign",
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"uuid": site_alone.project.network_id}],
    )
    provider = site_alone.provider()
    errors = provider.stop_instances([foreign.id, NOBODY, "no-such-machine"])
    assert [*errors] == [foreign.id]
    assert type(errors[foreign.id]) is InstanceError
    assert errors[foreign.id].message == (
        f"The server '{foreign.id}' is left alone: it is no node of this cluster."
    )
    assert type(provider.pause_instances([NOBODY])[NOBODY]) is InstanceNotFoundError
    assert not provider.list_instances()
    assert user.compute.get_server(foreign.id).status in {"ACTIVE", "BUILD"}
    # A record of the original names its machines, which carry no tags.
    node = replace(site_alone.cluster.nodes[0], instance_id=foreign.id, batch=None)
    provider.adopt(replace(site_alone.cluster, nodes=(node,)))
    assert not provider.stop_instances([foreign.id])


def test_group_in_use_is_told_when_it_does_not_become_free(site: Site) -> None:
    provider = site.provider()
    provider.prepare(site.cluster, site.key)
    user = site.project.connect()
    (group,) = [one for one in user.network.security_groups() if one.name != "default"]
    port = user.network.create_port(network_id=site.project.network_id, security_groups=[group.id])
    provider._cloud.patience = 1
    with pytest.raises(SecurityGroupError) as raised:
        provider.release(site.cluster.uuid)
    assert raised.value.message == f"The security group '{group.id}' is still in use."
    user.network.delete_port(port)
    provider.release(site.cluster.uuid)
    assert not site.project.things()


def test_cloud_that_is_down_or_asks_to_slow_down_is_waited_for(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    provider = site.provider()
    provider.list_instances()
    openstack_cloud.down(3)
    assert provider.list_instances() == []
    slow = openstack_cloud.inject("", "/servers", status=429, headers={"Retry-After": "1"}, times=2)
    site.ready(provider).create_instances(site.request)
    assert slow.hits > 2
    openstack_cloud.expire_tokens()
    assert len(provider.list_instances()) == 2


def test_cloud_that_stays_down_is_told(site: Site, openstack_cloud: OpenStackCloud) -> None:
    provider = site.provider()
    provider._cloud.patience = 2
    openstack_cloud.down(60)
    with pytest.raises(CloudProviderError) as raised:
        provider.list_instances()
    assert re.fullmatch(
        r"Cannot log in to the cloud: the cloud does not answer at http://127\.0\.0\.1:\d+\S*: "
        r"Connection reset by peer\.",
        raised.value.message,
    )


def test_login_by_token_and_by_application_credential(
    site_alone: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = site_alone.project.connect()
    made = user.identity.create_application_credential(user=user.current_user_id, name="ectest")
    none = {"username": None, "password": None, "project_name": None}
    by_id = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    assert site_alone.provider(**none, **by_id).list_instances() == []
    by_name = {"application_credential_name": "ectest", "application_credential_secret": made.secret}
    assert (
        site_alone.provider(**{**none, "username": site_alone.project.username}, **by_name).list_instances()
        == []
    )
    token = {"token": user.session.get_token(), "project_name": site_alone.project.name}
    assert site_alone.provider(**{**none, **token}).list_instances() == []
    monkeypatch.setenv("OS_PASSWORD", site_alone.project.password)
    assert site_alone.provider(password=None).list_instances() == []


def test_entry_of_clouds_yaml_says_everything(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = site.project.section
    lines = [
        f"      {name}: {section[name]}" for name in ("auth_url", "username", "password", "project_name")
    ]
    domains = ["      user_domain_id: default", "      project_domain_id: default"]
    (tmp_path / "clouds.yaml").write_text("\n".join(["clouds:", "  ours:", "    auth:", *lines, *domains]))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    kind = type(site.provider())
    assert kind(os_cloud="ours").list_instances() == []
    with pytest.raises(CredentialsError) as raised:
        kind(os_cloud="our").list_instances()
    assert raised.value.message == f"There is no cloud 'our' in {tmp_path}/clouds.yaml."
    assert "Did you mean 'ours'?" in raised.value.hint


def test_wrong_credentials_and_regions_are_told(site: Site) -> None:
    with pytest.raises(CredentialsError) as wrong:
        site.provider(password=NOBODY).list_instances()
    assert wrong.value.message == (
        "Cannot log in to the cloud: The request you have made requires authentication (HTTP 401)"
    )
    with pytest.raises(CredentialsError) as elsewhere:
        site.provider(region_name="RegionTwo").list_instances()
    assert elsewhere.value.message == "Cannot log in to the cloud: there is no region 'RegionTwo'."


def test_versions_that_are_gone_are_told(site: Site) -> None:
    heard: list[Event] = []
    site.provider(compute_api_version="1.1").preflight(site.cluster, [], heard.append)
    assert heard == [
        Warned(
            "`compute_api_version=1.1` counts no more: clouds have version 2 of Nova's API, and that is used."
        )
    ]
