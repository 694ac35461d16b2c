"""A setup provider that has nothing to do: for tests of everything before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticluster.providers import AbstractSetupProvider


class NoSetup(AbstractSetupProvider):
    """Configures nothing, with success."""

    def __init__(self, **_config: Any) -> None:
        """Take whatever the section says."""

    def setup_cluster(self, cluster: Any, extra_args: Sequence[str] = ()) -> bool:
        """Return that all is well."""
        return True

    def cleanup(self, cluster: Any = None) -> None:
        """Remove nothing."""
