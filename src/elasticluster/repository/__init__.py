"""Where clusters are remembered.

A repository turns what is stored into :class:`~elasticluster.cluster.Cluster` objects and back. The
command line uses :class:`JsonRepository`; in Python, clusters live in a :class:`MemRepository` unless
another one is given.
"""

from elasticluster.repository._repository import AbstractClusterRepository, JsonRepository, MemRepository

__all__ = ["AbstractClusterRepository", "JsonRepository", "MemRepository"]
