"""What the machines of a cluster share: its security group, and the key pair that they let in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from elasticluster.engine.create import tags_of
from elasticluster.exceptions import CloudProviderError, KeypairError, SecurityGroupError
from elasticluster.model import ClusterRecord, InstanceState, KeyPair, Tags
from elasticluster.providers.base import SSH_PORT
from elasticluster.providers.common.names import KeyName, shared_name
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.common.public_keys import ED25519, RSA, PublicKey
from elasticluster.providers.common.rules import Rule, sources
from elasticluster.providers.common.tags import to_strings
from elasticluster.providers.ec2_boto import errors, instances
from elasticluster.providers.ec2_boto.client import Cloud

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        IpPermissionOutputTypeDef,
        IpPermissionTypeDef,
        KeyPairInfoTypeDef,
        NetworkInterfaceTypeDef,
        SecurityGroupTypeDef,
    )

KEY_TYPES = (RSA, ED25519)
"""Types of keys that can be imported (EC2 API reference, ImportKeyPair)."""

RELEASE_SECONDS = 300
"""Seconds to wait for machines to let go of what they share; EC2 takes a minute or two to end them."""

_ENDING_SECONDS = 30  # by then it is known everywhere that a machine was destroyed
_FIRST_PAUSE, _PAUSE = 8, 15  # seconds at most; a machine takes more to end
_SHOWN = 3  # names of what uses a group
_LATE_SECONDS = 60  # what was made a moment ago may be unknown to another part of the cloud
_GROUP_ID = "sg-"  # no name begins with that (EC2 API reference, CreateSecurityGroup)
_IPV6 = ":"


class Shared:
    """Finds, makes, checks and removes what a cluster's machines share.

    Args:
        cloud: the connection.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._checked: dict[KeyName, bool] = {}

    def prepare_group(self, cluster: ClusterRecord, vpc: str, networks: Sequence[str]) -> str:
        """Make a cluster's own security group unless it exists, with all the rules that it is to have.

        SSH is let in from some networks, and everything among the members. Rules that are there already stay:
        they may let somebody in who works with the same cluster from elsewhere.

        Args:
            cluster: the cluster.
            vpc: id of the virtual network; empty: the account's default one.
            networks: where SSH is let in from (CIDR).

        Returns:
            the group's id.
        """
        there = self.own_group(cluster.uuid) if _is_begun(cluster) else None
        group = there or self._make_group(tags_of(cluster), vpc)
        self._add_rules(group["GroupId"], _missing_rules(group, networks))
        return group["GroupId"]

    def own_group(self, uuid: str) -> SecurityGroupTypeDef | None:
        """Return the security group of the cluster of a UUID."""
        return next(iter(self._groups(uuid)), None)

    def named_groups(self, names: Sequence[str], vpc: str = "") -> list[SecurityGroupTypeDef]:
        """Return security groups by id or name, in the order given.

        Args:
            names: ids and names.
            vpc: id of the virtual network that names are looked for in; empty: in any.

        Raises:
            SecurityGroupError: one does not exist, or there are several of its name.
        """
        there = self._cloud.call("list security groups", _all_groups)
        here = [one for one in there if not vpc or one.get("VpcId") in {None, "", vpc}]
        return [_the_group(name, there if name.startswith(_GROUP_ID) else here) for name in names]

    def check_key(self, name: KeyName, key: KeyPair) -> bool:
        """Compare a key pair on the cloud with the one on this computer.

        Args:
            name: its name on the cloud.
            key: the key pair.

        Returns:
            whether it is there.

        Raises:
            KeypairError: there is another one of that name, or EC2 takes none of that type.
        """
        public = _readable(key)
        filters: Any = [{"Name": "key-name", "Values": [name.name]}]
        answer = self._cloud.call(
            f"look for the key pair '{name.name}'",
            lambda ec2: ec2.describe_key_pairs(Filters=filters, IncludePublicKey=True),
        )
        for found in answer["KeyPairs"]:
            _check_same(found, public, key)
        self._checked[name] = bool(answer["KeyPairs"])
        return self._checked[name]

    def prepare_key(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Upload the public key unless it is there; the cluster's own carries our tags, a user's none.

        Raises:
            KeypairError: there is another one of that name, or EC2 takes none of that type.
        """
        name = KeyName.of(cluster, key)
        there = self._checked.pop(name, None)  # as the preflight has just found it
        if there is None:
            there = (_is_begun(cluster) or not name.own) and self.check_key(name, key)
        if there:
            return
        try:
            self._import_key(name, _readable(key), tags_of(cluster))
        except KeypairError as exc:
            if errors.code_of(exc) != errors.DUPLICATE_KEY or not self.check_key(name, key):
                raise
        finally:
            self._checked.pop(name, None)

    def _import_key(self, name: KeyName, public: PublicKey, tags: Tags) -> None:
        written: Any = {}
        if name.own:
            listed = instances.tag_list(to_strings(tags))
            written = {"TagSpecifications": [{"ResourceType": "key-pair", "Tags": listed}]}
        self._cloud.call(
            f"upload the public key '{name.name}'",
            lambda ec2: ec2.import_key_pair(
                KeyName=name.name, PublicKeyMaterial=public.line.encode(), **written
            ),
            KeypairError,
        )

    def remove_key(self, name: str) -> None:
        """Remove a key pair; one that is not there is no error (EC2 API reference, DeleteKeyPair)."""
        self._cloud.call(f"remove the key pair '{name}'", lambda ec2: ec2.delete_key_pair(KeyName=name))

    def remove_group(self, group: str) -> None:
        """Remove a group as soon as the machines that have it have ended.

        Raises:
            SecurityGroupError: something has it that does not end.
        """

        def remove() -> None:
            self._cloud.call(
                f"remove the security group '{group}'",
                lambda ec2: ec2.delete_security_group(GroupId=group),
                SecurityGroupError,
            )

        for seconds in (_ENDING_SECONDS, RELEASE_SECONDS):
            try:
                self._cloud.patience(seconds, _FIRST_PAUSE, _PAUSE).attempt(remove, _is_in_use)
            except SecurityGroupError as exc:
                if errors.code_of(exc) in errors.NO_GROUP:
                    return
                if not _is_in_use(exc):
                    raise
                self._check_ending(group, exc, last=seconds == RELEASE_SECONDS)
            else:
                return

    def _groups(self, cluster: str | None) -> list[SecurityGroupTypeDef]:
        filters = instances.of_cluster(cluster)
        return self._cloud.call("list security groups", lambda ec2: _all_groups(ec2, filters))

    def _make_group(self, tags: Tags, vpc: str) -> SecurityGroupTypeDef:
        name = shared_name(tags)
        written = instances.tag_list({"Name": name} | to_strings(tags))
        place: Any = {"VpcId": vpc} if vpc else {}
        try:
            made = self._cloud.call(
                f"make the security group '{name}'",
                lambda ec2: ec2.create_security_group(
                    GroupName=name,
                    Description=f"ElastiCluster: machines of one cluster ({tags.uuid})",
                    TagSpecifications=[{"ResourceType": "security-group", "Tags": written}],
                    **place,
                ),
                SecurityGroupError,
            )
        except SecurityGroupError as exc:
            if errors.code_of(exc) != errors.DUPLICATE_GROUP:
                raise
            return self._made_by_another(tags, exc)
        return {"GroupId": made["GroupId"], "GroupName": name}

    def _made_by_another(self, tags: Tags, error: SecurityGroupError) -> SecurityGroupTypeDef:
        """Return the group that another thread, or a call whose reply was lost, has just made."""

        def find() -> SecurityGroupTypeDef:
            group = self.own_group(tags.uuid)
            if group is None:
                raise error
            return group

        return self._cloud.patience(_LATE_SECONDS).attempt(find, lambda exc: exc is error)

    def _add_rules(self, group: str, rules: list[IpPermissionTypeDef]) -> None:
        """Add rules to a group, one call for all of them, unless somebody else does so at the same time."""
        try:
            if rules:
                self._authorize(group, rules)
        except SecurityGroupError as exc:
            if errors.code_of(exc) != errors.DUPLICATE_RULE:
                raise
            for rule in rules:  # one of them was there, so none was added
                self._add_unless_there(group, rule)

    def _add_unless_there(self, group: str, rule: IpPermissionTypeDef) -> None:
        try:
            self._authorize(group, [rule])
        except SecurityGroupError as exc:
            if errors.code_of(exc) != errors.DUPLICATE_RULE:
                raise

    def _authorize(self, group: str, rules: list[IpPermissionTypeDef]) -> None:
        """Add rules to a group that may have been made a moment ago."""

        def add() -> None:
            self._cloud.call(
                f"add rules to the security group '{group}'",
                lambda ec2: ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules),
                SecurityGroupError,
            )

        late = self._cloud.patience(_LATE_SECONDS)
        late.attempt(add, lambda error: errors.code_of(error) in errors.NO_GROUP)

    def _check_ending(self, group: str, error: SecurityGroupError, *, last: bool) -> None:
        """Make sure that what uses a group is about to end, if it has not ended by now.

        Raises:
            SecurityGroupError: something stays, or this was the last look.
        """
        filters: Any = [{"Name": "group-id", "Values": [group]}]
        interfaces = self._cloud.call(
            f"list what uses the security group '{group}'",
            lambda ec2: _interfaces(ec2, filters),
        )
        used = {_user_of(one): one.get("Attachment", {}).get("InstanceId", "") for one in interfaces}
        machines = [machine for machine in used.values() if machine]
        there = self._cloud.call("look at machines", lambda ec2: instances.described_by_id(ec2, machines))
        ending = {one.id for one in instances.to_instances(there) if one.state is InstanceState.TERMINATED}
        staying = [user for user, machine in used.items() if machine not in ending]
        staying += [] if used else self._with_rules_for(group)
        if staying or last:
            raise SecurityGroupError(
                f"The security group '{group}' is still in use by {_some(staying or used)}.",
                hint="Take it away there, then run the same command again.",
            ) from error

    def _with_rules_for(self, group: str) -> list[str]:
        """Return the other groups that let in the members of a group."""
        filters: Any = [{"Name": "ip-permission.group-id", "Values": [group]}]
        found = self._cloud.call("list security groups", lambda ec2: _all_groups(ec2, filters))
        return [f"a rule of the security group {one['GroupId']}" for one in found if one["GroupId"] != group]


def rules_of(groups: Iterable[SecurityGroupTypeDef]) -> list[Rule]:
    """Return what security groups let in from networks."""
    return [
        Rule(
            protocol=one.get("IpProtocol", ""),
            first=one.get("FromPort"),
            last=one.get("ToPort"),
            source=source,
        )
        for group in groups
        for one in group.get("IpPermissions", ())
        for source in _networks_of(one)
    ]


def _missing_rules(group: SecurityGroupTypeDef, networks: Sequence[str]) -> list[IpPermissionTypeDef]:
    there = sources(rules_of([group]))
    wanted = [network for network in networks if network not in there]
    rules = [_ssh_rule(network) for network in wanted]  # one each: any may be there when they are added
    pairs = [pair for one in group.get("IpPermissions", ()) for pair in one.get("UserIdGroupPairs", ())]
    if group["GroupId"] not in {pair.get("GroupId") for pair in pairs}:
        rules.append({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]})
    return rules


def _ssh_rule(network: str) -> IpPermissionTypeDef:
    rule: IpPermissionTypeDef = {"IpProtocol": "tcp", "FromPort": SSH_PORT, "ToPort": SSH_PORT}
    if _IPV6 in network:
        rule["Ipv6Ranges"] = [{"CidrIpv6": network, "Description": "SSH"}]
    else:
        rule["IpRanges"] = [{"CidrIp": network, "Description": "SSH"}]
    return rule


def _networks_of(permission: IpPermissionOutputTypeDef) -> list[str]:
    old = [one.get("CidrIp", "") for one in permission.get("IpRanges", ())]
    new = [one.get("CidrIpv6", "") for one in permission.get("Ipv6Ranges", ())]
    return [network for network in (*old, *new) if network]


def _all_groups(ec2: Any, filters: Sequence[Any] = ()) -> list[SecurityGroupTypeDef]:
    pages = ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
    return [one for page in pages for one in page["SecurityGroups"]]


def _interfaces(ec2: Any, filters: Sequence[Any]) -> list[NetworkInterfaceTypeDef]:
    pages = ec2.get_paginator("describe_network_interfaces").paginate(Filters=filters)
    return [one for page in pages for one in page["NetworkInterfaces"]]


def _the_group(name: str, there: Sequence[SecurityGroupTypeDef]) -> SecurityGroupTypeDef:
    found = [one for one in there if name in {one["GroupId"], one.get("GroupName")}]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(one["GroupId"] for one in found))
        raise SecurityGroupError(f"Several security groups are called '{name}': {ids}.", hint="Give the id.")
    known = [text for one in there for text in (one["GroupId"], one.get("GroupName", ""))]
    raise SecurityGroupError(
        f"There is no security group '{name}'.", hint=suggestion(name, known, "security groups")
    )


def _check_same(found: KeyPairInfoTypeDef, public: PublicKey, key: KeyPair) -> None:
    """Make sure that a key pair on the cloud is the one on this computer.

    Raises:
        KeypairError: it is not.
    """
    there = PublicKey.parse(found.get("PublicKey", ""))
    fingerprint = found.get("KeyFingerprint", "")
    if there == public if there else public.matches(fingerprint):
        return
    shown = f"SHA256:{there.sha256}" if there else fingerprint
    own = f"SHA256:{public.sha256}" if there or public.type == ED25519 else public.md5_der
    raise KeypairError(
        f"The key pair '{found.get('KeyName')}' on the cloud ({shown}) is not the one in "
        f"'{key.public_path}' ({own}).",
        hint="Give the file of that key pair as user_key_public, or another user_key_name: the key is then "
        "uploaded under that.",
    )


def _is_begun(cluster: ClusterRecord) -> bool:
    """Return whether machines were ever asked for; before that, what they share is most likely not there."""
    return any(node.batch or node.instance_id for node in cluster.nodes)


def _readable(key: KeyPair) -> PublicKey:
    """Return a public key that EC2 takes.

    Raises:
        KeypairError: it cannot be read, or EC2 takes none of that type.
    """
    public = PublicKey.read(key.public_path)
    if public.type not in KEY_TYPES:
        raise KeypairError(
            f"EC2 takes no keys of the type {public.type} ({key.public_path}), only RSA and ed25519.",
            hint="Make another one with `ssh-keygen -t ed25519`, or name none in [login/…]: each cluster "
            "then gets its own.",
        )
    return public


def _some(names: Iterable[str]) -> str:
    """Return the first of some names; there may be hundreds."""
    first, rest = sorted(names)[:_SHOWN], sorted(names)[_SHOWN:]
    more = f" and {len(rest)} more" if rest else ""
    return f"{', '.join(first)}{more}" if first else "something that the cloud does not tell"


def _is_in_use(error: CloudProviderError) -> bool:
    return errors.code_of(error) == errors.DEPENDENCY


def _user_of(interface: Any) -> str:
    instance = interface.get("Attachment", {}).get("InstanceId")
    return f"machine {instance}" if instance else f"network interface {interface['NetworkInterfaceId']}"
