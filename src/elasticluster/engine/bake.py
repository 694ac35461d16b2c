"""Make images with what the nodes of a template need, so that a start need not install it.

The machines for that belong to a cluster of its own, stored like any other: whenever the command is killed,
`list` shows what there is, `stop` removes it, and so does the next bake before it begins anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from elasticluster.engine.configure import StartOptions, setup_job
from elasticluster.engine.create import tags_of
from elasticluster.engine.events import Phase
from elasticluster.engine.images import images_of, key_of
from elasticluster.engine.machines import bring_up
from elasticluster.engine.ports import CloudProvider
from elasticluster.engine.run import BAKE, Run, Tools
from elasticluster.engine.stop import stop
from elasticluster.exceptions import CloudProviderError, ElastiClusterError, UnsupportedError
from elasticluster.model import (
    ClusterRecord,
    Failure,
    ImageRequest,
    Layer,
    NodeRecord,
    NodeSpec,
    PreparedImage,
)
from elasticluster.naming import NodeNamingPolicy

_NO_BASE = "The cloud cannot tell what the machine was made of."
_NOT_LISTED = "The image was made, but the cloud does not list it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Baked:
    """What became of one image.

    Attributes:
        kinds: kinds of nodes that it is for.
        image: the image; None if there is none.
        seconds: how long it took; 0 if it was there already.
        error: why there is none; empty if there is one.
    """

    kinds: tuple[str, ...]
    image: PreparedImage | None
    seconds: float = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An image that there is.

    Attributes:
        image: the image.
        kinds: kinds of nodes that boot from it now; none if it is out of date.
    """

    image: PreparedImage
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """What one image is made of: it serves all kinds of nodes that differ in nothing that is in it.

    Files and images may change while a bake lasts: what it goes by is therefore determined once.

    Attributes:
        kinds: those kinds of nodes.
        spec: how the machine is made that becomes the image.
        wanted: what the setup provider says of what is installed.
        key: the image's key; empty as long as the cloud does not know the base.
    """

    kinds: tuple[str, ...]
    spec: NodeSpec
    wanted: str
    key: str

    def based_on(self, base: str) -> _Recipe:
        """Return the recipe for what the cloud has made a machine of."""
        return replace(self, key=key_of(self.wanted, base, self.spec.image_user))


def bake(
    cluster: ClusterRecord, tools: Tools, specs: Mapping[str, NodeSpec], *, force: bool = False
) -> tuple[Baked, ...]:
    """Make the images that a template lacks, and remove those that it has no use for any more.

    Args:
        cluster: a cluster as it would be started of the template, but under the name that the bake is to
            have while it lasts.
        tools: what to work with.
        specs: what the template says of the nodes of each kind, also of kinds without nodes.
        force: make images anew that are up to date.

    Returns:
        what became of the image for each kind; kinds that share one are together.

    Raises:
        UnsupportedError: no image can be made.
        ElastiClusterError: nothing could be begun, or something concerns all; no machine is left.
    """
    if not tools.provider.captures_instances:
        raise UnsupportedError(
            f"The cloud provider of template '{cluster.template}' cannot make images of machines.",
            hint="Without images, `start` installs everything itself.",
        )
    tools.setup.check(cluster)
    recipes = _recipes(specs, tools)
    if not recipes:
        raise UnsupportedError(
            f"Nothing can be prepared for the nodes of template '{cluster.template}'.",
            hint="Images are made by the shipped playbooks, not where one of your own runs in their place.",
        )
    began = tools.clock.now()
    present = {} if force else _present(cluster, recipes, tools)
    missing = [recipe for recipe in recipes if recipe.kinds not in present]
    run = _new_run(cluster, tools, missing)
    errors = _make(run, missing) if missing else {}
    seconds = tools.clock.now() - began
    made = [recipe.based_on(run.bases.get(recipe.spec.kind, "")) for recipe in missing]
    found = present | _present(cluster, made, tools)
    errors = {one.spec.kind: _NOT_LISTED for one in made if one.kinds not in found} | errors
    _tidy(Run(cluster, tools), [image.id for image in found.values()], errors)
    return tuple(
        Baked(
            kinds=recipe.kinds,
            image=None if recipe.spec.kind in errors else found.get(recipe.kinds),
            seconds=seconds if recipe in missing else 0,
            error=errors.get(recipe.spec.kind, ""),
        )
        for recipe in recipes
    )


def survey(cluster: ClusterRecord, tools: Tools, specs: Mapping[str, NodeSpec]) -> tuple[Kept, ...]:
    """Return the images that were made for a template, and those of others that its nodes boot from.

    Raises:
        ConfigurationError: the nodes cannot be set up as the template says.
    """
    if not tools.provider.captures_instances:
        return ()
    tools.setup.check(cluster)
    present = _present(cluster, _recipes(specs, tools), tools)
    in_use = {image.id: kinds for kinds, image in present.items()}
    owned = [image for image in tools.provider.list_images() if image.tags.owner == cluster.owner]
    return tuple(
        Kept(image=image, kinds=in_use.get(image.id, ()))
        for image in sorted(owned, key=lambda image: (image.tags.kind, image.tags.created))
        if image.id in in_use or image.tags.template == cluster.template
    )


def made_for(provider: CloudProvider, owner: str, template: str) -> list[PreparedImage]:
    """Return the images that somebody has made for a template, whether or not it is configured any more."""
    if not provider.captures_instances:
        return []
    wanted = (owner, template)
    images = [one for one in provider.list_images() if (one.tags.owner, one.tags.template) == wanted]
    return sorted(images, key=lambda image: (image.tags.kind, image.tags.created))


