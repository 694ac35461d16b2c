"""A setup provider that runs a shell script on every node, by SSH."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elasticluster.config.keys import Key
from elasticluster.providers import AbstractSetupProvider

SETUP_KEYS = (Key("script", "path", required=True, help="shell script to run on every node as its user"),)

log = logging.getLogger("elasticluster.script")


class ScriptSetup(AbstractSetupProvider):
    """Runs a script; its arguments are the name of the node and the groups of its kind.

    Args:
        script: path of the script.
        groups: groups of each kind of node, from the keys ``KIND_groups``.
    """

    HUMAN_READABLE_NAME = "a script of your own"

    def __init__(self, script: str, groups: Mapping[str, Sequence[str]] | None = None) -> None:
        self.script = script
        self.groups = groups or {}

    def setup_cluster(self, cluster: Any, extra_args: Sequence[str] = ()) -> bool:
        """Run the script on every node; return whether it ended well everywhere."""
        failed = [node.name for node in cluster.get_all_nodes() if not self._set_up(node)]
        return not failed

    def cleanup(self, cluster: Any = None) -> None:
        """Remove nothing, as nothing is kept."""

    def _set_up(self, node: Any) -> bool:
        ssh = node.connect()
        if ssh is None:
            log.error("Node %s cannot be reached.", node.name)
            return False
        with ssh:
            words = " ".join([node.name, *self.groups.get(node.kind, ())])
            stdin, stdout, _ = ssh.exec_command(f"sh -s -- {words} 2>&1")
            stdin.write(Path(self.script).read_text(encoding="utf-8"))
            stdin.channel.shutdown_write()
            said, status = stdout.read().decode(), stdout.channel.recv_exit_status()
        if status:
            log.error("On %s the script ended with %d: %s", node.name, status, said.strip())
        return bool(status == 0)
