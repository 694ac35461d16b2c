"""The commands under their documented names."""

from elasticluster.cli import AbstractCommand
from elasticluster.cli.adopt import Adopt
from elasticluster.cli.gc import Gc
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

__all__ = [
    "AbstractCommand",
    "Adopt",
    "Gc",
    "ListClusters",
    "ListNodes",
    "ListTemplates",
    "Pause",
    "RemoveNode",
    "Resize",
    "Resume",
    "SetupCluster",
    "SftpFrontend",
    "SshFrontend",
    "Start",
    "Stop",
]
