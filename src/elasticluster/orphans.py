"""Clusters that only their tags tell of: find them on all clouds, remove them, or remember them anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from elasticluster.engine import orphans
from elasticluster.engine.account import with_account
from elasticluster.engine.orphans import Orphan
from elasticluster.exceptions import (
    ClusterConflict,
    ClusterNotFound,
    ElastiClusterError,
    KeypairError,
)
from elasticluster.naming import printable

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.conf import Creator
    from elasticluster.model import ClusterRecord, ComponentRef
    from elasticluster.providers import AbstractCloudProvider


@dataclass(frozen=True, slots=True)
class Found:
    """A cluster without a record.

    Attributes:
        cloud: name of the cloud section that it was found through.
        ref: how to make access to that cloud.
        ours: whether whoever made it keeps clusters in the same place as we do.
        orphan: what there is of it.
        provider: access to it.
    """

    cloud: str
    ref: ComponentRef
    ours: bool
    orphan: Orphan
    provider: AbstractCloudProvider

    @property
    def age(self) -> float | None:
        """Seconds since it was made, at least 0; None if that is not known."""
        created = self.orphan.created
        return None if created is None else max(0.0, time.time() - created)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found.

    Attributes:
        found: clusters without a record, by cloud, name and age.
        silent: why a cloud could not be asked, by the name of its section.
    """

    found: tuple[Found, ...]
    silent: Mapping[str, ElastiClusterError]


def survey(creator: Creator, clouds: Collection[str] = ()) -> Survey:
    """Ask clouds for everything that carries our tags without a record here.

    Args:
        creator: knows the configuration and the records.
        clouds: names of cloud sections; empty: all in the configuration and all that stored clusters use,
            but those of providers that this version does not have yet. Of several that are for the same
            account in the same place, the first is asked.

    Raises:
        ConfigurationError: a name in `clouds` is no section.
        StateError: a record cannot be read, so that nobody knows what it is about.
    """
    from elasticluster.conf.clouds import account_of
    from elasticluster.providers.registry import cloud_provider

    for name in sorted(set(clouds) - set(creator.configuration.cloud_names())):
        creator.configuration.cloud(name)  # says that there is none
    seen: dict[str, tuple[str, ComponentRef, AbstractCloudProvider, Orphan]] = {}
    silent: dict[str, ElastiClusterError] = {}
    asked: list[Mapping[str, object]] = []
    for name, find in _to_ask(creator, clouds):
        try:
            ref = find()
            if account_of(ref) in asked:
                continue
            asked.append(account_of(ref))
            provider = cloud_provider(ref)
            for orphan in orphans.find(provider):
                seen.setdefault(orphan.tags.uuid, (name, ref, provider, orphan))
        except ElastiClusterError as error:
            silent.setdefault(name, error)
    # Only now: what was started meanwhile was on disk before it was on a cloud.
    known = _known(creator)
    owner = creator.create_repository().owner
    found = [
        Found(cloud, ref, orphan.tags.owner == owner and not orphan.forged, orphan, provider)
        for uuid, (cloud, ref, provider, orphan) in seen.items()
        if uuid not in known
    ]
    return Survey(tuple(found), silent)


def remove(creator: Creator, found: Found) -> Mapping[str, str]:
    """Destroy a cluster without a record, unless one has come up meanwhile.

    Returns:
        why something may still exist, by instance id.

    Raises:
        ClusterConflict: there is a record of it now, or its tags are not of this program's making.
        CloudProviderError: the cloud cannot be asked.
    """
    tags = found.orphan.tags
    if found.orphan.forged:
        raise ClusterConflict(
            f"'{tags.uuid}' is no UUID: this program has not written these tags.",
            hint="Remove by hand what somebody else has labelled so.",
        )
    if tags.uuid in _known(creator):
        raise ClusterConflict(f"Cluster '{tags.name}' ({tags.uuid}) has a record now; it is left alone.")
    return orphans.remove(found.orphan, found.provider)


