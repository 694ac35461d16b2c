"""From configuration files to clusters and providers."""

from elasticluster.conf._creator import (
    DEFAULT_STORAGE_PATH,
    DEFAULT_STORAGE_TYPE,
    Creator,
    make_creator,
    open_creator,
)

__all__ = ["DEFAULT_STORAGE_PATH", "DEFAULT_STORAGE_TYPE", "Creator", "make_creator", "open_creator"]
