"""Providers of a third party from a configuration, by import path: the examples, on real SSH servers."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from elasticluster.cluster import Cluster
from elasticluster.conf import make_creator
from elasticluster.engine.configure import StartOptions
from elasticluster.exceptions import ConfigurationError
from elasticluster.model import Verdict
from elasticluster.repository import JsonRepository

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIG = """\
[cloud/here]
provider=loopback_cloud:LoopbackCloud
folder={home}/machines

[login/me]
image_user={user}
image_sudo=no

[setup/script]
provider=script_setup:ScriptSetup
script={home}/script.sh
worker_groups=one,two

[cluster/loop]
cloud=here
login=me
setup=script
image_id=this-computer
flavor=as-it-is
max_sessions=5
worker_nodes=2
"""
SCRIPT = 'echo "$@" >>{home}/told\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, and the examples as somebody's installed modules."""
    for example in ("own-cloud", "own-setup-provider"):
        monkeypatch.syspath_prepend(EXAMPLES / example)
    write(tmp_path, CONFIG)
    (tmp_path / "script.sh").write_text(SCRIPT.format(home=tmp_path))
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / "config").write_text(text.format(home=home, user=getpass.getuser()))


@pytest.fixture
def cluster(home: Path) -> Iterator[Cluster]:
    made = make_creator(str(home / "config"), str(home / "storage")).create_cluster("loop")
    yield made
    made.stop()
    assert list((home / "machines").iterdir()) == []


def test_cluster_on_a_cloud_of_a_third_party_is_set_up_by_its_provider(home: Path, cluster: Cluster) -> None:
    report = cluster.bring_up(StartOptions())
    assert report.verdict is Verdict.NOT_VERIFIED
    assert sorted((home / "told").read_text().splitlines()) == ["worker001 one two", "worker002 one two"]
    (config,) = (home / "machines").glob("worker001-*/config")
    assert "MaxSessions 5\n" in config.read_text()
    assert cluster.setup()
    assert len((home / "told").read_text().splitlines()) == 4


def test_failure_of_a_third_partys_setup_is_not_ready(
    home: Path, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "script.sh").write_text("echo no disk >&2; exit 3\n")
    report = cluster.bring_up(StartOptions())
    assert (report.verdict, report.error) == (Verdict.NOT_READY, "ScriptSetup reported a failure")
    assert "On worker002 the script ended with 3: no disk" in caplog.text
    (home / "script.sh").write_text(SCRIPT.format(home=home))
    assert cluster.setup()


def test_new_process_finds_the_machines_of_a_third_partys_cloud(home: Path, cluster: Cluster) -> None:
    cluster.start()
    same = JsonRepository(str(home / "storage")).get("loop")
    assert same.record == cluster.record
    assert all(node.is_alive() for node in same.get_all_nodes())
    assert type(same.cloud_provider).__name__ == "LoopbackCloud"
    assert vars(same.setup_provider)["script"] == str(home / "script.sh")


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("folder=", "fodler=", ":3: [cloud/here] fodler: unknown key; did you mean 'folder'?"),
        (
            "max_sessions=5",
            "max_sessions=many",
            ":20: [cluster/loop] max_sessions: expected a whole number, not 'many'",
        ),
        (
            "script={home}/script.sh",
            "scirpt=x",
            ":11: [setup/script] scirpt: unknown key; did you mean 'script'?",
        ),
        (
            "loopback_cloud:LoopbackCloud",
            "loopback_could:LoopbackCloud",
            (
                ":2: [cloud/here] provider: The cloud provider 'loopback_could:LoopbackCloud' "
                "cannot be imported: No module named 'loopback_could'"
            ),
        ),
        (
            "script_setup:ScriptSetup",
            "script_setup:Script",
            (
                ":10: [setup/script] provider: The setup provider 'script_setup:Script' cannot be imported: "
                "module 'script_setup' has no attribute 'Script'"
            ),
        ),
    ],
)
def test_mistake_in_a_third_partys_section_is_located(
    home: Path, right: str, wrong: str, problem: str
) -> None:
    write(home, CONFIG.replace(right, wrong))
    with pytest.raises(ConfigurationError) as caught:
        make_creator(str(home / "config")).create_cluster("loop")
    assert f"{home}/config{problem}" in caught.value.message.splitlines()
