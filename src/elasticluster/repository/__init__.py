"""Where clusters are remembered.

A repository turns what is stored into :class:`~elasticluster.cluster.Cluster` objects and back. The
command line uses :class:`MultiDiskRepository`, which reads all formats and writes the one that the
configuration names, or :class:`SqlRepository` if it names a database; in Python, clusters live in a
:class:`MemRepository` unless another one is given.
"""

from elasticluster.repository._repository import (
    AbstractClusterRepository,
    ClusterRepository,
    DiskRepository,
    JsonRepository,
    MemRepository,
    MultiDiskRepository,
    PickleRepository,
    YamlRepository,
)
from elasticluster.repository._sql import SqlRepository

__all__ = [
    "AbstractClusterRepository",
    "ClusterRepository",
    "DiskRepository",
    "JsonRepository",
    "MemRepository",
    "MultiDiskRepository",
    "PickleRepository",
    "SqlRepository",
    "YamlRepository",
]
