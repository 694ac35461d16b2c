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
        "Did you mean 'docker'? There are: docker, ec2_boto, openstack; "
        "a class of your own is given as 'package.module:Class'."
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


def test_record_with_two_places_is_refused_as_in_a_file() -> None:
    """The password of one would be sent to the other."""
    args = {"os_cloud": "mine", "auth_url": "https://elsewhere.example/v3"}
    assert refused(ComponentRef(type="openstack", args=args)).message == (
        "The cloud provider 'openstack' cannot be made: os_cloud: `clouds.yaml` says that already: "
        "remove auth_url."
    )


def test_provider_made_of_a_record_takes_nothing_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from elasticluster.config import environment\n" + THIRD_PARTY.replace(
        "self.url = url", "self.url = environment.here().get('SOME_URL', url)"
    )
    (tmp_path / "curious_clouds.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SOME_URL", "http://mine")
    ref = ComponentRef(type="curious_clouds:Positional", args={"url": "http://x"})
    assert vars(registry.cloud_provider(ref))["url"] == "http://x"
    assert vars(registry.cloud_class(ref.type)("http://x"))["url"] == "http://mine"


def test_description_of_a_provider_says_where_its_cloud_is_also_if_the_environment_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("EC2_URL", "EC2_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("EC2_SECRET_KEY", "hunter22")
    made = registry.cloud_class("ec2_boto")("http://127.0.0.1:9", ec2_access_key="a")
    expected = {
        "ec2_url": "http://127.0.0.1:9",
        "ec2_region": "eu-west-1",
        "ec2_access_key": "a",
        "ec2_secret_key": None,
    }
    assert registry.ref_of(made) == ComponentRef(type="ec2_boto", args=expected)


def test_class_of_a_shipped_cloud_is_where_older_programs_look_for_it() -> None:
    for name, path in registry.CLOUDS.items():
        module, _, found = path.partition(":")
        assert registry.cloud_class(name).__name__ == found
        assert module == f"elasticluster.providers.{name}"
