"""The libraries of clouds: not loaded before they are needed, and one clear line where they are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
[cloud/here]
provider=docker
[cloud/amazon]
provider=ec2_boto
ec2_region=eu-west-1
[cloud/lab]
provider=openstack
auth_url=https://cloud.example.org:5000/v3
[login/me]
image_user=debian
[setup/plain]
compute_groups=
[DEFAULT]
login=me
setup=plain
image_id=debian-13
flavor=1cpu-1ram
compute_nodes=1
[cluster/on-here]
cloud=here
[cluster/on-amazon]
cloud=amazon
[cluster/on-lab]
cloud=lab
"""
SDKS = ("boto3", "botocore", "docker", "keystoneauth1", "openstack", "requests", "urllib3")
RUN = """
import sys
for name in {missing}:
    sys.modules[name] = None  # an import of it fails
sys.argv[1:] = {words}
from elasticluster.main import main
try:
    main()
finally:
    print("LOADED", *(name for name in {sdks} if sys.modules.get(name)))
"""


def run(folder: Path, *words: str, missing: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    config = folder / "config"
    config.write_text(CONFIG)
    options = ["-c", str(config), "-s", str(folder / "storage")]
    code = RUN.format(missing=missing, words=[*words, *(() if "--help" in words else options)], sdks=SDKS)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def needs(section: str, provider: str, extra: str) -> str:
    where = f"'{provider}' of [cloud/{section}]"
    return f"The cloud provider {where} needs the extra '{extra}', which is not installed."


@pytest.mark.parametrize("words", ["--help", "list", "list-templates", "config check", "config show on-lab"])
def test_command_that_asks_no_cloud_loads_no_sdk(tmp_path: Path, words: str) -> None:
    done = run(tmp_path, *words.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize(
    ("template", "section", "provider", "package", "extra"),
    [
        ("on-amazon", "amazon", "ec2_boto", "boto3", "aws"),
        ("on-lab", "lab", "openstack", "openstack", "openstack"),
    ],
)
def test_missing_extra_is_one_line_before_anything_is_made(
    tmp_path: Path, template: str, section: str, provider: str, package: str, extra: str
) -> None:
    done = run(tmp_path, "start", template, missing=(package,))
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        f"Error: {needs(section, provider, extra)}",
        f"Install it: pip install 'elasticluster[{extra}]' (in the checkout: pip install '.[{extra}]').",
    ]
    assert run(tmp_path, "list").stdout.startswith("No clusters found.")


def test_cloud_whose_sdk_is_missing_hides_no_other(tmp_path: Path) -> None:
    done = run(
        tmp_path, "gc", "--dry-run", "--cloud", "amazon", "--cloud", "lab", missing=("boto3", "openstack")
    )
    assert done.returncode == 69
    told = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert [line.partition(":")[2] for line in told] == [
        f" Cloud '{one[0]}' could not be asked: {needs(*one)}"
        for one in (("amazon", "ec2_boto", "aws"), ("lab", "openstack", "openstack"))
    ]
