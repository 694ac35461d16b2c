"""What a cluster's servers share: a security group, a key pair, and groups that keep them on several hosts.

All of it is found again by the cluster's UUID, and not by the cluster's name, which may have changed since.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from elasticluster.engine.create import tags_of
from elasticluster.exceptions import CloudProviderError, KeypairError, QuotaError, SecurityGroupError
from elasticluster.model import ClusterRecord, KeyPair, Resource, Tags
from elasticluster.providers.base import SSH_PORT
from elasticluster.providers.common.names import KeyName
from elasticluster.providers.common.public_keys import PublicKey
from elasticluster.providers.common.retry import Patience
from elasticluster.providers.openstack.client import POLICY_NOT_POLICIES, SOFT_AFFINITY, Cloud, unless_missing
from elasticluster.providers.openstack.described import described, description, full_name, named
from elasticluster.providers.openstack.errors import CONFLICT, status_of
from elasticluster.providers.openstack.servers import delete_kept

GROUP = "security group"
KEY = "key pair"
SPREAD = "server group"

_FAMILIES = {4: "IPv4", 6: "IPv6"}


def find_group(cloud: Cloud, cluster: str) -> str:
    """Return the id of a cluster's own security group; empty if it has none."""
    with cloud.use("list security groups", SecurityGroupError) as api:
        found = [
            one for one in api.network.security_groups() if described(one.description)[0].uuid == cluster
        ]
    return min((str(one.id) for one in found), default="")


def make_group(cloud: Cloud, tags: Tags, sources: Sequence[str]) -> str:
    """Make a cluster's own security group, unless it is there, and see to its rules.

    SSH comes in from `sources`, and everything from other members.

    Returns:
        its id.
    """

    def make() -> str:
        with cloud.use(f"make the security group for cluster '{tags.name}'", SecurityGroupError) as api:
            made = api.network.create_security_group(name=full_name(tags), description=description(tags))
        return str(made.id)

    group = cloud.once(lambda: find_group(cloud, tags.uuid), make)
    _make_rules(cloud, group, sources)
    return group


def check_key(cloud: Cloud, key: KeyPair, name: KeyName) -> bool:
    """Check that a key pair that the cloud has under the user's name is the one that is here.

    Args:
        cloud: the cloud.
        key: the key pair that is here.
        name: what it is called there.

    Returns:
        whether the cloud has it.

    Raises:
        KeypairError: it is another one, or the file cannot be read.
    """
    here = PublicKey.read(key.public_path)
    with cloud.use(f"look for the key pair '{name.name}'", KeypairError) as api:
        there = next((one for one in api.compute.keypairs() if one.name == name.name), None)
    if there is None:
        return False
    known = PublicKey.parse(there.public_key or "")
    if here not in (known, None) and not (known is None and here.matches(there.fingerprint or "")):
        shown = f"SHA256:{known.sha256}" if known else there.fingerprint
        raise KeypairError(
            f"The key pair '{name.name}' on the cloud ({shown}) is not the one in {key.public_path} "
            f"(SHA256:{here.sha256}).",
            hint="Set `user_key_name` to another name, under which this key will be uploaded, or "
            "`user_key_public` and `user_key_private` to the files of that one.",
        )
    return True


def make_key(cloud: Cloud, key: KeyPair, name: KeyName) -> None:
    """Upload a public key under its name, unless the cloud has it.

    Raises:
        KeypairError: the cloud has another one of that name, or takes no keys of that type.
    """

    def there() -> bool:
        try:
            return check_key(cloud, key, name)
        except KeypairError:
            if not name.own:
                raise
        # The cluster's key was lost and made anew: nobody can use the old one.
        with cloud.use(f"remove the key pair '{name.name}'", KeypairError) as api:
            unless_missing(api.compute.delete_keypair, name.name, ignore_missing=False)
        return False

    def make() -> bool:
        here = PublicKey.read(key.public_path)
        with cloud.use(f"upload the public key '{name.name}'", KeypairError) as api:
            _unless_there(api.compute.create_keypair, name=name.name, public_key=here.line)
        return True

    cloud.once(there, make)


def key_name(cluster: ClusterRecord, key: KeyPair) -> KeyName:
    """Return what a cluster's key pair is called on the cloud, where names are all there is."""
    found = KeyName.of(cluster, key)
    return replace(found, name=full_name(tags_of(cluster))) if found.own else found


def make_spread(cloud: Cloud, tags: Tags, kinds: Iterable[str]) -> None:
    """Make a server group for each kind of nodes, unless it is there: its members go to different hosts.

    Where the cloud knows that (API microversion 2.15), only as far as there are enough hosts.
    """
    wanted = [*dict.fromkeys(kinds)]
    if not wanted:
        return
    policy = "soft-anti-affinity" if cloud.offers(SOFT_AFFINITY) else "anti-affinity"
    said = {"policy": policy} if cloud.offers(POLICY_NOT_POLICIES) else {"policies": [policy]}
    for kind in wanted:
        name = f"{full_name(tags)}-{kind}"

        def find(kind: str = kind) -> str:
            return find_spread(cloud, tags.uuid).get(kind, "")

        def make(name: str = name) -> str:
            with cloud.use(f"make the server group '{name}'", QuotaError) as api:
                return str(api.compute.create_server_group(name=name, **said).id)

        cloud.once(find, make)


