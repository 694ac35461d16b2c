"""Clusters handed over: exported in one place, imported in another, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.archives import Imported, export_cluster, import_cluster, without_secrets
from elasticluster.conf import Creator, make_creator
from elasticluster.exceptions import (
    ClusterConflict,
    ClusterLocked,
    ClusterNotFound,
    ConfigurationError,
    KeypairError,
    StateError,
    UsageError,
)
from elasticluster.model import ClusterRecord, ComponentRef, Login, NodeRecord, NodeSpec, NodeState
from elasticluster.setup.authority import new_key, public_part
from elasticluster.state.archive import read, write
from elasticluster.state.lock import process_lock
from elasticluster.state.store import DiskStore

SPEC = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="1cpu-1ram")
NODE = NodeRecord(
    name="compute001",
    spec=SPEC,
    state=NodeState.READY,
    instance_id="i-1",
    public_ip="192.0.2.1",
    host_keys=("ssh-ed25519 AAAA",),
)
CLUSTER = ClusterRecord(
    uuid="11111111-2222-4333-8444-555555555555",
    name="slurm",
    template="slurm",
    owner="me@there/12345678",
    cloud=ComponentRef(type="docker", section="local", args={"docker_host": "unix:///x"}),
    setup=ComponentRef(type="ansible", args={"groups": {"compute": ["slurm_worker"]}}),
    kinds=("compute",),
    nodes=(NODE,),
    ready=True,
    secrets={"munge_key": "s3cret", "ssh_ca_key": "hidden"},
)
CONFIG = "[cloud/other]\nprovider=docker\n"


def ansible(**args: Any) -> ComponentRef:
    return ComponentRef(type="ansible", args={"groups": {}, **args})


class Place:
    """A computer: a configuration and a storage folder."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        self.storage = path / "storage"
        (path / "config").write_text(CONFIG)

    @property
    def creator(self) -> Creator:
        return make_creator(str(self.path / "config"), str(self.storage))

    @property
    def store(self) -> DiskStore:
        return DiskStore(self.storage)

    def files(self) -> list[str]:
        """Return the names of the files in storage, but for locks, which are harmless."""
        found = self.storage.iterdir() if self.storage.exists() else ()
        return sorted(path.name for path in found if path.suffix != ".lock")

    def write_key(self, name: str) -> Path:
        """Write a key pair and return the path of its private half."""
        key = new_key()
        path = self.path / name
        path.write_text(key)
        path.chmod(0o600)
        path.with_name(f"{name}.pub").write_text(f"{public_part(key)} me\n")
        return path


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """Return where the cluster was started, with a key pair of its own."""
    place = Place(tmp_path / "here")
    place.store.key_pair(replace(CLUSTER, nodes=()))
    place.store.save(CLUSTER)
    Path(place.store.known_hosts_path("slurm")).write_text("compute001 ssh-ed25519 AAAA\n")
    return place


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return Place(tmp_path / "there")


def hand_over(here: Place, there: Place, *, keys: bool = False, **options: Any) -> Imported:
    file, _ = export_cluster(here.creator, "slurm", str(here.path / "out"), keys=keys, overwrite=True)
    return import_cluster(there.creator, str(file), **options)


# -- export ----------------------------------------------------------------------------------------


def test_export_leaves_keys_and_secrets_out_and_says_so(here: Place) -> None:
    file, archive = export_cluster(here.creator, "slurm", str(here.path / "out"))
    assert file == here.path / "out.zip"
    assert archive.left_out == ("key", "secrets.munge_key", "secrets.ssh_ca_key")
    with zipfile.ZipFile(file) as opened:
        assert opened.namelist() == ["slurm.json", "slurm.known_hosts", "slurm.key.pub"]
        everything = b"".join(map(opened.read, opened.namelist()))
    for secret in (b"s3cret", b"hidden", b"PRIVATE KEY"):
        assert secret not in everything


