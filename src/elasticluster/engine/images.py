"""Images that were prepared for nodes, with what the nodes need: which there are, and which fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace

from elasticluster.engine.run import Run, Tools
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import InstanceRequest, NodeSpec, PreparedImage


def image_key(spec: NodeSpec, tools: Tools) -> str:
    """Return the key of an image for nodes made of `spec`; empty if none can be prepared, or none yet."""
    wanted = tools.setup.image_key(spec.kind)
    return key_of(wanted, tools.provider.image_base(spec) if wanted else "", spec.image_user)


def key_of(wanted: str, base: str, user: str) -> str:
    """Return the key of an image; empty if nothing can be prepared, or if the base is not known.

    Args:
        wanted: what the setup provider says of what is installed.
        base: what the cloud says of what it is based on.
        user: who logs in. Who was let in while the image was made has kept the account and its number.
    """
    return hashlib.sha256(json.dumps([wanted, base, user]).encode()).hexdigest() if wanted and base else ""


def bases_of(requests: Sequence[InstanceRequest], tools: Tools) -> dict[str, str]:
    """Return what the cloud says of what machines are to be made of, by kind of node."""
    return {request.spec.kind: tools.provider.image_base(request.spec) for request in requests}


def images_of(owner: str, tools: Tools) -> dict[str, PreparedImage]:
    """Return somebody's prepared images by key, of those with the same key the newest."""
    owned = [image for image in tools.provider.list_images() if image.tags.owner == owner]
    return {image.key: image for image in sorted(owned, key=lambda image: image.tags.created)}


def with_images(run: Run, requests: Sequence[InstanceRequest]) -> list[InstanceRequest]:
    """Return requests for machines that boot from prepared images, as far as there are any that fit.

    Images save time and nothing else: where there is anything wrong with them, machines are made without.
    """
    if run.baking or not run.tools.provider.captures_instances:
        return [*requests]
    try:
        keys = _keys(requests, run.tools)
        images = images_of(run.cluster.owner, run.tools) if any(keys.values()) else {}
    except CloudProviderError as error:
        run.warn(f"Prepared images cannot be looked for: {error.message}")
        return [*requests]
    found = {what: images[key].id for what, key in keys.items() if key in images}
    if any(image.tags.template == run.cluster.template for image in images.values()):
        _tell_of_stale(run, {what[0] for what, key in keys.items() if key and what not in found})
    return [replace(request, image=found.get(_what(request.spec), "")) for request in requests]


def _keys(requests: Sequence[InstanceRequest], tools: Tools) -> dict[tuple[str, ...], str]:
    specs = {_what(request.spec): request.spec for request in requests}
    return {what: image_key(spec, tools) for what, spec in specs.items()}


def _what(spec: NodeSpec) -> tuple[str, ...]:
    """Return what of a node decides which image is for it."""
    return spec.kind, spec.image_id, spec.image_user


def _tell_of_stale(run: Run, kinds: Collection[str]) -> None:
    template = run.cluster.template
    if kinds:
        run.note(
            f"The images of template '{template}' are out of date for these nodes, which are set up from the "
            f"beginning: {', '.join(sorted(kinds))}. New images: elasticluster bake {template}"
        )
