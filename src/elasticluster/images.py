"""Images for the nodes of a template: make them, look at them, remove them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from elasticluster.engine import bake as baking
from elasticluster.engine.bake import Baked, Kept, made_for
from elasticluster.engine.events import Listener, Notice, ignore
from elasticluster.engine.run import is_bake
from elasticluster.exceptions import ClusterConflict, ClusterNotFound

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.conf import Creator
    from elasticluster.providers import AbstractCloudProvider


def bake_name(template: str) -> str:
    """Return the name of the cluster whose machines become images of a template."""
    return f"bake-{template}"


def bake(
    creator: Creator, template: str, listener: Listener = ignore, *, force: bool = False
) -> tuple[Baked, ...]:
    """Make images with what the nodes of a template need, so that starting them takes less time.

    What a bake before this one has left is removed first, and images that are out of date in the end.

    Args:
        creator: knows the configuration and the records.
        template: name of a ``[cluster/NAME]`` section.
        listener: called with what happens meanwhile.
        force: make images anew that are up to date.

    Returns:
        what became of the image for each kind of node; kinds that share one are together.

    Raises:
        ConfigurationError: the template does not exist or is wrong.
        ClusterConflict: a cluster of the user's has the name that the bake needs.
        ElastiClusterError: it could not be begun, or something concerns all images.
    """
    cluster = _cluster(creator, template)
    _remove_remains(creator, cluster.name, listener)
    cluster.listener = listener
    return cluster.bake(creator.node_specs(template), force=force)


def survey(creator: Creator, template: str) -> tuple[Kept, ...]:
    """Return the images that were made for a template, and others that its nodes boot from.

    Of a template that is not configured any more those are found that the configured clouds have.

    Raises:
        ConfigurationError: the template is wrong, or is not configured and there are no images for it.
        CloudProviderError: a cloud cannot be asked.
    """
    if template in creator.configuration.template_names():
        return _cluster(creator, template).images(creator.node_specs(template))
    owner = creator.create_repository().owner
    clouds = _clouds(creator, template)
    images = {image.id: image for cloud in clouds for image in made_for(cloud, owner, template)}
    _refuse_unknown(creator, template, images)
    return tuple(Kept(image=image, kinds=()) for image in images.values())


def remove(creator: Creator, template: str) -> Mapping[str, str]:
    """Remove the images that were made for a template, also for one that is not configured any more.

    Returns:
        for each of them what became of it: empty if it was removed, else why it may still exist.

    Raises:
        ClusterLocked: a bake of that template is at work.
        ConfigurationError: the template is wrong, or is not configured and there are no images for it.
        CloudProviderError: a cloud cannot be asked.
    """
    repository = creator.create_repository()
    left: dict[str, str] = {}
    with repository.store.lock(bake_name(template)):
        for cloud in _clouds(creator, template):
            left |= baking.remove(cloud, repository.owner, template)
    _refuse_unknown(creator, template, left)
    return left


def _clouds(creator: Creator, template: str) -> list[AbstractCloudProvider]:
    """Return the cloud of a template; of one that is not configured any more, all that it may have had."""
    if template in creator.configuration.template_names():
        return [creator.create_cloud_provider(template)]
    return creator.cloud_providers()


def _refuse_unknown(creator: Creator, template: str, images: Collection[object]) -> None:
    """Make sure that a name without images is that of a template, and not mistyped.

    Raises:
        TemplateNotFound: it is not.
    """
    if not images:
        creator.configuration.template(template)


def _cluster(creator: Creator, template: str) -> Cluster:
    return creator.create_cluster(template, bake_name(template))


def _remove_remains(creator: Creator, name: str, listener: Listener) -> None:
    try:
        left = creator.load_cluster(name)
    except ClusterNotFound:
        return
    if not is_bake(left.record):
        raise ClusterConflict(
            f"There is a cluster '{name}', and a bake needs that name while it lasts.",
            hint=f"Stop it first: elasticluster stop {name}",
        )
    listener(Notice(f"Removing what a bake before this one has left: cluster '{name}'."))
    left.listener = listener
    left.stop()
