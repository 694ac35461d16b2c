"""Containers as instances: our tags are their labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from elasticluster.model import Instance, InstanceState
from elasticluster.providers.common.tags import PREFIX, to_tags

SSH_PORT = 22
_SHORT = 12  # digits of a container's id
_HOST = "127.0.0.1"
_ENDED_BY_US = frozenset({0, 130, 137, 143})  # what a stopped systemd, or a killed one, exits with
_INIT_FAILED = 255

_STATES = {
    "running": InstanceState.RUNNING,
    "restarting": InstanceState.PENDING,
    "paused": InstanceState.STOPPED,
    "removing": InstanceState.TERMINATED,
    "dead": InstanceState.TERMINATED,
}


def cluster_filter(cluster: str | None) -> dict[str, Any]:
    """Return a filter for what carries our labels: of the cluster of that UUID, or of any."""
    return {"label": [f"{PREFIX}uuid={cluster}" if cluster else f"{PREFIX}uuid"]}


def short_id(container: str) -> str:
    """Return a container's id as ``docker ps`` prints it; the engine takes it as well as the whole one."""
    return container[:_SHORT]


def to_instance(summary: Mapping[str, Any]) -> Instance:
    """Return a container as an instance.

    Args:
        summary: an element of the engine's answer to ``GET /containers/json``.
    """
    state, reason = _state(summary)
    running = state is InstanceState.RUNNING  # else there may be those that it had before it went down
    networks = (summary.get("NetworkSettings") or {}).get("Networks") or {} if running else {}
    port = _published_port(summary) if running else None
    return Instance(
        id=short_id(summary["Id"]),
        state=state,
        tags=to_tags(summary["Labels"]),
        public_ip=_HOST if port else None,
        private_ip=next((net["IPAddress"] for net in networks.values() if net.get("IPAddress")), None),
        ssh_port=port or SSH_PORT,
        reason=reason,
    )


def init_failed(summary: Mapping[str, Any]) -> bool:
    """Return whether a container's init ended as it does without inotify instances.

    The engine says the same of containers that were running when it, or the computer, went down at once.
    """
    return summary["State"] == "exited" and _exit_status(summary) == _INIT_FAILED


def _published_port(summary: Mapping[str, Any]) -> int | None:
    ports = summary.get("Ports") or []
    return next(
        (port["PublicPort"] for port in ports if port["PrivatePort"] == SSH_PORT and "PublicPort" in port),
        None,
    )


def _state(summary: Mapping[str, Any]) -> tuple[InstanceState, str]:
    if summary["State"] == "created":  # the call was broken off: who may list while it is made holds the lock
        return InstanceState.ERROR, "the container was made but never started"
    if summary["State"] != "exited":
        return _STATES.get(summary["State"], InstanceState.ERROR), ""
    status = _exit_status(summary)
    if status in _ENDED_BY_US:
        return InstanceState.STOPPED, ""
    reason = f"the container's init ended with status {status}"
    if status == _INIT_FAILED:
        reason += (
            "; if at boot, this machine has most likely run out of inotify instances "
            "(fs.inotify.max_user_instances)"
        )
    return InstanceState.ERROR, reason


def _exit_status(summary: Mapping[str, Any]) -> int:
    match = re.match(r"Exited \((\d+)\)", summary["Status"])
    return int(match[1]) if match else 0