def find_spread(cloud: Cloud, cluster: str) -> dict[str, str]:
    """Return the ids of a cluster's server groups by kind of node."""
    return {one.tags.kind: one.id for one in _spreads(cloud) if one.tags.uuid == cluster}


def list_shared(cloud: Cloud) -> list[Resource]:
    """Return all security groups, server groups and key pairs that carry our tags, or our names."""
    with cloud.use("list security groups", SecurityGroupError) as api:
        groups = [(str(one.id), described(one.description)[0]) for one in api.network.security_groups()]
    with cloud.use("list key pairs", KeypairError) as api:
        keys = [(str(one.name), named(one.name)) for one in api.compute.keypairs()]
    found = [Resource(type=GROUP, id=one, tags=tags) for one, tags in groups if tags.uuid]
    found += _spreads(cloud)
    return found + [Resource(type=KEY, id=one, tags=tags) for one, tags in keys if tags and not tags.kind]


def remove_shared(cloud: Cloud, resources: Iterable[Resource]) -> None:
    """Remove what :func:`list_shared` has found; a group that is still in use is waited for.

    The security group goes last: as long as there is anything, its description says whose it is.
    """
    for one in sorted(resources, key=lambda one: one.type == GROUP):
        patience = Patience(cloud.patience, clock=cloud.clock)
        patience.attempt(functools.partial(_remove_or_free, cloud, one), _in_use)


class _InUseError(SecurityGroupError):
    """Something still uses the group."""


def _in_use(error: CloudProviderError) -> bool:
    return isinstance(error, _InUseError)


def _remove_or_free(cloud: Cloud, resource: Resource) -> None:
    try:
        _remove(cloud, resource)
    except _InUseError:
        delete_kept(cloud, resource.id, resource.tags.uuid)
        raise


def _remove(cloud: Cloud, resource: Resource) -> None:
    from openstack.exceptions import ConflictException

    with cloud.use(f"remove the {resource.type} '{resource.id}'") as api:
        verbs: dict[str, Callable[..., object]] = {
            GROUP: api.network.delete_security_group,
            SPREAD: api.compute.delete_server_group,
            KEY: api.compute.delete_keypair,
        }
        try:
            unless_missing(verbs[resource.type], resource.id, ignore_missing=False)
        except ConflictException as exc:
            if resource.type != GROUP:
                raise
            raise _InUseError(
                f"The security group '{resource.id}' is still in use.",
                hint="A server or port that is not the cluster's own may use it; `openstack port list "
                f"--security-group {resource.id}` shows which.",
            ) from exc


def _spreads(cloud: Cloud) -> list[Resource]:
    with cloud.use("list server groups") as api:
        found = [(str(one.id), named(one.name)) for one in api.compute.server_groups()]
    return [Resource(type=SPREAD, id=one, tags=tags) for one, tags in found if tags and tags.kind]


def _make_rules(cloud: Cloud, group: str, sources: Sequence[str]) -> None:
    """Make the rules that a group lacks, each with a call of its own: one that is there is no error."""
    with cloud.use(f"look at the security group '{group}'", SecurityGroupError) as api:
        present = api.network.get_security_group(group).security_group_rules
    wanted = [_ssh_rule(source) for source in sources]
    wanted += [{"ethertype": family, "remote_group_id": group} for family in _FAMILIES.values()]
    wanted = [{"direction": "ingress", **rule} for rule in wanted]
    if not any(rule["direction"] == "egress" for rule in present):
        # What a new group lets out is up to the operator; a node that reaches nobody cannot be set up.
        wanted += [{"direction": "egress", "ethertype": family} for family in _FAMILIES.values()]
    for rule in wanted:
        if not any(_same(rule, one) for one in present):
            with cloud.use(f"add a rule to the security group '{group}'", SecurityGroupError) as api:
                _unless_there(api.network.create_security_group_rule, security_group_id=group, **rule)


def _ssh_rule(source: str) -> dict[str, Any]:
    return {
        "ethertype": _FAMILIES[6 if ":" in source else 4],
        "protocol": "tcp",
        "port_range_min": SSH_PORT,
        "port_range_max": SSH_PORT,
        "remote_ip_prefix": source,
    }


def _same(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    return all(present.get(name) == value for name, value in wanted.items())


def _unless_there(make: Any, **attributes: Any) -> None:
    """Make something that another thread, or a call whose reply was lost, may have made meanwhile."""
    from openstack.exceptions import ConflictException

    try:
        make(**attributes)
    except ConflictException as exc:
        if status_of(exc) != CONFLICT or "uota" in str(exc):
            raise
