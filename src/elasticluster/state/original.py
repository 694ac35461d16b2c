"""What the original ElastiCluster (up to version 1.3) stored, as a cluster record.

Its files hold no UUID, no state of nodes and no provider. The first is made of what is in the file, so that
it is the same whenever the file is read; the last come from the configuration, by the name of the template.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import hashlib
import hmac
import ipaddress
import json
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from elasticluster.model import ClusterRecord, ComponentRef, Json, Login, NodeRecord, NodeSpec, NodeState
from elasticluster.state.codec import corrupt

_SPACE = uuid.UUID("5b2d9a4e-8f0c-4c55-9c0f-2a6f0e5a3d11")  # made for this purpose
_SSH = 22
_INSIDE = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10")
)
_UNDERSCORED = ("user_key_name", "user_key_public", "user_key_private")  # so called in older versions
_SPEC_KEYS = ("image", "image_id", "image_user", "image_userdata", "flavor", "security_group")
_PLACE_KEYS = ("instance_id", "ips", "preferred_ip", "ip_public", "ip_private", "ssh_proxy_command")
_NODE_KEYS = frozenset({"name", "kind", "cluster_name", "extra", *_SPEC_KEYS, *_PLACE_KEYS, *_UNDERSCORED})


def is_original(document: Json) -> bool:
    """Return whether a document may be one that the original wrote."""
    return isinstance(document, dict) and "version" not in document and {"name", "nodes"} <= document.keys()


def to_record(document: Mapping[str, Json], known_hosts: str, source: str) -> ClusterRecord:
    """Return the cluster in a document of the original.

    Args:
        document: what was read; a pickle's objects are tables of their attributes.
        known_hosts: contents of the known-hosts file beside it.
        source: where it was read; named in errors.

    Raises:
        StateError: it makes no sense.
    """
    try:
        return _record(document, known_hosts, source)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as exc:
        raise corrupt(source, f"it holds what no cluster has ({type(exc).__name__})") from exc


def _record(document: Mapping[str, Json], known_hosts: str, source: str) -> ClusterRecord:
    table = _bare(document)
    name, extra = _text(table.get("name")), _table(table.get("extra"))
    kinds = _kinds(table, source)
    paused = _table(table.get("paused_nodes"))
    keys = _HostKeys(known_hosts)
    nodes = tuple(_node(kind, node, paused, keys) for kind, some in kinds.items() for node in some)
    first = next((node for some in kinds.values() for node in some), {})
    return ClusterRecord(
        uuid=_identity(name, nodes, source),
        name=name,
        template=_text(table.get("template")) or name,
        cloud=ComponentRef(type=""),
        setup=ComponentRef(type=""),
        login=_login(table, _table(extra.pop("login", None)), first),
        kinds=tuple(kinds),
        nodes=nodes,
        min_nodes=_min_nodes(kinds),
        ssh_to=_text(table.get("ssh_to")),
        start_timeout=_number(table.get("start_timeout"), 600),
        extra=_plain(extra)
        | {
            "availability_zone": _text(table.get("availability_zone")),
            "thread_pool_max_size": int(_number(table.get("thread_pool_max_size"), 10)),
        },
    )


def _identity(name: str, nodes: Iterable[NodeRecord], source: str) -> str:
    """Return an identity that is the same at each reading, and another for each cluster.

    Where no machine tells clusters of a name apart, the place of the file on this computer does.
    """
    machines = sorted(node.instance_id for node in nodes if node.instance_id)
    place = [] if machines else [socket.gethostname(), getpass.getuser(), str(Path(source).parent.absolute())]
    return str(uuid.uuid5(_SPACE, json.dumps([name, *machines, *place])))


def _kinds(table: Mapping[str, Json], source: str) -> dict[str, list[dict[str, Json]]]:
    """Return the nodes' tables by kind."""
    stored = table.get("nodes")
    if not isinstance(stored, dict):
        raise corrupt(source, "`nodes` is not a table of kinds of nodes")
    kinds: dict[str, list[dict[str, Json]]] = {}
    for kind, nodes in stored.items():
        for number, node in enumerate(nodes if isinstance(nodes, list) else [None]):
            if not isinstance(node, dict) or not _text(node.get("name")):
                raise corrupt(source, f"node {number} of kind {kind} is not a table with a name")
        kinds[str(kind)] = [_bare(node) for node in nodes]
    return kinds


def _node(kind: str, table: Mapping[str, Json], paused: Mapping[str, Json], keys: _HostKeys) -> NodeRecord:
    name = _text(table.get("name"))
    machine = _instance_id(table.get("instance_id")) or _instance_id(
        _table(paused.get(name)).get("instance_id")
    )
    asleep = name in paused
    found = [] if asleep or not machine else _addresses(table)
    public, private, port = _placed(found, table)
    state = NodeState.RUNNING if machine else NodeState.PLANNED
    extra = _further(table) | _table(table.get("extra"))
    return NodeRecord(
        name=name,
        spec=NodeSpec(
            kind=kind,
            image_id=_text(table.get("image_id") or table.get("image")),
            image_user=_text(table.get("image_user")),
            flavor=_text(table.get("flavor")),
            security_group=_text(table.get("security_group")) or "default",
            image_userdata=_text(table.get("image_userdata")),
            extra=_plain({key: extra[key] for key in extra if key not in ("login", "min_num")}),
        ),
        state=NodeState.PAUSED if asleep and machine else state,
        instance_id=machine,
        public_ip=public,
        private_ip=private,
        ssh_port=port,
        host_keys=keys.of(name, found),
    )


