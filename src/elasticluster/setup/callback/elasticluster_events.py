"""Callback plugin that writes what happens as JSON lines to a file descriptor it was born with.

Ansible loads this file by its path. It must not import anything of ElastiCluster: the Ansible of a user's
``ansible_command`` may live in another environment.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

from ansible.plugins.callback import CallbackBase  # type: ignore[import-untyped]

DOCUMENTATION = """
name: elasticluster_events
type: notification
short_description: writes events as JSON lines to a file descriptor
description:
  - Writes one JSON object a line to the file descriptor whose number is in E(ELASTICLUSTER_EVENTS_FD).
  - Does nothing where that is not set.
requirements:
  - enabled by C(ANSIBLE_CALLBACKS_ENABLED)
"""

_ERROR_KEYS = ("censored", "msg", "stderr", "module_stderr", "stdout", "module_stdout", "rc")
_LIMIT = 4000  # characters of each text: the end of an output is what tells


_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def _die_with_parent() -> None:
    """Let the kernel end this process as soon as its parent has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if sys.platform == "linux":
    # Ansible's workers make sessions of their own: a signal to its process group does not reach them.
    os.register_at_fork(after_in_child=_die_with_parent)


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Tells starts of plays and tasks, the end of every task on every node, and the final statistics."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "elasticluster_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fd = int(os.environ.get("ELASTICLUSTER_EVENTS_FD", "-1"))
        self._play = ""
        self._left: dict[str, str] = {}  # plays that have not begun, by Ansible's identity of them
        self._began: dict[tuple[str, str], float] = {}  # when a task began on a node that is at it
        self.disabled = self._fd < 0

    def _write(self, **event: Any) -> None:
        data = (json.dumps(event, default=str) + "\n").encode()
        while data:
            data = data[os.write(self._fd, data) :]

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Note the plays that are to come."""
        self._left = {play._uuid: play.get_name() for play in playbook.get_plays()}  # noqa: SLF001 - no other

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Note the play; its tasks come next."""
        self._play = play.get_name()
        self._left.pop(play._uuid, None)  # noqa: SLF001 - as above
        self._write(event="play", play=self._play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: FBT001 - Ansible's
        """Tell that a task step begins."""
        del is_conditional
        self._begin(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Tell that a handler begins."""
        self._begin(task)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note when a task begins on a node: with more nodes than forks, some begin late."""
        self._began[host.get_name(), task._uuid] = time.monotonic()  # noqa: SLF001 - no other identity

    def v2_runner_on_ok(self, result: Any) -> None:
        """Tell that a task succeeded on a node."""
        self._done(result, "changed" if result.is_changed() else "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Tell that a task did not apply to a node."""
        self._done(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002
        """Tell that a task failed on a node, or that its failure is ignored."""
        if ignore_errors:
            self._done(result, "ok")
        else:
            self._done(result, "failed", **_error(result.result))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Tell that a node could not be reached."""
        self._done(result, "unreachable", **_error(result.result))

    def _begin(self, task: Any) -> None:
        step = task._uuid  # noqa: SLF001 - as above
        self._write(event="task", play=self._play, task=task.get_name(), step=step, at=time.monotonic())

    def _done(self, result: Any, status: str, **error: Any) -> None:
        node, step = result.host.get_name(), result.task._uuid  # noqa: SLF001 - as above
        self._write(
            event="done",
            node=node,
            task=result.task.get_name(),
            status=status,
            step=step,
            began=self._began.pop((node, step), None),
            ended=time.monotonic(),
            **error,
        )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Tell the sums, what playbooks brought by ``set_stats``, and the plays that never began.

        Ansible leaves those out that come after one that failed on all of its nodes.
        """
        nodes = {node: stats.summarize(node) for node in stats.processed}
        run = stats.custom.get("_run", {})
        said = {name: run.get(f"elasticluster_{name}", {}) for name in ("checks", "busy")}
        self._write(event="end", nodes=nodes, left=list(self._left.values()), **said)


def _error(result: dict[str, Any]) -> dict[str, Any]:
    """Return what a failed task said; of a loop, what its first failed item said."""
    failed = [item for item in result.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    source = failed[0] if failed else result
    return {
        key: value[-_LIMIT:] if isinstance(value, str) else value
        for key in _ERROR_KEYS
        if (value := source.get(key)) not in (None, "")
    }
