"""Clouds, and tools that configure nodes: the contracts for them, and those that come along.

The names are loaded when they are first used: reading a provider's table of configuration keys must not
load the providers themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elasticluster.providers.base import AbstractCloudProvider, AbstractSetupProvider

__all__ = ["AbstractCloudProvider", "AbstractSetupProvider"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from elasticluster.providers import base

    return getattr(base, name)
