"""The example with one set-up for three clouds: its templates differ in four keys, and load as they are."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from tests.docs.blocks import ROOT
from tests.docs.reader import Reader

EXAMPLE = ROOT / "examples/three-clouds.conf"
MAY_DIFFER = {"cloud", "login", "image_id", "flavor"}
PROVIDERS = {"slurm": "docker", "slurm-on-ec2": "ec2_boto", "slurm-on-openstack": "openstack"}


def sections() -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(EXAMPLE, encoding="utf-8")
    return parsed


def test_templates_differ_in_cloud_login_image_and_flavor_only() -> None:
    found = sections()
    assert [name for name in found.sections() if name.startswith("cluster/")] == [
        f"cluster/{name}" for name in PROVIDERS
    ]
    templates = [dict(found[f"cluster/{name}"]) for name in PROVIDERS]
    assert {found[f"cloud/{one['cloud']}"]["provider"] for one in templates} == {*PROVIDERS.values()}
    same = [{key: value for key, value in one.items() if key not in MAY_DIFFER} for one in templates]
    assert same == [same[0]] * len(PROVIDERS)
    assert same[0]["setup"] == "slurm"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Return somebody who has no credentials of any cloud."""
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "EC2_URL", "OS_CLOUD", "OS_AUTH_URL", "OS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return Reader.new(tmp_path)


def test_example_is_right_as_it_stands(reader: Reader) -> None:
    done = reader.run("elasticluster", "-c", "examples/three-clouds.conf", "config", "check")
    assert done.returncode == 0, done.stdout
    assert done.stdout == f"3 templates are fine: {', '.join(PROVIDERS)}.\n"


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_template_is_set_up_the_same(reader: Reader, name: str) -> None:
    done = reader.run("elasticluster", "-c", "examples/three-clouds.conf", "config", "show", name)
    assert done.returncode == 0, done.stdout
    groups = [line.split()[0] for line in done.stdout.splitlines() if "_groups=slurm" in line]
    assert groups == ["frontend_groups=slurm_master", "compute_groups=slurm_worker"]
