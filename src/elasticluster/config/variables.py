"""Variables of nodes: the keys ``KIND_var_NAME`` and ``global_var_NAME``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from elasticluster.config.reader import DEFAULT, Entry, Section

GLOBAL = "global"
"""Stands for all kinds in the names of variables, so that no kind can have this name."""

_VARIABLE_RE = re.compile(r"([A-Za-z0-9-]+)_var_(.+)", re.DOTALL)  # a kind of node has no underscore
_NEARLY_RE = re.compile(r"([A-Za-z0-9-]+?)[-_. ]vars?[-_. ](.+)")


class Variable(NamedTuple):
    """An entry ``KIND_var_NAME`` or ``global_var_NAME``; `key` is that, `kind` may be ``global``."""

    key: str
    kind: str
    name: str
    entry: Entry


def is_variable(key: str) -> bool:
    """Return whether a key is that of a variable, whatever else it looks like."""
    return bool(_VARIABLE_RE.fullmatch(key))


def nearest_variable(key: str) -> str:
    """Return how the variable is written that `key`, which is no variable, nearly is; empty if it is not."""
    match = _NEARLY_RE.fullmatch(key)
    return f"{match[1]}_var_{match[2]}" if match and not is_variable(key) else ""


def variables(section: Section) -> list[Variable]:
    """Return the variables of a ``[setup/NAME]`` or ``[cluster/NAME]`` section."""
    matches = ((_VARIABLE_RE.fullmatch(key), entry) for key, entry in section.entries.items())
    return [Variable(match[0], match[1], match[2], entry) for match, entry in matches if match]


def own_variables(cluster: Section) -> list[Variable]:
    """Return those of ``[cluster/NAME]`` that are not from ``[DEFAULT]``: the setup section has these too."""
    return [variable for variable in variables(cluster) if variable.entry.section != DEFAULT]


def effective(setup: Section, cluster: Section | None, kind: str) -> Mapping[str, Entry]:
    """Return a kind's variables by name: its own before global ones, the cluster's before the setup's.

    Args:
        setup: the ``[setup/NAME]`` section.
        cluster: the ``[cluster/NAME]`` section; None: there is none.
        kind: kind of node.
    """
    found = [*variables(setup), *(own_variables(cluster) if cluster else ())]
    return {v.name: v.entry for wanted in (GLOBAL, kind) for v in found if v.kind == wanted}
