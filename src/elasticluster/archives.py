"""Clusters taken from one computer to another: written into an archive, and remembered from one.

An archive holds all that is needed to use the cluster without the configuration that it was started with.
Keys, passwords and the like are left out unless they are asked for. The cluster keeps its identity: its
machines are the same. So it is handed over, and not shared; two who change it know nothing of one another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from elasticluster.engine.files import file_errors, write_private
from elasticluster.exceptions import (
    ClusterConflict,
    ClusterNotFound,
    ConfigurationError,
    KeypairError,
    StateError,
    UsageError,
)
from elasticluster.model import ClusterRecord, ComponentRef, Json, Login, NodeSpec

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.conf import Creator
    from elasticluster.config.keys import Key
    from elasticluster.engine.ports import ClusterStore
    from elasticluster.state.archive import Archive

_SUFFIX = ".zip"
_FILES = ("playbook_path", "before", "after", "ansible_module_dir")  # of the setup provider
_PATHS = ("login.proxy_command", *(f"setup.args.{name}" for name in _FILES))
_HARMLESS = frozenset({"ansible_ssh_pipelining", "ansible_forks", "ansible_timeout"})  # numbers and truths


def export_cluster(
    creator: Creator, name: str, path: str = "", *, keys: bool = False, overwrite: bool = False
) -> tuple[Path, Archive]:
    """Write a cluster into an archive, readable by its owner only (0600), as a whole or not at all.

    Args:
        creator: knows where the cluster is stored.
        name: its name.
        path: the file; ``.zip`` is added. A folder: the cluster's name, in it. Empty: in the present folder.
        keys: whether to write keys, passwords and other secrets, too.
        overwrite: whether to write over a file.

    Returns:
        the file and what is in it.

    Raises:
        ClusterNotFound: there is no such cluster.
        ClusterLocked: another command works on the cluster.
        KeypairError: the key that is to be written is none, or its halves do not belong together.
        UsageError: there is such a file already, or no such folder.
        StateError: the cluster cannot be read, or the file cannot be written.
    """
    from elasticluster.state import archive

    file = _target(path or name, name, overwrite=overwrite)
    creator.load_cluster(name)  # or a lock would be taken for one that is not there
    store = creator.create_repository().store
    with store.lock(name):
        cluster = creator.load_cluster(name)
        packed = _packed(cluster, store, _secrets_here(creator, cluster.template), with_keys=keys)
        write_private(file, archive.write(packed, _contents(Path(cluster.known_hosts_file))))
    return file, packed


def _target(path: str, name: str, *, overwrite: bool) -> Path:
    file = Path(path).expanduser().absolute()
    if file.is_dir() and file.suffix != _SUFFIX:
        file /= name
    if file.suffix.lower() != _SUFFIX:
        file = file.with_name(f"{file.name}{_SUFFIX}")
    if not file.parent.is_dir():
        raise UsageError(f"{file} cannot be written: there is no folder {file.parent}.")
    if file.is_dir() or (file.exists() and not overwrite):
        raise UsageError(f"{file} exists already.", hint="`--overwrite` replaces a file.")
    return file


# -- what is written -------------------------------------------------------------------------------


def _secrets_here(creator: Creator, template: str) -> Collection[str]:
    """Return secret texts that a cluster may have from its template, as far as that is still here."""
    with contextlib.suppress(ConfigurationError):
        return creator.configuration.secret_texts(template)
    return ()


def _packed(cluster: Cluster, store: ClusterStore, secrets: Collection[str], *, with_keys: bool) -> Archive:
    from elasticluster.state.archive import Archive

    record, unknown = _with_access(cluster)
    if with_keys and _contents(_key_files(cluster.record, store)[0]):
        store.key_pair(cluster.record)  # a record may name any file: what is no key is not handed on
    private, public = map(_contents, _key_files(cluster.record, store))
    if with_keys:
        missing = (*(() if private else ("key",)), *unknown)
        return Archive(cluster=record, private_key=private, public_key=public, left_out=missing)
    record, left_out = without_secrets(record, secrets)
    return Archive(cluster=record, public_key=public, left_out=("key", *sorted({*left_out, *unknown})))


def _with_access(cluster: Cluster) -> tuple[ClusterRecord, list[str]]:
    """Return the record of a cluster with the secrets that are not stored, and what of them is missing."""
    access = cluster.cloud_access
    args = {name: value for name, value in access.args.items() if value is not None}
    unknown = sorted(f"cloud.{name}" for name in access.args.keys() - args)
    return replace(cluster.record, cloud=replace(access, args=args)), unknown


def _key_files(record: ClusterRecord, store: ClusterStore) -> tuple[Path | None, Path | None]:
    """Return where a cluster's private and public key are; None where an SSH agent holds the private one."""
    login = record.login
    if not login.user_key_public and not login.user_key_private:
        private = _own_key(store, record.name)
        return private, private.with_name(f"{private.name}.pub")
    return _given(login.user_key_private), _given(login.user_key_public)


