"""Nodes as instances of EC2, or of a cloud that has its API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.config import environment
from elasticluster.engine.events import Listener
from elasticluster.engine.ports import Created
from elasticluster.engine.wait import wait_until
from elasticluster.exceptions import (
    CloudProviderError,
    InstanceError,
    InstanceNotFoundError,
    SecurityGroupError,
    UnsupportedError,
)
from elasticluster.model import (
    ClusterRecord,
    Instance,
    InstanceRequest,
    InstanceState,
    Json,
    KeyPair,
    NodeSpec,
    Resource,
    Tags,
)
from elasticluster.providers.base import attempt_all
from elasticluster.providers.common import console
from elasticluster.providers.common.access import ssh_sources
from elasticluster.providers.common.bulk import BulkCloudProvider
from elasticluster.providers.common.names import KeyName
from elasticluster.providers.ec2_boto import CLOUD_KEYS, errors, instances, tagged
from elasticluster.providers.ec2_boto.addresses import Addresses
from elasticluster.providers.ec2_boto.catalog import Catalog
from elasticluster.providers.ec2_boto.client import Access, Cloud
from elasticluster.providers.ec2_boto.launching import Launching
from elasticluster.providers.ec2_boto.many import ID_RE, Failures, in_bulk
from elasticluster.providers.ec2_boto.networks import vpc_of
from elasticluster.providers.ec2_boto.options import Options
from elasticluster.providers.ec2_boto.preflight import Preflight
from elasticluster.providers.ec2_boto.shared import Shared
from elasticluster.providers.ec2_boto.sightings import Sightings

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import InstanceTypeDef

WORKERS = 8
"""Calls at a time where each is about one machine only."""

_CONSOLE_LINES = 100
_CONTROL_RE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")  # colours, and line ends of a terminal
_USABLE_PERCENT = 95  # of a machine's memory: the rest is the firmware's and the kernel's

_LISTED_SECONDS, _LISTED_INTERVAL = 10, 2  # until it is listed, as a rule
_LATE_SECONDS = 60  # a machine that was made or seen a moment ago may not be known everywhere
_TRANSITION_SECONDS = 300  # one that is being stopped can be started only afterwards
_START_TIMEOUT = 600.0  # seconds, where no cluster says how long a start may take
_MISSING = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")


class BotoCloudProvider(BulkCloudProvider):
    """EC2, and clouds that have its API.

    Machines of a kind are made by one call for up to 500 of them, which carries their tags and a token that
    makes it safe to repeat. A cluster has a security group, unless its template names one for every kind, and
    a key pair of its own, unless it names one.

    Args:
        ec2_url: address of the service; empty: ``EC2_URL``, else as the SDK knows it for the region.
        ec2_region: region; empty: as the SDK finds it.
        ec2_access_key: id of an access key; empty: ``EC2_ACCESS_KEY``, else as the SDK finds credentials.
        ec2_secret_key: the access key itself; empty: ``EC2_SECRET_KEY``.
        storage_path: accepted for older programs; nothing is stored.
        request_floating_ip: whether nodes get a public address where they get none by themselves.
        **config: further keys of the cloud section.
    """

    polling_interval = 5.0
    delivers_host_keys = False  # a console may lag behind, or not show any

    def __init__(
        self,
        ec2_url: str = "",
        ec2_region: str = "",
        ec2_access_key: str | None = None,
        ec2_secret_key: str | None = None,
        storage_path: str | None = None,
        request_floating_ip: bool = False,  # noqa: FBT001, FBT002 - documented
        **config: Any,
    ) -> None:
        super().__init__(request_floating_ip=request_floating_ip, **config)
        given = {
            "ec2_url": ec2_url,
            "ec2_region": ec2_region,
            "ec2_access_key": ec2_access_key,
            "ec2_secret_key": ec2_secret_key,
            "ec2_profile": config.get("ec2_profile"),
        }
        found = {**given, **environment.supplied(CLOUD_KEYS, given)}
        access = Access(
            **{name: str(found[f"ec2_{name}"] or "") for name in ("url", "region", "profile")},
            access_key=found["ec2_access_key"] or "",
            secret_key=found["ec2_secret_key"] or "",
        )
        self._cloud = Cloud(access)
        self._catalog = Catalog(self._cloud)
        self._shared = Shared(self._cloud)
        self._addresses = Addresses(self._cloud)
        self._sightings = Sightings()
        self._groups: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._own: dict[str, str] = {}
        self._key_names: dict[str, str] = {}
        self._start_timeouts: dict[str, float] = {}
        self._account: str | None = None

    def account(self) -> str:
        """Return the account's number with the region; empty where no STS is asked, as elsewhere than on AWS.

        Another region has none of the machines either, and a profile may bring one along. To ask takes no
        permission (STS API reference, "GetCallerIdentity").
        """
        if self._account is None:
            told = self._cloud.ask("sts", lambda sts: str(sts.get_caller_identity()["Account"]))
            self._account = f"{told} ({self._cloud.region})" if told else ""
        return self._account

    def preflight(self, cluster: ClusterRecord, requests: Sequence[InstanceRequest], tell: Listener) -> None:
        """Check images, flavors, places, keys, groups and quotas, with a few calls.

        Raises:
            CloudProviderError: it will not work; the message says how to mend it.
        """
        if any(request.names for request in requests):
            Preflight(self._cloud, self._catalog, self._shared, self.config).check(cluster, requests)

    def prepare(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Make the cluster's security group and upload its public key; does nothing where they exist."""
        self._start_timeouts[cluster.uuid] = cluster.start_timeout
        specs = _specs(cluster)
        if any(not spec.security_group for spec in specs) or not specs:
            vpc = vpc_of(specs, self.config, self._catalog)
            networks = ssh_sources(self.config.get("ssh_from") or (), self._cloud.url)
            self._own[cluster.uuid] = self._shared.prepare_group(cluster, vpc, networks)
        self._shared.prepare_key(cluster, key)
        self._key_names[cluster.uuid] = KeyName.of(cluster, key).name

    def create_instances(self, request: InstanceRequest) -> Created:
        """Ask for machines in bulk, in one subnet after the other; each that cannot be had says why."""
        try:
            launching = self._launching(request)
        except CloudProviderError as exc:
            return Created(failures=dict.fromkeys(request.names, exc))
        created = launching.run()
        self._sightings.made(created.instances)
        return created

    def list_instances(self, cluster: str | None = None) -> list[Instance]:
        """Return all machines that carry our tags, a thousand with each call.

        Those that this object was told to destroy are left out as soon as they end. Machines that run
        without the public address that they are to have get it now: before, they take none.
        """
        filters = instances.of_cluster(cluster)
        found = self._cloud.call("list machines", lambda ec2: instances.described(ec2, filters))
        ours = [one for one in self._seen(found) if one.tags.uuid]
        lacking = {one["InstanceId"] for one in found if instances.wants_address(one)}
        starting = [one for one in ours if one.id in lacking and one.tags.uuid in self._start_timeouts]
        given = {one.id: one for one in self._addresses.give(starting)}
        return [given.get(one.id, one) for one in ours if not self._sightings.ended(one)]

    def stop_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Destroy machines, a thousand with each call; one that does not exist counts as destroyed."""
        mine, failures = self._ours(ids)
        late = self._cloud.patience(_LATE_SECONDS)

        def terminate(some: list[str]) -> None:
            self._change("destroy", some, lambda ec2: ec2.terminate_instances(InstanceIds=some))

        def is_late(error: CloudProviderError, some: list[str]) -> bool:
            return errors.code_of(error) in _MISSING and any(
                self._sightings.was_alive(one) for one in ID_RE.findall(error.message) if one in some
            )

        refused = in_bulk(
            lambda some: late.attempt(lambda: terminate(some), lambda error: is_late(error, some)),
            mine,
            instances.PAGE,
        )
        left = {one: error for one, error in refused.items() if not isinstance(error, InstanceNotFoundError)}
        gone = [one for one in mine if one not in left]
        self._sightings.destroyed(gone)
        for uuid, machines in self._sightings.with_addresses(gone).items():
            self._addresses.release_of(uuid, machines)
        return failures | left

    def pause_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Stop machines and keep their disks; spot machines cannot be stopped."""
        ours, failures = self._ours(ids, missing_is_error=True)
        spot = [one for one in ours if self._sightings.is_spot(one)]  # each would cost a call of its own
        failures |= {one: _not_stopped(one, UnsupportedError("it is a spot machine.")) for one in spot}
        mine = [one for one in ours if one not in failures]

        def stop(some: list[str]) -> None:
            self._change("stop", some, lambda ec2: ec2.stop_instances(InstanceIds=some))

        refused = in_bulk(stop, mine, instances.PAGE)
        return failures | {one: _not_stopped(one, error) for one, error in refused.items()}

    def resume_instances(self, ids: Sequence[str]) -> Mapping[str, CloudProviderError]:
        """Start stopped machines again; public addresses change, unless they are Elastic IPs."""
        mine, failures = self._ours(ids, missing_is_error=True)
        patience = self._cloud.patience(_TRANSITION_SECONDS)

        def start(some: list[str]) -> None:
            self._change("start", some, lambda ec2: ec2.start_instances(InstanceIds=some))

        def stops(error: CloudProviderError) -> bool:
            return errors.code_of(error) in errors.IN_TRANSITION and "stopping" in self._states(error)

        refused = in_bulk(lambda some: patience.attempt(lambda: start(some), stops), mine, instances.PAGE)
        return failures | refused

    def list_resources(self, cluster: str | None = None) -> list[Resource]:
        """Return the security groups, key pairs and Elastic IPs that carry our tags, in three calls."""
        return tagged.resources(self._cloud, cluster)

    def release(self, cluster: str) -> None:
        """Remove the security group, the key pair and the Elastic IPs of the cluster of that UUID.

        Machines that are being destroyed are waited for: until then they hold on to the group.
        """
        if not cluster:
            return
        made = tagged.made_for(self._cloud, cluster)
        self._addresses.release(made[tagged.ADDRESS])
        for key in made[tagged.KEY]:
            self._shared.remove_key(key)
        for group in made[tagged.GROUP]:
            self._shared.remove_group(group)
        self._own.pop(cluster, None)

    def host_keys(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the host keys that cloud-init has written to the consoles: a call for each machine."""
        found = attempt_all(self._console, ids, WORKERS)
        keys = {one: console.host_keys(text) for one, text in found.items() if isinstance(text, str)}
        return {one: lines for one, lines in keys.items() if lines}

    def console_output(self, instance_id: str) -> str:
        """Return the end of what a machine wrote to its console; EC2 may take minutes to have it."""
        try:
            text = self._console(instance_id)
        except InstanceNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-_CONSOLE_LINES:])

    def node_vars(self, node_flavor: str) -> Mapping[str, Json]:
        """Return ``cpus``, ``memory_mb`` and ``gpus`` of a flavor; nothing where the cloud does not tell.

        A machine's system sees less memory than its flavor has; 95 % of it is what AWS ParallelCluster
        tells Slurm, too (its documentation, "SchedulableMemory").
        """
        flavor = self._catalog.flavors([node_flavor]).get(node_flavor)
        if not flavor:
            return {}
        told = {"cpus": flavor.cpus, "memory_mb": flavor.memory_mb * _USABLE_PERCENT // 100}
        return told | ({"gpus": flavor.gpus} if flavor.gpus else {})

    def _find(self, instance_id: str) -> Instance | None:
        """Return a machine that carries our tags, or that a record knows which was made without."""
        for found in self._look_up([instance_id]):
            known = self._known.get(instance_id)
            if not found.tags.uuid and known and not known.batch:
                found = replace(found, tags=known)  # noqa: PLW2901 - the same machine
            if found.tags.uuid and found.state is not InstanceState.TERMINATED:
                return found
        return None

    def _launching(self, request: InstanceRequest) -> Launching:
        """Return what makes the machines of a request.

        Raises:
            CloudProviderError: what they need does not exist.
        """
        options = Options.of(request.spec, self.config)
        subnets = [one.id for one in self._catalog.subnets(options.subnets)]
        uuid = request.tags.uuid
        launch = instances.Launch(
            request=request,
            options=options,
            image=self._catalog.image(request.spec.image_id),
            groups=self._group_ids(request, options),
            key=self._key_names.get(uuid) or KeyName.of_request(request).name,
            assigns_addresses=bool(subnets) or self._cloud.is_aws,
        )
        as_long_as_a_start = self._start_timeouts.get(uuid, _START_TIMEOUT)
        patience = (options.timeout or as_long_as_a_start) if options.price else 0
        return Launching(self._cloud, launch, subnets, patience)

    def _group_ids(self, request: InstanceRequest, options: Options) -> tuple[str, ...]:
        if not options.groups:
            return (self._own.get(request.tags.uuid) or self._own_group(request.tags.uuid),)
        key = (*options.subnets, "", *options.groups)
        if key not in self._groups:
            vpc = vpc_of([request.spec], self.config, self._catalog) or self._catalog.default_vpc()
            found = self._shared.named_groups(options.groups, vpc)
            self._groups[key] = tuple(one["GroupId"] for one in found)
        return self._groups[key]

    def _own_group(self, uuid: str) -> str:
        group = self._shared.own_group(uuid)
        if group is None:
            raise SecurityGroupError(
                "The cluster's own security group is gone.",
                hint="Run `elasticluster start` again: it makes another one.",
            )
        return group["GroupId"]

    def _ours(self, ids: Sequence[str], *, missing_is_error: bool = False) -> tuple[list[str], Failures]:
        """Return those of some machines that may be dealt with, and errors for others of them.

        A record may name any machine, whoever wrote it. So only those are touched that carry our tags, of the
        cluster whose record names them, if one does; besides, those that a record of the original program
        names, which writes no tags.
        """
        self._look_for(ids)
        failures: Failures = {}
        mine = []
        for one in dict.fromkeys(ids):
            uuid, known = self._sightings.uuid_of(one), self._known.get(one)
            if uuid is None:
                if missing_is_error:
                    failures[one] = InstanceNotFoundError(f"There is no machine '{one}'.")
            elif _is_meant(uuid, known):
                mine.append(one)
            else:
                failures[one] = InstanceError(
                    f"The machine '{one}' is left alone: it is no node of this cluster.",
                    hint=f"`aws ec2 describe-instances --instance-ids {one}` says what it is.",
                )
        return mine, failures

    def _look_for(self, ids: Iterable[str]) -> None:
        """Look at machines that were not seen yet, for a while at those that a record of ours names.

        It may have been written a moment ago, by a command that was killed, and listings lag behind (EC2 API
        reference, "Eventual consistency").
        """

        def unseen() -> list[str]:
            return [one for one in ids if not self._sightings.knows(one)]

        def all_seen() -> bool:
            self._look_up(unseen())
            return not any(one in self._known and self._known[one].batch for one in unseen())

        wait_until(all_seen, timeout=_LISTED_SECONDS, interval=_LISTED_INTERVAL, clock=self._cloud.clock)

    def _look_up(self, ids: Iterable[str]) -> list[Instance]:
        """Return what there is of some machines, whatever their tags say."""
        some = [one for one in ids if ID_RE.fullmatch(one)]
        return self._seen(self._described(some)) if some else []

    def _seen(self, found: Sequence[InstanceTypeDef]) -> list[Instance]:
        """Return machines as EC2 describes them, and remember that they exist."""
        seen = instances.to_instances(found)
        self._sightings.saw(
            seen,
            wanting={one["InstanceId"] for one in found if instances.is_to_have(one)},
            spot={one["InstanceId"] for one in found if instances.is_spot(one)},
        )
        return seen

    def _described(self, ids: Sequence[str]) -> list[InstanceTypeDef]:
        return self._cloud.call("look at machines", lambda ec2: instances.described_by_id(ec2, ids))

    def _states(self, error: CloudProviderError) -> set[str]:
        """Return in which states the machines are that an error is about, in EC2's words."""
        return {one["State"]["Name"] for one in self._described(ID_RE.findall(error.message))}

    def _change(self, what: str, ids: Sequence[str], work: Any) -> None:
        named = f"'{ids[0]}'" + (f" and {len(ids) - 1} more" if len(ids) > 1 else "")
        self._cloud.call(f"{what} the machine {named}", work, InstanceError)

    def _console(self, instance_id: str) -> str:
        """Return what a machine wrote to its console, up to now where its type can tell."""

        def latest(ec2: EC2Client) -> str:
            return ec2.get_console_output(InstanceId=instance_id, Latest=True).get("Output", "")

        def kept(ec2: EC2Client) -> str:
            return ec2.get_console_output(InstanceId=instance_id).get("Output", "")

        doing = f"read the console of '{instance_id}'"
        try:
            text = self._cloud.call(doing, latest)
        except UnsupportedError:
            text = self._cloud.call(doing, kept)
        return _CONTROL_RE.sub("", text)


def _specs(cluster: ClusterRecord) -> list[NodeSpec]:
    """Return what a cluster's nodes are made of, each once: they are few, however many nodes there are."""
    found: list[NodeSpec] = []
    for node in cluster.nodes:
        if node.spec not in found:
            found.append(node.spec)
    return found


def _is_meant(uuid: str, known: Tags | None) -> bool:
    """Return whether a machine is the one that is meant, by what it carries and what a record says of it.

    Args:
        uuid: UUID of the cluster that it carries; empty if it has none of our tags.
        known: what the record says; None if no record names it.
    """
    if not known:
        return bool(uuid)
    return known.uuid == uuid or (not uuid and not known.batch)


def _not_stopped(instance_id: str, error: CloudProviderError) -> CloudProviderError:
    """Return an error with what there is to know about stopping, where the cloud says that it cannot."""
    if not isinstance(error, UnsupportedError):
        return error
    return UnsupportedError(
        f"The machine '{instance_id}' cannot be stopped and kept: {error.message}",
        hint="Spot machines, and those whose disk is not EBS, can only be destroyed.",
    )
