"""What every command is: a parser, a check before it runs, and the run itself."""

from __future__ import annotations

import argparse
import shlex
import sys
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from elasticluster.exceptions import ConfirmationRefused, ElastiClusterError

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.conf import Creator


class AbstractCommand(ABC):
    """The contract of a subcommand, for our own and for a third party's.

    The smallest `setup` is::

        parser = subparsers.add_parser("start")
        parser.set_defaults(func=self.execute)

    Args:
        params: filled with the parsed arguments before :meth:`pre_run` is called.

    Attributes:
        params: the same.
        takes_rest: whether it hands on what follows ``--``.
    """

    takes_rest = False

    def __init__(self, params: argparse.Namespace) -> None:
        self.params = params

    @abstractmethod
    def setup(self, subparsers: Any) -> None:
        """Add a parser of its own to `subparsers`, with ``func=self.execute`` as default."""

    def pre_run(self) -> None:  # noqa: B027 - most commands have nothing to check
        """Check what the parser cannot check; raise an error to stop the command."""

    @abstractmethod
    def execute(self) -> int | None:
        """Do the work; return the exit status (None means 0)."""

    def how_to_go_on(self) -> str:
        """Return what to tell a user who has interrupted the command; it must not fail."""
        return "Run the same command again to carry on."

    # -- for our own commands ----------------------------------------------------------------------

    @cached_property
    def creator(self) -> Creator:
        """Reads configuration and storage as the global options say, on first use."""
        from elasticluster.conf import open_creator

        return open_creator(self.params.config, self.params.storage, say)

    def load(self, name: str) -> Cluster:
        """Return the stored cluster of that name.

        Raises:
            ClusterNotFound: there is none; the message lists those there are.
        """
        return self.creator.load_cluster(name)

    def confirm(self, question: str) -> None:
        """Go on only if the user says yes, or has said so with ``--yes``.

        Raises:
            ConfirmationRefused: the user said no, or there is no terminal to ask on.
        """
        if self.params.yes:
            return
        self.require_terminal()
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise ConfirmationRefused("Nothing was changed.")

    def require_terminal(self) -> None:
        """Make sure that :meth:`confirm` can ask; to be called before any work done only for it.

        Raises:
            ConfirmationRefused: there is no terminal to ask on, and the user has not said ``--yes``.
        """
        if not self.params.yes and not sys.stdin.isatty():
            raise ConfirmationRefused(
                "This needs a confirmation, but there is no terminal to ask on.",
                hint="Add `--yes` if you are sure.",
            )

    def line(self, *words: str) -> str:
        """Return a command line that works on the same clusters as this one."""
        options = [("-c", self.params.config), ("-s", self.params.storage)]
        given = [word for option, value in options if value for word in (option, value)]
        return shlex.join(["elasticluster", *given, *words])

    def carry_on(self, name: str) -> str:
        """Return the commands that carry on with a cluster, or remove it; empty if it is not stored."""
        try:
            record = self.creator.create_repository().store.load(name)
        except ElastiClusterError:
            return ""
        naming = [] if record.template == name else ["--name", name]
        return (
            f"To carry on: {self.line('start', record.template, *naming)}\n"
            f"To remove it: {self.line('stop', name)}"
        )


def say(text: str) -> None:
    """Tell the user something that is not a result."""
    print(text, file=sys.stderr, flush=True)