def _given(path: str) -> Path | None:
    return Path(path).expanduser() if path else None


def _own_key(store: ClusterStore, name: str) -> Path:
    from elasticluster.state.files import KEY, ClusterFiles

    folder = Path(store.known_hosts_path(name)).parent
    return ClusterFiles(folder).place(name, KEY)


def _contents(path: Path | None) -> bytes:
    """Return what is in a file; nothing if there is none."""
    if path is None or not path.exists():
        return b""
    with file_errors("read", path):
        return path.read_bytes()


def without_secrets(
    record: ClusterRecord, secrets: Collection[str] = ()
) -> tuple[ClusterRecord, tuple[str, ...]]:
    """Return a cluster without what is shown to nobody, and the names of that, sorted.

    Names tell what is a secret, and texts in which one is to be seen: a password in a URL, a private key.

    Args:
        record: the cluster.
        secrets: further secret texts that may have been put into its values.
    """
    from elasticluster.config.masking import secret_texts

    keys = _keys_of(record.cloud)
    specs = (node.spec.extra for node in record.nodes)
    tables = (record.cloud.args, record.setup.args, record.extra, {"secrets": record.secrets}, *specs)
    names = [name for name, key in keys.items() if key.secret]
    sieve = _Sieve({*secrets, *secret_texts(*tables, names=names)})
    proxy = sieve.public("login", {"proxy_command": record.login.proxy_command})
    shown = replace(
        record,
        cloud=replace(record.cloud, args=sieve.public("cloud", record.cloud.args, keys)),
        setup=replace(record.setup, args=sieve.public("setup", record.setup.args)),
        login=replace(record.login, proxy_command=proxy.get("proxy_command", "")),
        nodes=tuple(replace(node, spec=_public_spec(sieve, node.spec)) for node in record.nodes),
        secrets={},
        extra=sieve.public("cluster", record.extra),
    )
    return shown, tuple(sorted(sieve.found.union(f"secrets.{name}" for name in record.secrets)))


def _public_spec(sieve: _Sieve, spec: NodeSpec) -> NodeSpec:
    """Return what a node is made of without secrets; a script with one is left out as a whole."""
    script = sieve.public(spec.kind, {"image_userdata": spec.image_userdata})
    return replace(
        spec, image_userdata=script.get("image_userdata", ""), extra=sieve.public(spec.kind, spec.extra)
    )


def _keys_of(cloud: ComponentRef) -> Mapping[str, Key]:
    """Return what is known of the arguments of a cloud provider; nothing if it cannot be imported here."""
    from elasticluster.providers.registry import cloud_keys

    with contextlib.suppress(ConfigurationError):
        return {key.name: key for key in cloud_keys(cloud.type)[0]}
    return {}


class _Sieve:
    """Keeps secrets back.

    Args:
        secrets: secret texts that may have been put into other values.

    Attributes:
        found: their names.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = secrets
        self.found: set[str] = set()

    def public(
        self, way: str, table: Mapping[str, Json], keys: Mapping[str, Key] | None = None
    ) -> dict[str, Json]:
        """Return a table without its secrets, also those in tables within it.

        Args:
            way: where it is; its secrets' names begin so.
            table: the table.
            keys: what is known of its keys.
        """
        from elasticluster.config.masking import is_secret

        shown: dict[str, Json] = {}
        for name, value in table.items():
            if isinstance(value, Mapping):
                shown[name] = self.public(f"{way}.{name}", value)
            elif value and (is_secret(name, (keys or {}).get(name)) or self._hides(value)):
                self.found.add(f"{way}.{name}")
            else:
                shown[name] = value
        return shown

    def _hides(self, value: Json) -> bool:
        """Return whether a text shows a secret, or something in a list or table is one."""
        from elasticluster.config.masking import presentable

        if isinstance(value, Mapping):
            sieve = _Sieve(self._secrets)
            sieve.public("", value)
            return bool(sieve.found)
        if isinstance(value, (list, tuple)):
            return any(map(self._hides, value))
        return isinstance(value, str) and presentable("", value, self._secrets) != value


# -- what is read ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A cluster from an archive.

    Attributes:
        cluster: the cluster, stored.
        left_out: names of what the archive did not hold, and what was not found here either.
        key_place: where the private key is looked for, if it is among that.
        passed_over: names of keys of single nodes that were not taken over.
        missing: files and folders that its setup needs and that are not here.
    """

    cluster: Cluster
    left_out: tuple[str, ...]
    key_place: str
    passed_over: tuple[str, ...]
    missing: tuple[str, ...]


