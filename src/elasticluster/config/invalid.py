"""The error that is ours and voluptuous' at the same time; imported only when it is raised."""

from __future__ import annotations

from collections.abc import Sequence

from voluptuous import Invalid, MultipleInvalid

from elasticluster.config.problems import Problem
from elasticluster.exceptions import ConfigurationError


class InvalidConfigurationError(ConfigurationError, MultipleInvalid):
    """One or more things are wrong in the configuration.

    Args:
        problems: what is wrong, at least one.
        hint: what to do next.

    Attributes:
        problems: the same, in order.
        errors: the same for users of voluptuous; their paths are ``[section, key]``.
    """

    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        super().__init__("\n".join(map(str, problems)), hint=hint)
        self.problems = tuple(problems)
        self.errors = [Invalid(p.message, [part for part in (p.section, p.key) if part]) for p in problems]
