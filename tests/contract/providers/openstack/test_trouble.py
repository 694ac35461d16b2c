"""What other clouds than the usual ones do, seen from the provider, on the services themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.clouds.openstack.cloud import ADMIN, OpenStackCloud
from tests.contract.providers.openstack.sites import Site

from elasticluster.engine.events import ignore
from elasticluster.exceptions import QuotaError, UnsupportedError
from elasticluster.model import InstanceState
from elasticluster.providers.openstack.errors import NoAnswerError


def test_compute_service_that_does_not_tell_its_versions_is_not_taken_for_an_old_one(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    """Servers that were made without tags would be in no list as soon as it tells again."""
    fault = openstack_cloud.inject("GET", r"^/(v2\.1)?/?$", service="nova", status=500, times=0)
    provider = site.provider()
    with pytest.raises(NoAnswerError) as raised:
        provider.prepare(site.cluster, site.key)
    assert fault.hits
    assert raised.value.message == (
        "Cannot log in to the cloud: its compute service does not tell its versions (HTTP 500)."
    )
    openstack_cloud.reset()
    site.ready(provider).create_instances(site.request)
    assert len(site.provider().list_instances(site.cluster.uuid)) == 2


def test_machines_of_a_call_that_takes_longer_than_a_proxy_waits_are_not_made_twice(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    provider = site.ready(site.provider())
    openstack_cloud.inject("POST", "/servers$", status=504, late=5)
    made = provider.create_instances(site.request)
    assert (len(made.instances), dict(made.failures)) == (2, {})
    assert len([call for call in openstack_cloud.calls() if call.endswith("POST /v2.1/servers")]) == 1
    assert len(site.project.things()["server"]) == 2


def test_deleted_servers_that_the_cloud_keeps_do_not_hold_the_security_group(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    """With Nova's `reclaim_instance_interval` they are in no list, and keep their ports."""
    site = site.of(1)
    provider = site.ready(site.provider())
    (machine,) = provider.create_instances(site.request).instances
    site.wait(provider, InstanceState.RUNNING)

    def hidden(content: Any) -> None:
        content["servers"] = []

    def kept(content: Any) -> None:
        content["server"]["status"] = "SOFT_DELETED"

    openstack_cloud.amend("GET", r"/servers/detail", hidden)
    openstack_cloud.amend("GET", rf"/servers/{machine.id}$", kept)
    provider.release(site.cluster.uuid)
    forced = [call for call in openstack_cloud.calls() if call.endswith(f"/servers/{machine.id}/action")]
    assert forced
    assert not site.project.things()


def test_volumes_that_will_not_be_made_are_told_before_anything_is_made(
    site_alone: Site, openstack_cloud: OpenStackCloud
) -> None:
    wrong = site_alone.of(2, extra={"boot_disk_size": 2, "boot_disk_type": "__DEFALT__"})
    with pytest.raises(UnsupportedError) as typo:
        wrong.provider().preflight(wrong.cluster, [wrong.request], ignore)
    assert typo.value.message == "There is no volume type '__DEFALT__' on this cloud."
    assert "'__DEFAULT__'" in typo.value.hint

    large = site_alone.of(2, extra={"boot_disk_size": 600})
    with pytest.raises(QuotaError) as quota:
        large.provider().preflight(large.cluster, [large.request], ignore)
    assert quota.value.message == (
        "The project's quota of GB of volumes is too small: 1200 needed, 0 of 1000 in use."
    )

    def without_volumes(content: Any) -> None:
        token = content["token"]
        token["catalog"] = [one for one in token["catalog"] if "volume" not in one["type"] + one["name"]]
        token["catalog"] = [one for one in token["catalog"] if one["type"] != "block-storage"]

    openstack_cloud.amend("POST", "/auth/tokens$", without_volumes)
    with pytest.raises(UnsupportedError) as none:
        large.provider().preflight(large.cluster, [large.request], ignore)
    assert none.value.message == "This cloud has no volumes to boot from."


def test_quota_of_security_groups_counts_only_where_one_is_to_be_made(site_alone: Site) -> None:
    site_alone.project.set_quota(security_group=1)  # the project's "default" is one
    with pytest.raises(QuotaError) as raised:
        site_alone.provider().preflight(site_alone.cluster, [site_alone.request], ignore)
    assert raised.value.message == (
        "The project's quota of security groups is too small: 1 needed, 1 of 1 in use."
    )
    site_alone.project.set_quota(security_group=2)
    provider = site_alone.ready(site_alone.provider())
    provider.preflight(site_alone.cluster, [site_alone.request], ignore)


def test_members_that_a_server_group_has_already_count(site_alone: Site) -> None:
    site_alone.project.set_quota(server_group_members=3)
    four = site_alone.of(4)
    there = tuple(replace(node, instance_id=node.name) for node in four.cluster.nodes[:2])
    grown = replace(four.cluster, nodes=there + four.cluster.nodes[2:])
    provider = site_alone.provider(use_anti_affinity_groups=True)
    with pytest.raises(QuotaError) as raised:
        provider.preflight(grown, [replace(four.request, names=four.request.names[2:])], ignore)
    assert raised.value.message == (
        "The project's quota of members of a server group (kind 'compute') is too small: 2 needed, 2 of 3 "
        "in use."
    )


def test_operators_who_see_every_project_mean_the_group_of_their_own(
    site: Site, openstack_cloud: OpenStackCloud
) -> None:
    own = openstack_cloud.admin.current_project_id
    provider = site.provider(**ADMIN)
    (group,) = provider._lookup.groups(site.of(1, security_group="default").request.spec)
    assert group.project_id == own


def test_machine_that_no_floating_ip_address_can_reach_is_broken(site_alone: Site) -> None:
    user = site_alone.project.connect()
    alone = user.network.create_network(name="no-way-out")
    user.network.create_subnet(network_id=alone.id, name="no-way-out", ip_version=4, cidr="10.8.0.0/24")
    extra = {"network_ids": [alone.id], "floating_network_id": "public", "request_floating_ip": True}
    site = site_alone.of(1, extra=extra)
    provider = site.ready(site.provider())
    provider.create_instances(site.request)
    (machine,) = site.wait(provider, InstanceState.ERROR)
    assert f"External network {user.network.find_network('public').id} is not reachable" in machine.reason
    assert "floating IP" not in site.project.things()
