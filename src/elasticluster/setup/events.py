"""Turns the lines of the callback plugin into events for the engine, and into one outcome a node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from elasticluster.engine.events import Listener, TaskDone, TaskStarted, TaskStatus
from elasticluster.model import Failure, Layer, SetupResult
from elasticluster.setup.services import current_name

_SAYS_NOTHING = ("non-zero return code", "MODULE FAILURE")
_OUTPUTS = ("stderr", "module_stderr", "stdout", "module_stdout")
_CLOSED_RE = re.compile(r"^(Shared )?[Cc]onnection to \S+ closed\.\r?$", re.MULTILINE)  # `ssh -tt` says so


@dataclass
class Run:
    """What is known of a run of Ansible, line by line.

    Attributes:
        playing: whether any play has begun: all playbooks could be read.
        ended: whether the run came to its end.
        failures: what failed last on each node.
        nodes: Ansible's sums for each node, at the end.
        checks: what the checks found: by group and node, nothing or what is wrong.
    """

    playing: bool = False
    ended: bool = False
    failures: dict[str, Failure] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def read(self, line: str, tell: Listener) -> None:
        """Take in one line of the callback plugin, and tell what it says."""
        event = json.loads(line)
        match event["event"]:
            case "play":
                self.playing = True
            case "task":
                tell(TaskStarted(event["play"], event["task"]))
            case "done":
                self._done(event, tell)
            case "end":
                self.ended, self.nodes, self.checks = True, event["nodes"], event["checks"]

    def _done(self, event: Mapping[str, Any], tell: Listener) -> None:
        status = TaskStatus(event["status"])
        message = ""
        if status in {TaskStatus.FAILED, TaskStatus.UNREACHABLE}:
            message, evidence = _said(event)
            text = f"task '{event['task']}': {message}"
            self.failures[event["node"]] = Failure(layer=Layer.SETUP, message=text, evidence=evidence)
        tell(TaskDone(event["node"], event["task"], status, message))

    def result(self, groups: Mapping[str, Iterable[str]], error: str = "") -> SetupResult:
        """Return what the run came to.

        Args:
            groups: names of the nodes in each group in use, as the user wrote it.
            error: what kept the run as a whole from going on; empty if nothing.
        """
        checks = {current_name(group): nodes for group, nodes in self.checks.items()}
        unchecked = [group for group, names in groups.items() if names and current_name(group) not in checks]
        failed = {node: failure for node, failure in self.failures.items() if self._has_failed(node)}
        refused = _refused(checks)
        passed = {node for nodes in checks.values() for node, wrong in nodes.items() if not wrong}
        if error or failed:
            unchecked = []
            left = {node for names in groups.values() for node in names} - passed - refused.keys()
            why = error or f"not checked, because the setup of {', '.join(sorted(failed))} failed"
            refused |= {node: Failure(layer=Layer.SETUP, message=why) for node in left}
        failures = {**refused, **failed}
        return SetupResult(
            failures=failures,
            checked=frozenset(passed - failures.keys()),
            unverified=tuple(unchecked),
            changed={node: sums["changed"] for node, sums in self.nodes.items()},
            error=error,
        )

    def _has_failed(self, node: str) -> bool:
        """Say whether a failure counts: one that a playbook rescued is not in Ansible's sums."""
        sums = self.nodes.get(node)
        return sums is None or bool(sums["failures"] or sums["unreachable"])


def _refused(checks: Mapping[str, Mapping[str, str]]) -> dict[str, Failure]:
    """Return the failure of each node of which a check said that something is wrong."""
    return {
        node: Failure(layer=Layer.CHECK, message=f"{group}: {wrong}")
        for group, nodes in checks.items()
        for node, wrong in nodes.items()
        if wrong
    }


def _said(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return one line for people, and all that a failed task said."""
    message = str(event.get("msg", "")).removeprefix("Task failed: ").strip()
    output = [_CLOSED_RE.sub("", str(event.get(key, ""))).strip() for key in _OUTPUTS]
    evidence = "\n".join(dict.fromkeys(text for text in (message, *output) if text))
    if not message or message.startswith(_SAYS_NOTHING):
        message = next((text.splitlines()[-1] for text in output if text), message)
    return (message.splitlines() or [f"exit status {event.get('rc', '?')}"])[0], evidence