def import_cluster(
    creator: Creator,
    path: str,
    name: str = "",
    key: str = "",
    agree: Callable[[Sequence[str]], None] = lambda _: None,
) -> Imported:
    """Remember the cluster in an archive; nothing is left of it if that fails.

    Args:
        creator: knows where to store it.
        path: the archive, ours or of the original ElastiCluster.
        name: what to call the cluster; empty: as before.
        key: private key that opens its nodes, with its public half beside it (``.pub``); it stays where it
            is. Empty: the one in the archive, if any.
        agree: told, before anything is stored, of each setting of the archive by which this computer may be
            made to run, import or use something; an error that it raises ends the import. Not called if
            there is none.

    Raises:
        ClusterConflict: a cluster of that name is stored, or that cluster is, or the key of one.
        ClusterLocked: another command works on a cluster of that name.
        ConfigurationError: no cluster can be called that.
        KeypairError: `key` is none, or is another one than the cluster's.
        StateError: the archive cannot be read or is not safe, or the cluster cannot be stored.
    """
    from elasticluster.naming import check_cluster_name
    from elasticluster.state import archive

    found = archive.read(Path(path).expanduser())
    record = replace(found.cluster, name=check_cluster_name(name or found.cluster.name))
    store = creator.create_repository().store
    record, left_out = _completed(creator, record, found.left_out), found.left_out
    if key:
        record = replace(record, login=_login_with(record.login, Path(key), found))
        found = replace(found, private_key=b"")
    trusted = tuple(_trusted(record, found, key))
    if trusted:
        agree(trusted)
    with store.lock(record.name), store.lock(record.uuid):  # it may be on its way in under another name
        _refuse_known(store, record)
        _install(store, record, found)
    cluster = creator.load_cluster(record.name)
    place = _key_files(cluster.record, store)[0]
    if _is_open(cluster, place):
        left_out = tuple(one for one in left_out if one != "key")
    here = {f"cloud.{name}" for name, value in cluster.cloud_access.args.items() if value}
    return Imported(
        cluster=cluster,
        left_out=tuple(one for one in left_out if one not in here),
        key_place=str(place or "an SSH agent"),
        passed_over=found.passed_over,
        missing=_missing(record.setup.args),
    )


def _completed(creator: Creator, record: ClusterRecord, left_out: Collection[str]) -> ClusterRecord:
    """Return a cluster with what was left out of its cloud, as far as the configuration here says it.

    One without its own secrets cannot be grown before it was set up again, which makes new ones.
    """
    from elasticluster.conf.clouds import with_place

    names = {one.removeprefix("cloud.") for one in left_out if one.startswith("cloud.")}
    given = {name: value for name, value in record.cloud.args.items() if value is not None}
    record = replace(record, cloud=replace(record.cloud, args=given))  # not what this environment has
    if names and record.cloud.section:
        with contextlib.suppress(ConfigurationError):  # its provider is not here: it can be looked at
            record = replace(record, cloud=with_place(record.cloud, creator.configuration, names))
    if any(one.startswith("secrets.") for one in left_out):
        record = replace(record, ready=False)
    return record


def _is_open(cluster: Cluster, private: Path | None) -> bool:
    """Return whether the key that opens a cluster's nodes is here; none is made."""
    if private and not private.exists():
        return False
    with contextlib.suppress(KeypairError):
        cluster.key_pair()
        return True
    return False


def _login_with(login: Login, private: Path, archive: Archive) -> Login:
    """Return how to log in with a key of the caller's.

    Raises:
        KeypairError: it is none, or not the one that the nodes accept.
    """
    from elasticluster.state.keys import check_pair

    private = private.expanduser().absolute()
    public = private.with_name(f"{private.name}.pub")
    check_pair(public, private)
    if archive.public_key and archive.public_key.split()[:2] != public.read_bytes().split()[:2]:
        raise KeypairError(
            f"The nodes of cluster `{archive.cluster.name}` accept another key than {private}."
        )
    return replace(login, user_key_public=str(public), user_key_private=str(private))


