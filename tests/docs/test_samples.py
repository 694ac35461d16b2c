"""The samples that the documents print, run as they are printed.

``samples/002_*.py`` are the blocks of the later page. ``samples/000_001_*.py`` are those that the other page
and the manual of 2016 have in another form, mended: the one has lost lines (the first argument of the cloud
provider, the ends of some calls), the other misspells the package. Comments are left out. A block that is the
same on all pages is there once. ``samples/004_naming.txt`` has the examples of the page on classes.

What cannot be the same for everybody is in one table. The cloud is this computer's container engine, behind a
class that takes the printed arguments.
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

from elasticluster import helpers
from elasticluster.cluster import NodeNamingPolicy
from elasticluster.providers.docker import DockerProvider

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).with_name("samples")

SUBSTITUTIONS = {
    "'/path/to/storage/dir'": "'storage'",
    "'ami-00000048'": "'debian-13'",
    "'m1.tiny'": "'1cpu-2ram'",
    "'all_tcp_ports'": "'default'",
}
"""All that is changed in a printed sample. Endpoint, access keys and the SSH key's path stay: the class
takes the first two as they are, and the key is made where the samples look for it."""

ON_DOCKER = """
import elasticluster
from tests.docs.boto_on_docker import BotoCloudProvider
elasticluster.BotoCloudProvider = BotoCloudProvider
"""
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
cluster.add_node('frontend', 'debian-13', 'gc3-user', '1cpu-1ram', 'default')
cluster.start()
print('stored in', cluster.storage_file)
"""
STOP = """
print('stopping', *[node.name for node in cluster.get_all_nodes()])
cluster.stop()
"""


def printed(name: str) -> str:
    """Return a sample as it is printed, but for what is in the table."""
    text = (SAMPLES / f"{name}.py").read_text(encoding="ascii")
    for there, here in SUBSTITUTIONS.items():
        text = text.replace(there, here)
    return text


@dataclass
class Programmer:
    """Somebody with a home directory who types the samples."""

    home: Path

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

    def clusters(self) -> list[str]:
        """Return the UUIDs of the clusters for which machines were made."""
        notes = self.home / "clusters"
        return notes.read_text(encoding="ascii").split() if notes.exists() else []


@pytest.fixture
def programmer(tmp_path: Path) -> Iterator[Programmer]:
    """Return a new programmer; fail if machines of theirs are left, and remove them."""
    (tmp_path / "ssh" / "keys").mkdir(parents=True)
    key = tmp_path / "ssh" / "keys" / "my_ssh_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "mine.yml").write_text(NOTHING, encoding="ascii")
    made = Programmer(tmp_path)
    yield made
    provider = DockerProvider()
    left = [machine.id for uuid in made.clusters() for machine in provider.list_instances(uuid)]
    provider.stop_instances(left)
    for uuid in made.clusters():
        provider.release(uuid)
    assert left == []


@pytest.mark.e2e
def test_sample_starts_a_slurm_cluster(programmer: Programmer) -> None:
    """It runs a job on both workers; nodes that run already are alive and stay."""
    said = programmer.run(
        ON_DOCKER, printed("002_start"), RUN_A_JOB, printed("002_asynchronous"), RUN_A_JOB, STOP
    )
    assert said == (
        "ran on compute001 compute002\n"
        "ran on compute001 compute002\n"
        "stopping frontend001 compute001 compute002\n"
    )


@pytest.mark.e2e
def test_mended_samples_start_nodes_one_by_one_and_then_the_rest(programmer: Programmer) -> None:
    described, start, rest = printed("000_001_start").partition("cluster.start()")
    said = programmer.run(
        ON_DOCKER,
        WITH_OWN_PLAYBOOK,
        described,
        printed("002_asynchronous"),
        "print(*[node.connection_ip() for node in nodes])",
        f"{start}{rest}",
        STOP,
    )
    assert said == "127.0.0.1 127.0.0.1 127.0.0.1\nstopping frontend001 compute001 compute002\n"


@pytest.mark.e2e
def test_stored_cluster_is_loaded_and_stopped_by_another_process(programmer: Programmer) -> None:
    """The printed cluster has no nodes yet; one is added, so that there is something to stop."""
    described = printed("002_start").partition("cluster = ")[0]
    said = programmer.run(ON_DOCKER, described, printed("002_store"), ADD_A_NODE)
    assert said == f"stored in {programmer.home / 'storage' / 'my-cluster.pickle'}\n"
    said = programmer.run("import elasticluster", printed("002_load"), "print(*clusters)", STOP)
    assert said == "<Cluster my-cluster: 1 frontend>\nstopping frontend001\n"
    assert list((programmer.home / "storage").glob("my-cluster*")) == []


@pytest.mark.e2e
def test_mended_samples_store_and_load_a_cluster_without_nodes(programmer: Programmer) -> None:
    described = printed("000_001_start").partition("cluster = ")[0]
    programmer.run(ON_DOCKER, described, printed("000_001_store"))
    said = programmer.run("import elasticluster", printed("000_001_load"), "print(*clusters)", STOP)
    assert said == "<Cluster my-cluster: no nodes>\nstopping\n"


def test_sample_of_logging_makes_the_library_say_more(programmer: Programmer) -> None:
    said = programmer.run(printed("002_log"), "print(log.name, log.getEffectiveLevel() == logging.INFO)")
    assert said == "elasticluster True\n"


def test_printed_examples_of_node_names_hold() -> None:
    file, names = SAMPLES / "004_naming.txt", {"NodeNamingPolicy": NodeNamingPolicy}
    result = doctest.testfile(str(file), module_relative=False, globs=names)
    assert (result.attempted, result.failed) == (15, 0)


def test_example_of_the_singleton_holds() -> None:
    result = doctest.testmod(helpers)
    assert result.attempted > 0
    assert result.failed == 0
