"""How many nodes of which kind: the keys of ``[cluster/NAME]``, and arguments such as ``--nodes``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from elasticluster.config.problems import Problem, did_you_mean, shown
from elasticluster.config.reader import Entry, Section
from elasticluster.config.tables import CLUSTER_KEYS, NODE_KEYS
from elasticluster.config.values import whole_number
from elasticluster.config.variables import GLOBAL, is_variable
from elasticluster.exceptions import UsageError
from elasticluster.naming import check_kind

MOST_NODES = 100_000
"""More nodes of a kind are taken for a slip of the finger."""

_KEYS = frozenset(key.name for key in (*CLUSTER_KEYS, *NODE_KEYS))
_COUNT_RE = re.compile(r"(.+)_(nodes|nodes_min)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many nodes of a kind a template asks for.

    Attributes:
        entry: the key that says so.
        number: how many.
        least: how many are enough to go on with; None if that is not said.
    """

    entry: Entry
    number: int
    least: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a ``[cluster/NAME]`` section says about numbers of nodes.

    Attributes:
        kinds: by kind, in the order of the section; those with a wrong number count as 0.
        used: names of the keys that were understood.
        problems: what is wrong with them.
    """

    kinds: Mapping[str, KindCount]
    used: frozenset[str]
    problems: tuple[Problem, ...]


def cluster_counts(cluster: Section, kinds_with_groups: Collection[str]) -> Counts:
    """Find the numbers of nodes in a ``[cluster/NAME]`` section.

    ``KIND_nodes=N`` and ``KIND_nodes_min=N`` are looked for, and a bare ``KIND=N`` if the setup section
    has groups for such a kind. A kind may have the name of a key, like ``login``: bare, that is the key.

    Args:
        cluster: the section, complete.
        kinds_with_groups: kinds that the setup section knows.
    """
    finder = _CountFinder()
    entries = {key: entry for key, entry in cluster.entries.items() if not is_variable(key)}
    for key, entry in entries.items():
        match = _COUNT_RE.fullmatch(key)
        if match and match[2] == "nodes":
            finder.add(match[1], key, entry)
        elif not match and key in kinds_with_groups and key not in _KEYS:
            finder.add(key, key, entry)
    for key, entry in entries.items():
        if key.endswith("_nodes_min"):
            finder.add_least(key.removesuffix("_nodes_min"), key, entry)
    finder.check_host_names()
    return Counts(finder.kinds, frozenset(finder.used), tuple(finder.problems))


class _CountFinder:
    def __init__(self) -> None:
        self.kinds: dict[str, KindCount] = {}
        self.used: set[str] = set()
        self.problems: list[Problem] = []

    def add(self, kind: str, key: str, entry: Entry) -> None:
        """Take a number of nodes."""
        self.used.add(key)
        number = self._number(entry) or 0
        other = self.kinds.get(kind)
        if other and other.entry.weight == entry.weight and other.number != number:
            self.problems.append(entry.repeats(other.entry))
        if not other or other.entry.weight <= entry.weight:
            self.kinds[kind] = KindCount(entry, number)
        try:
            check_kind(kind)
        except ValueError as exc:
            self.problems.append(entry.problem(str(exc)))
        if kind == GLOBAL:
            message = f"'{GLOBAL}' cannot be a kind of node: {GLOBAL}_var_NAME is a variable of all kinds"
            self.problems.append(entry.problem(message))

    def add_least(self, kind: str, key: str, entry: Entry) -> None:
        """Take the least number of nodes of a kind."""
        self.used.add(key)
        least = self._number(entry)
        known = self.kinds.get(kind)
        if known is None:
            guess = did_you_mean(kind, self.kinds)
            self.problems.append(entry.problem(f"there is no {kind}_nodes in this section{guess}"))
        elif least is not None and least > known.number:
            message = f"{least} is more than {known.entry.key}={known.number} ({known.entry.at})"
            self.problems.append(entry.problem(message))
        else:
            self.kinds[kind] = KindCount(known.entry, known.number, least)

    def check_host_names(self) -> None:
        """Kinds that differ only in the case of letters would give the same host names."""
        seen: dict[str, str] = {}
        for kind, count in self.kinds.items():
            other = seen.setdefault(kind.lower(), kind)
            if other != kind:
                self.problems.append(count.entry.problem(f"'{kind}' and '{other}' give the same host names"))

    def _number(self, entry: Entry) -> int | None:
        try:
            return _node_count(entry.text)
        except ValueError as exc:
            self.problems.append(entry.problem(str(exc)))
            return None


def parse_node_counts(
    text: str, kinds: Collection[str] | None = None, *, option: str = "--nodes"
) -> dict[str, int]:
    """Understand a list of numbers of nodes.

    Args:
        text: ``N1:KIND1[,N2:KIND2…]``.
        kinds: the kinds that exist; None: any legal name will do.
        option: what the text was given to, for messages.

    Returns:
        number of nodes by kind, in the order given.

    Raises:
        UsageError: the syntax is wrong, a number is negative, a kind is unknown or comes twice; all
            problems are named.

    >>> parse_node_counts("2:compute,10:hadoop-data")
    {'compute': 2, 'hadoop-data': 10}
    """
    counts: dict[str, int] = {}
    problems = []
    for item in text.split(","):
        try:
            kind, number = _count_item(item.strip(), kinds)
            if kind in counts:
                raise ValueError(f"kind '{kind}' comes twice")  # noqa: TRY301 - collected with the others
            counts[kind] = number
        except ValueError as exc:
            problems.append(f"{option}: {exc}")
    if problems:
        known = f"\nKinds of nodes here: {', '.join(kinds)}." if kinds else ""
        raise UsageError("\n".join(problems), hint=f"Write for example {option} 2:compute,1:frontend.{known}")
    return counts


def _count_item(item: str, kinds: Collection[str] | None) -> tuple[str, int]:
    number, colon, kind = (part.strip() for part in item.partition(":"))
    if not (number and colon and kind):
        raise ValueError(f"expected NUMBER:KIND, not {shown(item)}")
    if kinds is None:
        check_kind(kind)
    elif kind not in kinds:
        raise ValueError(f"there is no kind of node {shown(kind)}{did_you_mean(kind, kinds)}")
    try:
        return kind, _node_count(number)
    except ValueError as exc:
        raise ValueError(f"{shown(item)}: {exc}") from exc


def _node_count(text: str) -> int:
    """Return a number of nodes.

    Raises:
        ValueError: it is no whole number, negative, or out of all reason.
    """
    number = whole_number(text)
    if number < 0:
        raise ValueError(f"expected 0 or more nodes, not {number}")
    if number > MOST_NODES:
        raise ValueError(f"expected {MOST_NODES} nodes at most, not {number}")
    return number
