"""What the engine relies on, proved of every cloud provider: what machines share, and what is refused.

``test_cloud_provider`` has the life of machines.
"""

from __future__ import annotations

import pytest
from tests.contract.clouds_under_test import CloudOfOthers, CloudUnderTest, on
from tests.contract.orders import Orders

from elasticluster.engine.events import ignore
from elasticluster.engine.pool import run_all
from elasticluster.engine.ports import CloudProvider
from elasticluster.exceptions import CloudProviderError, KeypairError, SecurityGroupError
from elasticluster.naming import new_uuid
from elasticluster.providers.common.public_keys import PublicKey

WITH_KEYS = ("ec2", "openstack")
REFUSING = ("docker", *WITH_KEYS)


def test_shared_things_are_made_once_found_by_their_cluster_and_released(
    provider: CloudProvider, orders: Orders, cloud: CloudUnderTest
) -> None:
    order = orders.new()
    before = orders.contents()
    for _ in range(2):
        provider.prepare(order.cluster, order.request.key)
        found = provider.list_resources(order.uuid)
        assert {one.type for one in found} == cloud.shares
        assert len(found) == len(cloud.shares)
        assert {one.tags.uuid for one in found} <= {order.uuid}
        assert {one.tags.name for one in found} <= {order.cluster.name}
        assert {one.id for one in found} <= {one.id for one in provider.list_resources()}
        assert len(orders.contents() - before) == (len(cloud.shares) if orders.contents() else 0)
    assert not provider.list_resources(new_uuid())
    for _ in range(2):
        provider.release(order.uuid)
        assert not provider.list_resources(order.uuid)
    assert orders.contents() == before


def test_another_process_finds_and_releases_what_is_shared(
    provider: CloudProvider, orders: Orders, cloud: CloudUnderTest
) -> None:
    order = orders.new()
    before = orders.contents()
    provider.prepare(order.cluster, order.request.key)
    other = cloud.provider()
    other.prepare(order.cluster, order.request.key)
    assert len(other.list_resources(order.uuid)) == len(cloud.shares)
    other.release(order.uuid)
    assert orders.contents() == before


def test_shared_things_are_made_once_by_several_threads(
    provider: CloudProvider, orders: Orders, cloud: CloudUnderTest
) -> None:
    order = orders.new()
    run_all(lambda _: provider.prepare(order.cluster, order.request.key), range(4), 4)
    assert len(provider.list_resources(order.uuid)) == len(cloud.shares)


def test_preflight_makes_nothing(provider: CloudProvider, orders: Orders) -> None:
    order = orders.new()
    before = orders.contents()
    provider.preflight(order.cluster, [order.request], ignore)
    assert orders.contents() == before
    assert not provider.list_resources(order.uuid)


def test_machines_and_all_they_share_are_gone_after_stop_and_release(
    provider: CloudProvider, orders: Orders, cloud: CloudUnderTest
) -> None:
    order = orders.new(names=("worker001",))
    before = orders.contents()
    ids = [one.id for one in order.bring_up(provider)]
    assert not provider.stop_instances(ids)
    provider.release(order.uuid)
    order.wait_for_ids(provider, [])
    assert not provider.list_resources(order.uuid)
    assert orders.contents() == before


def test_releasing_one_cluster_leaves_what_another_shares(provider: CloudProvider, orders: Orders) -> None:
    first, second = orders.new(name="twin"), orders.new(name="twin")
    for order in (first, second):
        provider.prepare(order.cluster, order.request.key)
    kept = provider.list_resources(second.uuid)
    provider.release(first.uuid)
    assert not provider.list_resources(first.uuid)
    assert provider.list_resources(second.uuid) == kept


@on(*REFUSING)
def test_unknown_names_are_refused_before_anything_is_made(
    provider: CloudProvider, orders: Orders, cloud: CloudUnderTest
) -> None:
    before = orders.contents()
    assert cloud.refusals
    for (key, value), kind in cloud.refusals.items():
        order = orders.new(**{key: value})
        with pytest.raises(CloudProviderError) as caught:
            provider.preflight(order.cluster, [order.request], ignore)
        assert type(caught.value) is kind, (key, value, caught.value)
        assert value in caught.value.message
    assert orders.contents() == before