def _further(table: Mapping[str, Json]) -> dict[str, Json]:
    """Return what a provider added to a node, but no objects, which pickles hold."""
    return {
        key: value
        for key, value in table.items()
        if key not in _NODE_KEYS and not key.startswith("_") and isinstance(value, str | int | float)
    }


def _instance_id(value: Json) -> str | None:
    """Return the cloud's name for a machine; Azure had two parts, group and name."""
    if isinstance(value, list):
        return "/".join(_text(part) for part in value) or None
    return _text(value) or None


def _login(table: Mapping[str, Json], login: Mapping[str, Json], node: Mapping[str, Json]) -> Login:
    """Return how to get in, as the cluster says, else its ``login`` section, else its first node."""

    def value(name: str) -> str:
        return next(filter(None, (_text(place.get(name)) for place in (table, login, node))), "")

    return Login(
        user_key_name=value("user_key_name") or "elasticluster-key",
        user_key_public=value("user_key_public"),
        user_key_private=value("user_key_private"),
        image_sudo=_text(login.get("image_sudo"), "true").lower() in ("true", "yes", "on", "1"),
        image_user_sudo=_text(login.get("image_user_sudo")) or "root",
        proxy_command=value("ssh_proxy_command"),
        probe_timeout=_number(table.get("ssh_probe_timeout"), 5),
    )


def _min_nodes(kinds: Mapping[str, Sequence[Mapping[str, Json]]]) -> dict[str, int]:
    """Return the least number of nodes of each kind that has one."""
    least = {}
    for kind, nodes in kinds.items():
        wanted = [_number(_table(node.get("extra")).get("min_num"), -1) for node in nodes]
        if wanted and wanted[0] >= 0:
            least[kind] = min(int(wanted[0]), len(nodes))
    return least


# -- addresses and host keys -----------------------------------------------------------------------


def _addresses(table: Mapping[str, Json]) -> list[tuple[str, int]]:
    """Return a node's addresses with the port of SSH, the one that the original connected to first."""
    stored = table.get("ips")
    several = stored if isinstance(stored, list) else [stored]
    texts = [table.get("preferred_ip"), *several, table.get("ip_public"), table.get("ip_private")]
    return list(dict.fromkeys(_address(text) for text in texts if isinstance(text, str) and text))


def _address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST``, ``HOST:PORT``, ``V6`` or ``[V6]:PORT``."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    return host, int(port) if port.isdecimal() else _SSH


def _placed(
    found: Sequence[tuple[str, int]], table: Mapping[str, Json]
) -> tuple[str | None, str | None, int]:
    """Return public address, private address and the port of SSH at the one to connect to.

    The first address is the one that worked; so if it is a private one, no public one goes before it.
    """
    named = {_address(text)[0] for text in (table.get("ip_private"),) if isinstance(text, str)}
    inside = [place for place in found if place[0] in named or _is_private(place[0])]
    outside = [place for place in found if place not in inside]
    if table.get("preferred_ip") and inside and found[0] in inside:
        outside = []
    used = (outside or inside or [("", _SSH)])[0]
    return (outside[0][0] if outside else None, inside[0][0] if inside else None, used[1])


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False  # a name
    return any(address in net for net in _INSIDE)


class _HostKeys:
    """The host keys in a known-hosts file, plain or hashed."""

    def __init__(self, text: str) -> None:
        lines = (line.split() for line in text.splitlines())
        self._lines = [words for words in lines if len(words) > 2 and words[0][0] not in "#@"]  # noqa: PLR2004 - names, type, key

    def of(self, name: str, addresses: Iterable[tuple[str, int]]) -> tuple[str, ...]:
        """Return the ``"TYPE BASE64"`` keys of a node, found by name or address."""
        places = {name}
        for host, port in addresses:
            places |= {host} if port == _SSH else {f"[{host}]:{port}"}
        found = (f"{kind} {key}" for names, kind, key, *_ in self._lines if _means(names, places))
        return tuple(dict.fromkeys(found))


def _means(names: str, places: Iterable[str]) -> bool:
    """Return whether the first word of a known-hosts line means one of some hosts."""
    if not names.startswith("|"):
        return not set(names.split(",")).isdisjoint(places)
    try:
        _, _, salt, digest = names.split("|")
        key, expected = base64.b64decode(salt), base64.b64decode(digest)
    except (ValueError, binascii.Error):
        return False
    return any(hmac.digest(key, place.encode(), hashlib.sha1) == expected for place in places)


# -- values of any type ----------------------------------------------------------------------------


def _bare(table: Mapping[str, Json]) -> dict[str, Json]:
    """Return a table whose names have lost the leading underscore that older versions gave some."""
    older = {name: table[f"_{name}"] for name in _UNDERSCORED if f"_{name}" in table}
    return older | {str(key): value for key, value in table.items()}


def _table(value: Json) -> dict[str, Json]:
    return dict(value) if isinstance(value, dict) else {}


def _text(value: Json, default: str = "") -> str:
    return str(value) if isinstance(value, str | int | float) else default


def _number(value: Json, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if isfinite(number) else default


def _plain(value: Any) -> Any:
    """Return a value as what JSON knows; dates and the like become texts."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value)):
        return value
    return str(value)
