"""Clusters and their nodes: the heart of the Python API.

::

    from elasticluster.cluster import Cluster
    from elasticluster.providers.ansible_provider import AnsibleSetupProvider
    from elasticluster.providers.docker import DockerProvider

    setup = AnsibleSetupProvider({"frontend": ["slurm_master"], "compute": ["slurm_worker"]})
    cluster = Cluster("my-cluster", cloud_provider=DockerProvider(), setup_provider=setup)
    cluster.add_node("frontend", "debian-13", "debian", "1cpu-2ram", "default")
    cluster.add_nodes("compute", 2, "debian-13", "debian", "1cpu-2ram", "default")
    cluster.start()
    cluster.setup()
    cluster.stop()
"""

from elasticluster.cluster._cluster import Cluster
from elasticluster.cluster._node import Node
from elasticluster.naming import NodeNamingPolicy

__all__ = ["Cluster", "Node", "NodeNamingPolicy"]
