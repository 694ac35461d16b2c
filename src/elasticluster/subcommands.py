"""The commands under their documented names."""

from elasticluster.cli import AbstractCommand
from elasticluster.cli.adopt import Adopt
from elasticluster.cli.export import ExportCluster
from elasticluster.cli.gc import Gc
from elasticluster.cli.gc3pie import GC3PieConfig
from elasticluster.cli.import_ import ImportCluster
from elasticluster.cli.list_clusters import ListClusters
from elasticluster.cli.list_nodes import ListNodes
from elasticluster.cli.list_templates import ListTemplates
from elasticluster.cli.pause import Pause, Resume
from elasticluster.cli.remote import SftpFrontend, SshFrontend
from elasticluster.cli.remove_node import RemoveNode
from elasticluster.cli.resize import Resize
from elasticluster.cli.setup import SetupCluster
from elasticluster.cli.start import Start
from elasticluster.cli.stop import Stop

ResizeCluster = Resize
"""The name of :class:`Resize` in 2016."""

__all__ = [
    "AbstractCommand",
    "Adopt",
    "ExportCluster",
    "GC3PieConfig",
    "Gc",
    "ImportCluster",
    "ListClusters",
    "ListNodes",
    "ListTemplates",
    "Pause",
    "RemoveNode",
    "Resize",
    "ResizeCluster",
    "Resume",
    "SetupCluster",
    "SftpFrontend",
    "SshFrontend",
    "Start",
    "Stop",
]
