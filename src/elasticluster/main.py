"""The program's entry point."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and exit with its status."""
    from elasticluster.cli.app import main as run

    sys.exit(run())
