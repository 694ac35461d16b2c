"""What a template comes to when everything in it was right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from elasticluster.config.problems import Problem
from elasticluster.exceptions import UsageError
from elasticluster.model import ComponentRef, Json, Login, NodeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTemplate:
    """The nodes of one kind.

    Attributes:
        count: how many.
        min_count: how many are enough to go on with; None: all of them.
        spec: what each is made of.
    """

    count: int
    min_count: int | None = None
    spec: NodeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A ``[cluster/NAME]`` section with all that it refers to, checked.

    Attributes:
        name: NAME.
        cloud: the cloud provider; its arguments are the keys of its section, by their types.
        cloud_available: whether this version has that provider; if not, nothing can be started there.
        setup: the setup provider; its arguments are keyword arguments of its class: ``groups``
            (kind -> list of groups), ``environment_vars`` (kind -> variable -> text; global ones are
            in each kind), ``sudo``, ``sudo_user`` and the keys of its section.
        login: how to get in.
        kinds: kinds of nodes in the order of the section, also those with 0 nodes.
        ssh_to: kind or name of the node that `ssh` goes to; empty: found by rule.
        start_timeout: seconds that instances may take to run, and again to answer SSH.
        start_failure: what becomes of machines made by a start that fails: ``keep`` or ``stop``.
        extra: ``thread_pool_max_size``, where given.
        warnings: what is likely not meant, or does nothing in this version.
    """

    name: str
    cloud: ComponentRef
    cloud_available: bool
    setup: ComponentRef
    login: Login
    kinds: Mapping[str, KindTemplate]
    ssh_to: str = ""
    start_timeout: float = 600
    start_failure: str = "keep"
    extra: Mapping[str, Json] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    def with_counts(self, counts: Mapping[str, int]) -> Self:
        """Return this template with other numbers of nodes.

        A least number larger than the new number becomes the new number.

        Args:
            counts: number of nodes by kind; kinds left out stay as they are.

        Raises:
            UsageError: a kind is not in this template.
        """
        unknown = [kind for kind in counts if kind not in self.kinds]
        if unknown:
            raise UsageError(
                f"Template '{self.name}' has no nodes of kind {', '.join(map(repr, unknown))}",
                hint=f"Its kinds of nodes are: {', '.join(self.kinds)}.",
            )
        return replace(
            self, kinds={**self.kinds, **{kind: self._resized(kind, counts[kind]) for kind in counts}}
        )

    def _resized(self, kind: str, count: int) -> KindTemplate:
        old = self.kinds[kind]
        least = None if old.min_count is None else min(old.min_count, count)
        return replace(old, count=count, min_count=least)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSummary:
    """What can be said of a template without checking it.

    Attributes:
        name: NAME of ``[cluster/NAME]``.
        cloud: name of its cloud section; empty if it has none.
        counts: number of nodes by kind, in the order of the section; 0 where it is wrong.
        problems: what is wrong with the section itself and its numbers of nodes.
    """

    name: str
    cloud: str
    counts: Mapping[str, int]
    problems: tuple[Problem, ...] = ()
