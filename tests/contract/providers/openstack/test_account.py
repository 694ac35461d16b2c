"""Whose project is used."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.clouds.openstack.cloud import OpenStackCloud
from tests.contract.providers.openstack.sites import Site

from elasticluster.engine.account import check_account, listed, with_account
from elasticluster.exceptions import CredentialsError


def test_cluster_of_another_project_is_not_looked_for(site: Site, openstack_cloud: OpenStackCloud) -> None:
    provider = site.provider()
    assert provider.account() == f"{site.project.id} (RegionOne)"
    record = with_account(site.cluster, provider)
    check_account(record, provider)

    elsewhere = replace(site, project=openstack_cloud.new_project())
    with pytest.raises(CredentialsError) as caught:
        listed(record, elsewhere.provider())
    assert caught.value.message == (
        f"Cluster 'ectest+1' is in account {site.project.id} (RegionOne), "
        f"and these credentials are of account {elsewhere.project.id} (RegionOne)."
    )
