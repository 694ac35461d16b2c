"""The samples that the documents print, run as they are printed.

``samples/002_*.py`` are the blocks of the later page. ``samples/000_001_*.py`` are those that the other page
and the manual of 2016 have in another form, mended: the one has lost lines (the first argument of the cloud
provider, the ends of some calls), the other misspells the package. Comments are left out. A block that is the
same on all pages is there once. ``samples/004_naming.txt`` has the examples of the page on classes.

What cannot be the same for everybody is in one table. The cloud is a server of EC2's API on this computer
that has the printed region, keys, image, flavor and security group; its machines are containers.
"""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.clouds.ec2.listing import everything
from tests.clouds.ec2.server import Ec2Server
from tests.clouds.fixtures import ec2_with_machines

from elasticluster import helpers
from elasticluster.cluster import NodeNamingPolicy

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).with_name("samples")

SUBSTITUTIONS = {
    "'/path/to/storage/dir'": "'storage'",
    "'http://uzh.ch": "'{server}",
}
"""All that is changed in a printed sample. The SSH key is made where the samples look for it."""

REGION, ACCESS_KEY, SECRET_KEY, GROUP = "nova", "access_key", "secret_key", "all_tcp_ports"

WITH_SPARING_VARIABLES = """
import functools
variables = {'common_shared_home': 'volume', 'slurm_accounting': False, 'slurm_mpi': False}
elasticluster.AnsibleSetupProvider = functools.partial(
    elasticluster.AnsibleSetupProvider, environment_vars={'frontend': variables, 'compute': variables})
"""
"""Containers cannot be servers of NFS: they share ``/home`` without it. The rest spares time."""

WITH_OWN_PLAYBOOK = """
import functools
elasticluster.AnsibleSetupProvider = functools.partial(
    elasticluster.AnsibleSetupProvider, playbook_path='mine.yml')
"""
NOTHING = "- hosts: all\n  gather_facts: false\n  tasks: []\n"
RUN_A_JOB = """
client = cluster.get_frontend_node().connect()
_, output, _ = client.exec_command('srun --nodes 2 hostname')
print('ran on', *sorted(output.read().decode().split()))
client.close()
"""
ADD_A_NODE = """
cluster.add_node('frontend', 'ami-00000048', 'gc3-user', 'm1.tiny', 'all_tcp_ports')
cluster.start()
print('stored in', cluster.storage_file)
"""
STOP = """
print('stopping', *[node.name for node in cluster.get_all_nodes()])
cluster.stop()
"""


@dataclass
class Programmer:
    """Somebody with a home directory who types the samples."""

    home: Path
    url: str = ""

    def printed(self, name: str) -> str:
        """Return a sample as it is printed, but for what is in the table."""
        text = (SAMPLES / f"{name}.py").read_text(encoding="ascii")
        for there, here in SUBSTITUTIONS.items():
            text = text.replace(there, here.format(server=self.url))
        return text

    def run(self, *pieces: str) -> str:
        """Run pieces as one program, in a new process; return what it printed."""
        program = "".join(f"\n{piece}\n" for piece in pieces)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"HOME": str(self.home), "PYTHONPATH": str(ROOT)},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[Ec2Server]:
    """Run a cloud that has what the samples name."""
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    with ec2_with_machines("ec-test-samples", region=REGION, **keys) as made:
        client = made.client()
        group = client.create_security_group(GroupName=GROUP, Description="of the user")["GroupId"]
        client.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=1, ToPort=65535, CidrIp="0.0.0.0/0"
        )
        client.close()
        yield made


@pytest.fixture
def programmer(tmp_path: Path, server: Ec2Server) -> Iterator[Programmer]:
    """Return a new programmer; fail if anything of theirs is left but the key that they have named."""
    (tmp_path / "ssh" / "keys").mkdir(parents=True)
    key = tmp_path / "ssh" / "keys" / "my_ssh_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "mine.yml").write_text(NOTHING, encoding="ascii")
    yield Programmer(tmp_path, server.url)
    left = everything(server)
    client = server.client()
    if "instances" in left:
        client.terminate_instances(InstanceIds=left["instances"])
    client.delete_key_pair(KeyName="ssh_key_name")
    client.close()
    assert left.pop("keys", ["ssh_key_name"]) == ["ssh_key_name"]
    assert left == {"groups": [GROUP]}


@pytest.mark.e2e
def test_sample_starts_a_slurm_cluster(programmer: Programmer) -> None:
    """It runs a job on both workers; nodes that run already are alive and stay."""
    said = programmer.run(
        "import elasticluster",
        WITH_SPARING_VARIABLES,
        programmer.printed("002_start"),
        RUN_A_JOB,
        programmer.printed("002_asynchronous"),
        RUN_A_JOB,
        STOP,
    )
    assert said == (
        "ran on compute001 compute002\n"
        "ran on compute001 compute002\n"
        "stopping frontend001 compute001 compute002\n"
    )


@pytest.mark.e2e
def test_mended_samples_start_nodes_one_by_one_and_then_the_rest(programmer: Programmer) -> None:
    described, start, rest = programmer.printed("000_001_start").partition("cluster.start()")
    said = programmer.run(
        "import elasticluster",
        WITH_OWN_PLAYBOOK,
        described,
        programmer.printed("002_asynchronous"),
        "print(*[node.connection_ip() == node.ips[0] for node in nodes])",
        f"{start}{rest}",
        STOP,
    )
    assert said == "True True True\nstopping frontend001 compute001 compute002\n"


@pytest.mark.e2e
def test_stored_cluster_is_loaded_and_stopped_by_another_process(programmer: Programmer) -> None:
    """The printed cluster has no nodes yet; one is added, so that there is something to stop."""
    described = programmer.printed("002_start").partition("cluster = ")[0]
    said = programmer.run(described, programmer.printed("002_store"), ADD_A_NODE)
    assert said == f"stored in {programmer.home / 'storage' / 'my-cluster.pickle'}\n"
    said = programmer.run("import elasticluster", programmer.printed("002_load"), "print(*clusters)", STOP)
    assert said == "<Cluster my-cluster: 1 frontend>\nstopping frontend001\n"
    assert list((programmer.home / "storage").glob("my-cluster*")) == []


@pytest.mark.e2e
def test_mended_samples_store_and_load_a_cluster_without_nodes(programmer: Programmer) -> None:
    described = programmer.printed("000_001_start").partition("cluster = ")[0]
    programmer.run(described, programmer.printed("000_001_store"))
    said = programmer.run(
        "import elasticluster", programmer.printed("000_001_load"), "print(*clusters)", STOP
    )
    assert said == "<Cluster my-cluster: no nodes>\nstopping\n"


def test_sample_of_logging_makes_the_library_say_more(tmp_path: Path) -> None:
    programmer = Programmer(tmp_path)
    said = programmer.run(
        programmer.printed("002_log"), "print(log.name, log.getEffectiveLevel() == logging.INFO)"
    )
    assert said == "elasticluster True\n"


def test_printed_examples_of_node_names_hold() -> None:
    file, names = SAMPLES / "004_naming.txt", {"NodeNamingPolicy": NodeNamingPolicy}
    result = doctest.testfile(str(file), module_relative=False, globs=names)
    assert (result.attempted, result.failed) == (15, 0)


def test_example_of_the_singleton_holds() -> None:
    result = doctest.testmod(helpers)
    assert result.attempted > 0
    assert result.failed == 0
