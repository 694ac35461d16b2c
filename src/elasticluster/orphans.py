"""Clusters that only their tags tell of: find them on all clouds, remove them, or remember them anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from elasticluster.engine import orphans
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
        ours: whether whoever made it keeps clusters in the same place as we do.
        orphan: what there is of it.
        provider: access to it.
    """

    cloud: str
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
            but those of providers that this version does not have yet.

    Raises:
        ConfigurationError: a name in `clouds` is no section.
        StateError: a record cannot be read, so that nobody knows what it is about.
    """
    sections = creator.configuration.cloud_names()
    for name in sorted(set(clouds) - set(sections)):
        creator.configuration.cloud(name)  # says that there is none
    seen: dict[str, tuple[str, AbstractCloudProvider, Orphan]] = {}
    silent: dict[str, ElastiClusterError] = {}
    stored = _stored_clouds(creator)
    for name in dict.fromkeys(clouds or [*creator.configuration.usable_cloud_names(), *stored]):
        try:
            provider = _provider(creator, name, stored)
            for orphan in orphans.find(provider):
                seen.setdefault(orphan.tags.uuid, (name, provider, orphan))
        except ElastiClusterError as error:
            silent[name] = error
    # Only now: what was started meanwhile was on disk before it was on a cloud.
    known = _known(creator)
    owner = creator.create_repository().owner
    found = [
        Found(cloud, orphan.tags.owner == owner and not orphan.forged, orphan, provider)
        for uuid, (cloud, provider, orphan) in seen.items()
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
    if made.record.cloud.section != found.cloud:
        raise ClusterConflict(
            f"Template '{made.template}' is for cloud '{made.record.cloud.section}', "
            f"but cluster '{tags.name}' is on '{found.cloud}'.",
            hint=f"Name a template for cloud '{found.cloud}'.",
        )
    specs = creator.node_specs(made.template)
    record = orphans.rebuild(found.orphan, replace(made.record, nodes=()), specs)
    cluster = Cluster.from_record(record, repository)
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


def _provider(creator: Creator, name: str, stored: Mapping[str, ComponentRef]) -> AbstractCloudProvider:
    from elasticluster.providers.registry import cloud_provider

    sections = creator.configuration.cloud_names()
    return cloud_provider(creator.configuration.cloud(name) if name in sections else stored[name])


def _stored_clouds(creator: Creator) -> dict[str, ComponentRef]:
    """Return the clouds that stored clusters use, by the name of their section."""
    refs = [record.cloud for record in _records(creator)]
    return {ref.section or ref.type: ref for ref in refs if ref.type}


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
