"""What ``--json`` prints: pure functions from records to JSON-able data.

The schemas in this package's folder ``schemas`` describe it. Programs read it: keys are added, and none is
renamed or removed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from elasticluster.model import ClusterRecord, NodeRecord

if TYPE_CHECKING:
    from elasticluster.config.templates import TemplateSummary
    from elasticluster.engine.scheduler import Scheduler
    from elasticluster.engine.status import NodeStatus, Status


def print_json(data: object) -> None:
    """Print data as JSON, indented."""
    print(json.dumps(data, indent=2), flush=True)


def cluster_data(cluster: ClusterRecord) -> dict[str, Any]:
    """Return a cluster as JSON-able data, without secrets and nodes."""
    return _identity(cluster) | {
        "ready": cluster.ready,
        "nodes": {kind: len(cluster.of_kind(kind)) for kind in cluster.kinds},
    }


def node_data(node: NodeRecord) -> dict[str, Any]:
    """Return a node as JSON-able data."""
    return {
        "name": node.name,
        "kind": node.kind,
        "state": str(node.state),
        "failure": str(node.failure) if node.failure else None,
        "instance_id": node.instance_id,
        "public_ip": node.public_ip,
        "private_ip": node.private_ip,
        "ssh_port": node.ssh_port,
        "image_id": node.spec.image_id,
        "flavor": node.spec.flavor,
        "user": node.spec.image_user,
    }


def template_data(template: TemplateSummary) -> dict[str, Any]:
    """Return what is known of a template as JSON-able data."""
    return {"name": template.name, "cloud": template.cloud, "nodes": dict(template.counts)}


def status_data(status: Status) -> dict[str, Any]:
    """Return how a cluster is as JSON-able data."""
    return _identity(status.cluster) | {
        "healthy": status.healthy,
        "cloud_error": status.silent.message if status.silent else None,
        "nodes": [_node_status(one, known=status.silent is None) for one in status.nodes],
        "scheduler": _scheduler(status.scheduler) if status.scheduler else None,
    }


def _identity(cluster: ClusterRecord) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "uuid": cluster.uuid,
        "template": cluster.template,
        "cloud": cluster.cloud.section or cluster.cloud.type,
    }


def _node_status(one: NodeStatus, *, known: bool) -> dict[str, Any]:
    worker = one.worker
    return node_data(one.node) | {
        "instance_state": machine_state(one, known=known),
        "reachable": one.reachable,
        "scheduler": {"state": worker.state, "reason": worker.reason or None} if worker else None,
        "problem": one.problem or None,
    }


def machine_state(one: NodeStatus, *, known: bool) -> str:
    """Return what the cloud says of a node's machine, in one word.

    Args:
        one: the node.
        known: whether the cloud could be asked.
    """
    if one.machine is not None:
        return str(one.machine)
    return "none" if known else "unknown"


def _scheduler(scheduler: Scheduler) -> dict[str, Any]:
    return {
        "name": scheduler.name,
        "error": scheduler.error or None,
        "partitions": [
            {"name": one.name, "state": one.state, "running": one.running, "pending": one.pending}
            for one in scheduler.partitions
        ],
    }
