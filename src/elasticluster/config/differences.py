"""Where a stored cluster differs from its template, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from elasticluster.config.masking import MASK, as_written, is_secret, presentable, secret_texts
from elasticluster.config.problems import shortened
from elasticluster.config.template import Template
from elasticluster.model import ClusterRecord, Json, NodeRecord, NodeSpec


class Fate(StrEnum):
    """What becomes of a difference when the cluster is started."""

    APPLIED = "taken over by `start`"
    SET_UP = "taken over when the cluster is set up"
    KEPT = "left as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which a stored cluster differs from its template.

    Attributes:
        subject: what: a key as it is written in the configuration, or nodes.
        stored: what the cluster has; may be shown to anybody, as `wanted` may.
        wanted: what the template says.
        fate: what becomes of it.
        remedy: words of a command that makes them equal, without the name of the cluster; empty if there is
            none.
        made_of: the kind of nodes that is made of something else; empty for what is not of nodes.
    """

    subject: str
    stored: str
    wanted: str
    fate: Fate
    remedy: tuple[str, ...] = ()
    made_of: str = ""


def differences(
    record: ClusterRecord, template: Template, secrets: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Return where a cluster differs from its template.

    Args:
        record: the cluster.
        template: as the configuration says it now.
        secrets: names of further keys whose values are shown to nobody.
    """
    pairs = [*_of_cluster(record, template), *_of_setup(record, template), *_of_login(record, template)]
    text = _Texts(secrets, secret_texts(*_tables(record), *_tables(template), names=secrets))
    values = (
        Difference(subject=name, stored=text.of(name, stored), wanted=text.of(name, wanted), fate=fate)
        for name, stored, wanted, fate in pairs
        if _differ(stored, wanted)
    )
    return (*values, *_of_counts(record, template), *_of_nodes(record, template, text))


def settled(found: Iterable[Difference], there: Collection[str]) -> tuple[Difference, ...]:
    """Return differences as they are after a look at the cloud: what new nodes are made of is taken over.

    Args:
        found: from :func:`differences`, which knows of machines only what is recorded.
        there: kinds of nodes of which the cloud has a machine; further ones are made like those.
    """

    def fate(one: Difference) -> Fate:
        if not one.made_of:
            return one.fate
        return Fate.KEPT if one.made_of in there else Fate.APPLIED

    return tuple(replace(one, fate=fate(one)) for one in found)


def _tables(of: ClusterRecord | Template) -> list[Mapping[str, Json]]:
    """Return where there may be secrets in a cluster or template."""
    specs = (
        [kind.spec for kind in of.kinds.values()]
        if isinstance(of, Template)
        else [node.spec for node in of.nodes]
    )
    return [of.cloud.args, of.setup.args, of.extra, *(spec.extra for spec in specs)]


def least_numbers(record: ClusterRecord, template: Template) -> dict[str, int]:
    """Return the least numbers of nodes that a template asks for, as far as a cluster has the nodes."""
    wanted = {kind: nodes.min_count for kind, nodes in template.kinds.items()}
    return {
        kind: min(least, len(_staying(record, kind))) for kind, least in wanted.items() if least is not None
    }


_Pair = tuple[str, Json, Json, Fate]
"""A name, what is stored under it, what the template says, and what becomes of a difference."""


def _of_cluster(record: ClusterRecord, template: Template) -> Iterator[_Pair]:
    old, new = record.login, template.login
    yield "cloud", record.cloud.section, template.cloud.section, Fate.APPLIED
    yield "provider", record.cloud.type, template.cloud.type, Fate.APPLIED
    yield "ssh_to", record.ssh_to, template.ssh_to, Fate.APPLIED
    yield "ssh_proxy_command", old.proxy_command, new.proxy_command, Fate.APPLIED
    yield "ssh_probe_timeout", old.probe_timeout, new.probe_timeout, Fate.APPLIED
    yield "start_timeout", record.start_timeout, template.start_timeout, Fate.APPLIED
    yield "start_failure", record.start_failure, template.start_failure, Fate.APPLIED
    least = least_numbers(record, template)
    for kind in template.kinds:
        yield f"{kind}_nodes_min", record.min_nodes.get(kind), least.get(kind), Fate.APPLIED
    not_stored = {name for name, value in record.cloud.args.items() if value is None}
    for name in _names(record.cloud.args, template.cloud.args):
        if name not in not_stored:
            yield name, record.cloud.args.get(name), template.cloud.args.get(name), Fate.APPLIED


def _of_setup(record: ClusterRecord, template: Template) -> Iterator[_Pair]:
    old, new = _setup_keys(record.setup.args), _setup_keys(template.setup.args)
    yield "setup provider", record.setup.type, template.setup.type, Fate.SET_UP
    for name in _names(old, new):
        yield name, old.get(name), new.get(name), Fate.SET_UP


def _setup_keys(args: Mapping[str, Json]) -> dict[str, Json]:
    """Return the arguments of a setup provider by the names they have in the configuration."""
    named = {"sudo": "image_sudo", "sudo_user": "image_user_sudo"}
    plain = {
        named.get(name, name): v for name, v in args.items() if name not in ("groups", "environment_vars")
    }
    groups = {f"{kind}_groups": [*names] for kind, names in args.get("groups", {}).items()}
    variables = {
        f"{kind}_var_{name}": value
        for kind, values in args.get("environment_vars", {}).items()
        for name, value in values.items()
    }
    return {**groups, **variables, **plain}


def _of_login(record: ClusterRecord, template: Template) -> Iterator[_Pair]:
    for name in ("user_key_name", "user_key_public", "user_key_private"):
        yield name, getattr(record.login, name), getattr(template.login, name), Fate.KEPT


def _of_counts(record: ClusterRecord, template: Template) -> Iterator[Difference]:
    for kind in _names(dict.fromkeys(record.kinds), template.kinds):
        here = len(_staying(record, kind))
        wanted = template.kinds[kind].count if kind in template.kinds else 0
        if here != wanted:
            action = "--add" if here < wanted else "--remove"
            yield Difference(
                subject=f"{kind} nodes",
                stored=str(here),
                wanted=str(wanted),
                fate=Fate.KEPT,
                remedy=("resize", action, f"{abs(wanted - here)}:{kind}"),
            )


def _of_nodes(record: ClusterRecord, template: Template, text: _Texts) -> Iterator[Difference]:
    """Compare what nodes are made of, kind by kind; nodes of one kind need not all be the same."""
    for kind, wanted in template.kinds.items():
        nodes = _staying(record, kind)
        there = any(node.instance_id for node in nodes)
        new = _spec_keys(wanted.spec)
        for name in _names(new, *(_spec_keys(node.spec) for node in nodes)):
            stored = {node.name: _spec_keys(node.spec).get(name) for node in nodes}
            others = {node: value for node, value in stored.items() if _differ(value, new.get(name))}
            if others and not _unknown(name, others.values()):
                yield Difference(
                    subject=f"{name} of {_which(kind, nodes, others)}",
                    stored=" or ".join(dict.fromkeys(text.of(name, value) for value in others.values())),
                    wanted=text.of(name, new.get(name)),
                    fate=Fate.KEPT if there else Fate.APPLIED,
                    made_of=kind,
                )


def _spec_keys(spec: NodeSpec) -> dict[str, Json]:
    """Return what a node is made of by the names that it has in the configuration."""
    return {**{name: getattr(spec, name) for name in _SPEC_KEYS}, **spec.extra}


_SPEC_KEYS = ("image_id", "flavor", "security_group", "image_user", "image_userdata")


_EMPTY: tuple[Json, ...] = (None, "", [], {})


def _unknown(name: str, values: Iterable[Json]) -> bool:
    """Whether nobody knows: a cluster that was found by its tags may lack what its nodes are made of."""
    return name in _SPEC_KEYS[:2] and not any(values)


def _which(kind: str, nodes: Sequence[NodeRecord], others: Collection[str]) -> str:
    return f"{kind} nodes" if len(others) == len(nodes) else ", ".join(others)


def _staying(record: ClusterRecord, kind: str) -> list[NodeRecord]:
    return [node for node in record.of_kind(kind) if node.staying]


def _names(*several: Iterable[str]) -> list[str]:
    """Return all names, each once, in the order in which they first come."""
    return list(dict.fromkeys(name for names in several for name in names))


def _differ(one: Json, other: Json) -> bool:
    """Whether two values differ when they are stored; nothing at all is the same as what is empty."""
    both_empty = one in _EMPTY and other in _EMPTY
    return one != other and not both_empty and json.dumps(one) != json.dumps(other)


class _Texts:
    """Turns values into texts that may be shown.

    Args:
        names: keys whose values are shown to nobody, besides those whose names say so.
        secrets: texts that may have been put into other values.
    """

    def __init__(self, names: Collection[str], secrets: Collection[str]) -> None:
        self._names = names
        self._secrets = secrets

    def of(self, name: str, value: Json) -> str:
        """Return the text of a value; one line."""
        if value in _EMPTY:
            return "nothing"
        if name in self._names or is_secret(name):
            return MASK
        return shortened(presentable(name, as_written(value), self._secrets))
