"""Turns a cluster into an inventory: which nodes there are, how to reach them, what they are to be."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence

from elasticluster.engine.openssh import NOTHING, UNATTENDED, options, quoted, tokens_doubled
from elasticluster.engine.openssh import settings as settings_of
from elasticluster.engine.ports import SetupJob
from elasticluster.engine.reach import targets_of
from elasticluster.model import Json, NodeRecord, SshTarget
from elasticluster.setup.authority import host_certificates, public_part
from elasticluster.setup.secrets import AUTHORITY_KEY, USER_KEY, for_nodes
from elasticluster.setup.services import ALIASES, SHIPPED_GROUPS, current_name, services_of
from elasticluster.setup.settings import Settings
from elasticluster.setup.variables import set_for_roles

_SHARED_BY_US = {"shared_home": "nfs", "resolver": "frontend"}  # where the provider does not do it


def inventory(job: SetupJob, settings: Settings) -> dict[str, Json]:
    """Return the inventory of a cluster's usable nodes that are not about to leave, without secrets.

    Every group of the shipped roles is there, if only empty, and every group in use has its older and its
    newer name. Ansible reads the result as a YAML inventory.

    Args:
        job: the cluster and how to log in.
        settings: groups and variables of each kind of node.
    """
    nodes = nodes_at_hand(job)
    groups = group_members(nodes, settings.groups)
    children: dict[str, Json] = {
        group: {"hosts": {name: {} for name in names}} for group, names in sorted(groups.items())
    }
    for old, new in ALIASES.items():
        if new in groups:
            children[old] = {"children": {new: {}}}
    targets = targets_of(job.cluster, nodes, job.key)
    hosts = {
        node.name: _host(target, node, job, settings) for node, target in zip(nodes, targets, strict=True)
    }
    sudo = {"image_user_sudo": settings.become_user if settings.become else ""}
    told = {"elasticluster": {**_cluster(job, nodes, groups), "kinds": _kinds(job, settings), **sudo}}
    variables = {**_connection(job), **settings.ansible, **told}
    return {"all": {"hosts": hosts, "vars": variables, "children": children}}


def particulars(job: SetupJob, **variables: Json) -> dict[str, Json]:
    """Return an inventory of what concerns a single run: its secrets, and who is new or set up already.

    Each node that is to be set up gets certificates of its host keys, newly signed. The key that signs them
    is not in it.

    Args:
        job: the cluster, and who joins or leaves it.
        **variables: further variables for all nodes.
    """
    changing = bool(job.joining or job.leaving)
    nodes = nodes_at_hand(job)
    settled = [node.name for node in nodes if changing and node.name not in job.joining]
    hosts, trusted = _trust(job, [node for node in nodes if node.name not in settled])
    return {
        "all": {
            "hosts": hosts,
            "vars": {
                "elasticluster_secrets": for_nodes(job.cluster.secrets),
                "elasticluster_joining": [*job.joining],
                **trusted,
                **variables,
            },
            "children": {"elasticluster_set_up": {"hosts": {name: {} for name in settled}}},
        }
    }


def _trust(job: SetupJob, nodes: Sequence[NodeRecord]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return what each node needs to be trusted by SSH, and what all need to trust it.

    Nothing where a cluster has no keys of its own yet, as while it is asked who is at work.
    """
    secrets = job.cluster.secrets
    if not {AUTHORITY_KEY, USER_KEY} <= secrets.keys():
        return {}, {}
    signed = host_certificates(secrets[AUTHORITY_KEY], nodes)
    hosts = {name: {"elasticluster_host_certificates": lines} for name, lines in signed.items()}
    public = {"authority": public_part(secrets[AUTHORITY_KEY]), "user_public": public_part(secrets[USER_KEY])}
    return hosts, {"elasticluster_ssh": public}


def nodes_at_hand(job: SetupJob) -> list[NodeRecord]:
    """Return the nodes that can be logged in to and are not about to leave."""
    return [node for node in job.cluster.nodes if node.usable and node.name not in job.leaving]


def masters(job: SetupJob, settings: Settings) -> list[str]:
    """Return the names of the nodes that learn who is a member, as far as they can be logged in to.

    These are the masters of the shipped services in use, and the nodes of the groups that are informed too.
    """
    groups = group_members(nodes_at_hand(job), settings.groups)
    told = (group for service in settings.services for group in (service.master, *service.informed))
    found = (name for group in told for name in groups[group])
    return list(dict.fromkeys(found))


