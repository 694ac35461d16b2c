"""From configuration files to clusters and providers."""

from elasticluster.conf._creator import (
    DEFAULT_STORAGE_PATH,
    DEFAULT_STORAGE_TYPE,
    Creator,
    make_creator,
    open_creator,
)
from elasticluster.conf._older import (
    ConfigReader,
    Configurator,
    ConfigValidator,
    get_configurator,
    load_config_files,
)

__all__ = [
    "DEFAULT_STORAGE_PATH",
    "DEFAULT_STORAGE_TYPE",
    "ConfigReader",
    "ConfigValidator",
    "Configurator",
    "Creator",
    "get_configurator",
    "load_config_files",
    "make_creator",
    "open_creator",
]
