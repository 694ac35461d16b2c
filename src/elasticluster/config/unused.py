"""Keys of ``[DEFAULT]`` that no section has a use for: each section leaves them to the others."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from elasticluster.config.documented import DOCUMENTED
from elasticluster.config.keys import Key
from elasticluster.config.problems import Problem, did_you_mean
from elasticluster.config.reader import DEFAULT, Document
from elasticluster.config.tables import (
    ANSIBLE_KEYS,
    CLUSTER_KEYS,
    INVERTED,
    LOGIN_KEYS,
    NODE_KEYS,
    PROVIDER,
    RENAMED,
    STORAGE_KEYS,
    WITHOUT_EFFECT,
    ProviderTables,
    SetupTables,
)
from elasticluster.config.variables import is_variable
from elasticluster.exceptions import ConfigurationError

_T = TypeVar("_T")

_OF_KINDS_RE = re.compile(
    r"([A-Za-z0-9-]+)_(groups|nodes|nodes_min|min_nodes)|ansible_.*|elasticluster_playbooks"
)
_NAME_RE = re.compile(r"%\(([^()]*)\)s")


def unused_defaults(document: Document, providers: ProviderTables, setups: SetupTables) -> Iterator[Problem]:
    """Yield a warning for each key of ``[DEFAULT]`` that is in no table and that no ``%(NAME)s`` stands for.

    Args:
        document: what was read.
        providers: keys of cloud providers; only those that a section names are looked at.
        setups: the same of setup providers.
    """
    if DEFAULT not in document.sections:
        return
    known = _known(document, providers, setups)
    entries = [entry for section in document.sections.values() for entry in section.entries.values()]
    used = {name for entry in entries for name in _NAME_RE.findall(entry.text)}
    used |= {match[1] for entry in entries if (match := _OF_KINDS_RE.fullmatch(entry.key)) and match[1]}
    for key, entry in document.sections[DEFAULT].entries.items():
        if not (key in known or key in used or is_variable(key) or _OF_KINDS_RE.fullmatch(key)):
            guess = did_you_mean(key, sorted(known))
            yield entry.problem(f"no section has such a key, and no %({key})s stands for it{guess}")


def _known(document: Document, providers: ProviderTables, setups: SetupTables) -> set[str]:
    """Return the names of all keys that some section of the document may have."""
    found = _names((PROVIDER, *CLUSTER_KEYS, *NODE_KEYS, *LOGIN_KEYS, *STORAGE_KEYS, *ANSIBLE_KEYS))
    for older in (*RENAMED.values(), *INVERTED.values(), *WITHOUT_EFFECT.values()):
        found |= set(older)
    for tables in DOCUMENTED.values():
        found |= _names(key for keys in tables or () for key in keys)
    named = {section.text(PROVIDER.name) for section in document.sections.values()}
    for name in named:
        found |= _names(key for keys in _table(providers, name) or () for key in keys)
    for name in {"ansible", *named}:
        setup = _table(setups, name)
        found |= _names(setup.keys if setup else ())
    return found


def _table(tables: Mapping[str, _T], name: str) -> _T | None:
    """Return the table of a provider; None if it has none, cannot be imported, or is of the other sort."""
    with contextlib.suppress(ConfigurationError):
        return tables[name] if name in tables or ":" in name else None
    return None


def _names(keys: Iterable[Key]) -> set[str]:
    return {key.name for key in keys}