def group_members(nodes: Sequence[NodeRecord], groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the names of the nodes in each group, under the group's present name.

    Args:
        nodes: nodes to sort into groups.
        groups: groups of each kind of node.
    """
    members: dict[str, list[str]] = defaultdict(list, {group: [] for group in SHIPPED_GROUPS})
    for node in nodes:
        for group in dict.fromkeys(map(current_name, groups.get(node.kind, ()))):
            members[group].append(node.name)
    return dict(members)


def _kinds(job: SetupJob, settings: Settings) -> dict[str, Json]:
    """Return the groups of each kind of node under their present names, also of kinds without nodes."""
    kinds = job.cluster.kinds or tuple(settings.groups)
    return {kind: list(dict.fromkeys(map(current_name, settings.groups.get(kind, ())))) for kind in kinds}


def _host(target: SshTarget, node: NodeRecord, job: SetupJob, settings: Settings) -> dict[str, Json]:
    given = settings.kind_vars.get(node.kind, {})
    return {
        "ansible_host": target.host,
        "ansible_port": target.port,
        "ansible_user": target.user,
        "ansible_ssh_common_args": _ssh_arguments(target, job),
        **set_for_roles(given, older=not settings.playbook),
    }


def by_tunnel(job: SetupJob, sockets: Mapping[str, str]) -> dict[str, Json]:
    """Return an inventory of those nodes for which a connection to their gateway is open already.

    Args:
        job: the cluster and how to log in.
        sockets: by the node's name, the path of the socket at which that connection can be used.
    """
    nodes = [node for node in nodes_at_hand(job) if node.name in sockets]
    return {
        "all": {
            "hosts": {
                target.name: {
                    "ansible_ssh_common_args": _ssh_arguments(
                        target, job, {"ControlMaster": "no", "ControlPath": quoted(sockets[target.name])}
                    )
                }
                for target in targets_of(job.cluster, nodes, job.key)
            }
        }
    }


def _ssh_arguments(target: SshTarget, job: SetupJob, to_gateway: Mapping[str, str] = NOTHING) -> str:
    """Return the arguments of ``ssh`` for a node, but for what Ansible knows: key, address, port and user."""
    further = {"UpdateHostKeys": "no", "IdentitiesOnly": "yes"}  # an agent with many keys is shut out
    found = settings_of(target, job.known_hosts_path, {**UNATTENDED, **to_gateway})
    found.pop("IdentityFile", None)
    return shlex.join(options({**found, **further}))


def _connection(job: SetupJob) -> dict[str, Json]:
    return {
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": tokens_doubled(job.key.identity),
    }


def _cluster(
    job: SetupJob, nodes: Sequence[NodeRecord], groups: Mapping[str, Sequence[str]]
) -> dict[str, Json]:
    """Return the variable ``elasticluster``: what roles may know of the cluster as a whole."""
    services = services_of(group for group, names in groups.items() if names)
    servers = [groups[service.master][0] for service in services if groups[service.master]]
    return {
        "name": job.cluster.name,
        "uuid": job.cluster.uuid,
        "template": job.cluster.template,
        "user_key_name": job.key.name,
        "nodes": {node.name: _node(node, job) for node in nodes},
        "groups": {group: list(names) for group, names in groups.items()},
        "roles": [service.role for service in services],
        "home_server": servers[0] if servers else "",
        **{name: _shared(name, job) for name in _SHARED_BY_US},
    }


def _shared(name: str, job: SetupJob) -> str:
    """Return how nodes share something: as the provider says of all of them, else as we do it."""
    ways = {facts[name] for facts in job.node_vars.values() if name in facts}
    return ways.pop() if len(ways) == 1 else _SHARED_BY_US[name]


def _node(node: NodeRecord, job: SetupJob) -> dict[str, Json]:
    return {
        "name": node.name,
        "kind": node.kind,
        "instance_id": node.instance_id,
        "public_ip": node.public_ip,
        "private_ip": node.private_ip,
        "preferred_ip": node.address,
        "flavor": node.spec.flavor,
        "image_id": node.spec.image_id,
        "image_user": node.spec.image_user,
        **job.node_vars.get(node.name, {}),
    }
