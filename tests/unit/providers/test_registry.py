"""Providers are found by name or by import path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from elasticluster.exceptions import ConfigurationError
from elasticluster.model import ComponentRef
from elasticluster.providers import registry
from elasticluster.providers.docker import CLOUD_KEYS, NODE_KEYS, DockerProvider

THIRD_PARTY = """
from elasticluster.config.keys import Key
from elasticluster.providers import AbstractCloudProvider

CLOUD_KEYS = (Key("zone", "str"),)

class Mine(AbstractCloudProvider):
    def start_instance(self, *args, **kwargs): return "x"
    def stop_instance(self, instance_id): pass
    def get_ips(self, instance_id): return []
    def is_instance_running(self, instance_id): return False

class Positional(Mine):
    def __init__(self, url, zone="a"): self.url = url

class Half(AbstractCloudProvider):
    def start_instance(self, *args, **kwargs): return "x"

number = 7
"""

ENTRY_POINT = """
[elasticluster.cloud_providers]
attic = third_party_clouds:Mine
"""


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module of somebody else, installed with an entry point ``attic``."""
    (tmp_path / "third_party_clouds.py").write_text(THIRD_PARTY)
    info = tmp_path / "third_party-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "third_party_clouds", raising=False)
    return "third_party_clouds"


def refused(ref: ComponentRef) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        registry.cloud_provider(ref)
    return caught.value


def test_registry_makes_a_shipped_provider_with_its_arguments() -> None:
    provider = registry.cloud_provider(ComponentRef(type="docker", args={"flavors": ["s=1cpu-1ram"]}))
    assert isinstance(provider, DockerProvider)
    assert provider.node_vars("s")["memory_mb"] == 1024


def test_registry_finds_an_entry_point(third_party: str) -> None:
    assert type(registry.cloud_provider(ComponentRef(type="attic"))).__name__ == "Mine"
    assert "attic" in registry.cloud_names()
    assert [key.name for key in registry.cloud_keys("attic")[0]] == ["zone"]


def test_registry_makes_again_what_it_described(third_party: str) -> None:
    made = registry.cloud_class(f"{third_party}:Positional")("http://x", zone="b")
    ref = registry.ref_of(made)
    assert ref == ComponentRef(type=f"{third_party}:Positional", args={"url": "http://x", "zone": "b"})
    again = registry.cloud_provider(ref)
    assert vars(again)["url"] == "http://x"


def test_registry_describes_a_shipped_provider_by_its_name() -> None:
    ref = registry.ref_of(DockerProvider(docker_host="unix:///x"))
    assert ref == ComponentRef(type="docker", args={"docker_host": "unix:///x"})


def test_registry_suggests_the_name_that_was_meant() -> None:
    error = refused(ComponentRef(type="dcoker"))
    assert error.message == "There is no cloud provider called 'dcoker'."
    assert error.hint == (
        "Did you mean 'docker'? There are: docker; a class of your own is given as 'package.module:Class'."
    )


def test_registry_names_what_is_missing_of_an_incomplete_class(third_party: str) -> None:
    error = refused(ComponentRef(type=f"{third_party}:Half"))
    assert error.message == (
        "The cloud provider 'third_party_clouds:Half' is not complete: "
        "it lacks get_ips, is_instance_running, stop_instance."
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no_such_module_x:C", "cannot be imported: No module named 'no_such_module_x'"),
        (
            "third_party_clouds:None_",
            "cannot be imported: module 'third_party_clouds' has no attribute 'None_'",
        ),
        ("third_party_clouds:number", "is not a class but 7."),
        ("subprocess:Popen", "is no subclass of elasticluster.providers.AbstractCloudProvider."),
    ],
)
def test_registry_tells_why_an_import_path_does_not_work(third_party: str, path: str, why: str) -> None:
    assert refused(ComponentRef(type=path)).message == f"The cloud provider '{path}' {why}"


