"""`gc` and `adopt` with several clouds in the configuration, of which some do not answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.clouds.ec2.server import DEBIAN, Ec2Server
from tests.clouds.fixtures import ec2, ec2_server  # noqa: F401 - fixtures

from elasticluster.cluster import Cluster
from elasticluster.conf import Creator, make_creator
from elasticluster.conf.clouds import place_of

CONFIG = """\
[cloud/amazon]
provider=ec2_boto
ec2_url={url}
ec2_region=us-east-1
ec2_access_key={access_key}
ec2_secret_key={secret_key}
ssh_from=192.0.2.0/24
[cloud/amazon-too]
provider=ec2_boto
ec2_url={url}
ec2_region=us-east-1
ec2_access_key={access_key}
ec2_secret_key={secret_key}
ssh_from=198.51.100.0/24
[cloud/closed]
provider=ec2_boto
ec2_url={url}
ec2_region=us-east-1
ec2_access_key=AKIANOBODY
ec2_secret_key=hunter22
[cloud/gone]
provider=docker
docker_host=tcp://127.0.0.1:9
[login/me]
image_user=admin
[setup/plain]
compute_groups=
[cluster/slurm]
cloud=amazon
login=me
setup=plain
image_id={image}
flavor=t3.small
compute_nodes=2
[cluster/same]
cloud=amazon-too
login=me
setup=plain
image_id={image}
flavor=t3.small
compute_nodes=2
[cluster/other]
cloud=closed
login=me
setup=plain
image_id={image}
flavor=t3.small
compute_nodes=2
"""


@pytest.fixture
def config(tmp_path: Path, ec2: Ec2Server) -> Path:  # noqa: F811 - the fixture
    path = tmp_path / "config"
    keys = {"access_key": ec2.access_key, "secret_key": ec2.secret_key}
    path.write_text(CONFIG.format(url=ec2.url, image=DEBIAN, **keys))
    return path


def creator_of(config: Path) -> Creator:
    return make_creator(str(config), str(config.with_name("storage")))


def forgotten(config: Path) -> Cluster:
    """Make a cluster's machines and lose its record, but not its key."""
    cluster = creator_of(config).create_cluster("slurm")
    cluster.launch([node.name for node in cluster.get_all_nodes()])
    for path in config.with_name("storage").glob("slurm.json*"):
        path.unlink()
    return cluster


def run(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    options = ["-c", str(config), "-s", str(config.with_name("storage"))]
    command = [sys.executable, "-m", "elasticluster", *words, *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EC2_"))}
    environ["AWS_EC2_METADATA_DISABLED"] = "true"
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)


def own_groups(server: Ec2Server) -> list[str]:
    found = server.client().describe_security_groups(
        Filters=[{"Name": "tag-key", "Values": ["elasticluster.uuid"]}]
    )
    return [group["GroupName"] for group in found["SecurityGroups"]]


def test_clouds_that_do_not_answer_are_named_and_hide_no_other(config: Path, ec2: Ec2Server) -> None:  # noqa: F811
    cluster = forgotten(config)
    ec2.forget_calls()
    done = run(config, "gc", "--dry-run", "--json")
    assert done.returncode == 69
    (found,) = json.loads(done.stdout)
    assert (found["uuid"], found["cloud"], found["ours"]) == (cluster.uuid, "amazon", True)
    assert len(found["instances"]) == 2
    told = [line for line in done.stderr.splitlines() if line.startswith("WARNING: Cloud")]
    assert [line.split("'")[1] for line in told] == ["closed", "gone"]
    assert "hunter22" not in done.stderr
    answered = ec2.calls().count("DescribeSecurityGroups")
    assert answered == 1  # two sections are for the same account


def test_cluster_is_adopted_through_another_section_of_its_account_and_stopped(
    config: Path,
    ec2: Ec2Server,  # noqa: F811
) -> None:
    cluster = forgotten(config)
    done = run(config, "adopt", "slurm", "--template", "other")
    assert done.returncode == 77
    assert done.stderr.startswith("Error: Cannot list machines: AuthFailure: ")
    done = run(config, "adopt", "slurm", "--template", "same")
    assert done.returncode == 0, done.stderr
    record = creator_of(config).load_cluster("slurm").record
    assert (record.uuid, record.cloud.section, record.login) == (
        cluster.uuid,
        "amazon-too",
        cluster.record.login,
    )
    assert ec2.secret_key not in config.with_name("storage").joinpath("slurm.json").read_text()
    assert place_of(record.cloud) == place_of(cluster.record.cloud)
    assert {node.instance_id for node in record.nodes} == {one["instance_id"] for one in ec2.machines()}
    done = run(config, "stop", "slurm", "--yes", "--wait")
    assert done.returncode == 0, done.stderr
    assert (ec2.machines(), own_groups(ec2)) == ([], [])


def test_what_is_left_is_removed_with_all_that_its_machines_shared(config: Path, ec2: Ec2Server) -> None:  # noqa: F811
    forgotten(config)
    done = run(config, "gc", "--yes", "--cloud", "amazon")
    assert done.returncode == 0, done.stderr
    assert (ec2.machines(), own_groups(ec2)) == ([], [])
