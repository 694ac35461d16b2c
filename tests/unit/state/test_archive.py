"""Archives of clusters: what goes in comes out, and whatever is unsafe or damaged is refused by name."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.state.mutations import JSON, altered, damaged

from elasticluster.exceptions import StateError
from elasticluster.model import ClusterRecord, ComponentRef, Login, NodeRecord, NodeSpec, NodeState
from elasticluster.state import codec, unzip
from elasticluster.state.archive import Archive, read, write

ORIGINAL = Path(__file__).parent / "original"
PRIVATE = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
PUBLIC = b"ssh-ed25519 AAAA elasticluster slurm\n"
SPEC = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="1cpu-1ram")
CLUSTER = ClusterRecord(
    uuid="11111111-2222-4333-8444-555555555555",
    name="slurm",
    template="slurm",
    cloud=ComponentRef(type="docker", section="local", args={"flavors": ["small=1cpu-0.5ram"]}),
    setup=ComponentRef(type="ansible", args={"groups": {"compute": ["slurm_worker"]}}),
    login=Login(proxy_command="ssh -W %h:%p gate"),
    kinds=("compute",),
    nodes=(
        NodeRecord(
            name="compute001",
            spec=SPEC,
            state=NodeState.READY,
            instance_id="i-1",
            public_ip="192.0.2.1",
            host_keys=("ssh-ed25519 AAAA",),
        ),
    ),
    secrets={"munge_key": "s3cret"},
)
FULL = Archive(cluster=CLUSTER, private_key=PRIVATE, public_key=PUBLIC, left_out=("cloud.password",))
WHOLE = write(FULL, b"compute001 ssh-ed25519 AAAA\n")
HINT = "Nothing was imported. Use a file as `elasticluster export` writes it."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "slurm.zip"


def refusal(file: Path, data: bytes) -> str:
    """Return what is said of an archive, without the part that every message begins with."""
    file.write_bytes(data)
    with pytest.raises(StateError) as caught:
        read(file)
    message, beginning = caught.value.message, f"{file} cannot be imported: "
    assert message.startswith(beginning), message
    assert caught.value.hint == HINT
    return message.removeprefix(beginning)


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore", UserWarning)  # duplicates
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def with_member(name: str | zipfile.ZipInfo, data: bytes = b"x") -> bytes:
    """Return a valid archive with one more member."""
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive:
        valid = [(info, archive.read(info)) for info in archive.infolist()]
    return packed(*valid, (name, data))


def of_mode(mode: int, name: str = "link") -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def with_document(change: Callable[[dict[str, Any]], object], name: str = "slurm.json") -> bytes:
    document = codec.encode(CLUSTER) | {"archive": {"version": 1, "left_out": []}}
    change(document)
    return packed((name, json.dumps(document).encode()))


# -- what goes in comes out ------------------------------------------------------------------------


def test_archive_comes_out_as_it_went_in(file: Path) -> None:
    file.write_bytes(WHOLE)
    assert read(file) == FULL


def test_archive_has_the_members_of_the_originals_and_no_time(file: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive:
        found = {info.filename: (info.comment, info.external_attr >> 16) for info in archive.infolist()}
    private = stat.S_IFREG | 0o600
    assert found == {
        "slurm.json": (b"cluster-file", private),
        "slurm.known_hosts": (b"", private),
        "slurm.key": (b"", private),
        "slurm.key.pub": (b"", private),
    }
    assert write(FULL, b"compute001 ssh-ed25519 AAAA\n") == WHOLE


def test_archive_without_keys_is_read(file: Path) -> None:
    file.write_bytes(write(Archive(cluster=CLUSTER, left_out=("key",)), b""))
    assert read(file) == Archive(cluster=CLUSTER, left_out=("key",))


def test_archive_that_was_unpacked_and_packed_again_is_read(file: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    file.write_bytes(packed(("notes/", b""), ("notes/today.txt", b"hello"), *members))
    assert read(file) == FULL


# -- archives of the original ----------------------------------------------------------------------


def original(*more: tuple[str, bytes], keys: bool = True) -> bytes:
    """Return what the original has written for its cluster `slurm`."""
    info = zipfile.ZipInfo("slurm.yaml")
    info.comment = b"cluster-file"
    pair = (("id_rsa", PRIVATE), ("id_rsa.pub", PUBLIC)) if keys else ()
    known_hosts = (ORIGINAL / "slurm.known_hosts").read_bytes()
    state = (ORIGINAL / "slurm.yaml").read_bytes()
    return packed((info, state), ("slurm.known_hosts", known_hosts), *pair, *more)


def test_original_archive_is_read_with_host_keys_and_key_files(file: Path) -> None:
    file.write_bytes(original())
    found = read(file)
    assert (found.cluster.name, found.private_key, found.public_key, found.left_out) == (
        "slurm",
        PRIVATE,
        PUBLIC,
        (),
    )
    assert [len(node.host_keys) for node in found.cluster.nodes if node.name == "compute001"] == [1]


def test_original_archive_without_keys_says_so(file: Path) -> None:
    file.write_bytes(original(keys=False))
    assert (read(file).private_key, read(file).left_out) == (b"", ("key",))


def test_original_keys_of_single_nodes_are_named_and_passed_over(file: Path) -> None:
    file.write_bytes(original(("slurm/compute/compute002/other", PRIVATE)))
    assert read(file).passed_over == ("slurm/compute/compute002/other",)
    assert read(file).private_key == PRIVATE


def test_original_key_of_the_first_node_is_taken_where_the_cluster_has_none(file: Path) -> None:
    node = {
        "name": "frontend001",
        "instance_id": "i-1",
        "user_key_private": "/home/me/.ssh/mine",
        "user_key_public": "/home/me/.ssh/mine.pub",
    }
    state = json.dumps({"name": "older", "nodes": {"frontend": [node]}}).encode()
    keys = (
        (f"older/frontend/frontend001/mine{end}", data) for end, data in (("", PRIVATE), (".pub", PUBLIC))
    )
    file.write_bytes(packed(("older.json", state), *keys))
    assert (read(file).private_key, read(file).public_key, read(file).passed_over) == (PRIVATE, PUBLIC, ())


# -- what is refused -------------------------------------------------------------------------------

LEADS_OUT = "has a path that leads out of the archive."


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/etc/cron.d/job", f"'/etc/cron.d/job' {LEADS_OUT}"),
        ("../.ssh/authorized_keys", f"'../.ssh/authorized_keys' {LEADS_OUT}"),
        ("a/../../b", f"'a/../../b' {LEADS_OUT}"),
        ("a/./b", f"'a/./b' {LEADS_OUT}"),
        ("a//b", f"'a//b' {LEADS_OUT}"),
        ("..\\b", f"'..\\b' {LEADS_OUT}"),
        ("C:boot.ini", f"'C:boot.ini' {LEADS_OUT}"),
        ("a\nb", "'a?b' has unprintable characters in its name."),
        ("nul", "'nul' has the name of a device."),
        ("a/COM1.txt", "'a/COM1.txt' has the name of a device."),
        (of_mode(stat.S_IFLNK | 0o777), "'link' is a link or a device."),
        (of_mode(stat.S_IFCHR | 0o600), "'link' is a link or a device."),
        (of_mode(stat.S_IFIFO | 0o600), "'link' is a link or a device."),
        (of_mode(stat.S_IFSOCK | 0o600), "'link' is a link or a device."),
        ("old.pickle", "'old.pickle' is a pickle, which may run programs when it is read."),
        ("a/b.PKL", "'a/b.PKL' is a pickle, which may run programs when it is read."),
        ("slurm.json", "'slurm.json' is in it 2 times."),
        ("SLURM.key", "'slurm.key' is in it 2 times."),
    ],
)
def test_unsafe_member_is_named(file: Path, name: str, problem: str) -> None:
    assert refusal(file, with_member(name)) == f"the member {problem}"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_compression_is_refused(file: Path, method: int) -> None:
    data = packed(("slurm.json", b"{}"), compression=method)
    assert refusal(file, data) == "the member 'slurm.json' is packed in a way that is not in use here."


def test_encrypted_member_is_refused(file: Path) -> None:
    data = bytearray(packed(("slurm.json", b"{}"), compression=zipfile.ZIP_STORED))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(file, bytes(data)) == "the member 'slurm.json' is encrypted."


def test_bomb_is_refused_before_it_goes_off(file: Path) -> None:
    data = packed(("slurm.json", b"0" * (unzip.MOST_BYTES + 1)))
    assert len(data) < 100_000
    assert refusal(file, data) == "unpacked it would have 67108865 bytes, more than 67108864."


def test_bomb_that_lies_about_its_size_is_refused(file: Path) -> None:
    data = bytearray(packed(("slurm.json", b"0" * unzip.MOST_BYTES)))
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = (100).to_bytes(4, "little")
    problem = refusal(file, bytes(data))
    assert problem == ("it is not a ZIP archive, or a damaged one (Bad CRC-32 for file 'slurm.json').")


def test_archive_of_too_many_files_is_refused(file: Path) -> None:
    data = packed(*((f"{number}", b"") for number in range(unzip.MOST_MEMBERS + 1)))
    assert refusal(file, data) == "it holds 1001 files, more than 1000."


def test_huge_file_is_refused_unread(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(StateError, match="it has 1099511627776 bytes, more than 16777216"):
        read(file)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is not a ZIP archive, or a damaged one (File is not a zip file)."),
        (b"\x1f\x8b\x08", "it is not a ZIP archive, or a damaged one (File is not a zip file)."),
        (packed(), "it holds no cluster."),
        (packed(("notes.txt", b"")), "it holds no cluster."),
        (packed(("a.json", b""), ("b.yaml", b"")), "it holds more than one cluster: a.json, b.yaml."),
    ],
)
def test_file_without_a_cluster_is_refused(file: Path, data: bytes, problem: str) -> None:
    assert refusal(file, data) == problem


def test_two_marked_clusters_are_refused(file: Path) -> None:
    other = zipfile.ZipInfo("other.json")
    other.comment = b"cluster-file"
    problem = refusal(file, with_member(other))
    assert problem == "it holds more than one cluster: other.json, slurm.json."


def test_marked_member_in_a_folder_is_refused(file: Path) -> None:
    info = zipfile.ZipInfo("a/slurm.json")
    info.comment = b"cluster-file"
    assert refusal(file, packed((info, b"{}"))) == "'a/slurm.json' is no file of a cluster."


def test_pipe_folder_or_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(StateError, match="it is not a file"):
            read(tmp_path / name)
    with pytest.raises(StateError) as caught:
        read(tmp_path / "none.zip")
    assert caught.value.message == f"Cannot read {tmp_path}/none.zip: No such file or directory."


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.update(version=99), "was written by a newer version of ElastiCluster "),
        (lambda d: d["archive"].update(version=2), "is an archive of a newer version of ElastiCluster "),
        (lambda d: d.pop("version"), "is damaged: it has no version, so this program did not write it."),
        (
            lambda d: d.pop("archive"),
            "is damaged: it is the file of a stored cluster and not of an exported ",
        ),
        (lambda d: d["archive"].update(left_out=[1]), "is damaged: it is the file of a stored cluster and "),
        (lambda d: d["cluster"].pop("uuid"), "is damaged: cluster: missing: uuid."),
    ],
)
def test_document_that_cannot_be_read_is_named(
    file: Path, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    file.write_bytes(with_document(change))
    with pytest.raises(StateError) as caught:
        read(file)
    assert caught.value.message.startswith(f"{file} (slurm.json) {problem}")


def node(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["cluster"]["nodes"][0].update(values)


NO_NODE = "node 'compute001' has a name, user, address or host key that is none."


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["cluster"].update(uuid="../x"), "'../x' is no UUID of a cluster."),
        (lambda d: d["cluster"].update(name="other"), "the file of cluster 'slurm' holds cluster 'other'."),
        (node(public_ip="-oProxyCommand=x"), NO_NODE),
        (node(public_ip="a b"), NO_NODE),
        (node(host_keys=["ssh-ed25519 AAAA\n* ssh-rsa BBBB"]), NO_NODE),
        (node(name="../x"), "node '../x' has a name, user, address or host key that is none."),
        (node(spec={**codec.plain(SPEC), "image_user": "-l"}), NO_NODE),
        (node(ssh_port=-5), "node 'compute001' has no port of SSH: -5."),
        (node(spec={**codec.plain(SPEC), "kind": "\x1b[31mx\n"}), "'?[31mx?' is no kind of node."),
        (node(spec={**codec.plain(SPEC), "flavor": "a\nb"}), "'a?b' is the name of no flavor."),
        (lambda d: d["cluster"].update(kinds=["a" * 300]), f"'{'a' * 300}' is no kind of node."),
        (
            lambda d: d["cluster"].update(template="a\n\x1b[31mRED"),
            "'a??[31mRED' is the name of no template.",
        ),
    ],
)
def test_record_that_no_cluster_has_is_refused(
    file: Path, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    assert refusal(file, with_document(change)) == problem


def test_name_that_no_cluster_can_have_is_refused(file: Path) -> None:
    data = with_document(lambda d: d["cluster"].update(name="-x"), name="-x.json")
    assert refusal(file, data) == "'-x' cannot be the name of a cluster."


@pytest.mark.parametrize(
    ("archive", "problem"),
    [
        (replace(FULL, private_key=b"hello"), "the private key in it is none."),
        (replace(FULL, public_key=b"ssh-rsa AAAA\nssh-rsa BBBB\n"), "the public key in it is none."),
    ],
)
def test_key_that_is_none_is_refused(file: Path, archive: Archive, problem: str) -> None:
    assert refusal(file, write(archive, b"")) == problem


def test_record_that_is_nested_too_deeply_is_refused(file: Path) -> None:
    deep: list[Any] = []
    for _ in range(700):
        deep = [deep]
    data = with_document(lambda d: d["cluster"].update(extra={"x": deep}))
    assert refusal(file, data) == "'slurm.json' is nested too deeply."


# -- anything whatever -----------------------------------------------------------------------------


def is_read_or_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    refusal = _refusal(file)
    if refusal:
        assert str(file) in refusal.message
        assert refusal.message.isprintable()
        assert refusal.hint


def _refusal(file: Path) -> StateError | None:
    try:
        read(file)
    except StateError as error:
        return error
    return None


ANYTHING = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ANYTHING
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_with_the_name_of_the_file(file: Path, data: bytes) -> None:
    is_read_or_refused(file, data)


@ANYTHING
@given(data=damaged(WHOLE) | damaged(original()))
def test_damaged_archive_is_read_or_refused(file: Path, data: bytes) -> None:
    is_read_or_refused(file, data)


@ANYTHING
@given(data=st.data())
def test_archive_with_a_damaged_member_is_read_or_refused(file: Path, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(data.draw(st.sampled_from([WHOLE, original()])))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(members)))
    members[name] = data.draw(damaged(members[name]))
    is_read_or_refused(file, packed(*members.items()))


OURS = codec.encode(CLUSTER) | {"archive": {"version": 1, "left_out": []}}
THEIRS = yaml.safe_load((ORIGINAL / "slurm.yaml").read_text())


@ANYTHING
@given(document=altered(OURS) | altered(THEIRS) | JSON)
def test_archive_with_any_document_is_read_or_refused(file: Path, document: Any) -> None:
    is_read_or_refused(file, packed(("slurm.json", json.dumps(document).encode())))


def test_reading_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "slurm.zip").write_bytes(WHOLE)
    shutil.copystat(folder, folder)
    before = folder.stat().st_mtime_ns
    read(folder / "slurm.zip")
    assert folder.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.rglob("*")] == ["here", "slurm.zip"]
