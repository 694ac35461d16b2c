"""Fixtures of the OpenStack test cloud; a conftest imports them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.clouds.openstack.cloud import OpenStackCloud, Project


@pytest.fixture(scope="session")
def openstack_services() -> Iterator[OpenStackCloud]:
    """The cloud, as long as the tests of this process run."""
    with OpenStackCloud() as cloud:
        yield cloud


@pytest.fixture
def openstack_cloud(openstack_services: OpenStackCloud) -> Iterator[OpenStackCloud]:
    """The cloud, on which everything works at first."""
    openstack_services.reset()
    yield openstack_services
    openstack_services.reset()


@pytest.fixture
def openstack_project(openstack_cloud: OpenStackCloud) -> Project:
    """A project of the test's own."""
    return openstack_cloud.new_project()
