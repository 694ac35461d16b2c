"""The configuration as a dictionary, as programs written in 2016 know it.

::

    {TEMPLATE: {"setup": {KEY: VALUE, …},
                "cloud": {…},
                "login": {…},
                "cluster": {"cloud": NAME, …, "compute_nodes": 2},
                "nodes": {KIND: {"image_id": …, "flavor": …}}}}
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from elasticluster.config.problems import Position, Problem
from elasticluster.config.reader import Document, Entry, Section
from elasticluster.config.tables import CLUSTER_KEYS, LOGIN_KEYS, PROVIDER, SETUP_PROVIDER
from elasticluster.config.templates import Configuration, Template
from elasticluster.model import NodeSpec

_HERE = Position("cluster_conf")
_REFERRED = ("cloud", "login", "setup")
_OLDER_SETUP = "setup_provider"
_LOGIN_NAMES = frozenset(key.name for key in LOGIN_KEYS)
_CLUSTER_NAMES = frozenset(key.name for key in CLUSTER_KEYS)  # what holds for nodes is in `nodes`
_SETUP_RE = re.compile(r".+_groups|.+_var_.+|ansible_.+")


def _is_of_setup(key: str) -> bool:
    from elasticluster.providers.ansible_provider import SETUP_KEYS

    names = {own.name for own in (SETUP_PROVIDER, *SETUP_KEYS)}
    return key in names or bool(_SETUP_RE.fullmatch(key))


_DEFAULTS: Mapping[str, Callable[[str], object]] = {
    "cloud": {PROVIDER.name}.__contains__,  # its other keys are those of the provider, by their types
    "login": _LOGIN_NAMES.__contains__,
    "setup": _is_of_setup,
}
"""By type of section: whether a key of ``[DEFAULT]`` is one of such a section."""


def to_dictionary(configuration: Configuration) -> dict[str, Any]:
    """Return all templates, checked, with values by their types.

    Raises:
        ConfigurationError: something is wrong in a template; all problems are named.
    """
    return {name: _template(configuration, name) for name in configuration.template_names()}


def _template(configuration: Configuration, name: str) -> dict[str, Any]:
    template = configuration.template(name)
    cluster = configuration.section(f"cluster/{name}", _CLUSTER_NAMES.__contains__)
    parts = {kind: configuration.section(f"{kind}/{cluster[kind]}", _DEFAULTS[kind]) for kind in _REFERRED}
    login = {key: value for key, value in asdict(template.login).items() if key in _LOGIN_NAMES}
    return {
        "setup": parts["setup"],
        "cloud": {**parts["cloud"], **template.cloud.args},
        "login": {**parts["login"], **login},
        "cluster": {**cluster, **_cluster_values(cluster, template)},
        "nodes": {kind: _node(nodes.spec, parts["login"]) for kind, nodes in template.kinds.items()},
    }


def _cluster_values(texts: Mapping[str, str], template: Template) -> dict[str, Any]:
    """Return those values of a ``[cluster/NAME]`` section that are no texts, and those of old spellings."""
    values: dict[str, Any] = {f"{kind}_nodes": nodes.count for kind, nodes in template.kinds.items()}
    for kind, nodes in template.kinds.items():
        if nodes.min_count is not None:
            values[f"{kind}_nodes_min"] = nodes.min_count
    known = {
        "start_timeout": template.start_timeout,
        "ssh_probe_timeout": template.login.probe_timeout,
        **template.extra,
    }
    return values | {key: value for key, value in known.items() if key in texts}


def _node(spec: NodeSpec, login: Mapping[str, str]) -> dict[str, Any]:
    """Return what is said of nodes; without what they have from `login`, which programs may change there."""
    own = {
        name: value
        for name, value in (("image_user", spec.image_user), ("image_userdata", spec.image_userdata))
        if value != login.get(name, "")
    }
    return {
        "image_id": spec.image_id,
        "flavor": spec.flavor,
        "security_group": spec.security_group,
        **own,
        **spec.extra,
    }


def from_dictionary(conf: object, **vocabulary: Any) -> Configuration:
    """Return the configuration that a dictionary stands for; it is checked when it is asked for.

    Args:
        conf: as :func:`to_dictionary` returns it; texts are as good as values. Numbers of nodes are in
            ``cluster``, as ``KIND_nodes``.
        **vocabulary: what is known of providers, for :class:`Configuration`.
    """
    document = Document(paths=(str(_HERE),), literal=True)
    if isinstance(conf, Mapping):
        for name, parts in conf.items():
            _add_template(document, str(name), parts)
    else:
        document.problems.append(Problem(_HERE, f"expected a dictionary, not {type(conf).__name__}"))
    return Configuration(document, **vocabulary)


def _add_template(document: Document, name: str, parts: object) -> None:
    """Add the sections of a template; what it refers to gets names of its own where they are taken."""
    cluster = _section(document, f"cluster/{name}", _part(parts, "cluster"))
    for old, new in ((_OLDER_SETUP, "setup"), *((kind, kind) for kind in _REFERRED)):
        if isinstance(parts, Mapping) and new in parts:
            known_as = _named_part(document, new, cluster.text(old) or name, name, parts[new])
            cluster.entries.pop(old, None)
            cluster.entries[new] = Entry(cluster.name, new, known_as, _HERE)
    for kind, node in _pairs(_part(parts, "nodes")):
        _section(document, f"cluster/{name}/{kind}", node)


def _named_part(document: Document, kind: str, wanted: str, template: str, values: object) -> str:
    """Add a section that a template refers to, unless the same is there already; return its name."""
    texts = {key: _text(value) for key, value in _pairs(values)}
    others = (f"{template}-{number}" for number in itertools.count(2))
    for name in itertools.chain((wanted, template), others):
        there = document.sections.get(f"{kind}/{name}")
        if there is None:
            _section(document, f"{kind}/{name}", values)
            return name
        if {key: entry.text for key, entry in there.entries.items()} == texts:
            return name
    raise AssertionError("there is always another number")


def _section(document: Document, name: str, values: object) -> Section:
    section = document.sections.setdefault(name, Section(name, _HERE))
    if not isinstance(values, Mapping):
        section.problems.append(section.problem(f"expected a dictionary, not {type(values).__name__}"))
    for key, value in _pairs(values):
        entry = Entry(name, key, _text(value), _HERE)
        section.entries[key] = entry
        if isinstance(value, Mapping):
            section.problems.append(entry.problem("expected a text, a number or a list"))
    return section


def _part(parts: object, name: str) -> object:
    return parts.get(name, {}) if isinstance(parts, Mapping) else parts


def _pairs(values: object) -> Iterator[tuple[str, Any]]:
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if value is not None:
            yield str(key), value


def _text(value: object) -> str:
    """Return how a value is written in a configuration file."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(str, value))
    return str(value)
