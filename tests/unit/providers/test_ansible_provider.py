"""The documented setup provider."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.model import ClusterRecord, ComponentRef
from elasticluster.providers.ansible_provider import SETUP_KEYS, AnsibleSetupProvider
from elasticluster.providers.registry import ref_of, setup_provider
from elasticluster.setup.secrets import ALWAYS

GROUPS = {"frontend": ["slurm_master"], "compute": ["slurm_clients"]}


@pytest.fixture
def cluster() -> ClusterRecord:
    none = ComponentRef(type="none")
    return ClusterRecord(uuid="u", name="c", template="t", cloud=none, setup=none)


def test_provider_takes_its_documented_arguments_in_order() -> None:
    provider = AnsibleSetupProvider(GROUPS, "/p.yml", {"compute": {"a": "1"}}, "/s", False, "admin", "/m")  # noqa: FBT003
    assert provider.groups == {"frontend": ("slurm_master",), "compute": ("slurm_clients",)}
    assert provider.environment == {"compute": {"a": "1"}}
    assert provider._settings.playbook == "/p.yml"
    assert provider._settings.storage_path == "/s"
    assert not provider._settings.become
    assert provider._settings.become_user == "admin"
    assert provider._settings.library == "/m"


def test_provider_has_a_name_for_people() -> None:
    assert AnsibleSetupProvider.HUMAN_READABLE_NAME == "Ansible"


def test_provider_is_made_again_from_what_json_holds() -> None:
    provider = AnsibleSetupProvider(GROUPS, ansible_forks="9", after="a.yml")
    ref = ref_of(provider)
    stored = json.loads(json.dumps(dict(ref.args)))
    again = setup_provider(ComponentRef(type=ref.type, args=stored))
    assert again._settings == provider._settings


def test_keys_are_told_from_settings_of_ansible() -> None:
    provider = AnsibleSetupProvider(GROUPS, ansible_command="mine -x 'a b'", ansible_ssh_pipelining="no")
    assert provider._settings.command == ("mine", "-x", "a b")
    assert provider._settings.ansible == {"ansible_ssh_pipelining": "no"}


def test_every_key_is_an_argument() -> None:
    values = {key.name: "x" for key in SETUP_KEYS}
    assert AnsibleSetupProvider(GROUPS, **values).groups


def test_secrets_are_made_once_and_differ(cluster: ClusterRecord) -> None:
    provider = AnsibleSetupProvider(GROUPS)
    first, second = provider.make_secrets(cluster), provider.make_secrets(cluster)
    assert first.keys() == {"munge_key", *ALWAYS}
    assert first != second


def test_secrets_that_exist_are_not_made_again(cluster: ClusterRecord) -> None:
    known = replace(cluster, secrets=dict.fromkeys(("munge_key", *ALWAYS), "k"))
    assert AnsibleSetupProvider(GROUPS).make_secrets(known) == {}


def test_secrets_of_a_service_are_not_made_where_it_is_not_in_use(cluster: ClusterRecord) -> None:
    assert AnsibleSetupProvider({"node": ["mine"]}).make_secrets(cluster).keys() == {*ALWAYS}


def test_cluster_from_before_gets_what_it_does_not_have_yet(cluster: ClusterRecord) -> None:
    known = replace(cluster, secrets={"munge_key": "k"})
    assert AnsibleSetupProvider(GROUPS).make_secrets(known).keys() == {*ALWAYS}


def test_cleanup_removes_the_kept_inventory(cluster: ClusterRecord, tmp_path: Path) -> None:
    kept = tmp_path / "c.inventory.json"
    kept.touch()
    provider = AnsibleSetupProvider(GROUPS, storage_path=str(tmp_path))
    provider.cleanup(cluster)
    provider.cleanup(cluster)
    assert not kept.exists()