def test_registry_tells_of_arguments_that_do_not_fit(third_party: str) -> None:
    error = refused(ComponentRef(type=f"{third_party}:Positional", args={"uri": "x"}))
    assert error.message == (
        "The cloud provider 'third_party_clouds:Positional' cannot be made with its arguments: "
        "missing a required argument: 'url'."
    )


def test_registry_has_the_keys_of_docker() -> None:
    assert registry.cloud_keys("docker") == (CLOUD_KEYS, NODE_KEYS)


def test_keys_are_read_without_loading_provider_or_sdk() -> None:
    program = (
        "import sys; from elasticluster.providers.docker import CLOUD_KEYS; "
        "print(sorted({'docker', 'requests', 'elasticluster.providers.docker.provider'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


SETUPS = """
from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider

class Keyless(AbstractCloudProvider): pass

class Script(AbstractSetupProvider):
    def __init__(self, script, groups=None): self.script, self.groups = script, groups
    def setup_cluster(self, cluster): return True
    def cleanup(self): pass

class Whatever(AbstractSetupProvider):
    def __init__(self, **options): self.options = options
    def setup_cluster(self, cluster): return True
    def cleanup(self): pass

class Picky(Script):
    def __init__(self, script): raise LookupError(f"no {script} here")

class Shy(Script):
    def __init__(self, password): raise LookupError(f"not with {password}")
"""
OF_SECTION = {"groups": {"a": ["b"]}, "environment_vars": {}, "sudo": True, "sudo_user": "root"}


@pytest.fixture
def third_party_setups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "third_party_setups.py").write_text(SETUPS)
    (tmp_path / "third_party_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "third_party_setups", raising=False)
    return "third_party_setups"


def test_setup_provider_is_given_what_it_takes_of_every_section(third_party_setups: str) -> None:
    args = {**OF_SECTION, "script": "x.sh"}
    script = registry.setup_provider(ComponentRef(type=f"{third_party_setups}:Script", args=args))
    assert vars(script)["groups"] == {"a": ["b"]}
    whatever = registry.setup_provider(ComponentRef(type=f"{third_party_setups}:Whatever", args=args))
    assert vars(whatever)["options"] == args


def test_setup_provider_is_not_spared_keys_that_it_does_not_know(third_party_setups: str) -> None:
    args = {**OF_SECTION, "script": "x.sh", "scirpt": "y.sh"}
    with pytest.raises(ConfigurationError) as caught:
        registry.setup_provider(ComponentRef(type=f"{third_party_setups}:Script", args=args))
    assert caught.value.message == (
        "The setup provider 'third_party_setups:Script' cannot be made with its arguments: "
        "got an unexpected keyword argument 'scirpt'."
    )


def test_registry_tells_what_a_constructor_raised(third_party_setups: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.setup_provider(ComponentRef(type=f"{third_party_setups}:Picky", args={"script": "x.sh"}))
    assert caught.value.message == (
        "The setup provider 'third_party_setups:Picky' cannot be made: LookupError: no x.sh here"
    )


def test_registry_does_not_tell_a_secret_that_a_constructor_raised(third_party_setups: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.setup_provider(ComponentRef(type=f"{third_party_setups}:Shy", args={"password": "pw1"}))
    assert caught.value.message == (
        "The setup provider 'third_party_setups:Shy' cannot be made: LookupError: not with ********"
    )


def test_registry_tells_what_an_import_raised(third_party_setups: str) -> None:
    assert refused(ComponentRef(type="third_party_broken:Any")).message == (
        "The cloud provider 'third_party_broken:Any' cannot be imported: ZeroDivisionError: division by zero"
    )


def test_provider_without_tables_has_no_keys_to_check(third_party: str, third_party_setups: str) -> None:
    assert registry.cloud_tables(f"{third_party}:Mine") is not None
    assert registry.cloud_tables(f"{third_party_setups}:Keyless") is None
    assert registry.setup_keys(f"{third_party_setups}:Script") is None
