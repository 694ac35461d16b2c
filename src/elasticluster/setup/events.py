"""Turns the lines of the callback plugin into events for the engine, and into one outcome a node."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elasticluster.engine.events import Listener, TaskDone, TaskStarted, TaskStatus
from elasticluster.model import Failure, Json, Layer, SetupResult
from elasticluster.setup.services import Service, current_name

_SAYS_NOTHING = ("non-zero return code", "MODULE FAILURE")
_HIDDEN = "what it says is not shown, as it may hold a secret (no_log)"
_OUTPUTS = ("stderr", "module_stderr", "stdout", "module_stdout")
_CLOSED_RE = re.compile(r"^(Shared )?[Cc]onnection to \S+ closed\.\r?$", re.MULTILINE)  # `ssh -tt` says so

_CHECK = '{node: ""} or {node: "what is wrong"}'
_CHECKS = f"{{group: {_CHECK}}}"


@dataclass
class Run:
    """What is known of a run of Ansible, line by line.

    Attributes:
        playing: whether any play has begun: all playbooks could be read.
        ended: whether the run came to its end.
        left: names of the plays that Ansible left out, because one before had failed on all its nodes.
        failures: what failed last on each node.
        nodes: Ansible's sums for each node, at the end.
        checks: what playbooks say that their checks found; see :func:`_understood`.
        busy: for each service that was asked, ``"busy NODE JOB"`` for what nodes are at work on.
    """

    playing: bool = False
    ended: bool = False
    left: Sequence[str] = ()
    failures: dict[str, Failure] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    checks: Json = field(default_factory=dict)
    busy: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def read(self, line: str, tell: Listener) -> None:
        """Take in one line of the callback plugin, and tell what it says."""
        event = json.loads(line)
        match event["event"]:
            case "play":
                self.playing = True
            case "task":
                tell(TaskStarted(event["play"], event["task"], event.get("step", ""), event.get("at")))
            case "done":
                self._done(event, tell)
            case "end":
                self.ended, self.left = True, event["left"]
                self.nodes, self.checks = event["nodes"], event["checks"]
                self.busy = event.get("busy", {})

    def _done(self, event: Mapping[str, Any], tell: Listener) -> None:
        status = TaskStatus(event["status"])
        message = ""
        if status in {TaskStatus.FAILED, TaskStatus.UNREACHABLE}:
            message, evidence = _said(event)
            text = f"task '{event['task']}': {message}"
            self.failures[event["node"]] = Failure(layer=Layer.SETUP, message=text, evidence=evidence)
        when = event.get("step", ""), event.get("began"), event.get("ended")
        tell(TaskDone(event["node"], event["task"], status, message, *when))

    def result(
        self, groups: Mapping[str, Collection[str]], services: Iterable[Service] = (), error: str = ""
    ) -> SetupResult:
        """Return what the run came to.

        A node of which no check spoke is at fault only where its service has a check, which another node's
        failure kept from coming; else its group is not verified.

        Args:
            groups: names of the nodes in each group in use, as the user wrote it.
            services: those whose check is part of the run.
            error: what kept the run as a whole from going on; empty if nothing.
        """
        checks, malformed = _understood(self.checks)
        passed = {node for nodes in checks.values() for node, wrong in nodes.items() if not wrong}
        failures = _refused(checks) | {node: why for node, why in self.failures.items() if self._failed(node)}
        everybody = {node for names in groups.values() for node in names}
        if self.left and everybody - failures.keys():
            error = error or f"not run, because a play before failed on all its nodes: {', '.join(self.left)}"
        error = error or malformed
        unchecked = {
            group: {*names} - checks.get(current_name(group), {}).keys() - failures.keys()
            for group, names in groups.items()
        }
        if error:
            failures = _setup_failures(everybody - passed, error) | failures
        else:
            failures = self._dragged_down(groups, unchecked, services) | failures
        return SetupResult(
            failures=failures,
            checked=frozenset(passed - failures.keys()),
            unverified=() if error else tuple(g for g in unchecked if unchecked[g] - failures.keys()),
            changed={node: sums["changed"] for node, sums in self.nodes.items()},
            error=error,
        )

    def _dragged_down(
        self,
        groups: Mapping[str, Collection[str]],
        unchecked: Mapping[str, Collection[str]],
        services: Iterable[Service],
    ) -> dict[str, Failure]:
        """Return the failures of nodes that took part and were not checked, as their service lost others."""
        failures: dict[str, Failure] = {}
        for service in services:
            members = [group for group in groups if current_name(group) in service.groups]
            failed = sorted({node for group in members for node in groups[group] if self._failed(node)})
            if failed:
                names = {node for group in members for node in unchecked[group] if node in self.nodes}
                why = f"not checked, because the setup of {', '.join(failed)} failed"
                failures |= _setup_failures(names, why)
        return failures

    def _failed(self, node: str) -> bool:
        """Say whether a node has failed for good: what a playbook rescued is not in Ansible's sums."""
        sums = self.nodes.get(node, {"failures": 1, "unreachable": 0})
        return node in self.failures and bool(sums["failures"] or sums["unreachable"])


def _setup_failures(nodes: Iterable[str], why: str) -> dict[str, Failure]:
    return {node: Failure(layer=Layer.SETUP, message=why) for node in nodes}


def _understood(checks: Json) -> tuple[dict[str, dict[str, str]], str]:
    """Return the checks by present name of the group, and what is wrong with those that make no sense."""
    if not isinstance(checks, Mapping):
        return {}, f"elasticluster_checks: expected {_CHECKS}, not {json.dumps(checks)}"
    understood: dict[str, dict[str, str]] = {}
    problems = []
    for group, nodes in checks.items():
        if isinstance(nodes, Mapping) and all(isinstance(wrong, str | None) for wrong in nodes.values()):
            understood.setdefault(current_name(group), {}).update(
                {node: wrong or "" for node, wrong in nodes.items()}
            )
        else:
            problems.append(f"the check of group '{group}': expected {_CHECK}, not {json.dumps(nodes)}")
    return understood, "; ".join(problems)


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
    if event.get("censored"):
        return _HIDDEN, ""
    message = str(event.get("msg", "")).removeprefix("Task failed: ").replace(":\n", ": ").strip()
    output = [_CLOSED_RE.sub("", str(event.get(key, ""))).strip() for key in _OUTPUTS]
    evidence = "\n".join(dict.fromkeys(text for text in (message, *output) if text))
    if not message or message.startswith(_SAYS_NOTHING):
        message = next((text.splitlines()[-1] for text in output if text), message)
    return (message.splitlines() or [f"exit status {event.get('rc', '?')}"])[0], evidence