def adopt(creator: Creator, found: Found, template: str = "", name: str = "") -> Cluster:
    """Remember a cluster again that only its tags tell of; nothing on the cloud is changed.

    Args:
        creator: knows the configuration; the cluster is stored in its repository.
        found: the cluster.
        template: its template; empty: the one in its tags.
        name: what to call it from now on; empty: as its tags say.

    Returns:
        the cluster, stored. :func:`key_problem` tells whether its nodes can be logged in to.

    Raises:
        ClusterConflict: a cluster of that name is stored, its template is for another cloud, or the tags are
            not of this program's making.
        ConfigurationError: there is no such template.
    """
    from elasticluster.cluster import Cluster

    tags = found.orphan.tags
    name = name or tags.name
    repository = creator.create_repository()
    if found.orphan.forged or name in repository.names():
        raise ClusterConflict(
            f"'{tags.uuid}' is no UUID: this program has not written these tags."
            if found.orphan.forged
            else f"There is a cluster '{name}' here already.",
            hint="" if found.orphan.forged else "Adopt it under another name.",
        )
    made = creator.create_cluster(template or tags.template, name)
    if not _same_cloud(made, found):
        raise ClusterConflict(
            f"Template '{made.template}' is for cloud '{made.record.cloud.section}', "
            f"but cluster '{tags.name}' is on '{found.cloud}'.",
            hint=f"Name a template for cloud '{found.cloud}'.",
        )
    specs = creator.node_specs(made.template)
    record = orphans.rebuild(found.orphan, replace(made.record, nodes=()), specs)
    record = with_account(record, made.cloud_provider)
    cluster = Cluster.from_record(record, repository)
    cluster.describe(cloud=record.cloud, setup=record.setup, login=record.login, access=made.cloud_access)
    if name != tags.name and tags.name not in repository.names():
        repository.take_key(tags.name, name)
    repository.save_or_update(cluster)
    cluster.update()
    return cluster


def key_problem(cluster: Cluster) -> str:
    """Return why a cluster's nodes cannot be logged in to; empty if its key is here."""
    try:
        cluster.key_pair()
    except KeypairError as error:
        return str(error)
    return ""


def matching(survey: Survey, wanted: str) -> Found:
    """Return the cluster without a record of that name or UUID; ours, if several have the name.

    Raises:
        ClusterNotFound: there is none; the message names those there are.
        ClusterConflict: there are several.
    """
    genuine = [one for one in survey.found if not one.orphan.forged]
    named = [one for one in genuine if wanted in (one.orphan.tags.name, one.orphan.tags.uuid)]
    best = [one for one in named if one.ours] or named
    if not best:
        there = ", ".join(f"{printable(one.orphan.tags.name)} ({one.orphan.tags.uuid})" for one in genuine)
        silent = "".join(f"\nCloud '{cloud}' could not be asked: {e}" for cloud, e in survey.silent.items())
        raise ClusterNotFound(
            f"No cloud has a cluster '{wanted}' that is not remembered here.{silent}",
            hint=f"There are: {there}." if there else "",
        )
    if len(best) > 1:
        several = "\n".join(
            f"  {one.orphan.tags.uuid}, of {printable(one.orphan.tags.owner)}" for one in best
        )
        raise ClusterConflict(f"There are several clusters '{wanted}':\n{several}", hint="Give the UUID.")
    return best[0]


def ours(survey: Survey, name: str) -> Found | None:
    """Return the cluster of that name with machines that was started from here; None if there is none.

    Raises:
        ClusterConflict: there are several.
    """
    found = tuple(one for one in survey.found if one.ours and one.orphan.instances)
    try:
        return matching(replace(survey, found=found), name)
    except ClusterNotFound:
        return None


def _same_cloud(made: Cluster, found: Found) -> bool:
    """Return whether a template is for the cloud that a cluster was found on.

    Two accounts in the same place may or may not see the same machines: only the cloud knows.

    Raises:
        CloudProviderError: it cannot be asked.
    """
    from elasticluster.conf.clouds import account_of, place_of

    if place_of(made.cloud_access) != place_of(found.ref):
        return False
    if account_of(made.cloud_access) == account_of(found.ref):
        return True
    seen = {machine.id for machine in made.cloud_provider.list_instances(found.orphan.tags.uuid)}
    return seen >= {machine.id for machine in found.orphan.instances}


def _to_ask(creator: Creator, clouds: Collection[str]) -> Iterator[tuple[str, Callable[[], ComponentRef]]]:
    """Yield the names of clouds, and what makes them out or says what is wrong with them.

    A stored cluster may be on a cloud that its section does not mean any more.
    """
    from elasticluster.conf.clouds import with_secrets

    configuration = creator.configuration
    for name in clouds or configuration.usable_cloud_names():
        yield name, partial(configuration.cloud, name)
    for ref in [] if clouds else _stored_clouds(creator):
        yield ref.section or ref.type, partial(with_secrets, ref, configuration)


def _stored_clouds(creator: Creator) -> list[ComponentRef]:
    """Return the clouds that stored clusters use, each once."""
    found: list[ComponentRef] = []
    for record in _records(creator):
        if record.cloud.type and record.cloud not in found:
            found.append(record.cloud)
    return found


def _known(creator: Creator) -> set[str]:
    """Return the UUIDs of all stored clusters; as :func:`_records`."""
    return {record.uuid for record in _records(creator)}


def _records(creator: Creator) -> Iterator[ClusterRecord]:
    """Yield the records of all stored clusters.

    Raises:
        StateError: one cannot be read: what it is about must not be taken for forgotten.
    """
    repository = creator.create_repository()
    for name in repository.names():
        with contextlib.suppress(ClusterNotFound):  # stopped since it was listed
            yield repository.store.load(name)