def test_export_with_keys_holds_everything(here: Place) -> None:
    file, archive = export_cluster(here.creator, "slurm", str(here.path / "out.zip"), keys=True)
    assert (file, archive.left_out) == (here.path / "out.zip", ())
    assert read(file) == archive
    assert archive.cluster == CLUSTER
    assert archive.private_key == (here.storage / "slurm.key").read_bytes()


def test_exported_file_is_private_and_stands_alone(here: Place) -> None:
    file, _ = export_cluster(here.creator, "slurm", str(here.path / "out"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in here.path.iterdir()) == ["config", "out.zip", "storage"]


def test_export_goes_into_the_present_folder_by_default(
    here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_cluster(here.creator, "slurm")[0] == tmp_path / "slurm.zip"


def test_export_replaces_a_file_only_if_told_to(here: Place) -> None:
    file = here.path / "out.zip"
    file.write_text("precious")
    with pytest.raises(UsageError) as caught:
        export_cluster(here.creator, "slurm", str(file))
    assert str(caught.value) == f"{file} exists already.\n`--overwrite` replaces a file."
    assert file.read_text() == "precious"
    export_cluster(here.creator, "slurm", str(file), overwrite=True)
    assert read(file).cluster.name == "slurm"


@pytest.mark.parametrize(
    ("path", "problem"),
    [("none/out", "out.zip cannot be written: there is no folder"), ("folder", "folder.zip exists already.")],
)
def test_export_to_a_place_that_takes_no_file_is_refused(here: Place, path: str, problem: str) -> None:
    (here.path / "folder.zip").mkdir()
    with pytest.raises(UsageError, match=problem):
        export_cluster(here.creator, "slurm", str(here.path / path), overwrite=True)


def test_export_of_an_unknown_cluster_makes_nothing(there: Place) -> None:
    with pytest.raises(ClusterNotFound):
        export_cluster(there.creator, "slurm", str(there.path / "out"))
    assert sorted(path.name for path in there.path.iterdir()) == ["config"]


@contextlib.contextmanager
def held(place: Place, name: str) -> Iterator[None]:
    """Have another process hold a lock."""
    pid = os.fork()
    if not pid:
        os.setsid()
        with process_lock(place.storage / f"{name}.lock", name, lambda: True):
            (place.path / "locked").touch()
            while not (place.path / "done").exists():
                pass
        os._exit(0)
    while not (place.path / "locked").exists():
        pass
    try:
        yield
    finally:
        (place.path / "done").touch()
        os.waitpid(pid, 0)


def test_export_of_a_cluster_that_is_worked_on_is_refused(here: Place) -> None:
    with held(here, "slurm"), pytest.raises(ClusterLocked):
        export_cluster(here.creator, "slurm", str(here.path / "out"))
    assert not (here.path / "out.zip").exists()


def test_secrets_in_arguments_variables_and_texts_are_left_out() -> None:
    cluster = replace(
        CLUSTER,
        cloud=ComponentRef(type="none:Such", args={"os_password": "p", "url": "http://me:pw@x", "zone": "a"}),
        setup=ComponentRef(
            type="ansible",
            args={
                "groups": {"compute": ["slurm_worker"]},
                "environment_vars": {"compute": {"db_password": "p", "big": "1", "pem": "-----BEGIN X"}},
            },
        ),
        login=Login(proxy_command="connect --password=p %h"),
        nodes=(replace(NODE, spec=replace(SPEC, image_userdata="export TOKEN=x", extra={"api_key": "k"})),),
        extra={"vpn": {"secret": "x"}, "queue": 1},
    )
    shown, left_out = without_secrets(cluster)
    assert left_out == (
        "cloud.os_password",
        "cloud.url",
        "cluster.vpn.secret",
        "compute.api_key",
        "compute.image_userdata",
        "login.proxy_command",
        "secrets.munge_key",
        "secrets.ssh_ca_key",
        "setup.environment_vars.compute.db_password",
        "setup.environment_vars.compute.pem",
    )
    assert shown.cloud.args == {"zone": "a"}
    assert shown.setup.args["environment_vars"] == {"compute": {"big": "1"}}
    assert (shown.login.proxy_command, shown.extra) == ("", {"vpn": {}, "queue": 1})
    assert (shown.nodes[0].spec.image_userdata, shown.nodes[0].spec.extra) == ("", {})


def test_value_that_a_secret_was_put_into_is_left_out() -> None:
    variables = {"compute": {"munge_key": "hunter22", "greeting": "welcome hunter22", "size": "1"}}
    cluster = replace(CLUSTER, setup=replace(CLUSTER.setup, args={"environment_vars": variables}))
    shown, left_out = without_secrets(cluster)
    assert shown.setup.args["environment_vars"]["compute"] == {"size": "1"}
    assert {f"setup.environment_vars.compute.{name}" for name in ("munge_key", "greeting")} <= {*left_out}
    shown, _ = without_secrets(
        replace(cluster, setup=ansible(environment_vars={"compute": {"q": "of the file"}})), {"the file"}
    )
    assert shown.setup.args["environment_vars"]["compute"] == {}


def test_list_with_a_secret_in_it_is_left_out() -> None:
    users = [{"name": "bob", "password": "p"}]
    options = {"users": users, "opts": ["--token=x"], "names": ["a", "b"]}
    shown, left_out = without_secrets(
        replace(CLUSTER, secrets={}, extra=options, setup=ansible(environment_vars={"compute": options}))
    )
    assert left_out == (
        "cluster.opts",
        "cluster.users",
        "setup.environment_vars.compute.opts",
        "setup.environment_vars.compute.users",
    )
    assert shown.extra == shown.setup.args["environment_vars"]["compute"] == {"names": ["a", "b"]}


def test_file_that_is_no_key_is_not_exported_as_one(here: Place) -> None:
    key = with_named_key(here)
    key.write_text("root:x:0:0")
    with pytest.raises(KeypairError, match=f"{key} is not a private key"):
        export_cluster(here.creator, "slurm", str(here.path / "out"), keys=True)
    assert not (here.path / "out.zip").exists()


@pytest.mark.parametrize(
    ("path", "file"), [("folder/", "folder/slurm.zip"), ("folder", "folder/slurm.zip"), ("a.ZIP", "a.ZIP")]
)
def test_export_goes_into_a_folder_and_adds_no_second_ending(here: Place, path: str, file: str) -> None:
    (here.path / "folder").mkdir()
    assert export_cluster(here.creator, "slurm", f"{here.path}/{path}")[0] == here.path / file


# -- import ----------------------------------------------------------------------------------------


def test_cluster_with_keys_is_the_same_there(here: Place, there: Place) -> None:
    imported = hand_over(here, there, keys=True)
    assert there.store.load("slurm") == CLUSTER
    assert there.files() == ["slurm.json", "slurm.key", "slurm.key.pub", "slurm.known_hosts"]
    assert {path.stat().st_mode & 0o777 for path in there.storage.iterdir()} == {0o600}
    assert (there.storage / "slurm.known_hosts").read_text() == ("compute001,192.0.2.1 ssh-ed25519 AAAA\n")
    assert imported.cluster.key_pair().private_path == str(there.storage / "slurm.key")
    assert (imported.left_out, imported.passed_over, imported.missing) == ((), (), ())


def test_cluster_without_keys_is_known_there_and_says_what_it_lacks(here: Place, there: Place) -> None:
    imported = hand_over(here, there)
    assert there.files() == ["slurm.json", "slurm.known_hosts"]
    assert imported.left_out == ("key", "secrets.munge_key", "secrets.ssh_ca_key")
    assert imported.key_place == str(there.storage / "slurm.key")
    with pytest.raises(KeypairError):
        imported.cluster.key_pair()
    shutil.copy(here.storage / "slurm.key", there.storage)
    assert imported.cluster.key_pair().private_path == imported.key_place


def test_cluster_without_its_secrets_is_set_up_as_a_whole_before_it_grows(here: Place, there: Place) -> None:
    hand_over(here, there)
    assert not there.store.load("slurm").ready


def test_given_key_is_used_where_it_is(here: Place, there: Place) -> None:
    key = there.path / "mine"
    for end in ("", ".pub"):
        shutil.copy(here.storage / f"slurm.key{end}", f"{key}{end}")
    imported = hand_over(here, there, keys=True, key=str(key))
    login = there.store.load("slurm").login
    assert (login.user_key_private, login.user_key_public) == (str(key), f"{key}.pub")
    assert "key" not in imported.left_out
    assert there.files() == ["slurm.json", "slurm.known_hosts"]


def test_another_key_than_the_clusters_is_refused(here: Place, there: Place) -> None:
    key = there.write_key("mine")
    with pytest.raises(KeypairError) as caught:
        hand_over(here, there, key=str(key))
    assert str(caught.value) == f"The nodes of cluster `slurm` accept another key than {key}."
    assert there.files() == []


def with_named_key(here: Place) -> Path:
    """Let the cluster have a key pair that its template names."""
    key = here.write_key("template_key")
    login = replace(CLUSTER.login, user_key_private=str(key), user_key_public=f"{key}.pub")
    here.store.save(replace(CLUSTER, login=login))
    return key


def test_key_that_the_template_named_is_taken_along_and_its_paths_changed(here: Place, there: Place) -> None:
    key = with_named_key(here)
    hand_over(here, there, keys=True)
    login = there.store.load("slurm").login
    assert login.user_key_private == str(there.storage / "slurm.key")
    assert login.user_key_public == str(there.storage / "slurm.key.pub")
    assert (there.storage / "slurm.key").read_bytes() == key.read_bytes()


def test_key_that_the_template_named_is_found_where_it_is_the_same(here: Place, there: Place) -> None:
    key = with_named_key(here)
    imported = hand_over(here, there)
    assert (imported.key_place, "key" in imported.left_out) == (str(key), False)
    key.unlink()
    there.store.delete("slurm")
    assert "key" in hand_over(here, there).left_out


def test_imported_cluster_can_be_renamed(here: Place, there: Place) -> None:
    hand_over(here, there, keys=True, name="other")
    assert there.files() == ["other.json", "other.key", "other.key.pub", "other.known_hosts"]
    assert there.store.load("other") == replace(CLUSTER, name="other")


def test_import_refuses_a_name_that_exists(here: Place, there: Place) -> None:
    there.store.save(replace(CLUSTER, uuid="99999999-2222-4333-8444-555555555555"))
    with pytest.raises(ClusterConflict) as caught:
        hand_over(here, there)
    assert str(caught.value) == (
        "There is a cluster `slurm` here already.\nGive it another name with `--rename`."
    )


def test_import_refuses_a_cluster_that_is_here_under_another_name(here: Place) -> None:
    with pytest.raises(
        ClusterConflict, match="Cluster `slurm` is the same cluster: it has the same machines"
    ):
        hand_over(here, here, name="twin")


def test_import_refuses_an_impossible_name(here: Place, there: Place) -> None:
    with pytest.raises(ConfigurationError, match=r"'\.\./x' cannot be the name of a cluster"):
        hand_over(here, there, name="../x")
    assert there.files() == []


def test_import_leaves_the_key_of_a_lost_cluster_alone(here: Place, there: Place) -> None:
    there.store.key_pair(replace(CLUSTER, nodes=()))
    before = (there.storage / "slurm.key").read_bytes()
    with pytest.raises(ClusterConflict, match="There is a key of a cluster `slurm` whose record is lost"):
        hand_over(here, there, keys=True)
    assert (there.storage / "slurm.key").read_bytes() == before


def test_import_that_is_on_its_way_under_another_name_is_waited_for_by_none(
    here: Place, there: Place
) -> None:
    """By its UUID: there is no record yet."""
    with held(there, CLUSTER.uuid), pytest.raises(ClusterLocked):
        hand_over(here, there, name="twin")
    assert there.files() == []


def test_secret_of_the_cloud_is_taken_from_the_configuration(here: Place, there: Place) -> None:
    cloud = ComponentRef(type="docker", section="work", args={"docker_host": "tcp://me:pw@example.org"})
    here.store.save(replace(CLUSTER, cloud=cloud))
    assert "cloud.docker_host" in hand_over(here, there).left_out
    there.store.delete("slurm")
    (there.path / "config").write_text("[cloud/work]\nprovider=docker\ndocker_host=tcp://me:pw@example.org\n")
    assert "cloud.docker_host" not in hand_over(here, there).left_out
    assert there.store.load("slurm").cloud == cloud


SECRETIVE = """
from elasticluster.config.keys import Key
from elasticluster.providers import AbstractCloudProvider

CLOUD_KEYS = (Key("url", "str", place=True), Key("password", "str", secret=True), Key("token_name", "str"))

class Cloud(AbstractCloudProvider):
    def start_instance(self, *args, **kwargs): return "x"
    def stop_instance(self, instance_id): pass
    def get_ips(self, instance_id): return []
    def is_instance_running(self, instance_id): return False
"""
SECTION = "[cloud/mine]\nprovider=secretive:Cloud\nurl=https://honest.example\npassword=p4ss\ntoken_name=t\n"


@pytest.fixture
def secretive(here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Have the cluster on a cloud with a password; return the arguments that are no secret."""
    (tmp_path / "secretive.py").write_text(SECRETIVE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "secretive", raising=False)
    args = {"url": "https://honest.example"}
    cloud = ComponentRef(type="secretive:Cloud", section="mine", args={**args, "password": "theirs"})
    here.store.save(replace(CLUSTER, cloud=cloud))
    return args


def test_password_of_the_cloud_is_taken_for_the_same_place_only(
    here: Place, there: Place, secretive: dict[str, str]
) -> None:
    (there.path / "config").write_text(SECTION)
    imported = hand_over(here, there)
    assert imported.cluster.cloud_access.args == {**secretive, "password": "p4ss"}
    assert "cloud.password" not in imported.left_out
    there.store.delete("slurm")
    (there.path / "config").write_text(SECTION.replace("honest", "another"))
    imported = hand_over(here, there)
    assert imported.cluster.cloud_access.args == {**secretive, "password": None}
    assert there.store.load("slurm").cloud.args == {**secretive, "password": None}
    assert "cloud.password" in imported.left_out


@pytest.mark.usefixtures("secretive")
def test_archive_gets_nothing_that_is_no_secret_by_saying_that_it_was_left_out(
    here: Place, there: Place
) -> None:
    (there.path / "config").write_text(SECTION)
    file, archive = export_cluster(here.creator, "slurm", str(here.path / "out"))
    file.write_bytes(write(replace(archive, left_out=("cloud.token_name", "cloud.url")), b""))
    record = import_cluster(there.creator, str(file)).cluster.record
    assert "token_name" not in record.cloud.args


def test_password_of_the_cloud_is_taken_whenever_the_configuration_has_it(
    here: Place, there: Place, secretive: dict[str, str]
) -> None:
    hand_over(here, there)
    assert there.creator.load_cluster("slurm").cloud_access.args == {**secretive, "password": None}
    (there.path / "config").write_text(SECTION)
    loaded = there.creator.load_cluster("slurm")
    assert loaded.cloud_access.args == {**secretive, "password": "p4ss"}
    assert loaded.record.cloud.args == {**secretive, "password": None}


def test_what_an_archive_makes_this_computer_run_is_named(here: Place, there: Place) -> None:
    setup = ComponentRef(
        type="ansible", args={"groups": {}, "before": "/none.yml", "ansible_command": "run me"}
    )
    here.store.save(replace(CLUSTER, setup=setup, login=Login(proxy_command="ssh gate nc %h %p")))
    assert hand_over(here, there).missing == ("/none.yml",)
    there.store.delete("slurm")
    assert told(here, there) == [
        "setup.args.before=/none.yml",
        "setup.args.ansible_command=run me",
        "login.proxy_command=ssh gate nc %h %p",
    ]


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (
            {"setup": ansible(ansible_ssh_executable="/evil/ssh")},
            "setup.args.ansible_ssh_executable=/evil/ssh",
        ),
        (
            {"setup": ansible(environment_vars={"compute": {"ansible_connection": "local"}})},
            "setup.args.environment_vars.compute.ansible_connection=local",
        ),
        (
            {"setup": ansible(environment_vars={"compute": {"x": ["{{ lookup('pipe', 'touch x') }}"]}})},
            "setup.args.environment_vars.compute.x={{ lookup('pipe', 'touch x') }}",
        ),
        (
            {"setup": ansible(ansible_module_dir="/evil/modules")},
            "setup.args.ansible_module_dir=/evil/modules",
        ),
        ({"secrets": {"munge_key": "{% raw %}"}}, "secrets.munge_key=********"),
        (
            {"nodes": (replace(NODE, public_ip="{{lookup('pipe','x')}}"),)},
            "nodes.public_ip={{lookup('pipe','x')}}",
        ),
        ({"cloud": ComponentRef(type="subprocess:Popen", args={"args": "id"})}, "cloud.args.args=id"),
        ({"setup": ComponentRef(type="subprocess:Popen")}, "setup.type=subprocess:Popen"),
    ],
)
def test_setting_that_may_run_a_program_here_is_told_before_anything_is_stored(
    here: Place, there: Place, change: dict[str, Any], setting: str
) -> None:
    here.store.save(replace(CLUSTER, **change))
    assert setting in told(here, there, keys=True)


def test_key_of_the_one_who_imports_is_told_before_it_is_used(here: Place, there: Place) -> None:
    key = with_named_key(here)
    assert told(here, there) == [f"login.user_key_private={key}"]


def test_nothing_is_asked_of_an_archive_that_runs_nothing(here: Place, there: Place) -> None:
    here.store.save(replace(CLUSTER, setup=ansible(ansible_forks="9", sudo=True)))
    hand_over(here, there, agree=lambda _: pytest.fail("asked"))


class RefusedError(Exception):
    """Somebody does not trust an archive."""


def told(here: Place, there: Place, *, keys: bool = False) -> list[str]:
    """Return what is told by an import that ends there; nothing is left of it."""

    def refuse(settings: Sequence[str]) -> None:
        raise RefusedError(*settings)

    with pytest.raises(RefusedError) as caught:
        hand_over(here, there, keys=keys, agree=refuse)
    assert there.files() == []
    return list(caught.value.args)


def test_archive_of_the_original_is_imported_with_its_keys(there: Place) -> None:
    key = there.write_key("id_rsa")
    node = {"name": "frontend001", "instance_id": "i-9", "ips": ["192.0.2.9"], "image_user": "ubuntu"}
    state: dict[str, Any] = {
        "name": "older",
        "template": "gone",
        "user_key_private": "~/.ssh/id_rsa",
        "user_key_public": "~/.ssh/id_rsa.pub",
        "nodes": {"frontend": [node]},
    }
    file = there.path / "older.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("older.json", json.dumps(state))
        archive.writestr("older.known_hosts", "192.0.2.9 ssh-ed25519 AAAA\n")
        archive.write(key, "id_rsa")
        archive.write(f"{key}.pub", "id_rsa.pub")
    imported = import_cluster(there.creator, str(file))
    record = there.store.load("older")
    assert record.login.user_key_private == str(there.storage / "older.key")
    assert (there.storage / "older.key").read_bytes() == key.read_bytes()
    assert record.nodes[0].host_keys == ("ssh-ed25519 AAAA",)
    assert (there.storage / "older.known_hosts").read_text() == "frontend001,192.0.2.9 ssh-ed25519 AAAA\n"
    assert (imported.left_out, imported.cluster.record.cloud.type) == ((), "")


def test_refused_archive_leaves_nothing(there: Place) -> None:
    file = there.path / "bad.zip"
    file.write_bytes(b"PK")
    with pytest.raises(StateError, match=r"bad\.zip cannot be imported"):
        import_cluster(there.creator, str(file))
    assert there.files() == []


def test_cluster_that_cannot_be_stored_leaves_nothing(here: Place, there: Place) -> None:
    (there.storage / ".slurm.json.new").mkdir(parents=True)
    with pytest.raises(StateError, match=r"Cannot write .*slurm\.json"):
        hand_over(here, there, keys=True)
    assert there.files() == [".slurm.json.new"]
