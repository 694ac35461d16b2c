"""A cluster in one file, to be taken elsewhere: a ZIP archive, ours or of the original ElastiCluster.

For a cluster ``slurm`` it holds ``slurm.json``, the record, marked by the comment ``cluster-file``;
``slurm.known_hosts``; ``slurm.key.pub``; and, only if that was asked for, ``slurm.key``. The original's holds
``slurm.yaml`` (or ``.json``) with the same mark, ``slurm.known_hosts`` and, under their own names, key files.
"""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from elasticluster.exceptions import ConfigurationError, StateError
from elasticluster.model import ClusterRecord, Json, Login
from elasticluster.naming import check_cluster_name, is_uuid, printable
from elasticluster.state import codec, formats
from elasticluster.state.files import KEY, KNOWN_HOSTS
from elasticluster.state.original import is_original, to_record
from elasticluster.state.unzip import Member, read_members, refused

VERSION = 1
"""Version of what is written beside the record, which has a version of its own."""

_MARK = "cluster-file"
_ABOUT = "archive"
_PRIVATE_RE = re.compile(rb"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PUBLIC_RE = re.compile(rb"[a-z0-9@.-]+ [A-Za-z0-9+/=]+(?: [^\n]*)?\n?")
_NAME_RE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_WORD_RE = re.compile(r"(?!-)[^\s]+")
_LONGEST = 1000  # characters of a name
_HOST_KEY_RE = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What is taken from one place to another.

    Attributes:
        cluster: the cluster.
        private_key: the private key that opens its nodes; empty if it was left out.
        public_key: its public half; empty if that is not known.
        left_out: names of what the record does not hold although the cluster has it: ``key``,
            ``secrets.munge_key``, ``cloud.password`` …
        passed_over: names of further keys in an archive of the original, of single nodes.
    """

    cluster: ClusterRecord
    private_key: bytes = field(default=b"", repr=False)
    public_key: bytes = b""
    left_out: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()


def write(archive: Archive, known_hosts: bytes) -> bytes:
    """Return an archive as the contents of a file.

    Args:
        archive: what it is to hold.
        known_hosts: the cluster's known-hosts file, for people: what counts is in the record, too.

    Raises:
        StateError: there is something in the record that cannot be stored.
    """
    about = {"version": VERSION, "left_out": list(archive.left_out)}
    document = codec.encode(archive.cluster) | {_ABOUT: about}
    name = archive.cluster.name
    members = {
        f"{name}.json": formats.dump(document, "json"),
        f"{name}{KNOWN_HOSTS}": known_hosts,
        f"{name}{KEY}": archive.private_key,
        f"{name}{KEY}.pub": archive.public_key,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for member, data in members.items():
            if data:
                file.writestr(_info(member), data)
    return buffer.getvalue()


def read(path: Path) -> Archive:
    """Return what is in an archive; nothing is written.

    Raises:
        StateError: it cannot be read, is not safe, does not hold one cluster, or is of a newer version.
    """
    members = read_members(path)
    file = _cluster_file(members, path)
    stem = PurePosixPath(file).stem
    source = f"{path} ({file})"
    try:
        document = formats.parse(members[file].data, _form(file), source)
        if is_original(document):
            known_hosts = _data(members, f"{stem}{KNOWN_HOSTS}").decode("utf-8", "replace")
            archive = _original(to_record(document, known_hosts, source), members)
        else:
            archive = _ours(document, source, members)
        json.dumps(codec.encode(archive.cluster))
    except RecursionError as exc:
        raise refused(path, f"'{printable(file)}' is nested too deeply") from exc
    except StateError as exc:
        raise StateError(exc.message, hint=_HINT) from exc
    for problem in _problems(archive, stem):
        raise refused(path, problem)
    return archive


_HINT = "Nothing was imported. Export the cluster again, with the version of ElastiCluster that is used here."


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # the same file for the same cluster: no time in it
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, or the next line means nothing
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    info.comment = _MARK.encode() if name.endswith(".json") else b""
    return info


def _cluster_file(members: Mapping[str, Member], path: Path) -> str:
    """Return the name of the member that is the cluster: the one marked so, else the only one at the top."""
    marked = [name for name, member in members.items() if member.comment == _MARK]
    at_top = [name for name in members if "/" not in name and _form(name)]
    found = marked or at_top
    if not found:
        raise refused(path, "it holds no cluster")
    if len(found) > 1:
        raise refused(path, f"it holds more than one cluster: {', '.join(map(printable, sorted(found)))}")
    if found[0] not in at_top:
        raise refused(path, f"'{printable(found[0])}' is no file of a cluster")
    return found[0]


def _form(name: str) -> str:
    """Return the format that a file's name tells; empty for none."""
    suffix = PurePosixPath(name).suffix
    return next((form for form, end in formats.SUFFIXES.items() if end == suffix), "")


def _data(members: Mapping[str, Member], name: str) -> bytes:
    return members[name].data if name in members else b""


def _ours(document: Json, source: str, members: Mapping[str, Member]) -> Archive:
    cluster = codec.decode(document, source)
    about = document.get(_ABOUT)
    match about:
        case {"version": int(version)} if version > VERSION:
            raise StateError(
                f"{source} is an archive of a newer version of ElastiCluster "
                f"(archive version {version}, this one knows up to {VERSION})."
            )
        case {"version": int(), "left_out": [*left_out]} if all(isinstance(one, str) for one in left_out):
            return Archive(
                cluster=cluster,
                private_key=_data(members, f"{cluster.name}{KEY}"),
                public_key=_data(members, f"{cluster.name}{KEY}.pub"),
                left_out=tuple(map(str, left_out)),
            )
    raise codec.corrupt(source, "it is the file of a stored cluster and not of an exported one")


def _original(cluster: ClusterRecord, members: Mapping[str, Member]) -> Archive:
    private, public = (_key_name(cluster, members, path) for path in _key_paths(cluster.login))
    inside = (name for name in members if name.startswith(f"{cluster.name}/"))
    return Archive(
        cluster=cluster,
        private_key=_data(members, private),
        public_key=_data(members, public),
        left_out=() if private in members else ("key",),
        passed_over=tuple(name for name in inside if name not in {private, public}),
    )


def _key_paths(login: Login) -> tuple[str, str]:
    return login.user_key_private, login.user_key_public


def _key_name(cluster: ClusterRecord, members: Mapping[str, Member], path: str) -> str:
    """Return the name of the member that is a key file: at the top, else among those of the first node."""
    file = PurePosixPath(path).name
    first = next((f"{cluster.name}/{node.kind}/{node.name}/{file}" for node in cluster.nodes), "")
    return file if file in members else first


def _problems(archive: Archive, stem: str) -> Iterator[str]:
    """Say what is in a record that no cluster has, and that could be meant to do harm."""
    cluster = archive.cluster
    if cluster.name != stem:
        yield f"the file of cluster '{printable(stem)}' holds cluster '{printable(cluster.name)}'"
    try:
        check_cluster_name(cluster.name)
    except ConfigurationError as exc:
        yield exc.message.removesuffix(".")
    if not is_uuid(cluster.uuid):
        yield f"'{printable(cluster.uuid)}' is no UUID of a cluster"
    if archive.private_key and not _PRIVATE_RE.match(archive.private_key):
        yield "the private key in it is none"
    if archive.public_key and not _PUBLIC_RE.fullmatch(archive.public_key):
        yield "the public key in it is none"
    yield from _odd_texts(cluster)
    for node in cluster.nodes:
        if not 0 < node.ssh_port < 65536:  # noqa: PLR2004 - what TCP has
            yield f"node '{printable(node.name)}' has no port of SSH: {node.ssh_port}"
        words = (node.spec.image_user, node.public_ip, node.private_ip, node.instance_id)
        if (
            not _NAME_RE.fullmatch(node.name)
            or not all(_is_word(word) for word in words if word)
            or not all(_HOST_KEY_RE.fullmatch(key) for key in node.host_keys)
        ):
            yield f"node '{printable(node.name)}' has a name, user, address or host key that is none"


def _odd_texts(cluster: ClusterRecord) -> Iterator[str]:
    """Say which texts are no names: they are printed, and written on machines."""
    for kind in {*cluster.kinds, *(node.kind for node in cluster.nodes)}:
        if not _NAME_RE.fullmatch(kind):
            yield f"'{printable(kind[:_LONGEST])}' is no kind of node"
    texts = [
        ("template", cluster.template),
        ("owner", cluster.owner),
        ("frontend", cluster.ssh_to),
        ("provider", f"{cluster.cloud.type}{cluster.setup.type}"),
        ("section", f"{cluster.cloud.section}{cluster.setup.section}"),
        ("key", cluster.login.user_key_name),
        ("user for sudo", cluster.login.image_user_sudo),
    ]
    for spec in {(node.spec.image_id, node.spec.flavor, node.spec.security_group) for node in cluster.nodes}:
        texts += zip(("image", "flavor", "security group"), spec, strict=True)
    for what, text in texts:
        if not text.isprintable() or len(text) > _LONGEST:
            yield f"'{printable(text[:_LONGEST])}' is the name of no {what}"


def _is_word(text: str) -> bool:
    """Return whether a text cannot be taken for an option of a program, or for several arguments."""
    return text.isprintable() and bool(_WORD_RE.fullmatch(text))
