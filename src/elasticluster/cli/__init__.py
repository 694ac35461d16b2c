"""The command line: the only part that prints, asks and exits.

Each command is a module of its own with one :class:`AbstractCommand`; :mod:`.app` puts them together.
"""

from elasticluster.cli.command import AbstractCommand

__all__ = ["AbstractCommand"]
