"""A project of its own on the test cloud for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.clouds.openstack.cloud import FLAVOR, IMAGE, OpenStackCloud, Project
from tests.clouds.openstack.fixtures import openstack_cloud, openstack_services
from tests.contract.providers.openstack.sites import Site, new_key

from elasticluster.engine.create import tags_of
from elasticluster.model import ClusterRecord, ComponentRef, InstanceRequest, KeyPair, NodeSpec
from elasticluster.naming import new_uuid, object_name

__all__ = ["openstack_cloud", "openstack_services"]


@pytest.fixture(scope="session")
def project(openstack_services: OpenStackCloud) -> Project:
    """Return a project for tests that leave nothing in it."""
    return openstack_services.new_project()


@pytest.fixture
def site(openstack_cloud: OpenStackCloud, project: Project, tmp_path: Path) -> Iterator[Site]:
    """Return two nodes in a project in which there is nothing else."""
    yield from cleaned(new_site(project, tmp_path), openstack_cloud)


@pytest.fixture
def site_alone(openstack_cloud: OpenStackCloud, tmp_path: Path) -> Iterator[Site]:
    """Return the same in a project that nobody else will use."""
    yield from cleaned(new_site(openstack_cloud.new_project(), tmp_path), openstack_cloud)


def new_site(project: Project, folder: Path) -> Site:
    path = new_key(folder / "key")
    uuid = new_uuid()
    none = ComponentRef(type="none")
    spec = NodeSpec(kind="compute", image_id=IMAGE, image_user="debian", flavor=FLAVOR)
    cluster = ClusterRecord(
        uuid=uuid, name="ectest+1", template="t", owner="me@here 1a2b", created=1e9, cloud=none, setup=none
    )
    key = KeyPair(name=object_name("ectest+1", uuid), public_path=f"{path}.pub", private_path=str(path))
    request = InstanceRequest(
        token=new_uuid(), spec=spec, names=(), tags=replace(tags_of(cluster), kind="compute"), key=key
    )
    return Site(project, cluster, request, folder).of(2)


def cleaned(site: Site, cloud: OpenStackCloud) -> Iterator[Site]:
    yield site
    cloud.reset()
    provider, uuid = site.provider(), site.cluster.uuid
    provider.stop_instances([one.id for one in provider.list_instances(uuid)])
    provider.release(uuid)


@pytest.fixture
def key_of_type(tmp_path: Path) -> Callable[[str], Path]:
    """Return what makes a key of a type."""
    return lambda kind: new_key(tmp_path / f"other-{kind}", kind)
