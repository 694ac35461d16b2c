"""Secrets of clouds: where they come from, that they are not stored, and that they are had again."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.archives import export_cluster, import_cluster
from elasticluster.cluster import Cluster
from elasticluster.conf import Creator, make_creator
from elasticluster.conf.clouds import account_of, stored_form, with_secrets
from elasticluster.exceptions import CredentialsError
from elasticluster.model import ComponentRef
from elasticluster.providers.registry import cloud_class, cloud_provider
from elasticluster.repository import (
    DiskRepository,
    JsonRepository,
    PickleRepository,
    SqlRepository,
    YamlRepository,
)
from elasticluster.state.archive import write

PROVIDER = """
from elasticluster.config.keys import Key
from elasticluster.providers import AbstractCloudProvider

CLOUD_KEYS = (
    Key("url", "str", place=True, environment=("SECRETIVE_URL",)),
    Key("account", "str", environment=("SECRETIVE_ACCOUNT",), instead_of=("token",)),
    Key("password", "str", secret=True, environment=("SECRETIVE_PASSWORD", "SECRETIVE_PWD")),
    Key("token", "str", secret=True, environment=("SECRETIVE_TOKEN",)),
    Key("tries", "int", default=3),
)

class Cloud(AbstractCloudProvider):
    def start_instance(self, *args, **kwargs): return "x"
    def stop_instance(self, instance_id): pass
    def get_ips(self, instance_id): return []
    def is_instance_running(self, instance_id): return False
