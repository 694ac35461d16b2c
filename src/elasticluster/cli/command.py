"""What every command is: a parser, a check before it runs, and the run itself."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.exceptions import ConfirmationRefused, ElastiClusterError, StateError

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.conf import Creator
    from elasticluster.model import ClusterRecord


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
        """Return the stored cluster of that name; its file of known hosts is written anew if that is gone.

        Raises:
            ClusterNotFound: there is none; the message lists those there are.
        """
        from elasticluster.ssh.hostkeys import known_hosts, write_known_hosts

        cluster = self.creator.load_cluster(name)
        path = cluster.known_hosts_file
        if known_hosts(cluster.record) and not Path(path).exists():
            with contextlib.suppress(StateError), cluster.repository.store.lock(name):
                write_known_hosts(cluster.record, path)  # else another command does, or nobody may write here
        return cluster

    def confirm(self, question: str) -> None:
        """Go on only if the user says yes, or has said so with ``--yes``.

        Raises:
            ConfirmationRefused: the user said no, or there is no terminal to ask on.
        """
        if self._is_sure:
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
        if not self._is_sure and not sys.stdin.isatty():
            raise ConfirmationRefused(
                "This needs a confirmation, but there is no terminal to ask on.",
                hint="Add `--yes` if you are sure.",
            )

    @property
    def _is_sure(self) -> bool:
        return bool(getattr(self.params, "yes", False))  # a third party's command may have no such option

    def line(self, *words: str) -> str:
        """Return a command line that works on the same clusters as this one; passwords in it are masked."""
        from elasticluster.config.masking import presentable

        storage = presentable("", self.params.storage or "")
        options = [("-c", self.params.config), ("-s", storage)]
        given = [word for option, value in options if value for word in (option, value)]
        return shlex.join(["elasticluster", *given, *words])

    def carry_on(self, name: str) -> str:
        """Return the commands that carry on with a cluster, or remove it; empty if it is not stored."""
        try:
            record = self.creator.create_repository().store.load(name)
        except ElastiClusterError:
            return ""
        return f"To carry on: {self.bring_up(record)}\nTo remove it: {self.line('stop', name)}"

    def bring_up(self, record: ClusterRecord) -> str:
        """Return the command that brings up what is there of a cluster, and makes what is missing."""
        from elasticluster.model import NodeState

        if any(node.state is NodeState.PAUSED for node in record.nodes):
            return self.line("resume", record.name)
        naming = [] if record.template == record.name else ["--name", record.name]
        return self.line("start", record.template, *naming)


def say(text: str) -> None:
    """Tell the user something that is not a result."""
    print(text, file=sys.stderr, flush=True)