def remove(provider: CloudProvider, owner: str, template: str) -> dict[str, str]:
    """Remove the images that somebody has made for a template.

    Returns:
        for each of them what became of it: empty if it was removed, else why it may still exist.
    """
    ids = [image.id for image in made_for(provider, owner, template)]
    errors = provider.remove_images(ids) if ids else {}
    return {image: str(errors.get(image, "")) for image in ids}


def _recipes(specs: Mapping[str, NodeSpec], tools: Tools) -> list[_Recipe]:
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for kind, spec in specs.items():
        wanted = tools.setup.image_key(kind)
        if wanted:
            kinds.setdefault((wanted, spec.image_id, spec.image_user), []).append(kind)
    recipes = [
        _Recipe(kinds=tuple(names), spec=specs[names[0]], wanted=wanted, key="")
        for (wanted, *_), names in kinds.items()
    ]
    return [recipe.based_on(tools.provider.image_base(recipe.spec)) for recipe in recipes]


def _present(
    cluster: ClusterRecord, recipes: Sequence[_Recipe], tools: Tools
) -> dict[tuple[str, ...], PreparedImage]:
    """Return the images that are up to date, by the kinds that they are for."""
    images = images_of(cluster.owner, tools)
    found = {recipe.kinds: images.get(recipe.key) for recipe in recipes}
    return {kinds: image for kinds, image in found.items() if image}


def _new_run(cluster: ClusterRecord, tools: Tools, recipes: Sequence[_Recipe]) -> Run:
    """Return the work on a cluster with a node for each image to be made."""
    naming = NodeNamingPolicy()
    # What a user runs at boot is run again by each node that boots from the image; so it is not run here.
    specs = [replace(recipe.spec, image_userdata="") for recipe in recipes]
    nodes = tuple(NodeRecord(name=naming.new(spec.kind).lower(), spec=spec) for spec in specs)
    kinds = tuple(spec.kind for spec in specs)
    record = replace(
        cluster,
        kinds=kinds,
        nodes=nodes,
        min_nodes=dict.fromkeys(kinds, 0),
        extra={**cluster.extra, BAKE: True},
    )
    run = Run(record, tools)
    run.baking = True
    return run


def _make(run: Run, recipes: Sequence[_Recipe]) -> dict[str, str]:
    """Make machines, install what they need, make images of them and destroy them.

    Returns:
        why there is no image, by the kind of the node that it was to be made of.
    """
    run.save()
    try:
        bring_up(run, max_parallel=0)
        _install(run)
        bases = run.bases
        keys = {one.spec.kind: one.based_on(bases.get(one.spec.kind, "")).key for one in recipes}
        errors = _capture(run, keys)
    except ElastiClusterError:
        _destroy(run)
        raise
    _destroy(run)
    return errors


def _install(run: Run) -> None:
    names = [node.name for node in run.cluster.nodes if node.usable]
    if not names:
        return
    job = setup_job(run.cluster, run.tools, StartOptions())
    with run.phase(Phase.SETUP, len(names)):
        result = run.tools.setup.bake(job, run.tell)
        concerns_all = Failure(layer=Layer.SETUP, message=result.error)
        failures = dict.fromkeys(names, concerns_all) if result.error else {}
        run.give_up(Phase.SETUP, failures | dict(result.failures))
        for node in run.cluster.nodes:
            if node.usable:
                run.done(Phase.SETUP, node.name)


def _capture(run: Run, keys: Mapping[str, str]) -> dict[str, str]:
    """Make an image of each usable machine; return why there is none, by kind of node.

    Args:
        run: the work at hand.
        keys: the key of the image by kind of node.
    """
    errors = {node.kind: str(node.failure) for node in run.cluster.nodes if not node.usable}
    errors = {kind: _NO_BASE for kind, key in keys.items() if not key} | errors
    capable = [node for node in run.cluster.nodes if node.kind not in errors]
    nodes = {node.instance_id: node for node in capable if node.instance_id}
    requests = [
        ImageRequest(
            instance_id=machine,
            key=keys[node.kind],
            tags=replace(tags_of(run.cluster), kind=node.kind),
        )
        for machine, node in nodes.items()
    ]
    with run.phase(Phase.CAPTURE, len(requests)):
        failed = run.tools.provider.capture_instances(requests) if requests else {}
        for machine, node in nodes.items():
            run.done(Phase.CAPTURE, node.name, str(failed.get(machine, "")))
    return errors | {nodes[machine].kind: str(error) for machine, error in failed.items()}


def _destroy(run: Run) -> None:
    """Destroy the machines; whatever is left stays on record."""
    try:
        left = stop(run.cluster, run.tools).failures
    except CloudProviderError as error:
        left = {run.cluster.name: str(error)}
    for what, reason in left.items():
        run.warn(f"{what} could not be destroyed: {reason} `stop {run.cluster.name}` tries again.")


def _tidy(run: Run, current: Collection[str], failed: Collection[str]) -> None:
    """Remove the template's other images, but keep those of kinds for which no new one could be made."""
    made = made_for(run.tools.provider, run.cluster.owner, run.cluster.template)
    old = [image.id for image in made if image.id not in current and image.tags.kind not in failed]
    errors = run.tools.provider.remove_images(old) if old else {}
    for image, error in errors.items():
        run.note(f"The older image {image} is kept: {error.message}")