def _refuse_known(store: ClusterStore, record: ClusterRecord) -> None:
    if record.name in store.names():
        raise ClusterConflict(
            f"There is a cluster `{record.name}` here already.", hint="Give it another name with `--rename`."
        )
    for name in store.names():
        with contextlib.suppress(ClusterNotFound, StateError):
            if store.load(name).uuid == record.uuid:
                raise ClusterConflict(
                    f"Cluster `{name}` is the same cluster: it has the same machines.",
                    hint="Use it as it is; two records of one cluster would soon be at odds.",
                )


def _install(store: ClusterStore, record: ClusterRecord, archive: Archive) -> None:
    """Write a cluster's files, the record last: before it is there, there is no cluster."""
    from elasticluster.ssh.hostkeys import write_known_hosts
    from elasticluster.state.files import IMPORTED

    private = _own_key(store, record.name)
    public = private.with_name(f"{private.name}.pub")
    marker = private.with_suffix(IMPORTED)
    if private.exists() and not marker.exists() and _contents(private) != archive.private_key:
        raise ClusterConflict(
            f"There is a key of a cluster `{record.name}` whose record is lost: {private}.",
            hint="`elasticluster adopt` remembers that cluster again. Else move the key away.",
        )
    files = {public: archive.public_key, private: archive.private_key} if archive.private_key else {}
    hosts = Path(store.known_hosts_path(record.name))
    written = [path for path, data in files.items() if data and _contents(path) != data]
    try:
        write_private(marker, record.uuid.encode())  # should we be killed, it says whose key this is
        for path in written:
            write_private(path, files[path])
        write_known_hosts(record, str(hosts))
        store.save(replace(record, login=_login_from(record.login, files)))
    except BaseException:
        if record.name not in store.names():
            for path in (*written, hosts, marker):
                path.unlink(missing_ok=True)
        raise
    marker.unlink()


def _login_from(login: Login, files: Mapping[Path, bytes]) -> Login:
    """Return how to log in with the key files that an archive held, public half first.

    Without a public half, or where no key was named, they are the cluster's own.
    """
    if not files:
        return login
    named = all(files.values()) and (login.user_key_public or login.user_key_private)
    public, private = map(str, files) if named else ("", "")
    return replace(login, user_key_public=public, user_key_private=private)


def _missing(setup: Mapping[str, Json]) -> tuple[str, ...]:
    paths = (setup.get(name) for name in _FILES)
    return tuple(str(path) for path in paths if path and not Path(str(path)).expanduser().exists())


# -- what is trusted by whoever imports an archive --------------------------------------------------


def _trusted(record: ClusterRecord, archive: Archive, key: str) -> Iterator[str]:
    """Name each setting of a record by which this computer may be made to run, import or use something.

    They are: classes of providers that do not come along, with their arguments; what Ansible and SSH are told
    of programs, connections and files of this computer; texts that Ansible would take for a template; and
    the user's own key, where the archive brings none.
    """
    from elasticluster.config.masking import MASK, is_secret, presentable
    from elasticluster.providers.registry import CLOUDS, SETUPS
    from elasticluster.state.codec import plain

    refs = (("cloud", record.cloud, CLOUDS), ("setup", record.setup, SETUPS))
    foreign = tuple(f"{what}." for what, ref, known in refs if ref.type and ref.type not in known)
    path = _given(record.login.user_key_private)
    own_key = path and path.exists() and not archive.private_key and not key
    for way, name, value in _leaves("", "", plain(record)):
        text = "" if value in (None, False) else str(value)
        if text and (
            way in _PATHS
            or (own_key and way == "login.user_key_private")
            or (name.startswith("ansible_") and name not in _HARMLESS)
            or way.startswith(foreign)
            or any(sign in f"{way}{text}" for sign in ("{{", "{%", "{#"))
        ):
            hidden = is_secret(name) or way.startswith("secrets.")
            yield f"{way}={MASK if hidden else presentable(name, text)}"


def _leaves(way: str, name: str, value: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield each value in tables and lists: where it is, the last name on the way there, and the value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{way}.{key}" if way else key, key, inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(way, name, inner)
    else:
        yield way, name, value
