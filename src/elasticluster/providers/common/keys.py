"""Configuration keys that mean the same for several clouds."""

from __future__ import annotations

from elasticluster.config.keys import Key

REQUEST_FLOATING_IP = Key(
    "request_floating_ip",
    "bool",
    default=False,
    help="whether to ask for a public address where machines get none by themselves",
)
SSH_FROM = Key(
    "ssh_from",
    "list",
    help="networks (CIDR) that the cluster's own security group lets SSH in from; none: this computer only",
)
NETWORK_IDS = Key("network_ids", "list", help="networks or subnets that the machines are connected to")


def of_node(key: Key) -> Key:
    """Return a key of ``[cloud/NAME]`` as one of ``[cluster/NAME]``, where it need not be."""
    return Key(
        key.name,
        key.type,
        minimum=key.minimum,
        choices=key.choices,
        help="as in [cloud/NAME], which it wins over",
    )