"""
URL = "https://honest.example"
SECTION = f"[cloud/mine]\nprovider=secretive:Cloud\nurl={URL}\naccount=me\npassword=hunter22\n"
REST = """\
[login/me]
image_user=debian
[setup/plain]
compute_groups=
[cluster/slurm]
cloud=mine
login=me
setup=plain
image_id=i
flavor=f
compute_nodes=1
"""
VARIABLES = ("URL", "ACCOUNT", "PASSWORD", "PWD", "TOKEN")


@pytest.fixture(autouse=True)
def secretive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a provider with secrets, and nothing of it in the environment."""
    (tmp_path / "secretive.py").write_text(PROVIDER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "secretive", raising=False)
    for name in VARIABLES:
        monkeypatch.delenv(f"SECRETIVE_{name}", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(SECTION + REST)
    return path


def creator_of(config: Path, storage: str = "storage") -> Creator:
    return make_creator(str(config), str(config.with_name(storage)))


def saved(config: Path) -> Cluster:
    """Return a cluster of the template, stored."""
    cluster = creator_of(config).create_cluster("slurm")
    cluster.repository.save_or_update(cluster)
    return cluster


def login(cluster: Cluster) -> dict[str, Any]:
    """Return what the provider of a cluster was made with, to tell who we are."""
    given = cluster.cloud_provider.init_arguments
    return {name: given.get(name) for name in ("account", "password")}


def password(cluster: Cluster) -> Any:
    return login(cluster)["password"]


def reason(cluster: Cluster) -> str:
    with pytest.raises(CredentialsError) as caught:
        _ = cluster.cloud_provider
    return str(caught.value)


# Not stored, and had again


def test_secret_of_a_section_is_in_no_file_and_is_had_again(config: Path) -> None:
    cluster = saved(config)
    assert login(cluster) == {"account": "me", "password": "hunter22"}
    files = [path for path in config.with_name("storage").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"hunter22" in path.read_bytes()]
    assert cluster.record.cloud.args == {"url": URL, "account": "me", "password": None, "tries": 3}
    assert login(creator_of(config).load_cluster("slurm")) == {"account": "me", "password": "hunter22"}


def test_secret_of_the_environment_is_in_no_file_and_is_had_again(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(SECTION.replace("password=hunter22\n", "") + REST)
    monkeypatch.setenv("SECRETIVE_PWD", "from the environment")
    assert password(saved(config)) == "from the environment"
    assert "from the environment" not in next(config.parent.glob("storage/slurm.*")).read_text()
    monkeypatch.setenv("SECRETIVE_PASSWORD", "a newer one")  # the first variable that is set
    assert password(creator_of(config).load_cluster("slurm")) == "a newer one"


def test_place_of_the_environment_is_stored(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(SECTION.replace(f"url={URL}\n", "") + REST)
    monkeypatch.setenv("SECRETIVE_URL", URL)
    saved(config)
    monkeypatch.setenv("SECRETIVE_URL", "https://elsewhere.example")
    loaded = creator_of(config).load_cluster("slurm")
    assert loaded.record.cloud.args["url"] == URL
    assert "password is not stored with clusters" in reason(loaded)


def test_new_password_comes_with_its_account(config: Path) -> None:
    saved(config)
    config.write_text(SECTION.replace("account=me", "account=you").replace("hunter22", "changed1") + REST)
    assert login(creator_of(config).load_cluster("slurm")) == {"account": "you", "password": "changed1"}


@pytest.mark.parametrize(
    "section", ["", SECTION.replace("honest", "another"), "[cloud/mine]\nprovider=docker\n"]
)
def test_secret_that_is_nowhere_is_named_with_its_section_and_variables(config: Path, section: str) -> None:
    saved(config)
    config.write_text(section)
    cluster = creator_of(config).load_cluster("slurm")
    assert cluster.get_all_nodes()
    assert reason(cluster) == (
        "[cloud/mine] cannot be used: password is not stored with clusters, and neither the section nor "
        "$SECRETIVE_PASSWORD says it.\n"
        f"Write it into [cloud/mine] of the configuration, which has to be for the same place (url={URL}), "
        "or set SECRETIVE_PASSWORD with SECRETIVE_URL of that place."
    )


def test_secret_that_the_section_has_no_more_is_missing(config: Path) -> None:
    saved(config)
    config.write_text(SECTION.replace("password=hunter22\n", "") + REST)
    assert "neither the section nor $SECRETIVE_PASSWORD says it" in reason(
        creator_of(config).load_cluster("slurm")
    )


def test_environment_supplies_a_secret_without_configuration_for_the_very_same_place_only(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(config)
    folder = str(config.with_name("storage"))
    monkeypatch.setenv("SECRETIVE_PASSWORD", "hunter22")
    monkeypatch.setenv("SECRETIVE_URL", "https://elsewhere.example")
    assert "password is not stored" in reason(JsonRepository(folder).get("slurm"))
    monkeypatch.delenv("SECRETIVE_URL")
    assert "password is not stored" in reason(JsonRepository(folder).get("slurm"))
    monkeypatch.setenv("SECRETIVE_URL", URL)
    assert login(JsonRepository(folder).get("slurm")) == {"account": None, "password": "hunter22"}


@pytest.mark.parametrize("kind", [JsonRepository, YamlRepository, PickleRepository, SqlRepository])
def test_every_repository_stores_a_cluster_without_secrets(
    config: Path, tmp_path: Path, kind: type[DiskRepository]
) -> None:
    folder = tmp_path / "kept"
    place = f"sqlite:///{folder}/clusters.db" if kind is SqlRepository else str(folder)
    folder.mkdir(mode=0o700)
    repository = kind(place)
    cluster = creator_of(config).create_cluster("slurm")
    repository.save_or_update(Cluster.from_record(cluster.record, repository))
    assert not [one for one in folder.rglob("*") if one.is_file() and b"hunter22" in one.read_bytes()]
    stored = kind(place).get("slurm").record.cloud
    assert "hunter22" in with_secrets(stored, creator_of(config).configuration).args.values()


def test_secret_given_in_python_is_stored(tmp_path: Path) -> None:
    given = {"url": URL, "account": "me", "password": "hunter22"}
    provider = cloud_provider(ComponentRef(type="secretive:Cloud", args=given))
    repository = JsonRepository(str(tmp_path / "storage"))
    cluster = Cluster("own", cloud_provider=provider, repository=repository)
    repository.save_or_update(cluster)
    assert login(JsonRepository(str(tmp_path / "storage")).get("own")) == {
        "account": "me",
        "password": "hunter22",
    }


def test_secret_that_python_had_from_the_environment_is_had_from_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETIVE_PASSWORD", "hunter22")
    folder = str(tmp_path / "storage")
    repository = JsonRepository(folder)
    provider = cloud_class("secretive:Cloud")(url=URL)
    repository.save_or_update(Cluster("own", cloud_provider=provider, repository=repository))
    assert "hunter22" not in (tmp_path / "storage" / "own.json").read_text()
    assert password(JsonRepository(folder).get("own")) == "hunter22"
    monkeypatch.delenv("SECRETIVE_PASSWORD")
    assert reason(JsonRepository(folder).get("own")) == (
        "The cloud provider 'secretive:Cloud' cannot be made: password came from the environment, and "
        "$SECRETIVE_PASSWORD does not say it any more.\n"
        "Set SECRETIVE_PASSWORD as it was when the cluster was made."
    )


def test_archive_cannot_ask_for_secrets_of_the_environment(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETIVE_PASSWORD", "hunter22")
    saved(config)
    file, archive = export_cluster(creator_of(config), "slurm", str(tmp_path / "out"))
    evil = ComponentRef(type="secretive:Cloud", args={"url": "https://evil.example", "password": None})
    file.write_bytes(write(replace(archive, cluster=replace(archive.cluster, cloud=evil)), b""))
    imported = import_cluster(creator_of(config, "elsewhere"), str(file)).cluster
    assert login(imported) == {"account": None, "password": None}


def test_change_of_a_secret_is_no_difference_between_cluster_and_template(config: Path) -> None:
    saved(config)
    config.write_text(SECTION.replace("hunter22", "changed1") + REST)
    creator = creator_of(config)
    cluster = creator.load_cluster("slurm")
    assert creator.update(cluster) == ()
    assert cluster.record.cloud.args["password"] is None
    assert password(cluster) == "changed1"


def test_record_of_an_older_version_keeps_its_secret_until_its_template_is_applied(config: Path) -> None:
    cluster = saved(config)
    old = replace(cluster.record.cloud, args={"url": URL, "account": "old", "password": "oldsecret"})
    cluster.repository.store.save(replace(cluster.record, cloud=old))
    loaded = creator_of(config).load_cluster("slurm")
    assert login(loaded) == {"account": "old", "password": "oldsecret"}
    again = creator_of(config)
    cluster = again.load_cluster("slurm")
    again.update(cluster)
    assert cluster.record.cloud.args["password"] is None


def test_archive_holds_secrets_of_the_section_only_if_they_are_asked_for(
    config: Path, tmp_path: Path
) -> None:
    saved(config)
    creator = creator_of(config)
    _, plain = export_cluster(creator, "slurm", str(tmp_path / "plain"))
    file, full = export_cluster(creator, "slurm", str(tmp_path / "full"), keys=True)
    assert "cloud.password" in plain.left_out
    assert "password" not in plain.cluster.cloud.args
    assert "hunter22" in full.cluster.cloud.args.values()
    config.write_text("")
    there = creator_of(config, "elsewhere")
    assert login(import_cluster(there, str(file)).cluster) == {"account": "me", "password": "hunter22"}


def test_archive_without_secrets_says_what_is_missing_when_it_is_needed(config: Path, tmp_path: Path) -> None:
    saved(config)
    file, _ = export_cluster(creator_of(config), "slurm", str(tmp_path / "plain"))
    config.write_text("")
    there = creator_of(config, "elsewhere")
    imported = import_cluster(there, str(file))
    assert "cloud.password" in imported.left_out
    assert "password is not stored with clusters" in reason(imported.cluster)
    config.write_text(SECTION)
    assert password(creator_of(config, "elsewhere").load_cluster("slurm")) == "hunter22"


# Whether two clouds are the same


def test_same_account_is_told_by_place_and_login(config: Path) -> None:
    here = creator_of(config).configuration.cloud("mine")
    assert account_of(replace(here, section="other")) == account_of(here)
    for name in ("url", "account", "password"):
        assert account_of(replace(here, args={**here.args, name: "x"})) != account_of(here)
    assert account_of(replace(here, args={**here.args, "tries": 7})) == account_of(here)


def test_profiles_are_different_accounts() -> None:
    here = ComponentRef(type="ec2_boto", section="a", args={"ec2_region": "us-east-1", "ec2_profile": "work"})
    there = replace(here, section="b", args={**here.args, "ec2_profile": "home"})
    assert account_of(here) != account_of(there)


def test_stored_form_keeps_what_was_given_in_python() -> None:
    cloud = ComponentRef(type="secretive:Cloud", args={"password": "hunter22"})
    assert stored_form(cloud) == cloud
    assert stored_form(replace(cloud, section="mine")).args == {"password": None}


# Another way to log in


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ec2_profile=work", "ec2_access_key=AKIA1\nec2_secret_key=hunter22"),
        ("ec2_access_key=AKIA1\nec2_secret_key=hunter22", "ec2_profile=work"),
    ],
)
def test_stored_cluster_takes_over_another_way_to_log_in(config: Path, before: str, after: str) -> None:
    amazon = "[cloud/mine]\nprovider=ec2_boto\nec2_region=us-east-1\n"
    config.write_text(f"{amazon}{before}\n{REST.replace('image_id=i', 'image_id=ami-1')}")
    saved(config)
    config.write_text(f"{amazon}{after}\n{REST}")
    given = creator_of(config).load_cluster("slurm").cloud_provider.init_arguments
    assert {f"{name}={given[name]}" for name in given if name != "ec2_region" and given[name]} == {
        *after.split()
    }