@on(*WITH_KEYS)
def test_key_pair_with_a_name_of_the_users_is_uploaded_and_stays(
    provider: CloudProvider, orders: Orders, cloud: CloudOfOthers
) -> None:
    order = orders.new(key_name="theirs")
    before = orders.contents()
    provider.preflight(order.cluster, [order.request], ignore)
    provider.prepare(order.cluster, order.request.key)
    assert "theirs" in cloud.key_pairs()
    try:
        assert "key pair" not in {one.type for one in provider.list_resources(order.uuid)}
        provider.release(order.uuid)
        assert orders.new_since(before) == {"theirs"}
    finally:
        cloud.remove_key("theirs")
    assert orders.contents() == before


@on(*WITH_KEYS)
def test_key_pair_of_the_users_that_is_there_is_used_as_it_is(
    provider: CloudProvider, orders: Orders, cloud: CloudOfOthers
) -> None:
    order = orders.new(key_name="theirs")
    cloud.import_key("theirs", orders.public_key("theirs").read_text())
    try:
        before = orders.contents()
        provider.preflight(order.cluster, [order.request], ignore)
        provider.prepare(order.cluster, order.request.key)
        provider.release(order.uuid)
        assert orders.contents() == before
    finally:
        cloud.remove_key("theirs")


@on(*WITH_KEYS)
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_key_pair_that_is_another_one_is_refused_with_both_fingerprints(
    provider: CloudProvider, orders: Orders, cloud: CloudOfOthers, kind: str
) -> None:
    order = orders.new(key_name="theirs")
    other = orders.public_key("other", kind)
    before = orders.contents()
    cloud.import_key("theirs", other.read_text())
    try:
        for check in (
            lambda: provider.preflight(order.cluster, [order.request], ignore),
            lambda: provider.prepare(order.cluster, order.request.key),
        ):
            with pytest.raises(KeypairError) as caught:
                check()
            assert "'theirs'" in caught.value.message
            here, there = PublicKey.read(order.request.key.public_path), PublicKey.read(str(other))
            assert here.sha256 in caught.value.message
            assert any(one in caught.value.message for one in (there.sha256, there.md5_der) if one)
            assert caught.value.hint
    finally:
        cloud.remove_key("theirs")
        provider.release(order.uuid)
    assert orders.contents() == before


@on(*WITH_KEYS)
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_cluster_can_have_a_key_pair_of_any_type_that_clouds_take(
    provider: CloudProvider, orders: Orders, cloud: CloudOfOthers, kind: str
) -> None:
    order = orders.new(key_name=f"theirs-{kind}", key_type=kind)
    provider.prepare(order.cluster, order.request.key)
    try:
        provider.prepare(order.cluster, order.request.key)
        cloud.provider().preflight(order.cluster, [order.request], ignore)
    finally:
        cloud.remove_key(f"theirs-{kind}")


@on(*WITH_KEYS)
def test_security_group_of_the_users_is_used_instead_of_an_own_one(
    provider: CloudProvider, orders: Orders, cloud: CloudOfOthers
) -> None:
    with cloud.make_group("theirs", port=22):
        order = orders.new(security_group="theirs")
        before = orders.contents()
        provider.preflight(order.cluster, [order.request], ignore)
        provider.prepare(order.cluster, order.request.key)
        assert {one.type for one in provider.list_resources(order.uuid)} == {"key pair"}
        provider.release(order.uuid)
        assert orders.contents() == before


@on(*WITH_KEYS)
def test_security_group_that_lets_no_ssh_in_is_refused(
    provider: CloudProvider, orders: Orders, cloud: CloudOfOthers
) -> None:
    with cloud.make_group("theirs", port=80):
        order = orders.new(security_group="theirs")
        with pytest.raises(SecurityGroupError) as caught:
            provider.preflight(order.cluster, [order.request], ignore)
    assert "theirs" in caught.value.message
    assert "22" in str(caught.value)
