"""The commands under their documented names."""

from elasticluster.cli import AbstractCommand
from elasticluster.cli.list_clusters import ListClusters
from elasticluster.cli.list_nodes import ListNodes
from elasticluster.cli.list_templates import ListTemplates
from elasticluster.cli.remote import SftpFrontend, SshFrontend
from elasticluster.cli.setup import SetupCluster
from elasticluster.cli.start import Start
from elasticluster.cli.stop import Stop

__all__ = [
    "AbstractCommand",
    "ListClusters",
    "ListNodes",
    "ListTemplates",
    "SetupCluster",
    "SftpFrontend",
    "SshFrontend",
    "Start",
    "Stop",
]
