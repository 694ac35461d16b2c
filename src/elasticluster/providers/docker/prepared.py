"""Images that were made of nodes, with what such nodes need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elasticluster.exceptions import ImageError
from elasticluster.model import ImageRequest, PreparedImage
from elasticluster.naming import object_name
from elasticluster.providers.common.tags import EMPTY, PREFIX, to_strings, to_tags
from elasticluster.providers.docker.client import NOT_FOUND, Engine
from elasticluster.providers.docker.images import digest

REPOSITORY = "elasticluster/prepared"

_PREFIX = f"{PREFIX}prepared."  # what an image is labelled with is on all containers made of it
_KEY = f"{_PREFIX}key"
_NAMELESS = "<none>:<none>"  # how older engines list an image whose name a newer one has taken
_COMMIT_TIMEOUT = 20 * 60  # seconds; the engine copies all that was written, maybe on a slow disk
_STOP_TIMEOUT = 30  # seconds that the services of a node have to end; then it is killed


def capture(engine: Engine, request: ImageRequest) -> None:
    """Stop a container and make an image of it; what is on volumes is not in it.

    Raises:
        CloudProviderError: there is no image.
    """
    doing = f"make an image of the container '{request.instance_id}'"
    with engine.patient(_COMMIT_TIMEOUT).use(doing, ImageError) as api:
        api.stop(request.instance_id, timeout=_STOP_TIMEOUT)
        api.commit(
            request.instance_id, repository=REPOSITORY, tag=_tag(request), conf={"Labels": _labels(request)}
        )


def listed(engine: Engine) -> list[PreparedImage]:
    """Return all images that :func:`capture` has made, with one call."""
    with engine.use("list prepared images") as api:
        found = api.images(filters={"label": _KEY})
    return [_to_image(summary) for summary in found]


def remove(engine: Engine, image: str) -> None:
    """Remove an image.

    Raises:
        ImageError: a container was made of it.
    """
    from docker.errors import APIError

    with engine.use(f"remove the image '{image}'", ImageError) as api:
        try:
            api.remove_image(image)
        except APIError as exc:
            if exc.status_code != NOT_FOUND:
                raise


def _tag(request: ImageRequest) -> str:
    """Return the tag for an image: the same again for the same content, owner, template and kind."""
    tags = request.tags
    return object_name(tags.template, digest(tags.owner, request.key), tags.kind)


def _labels(request: ImageRequest) -> dict[str, str]:
    """Return the labels of an image.

    The engine adds those of the container, by which it belongs to a cluster, but overwrites none.
    """
    ours = {_PREFIX + name.removeprefix(PREFIX): value for name, value in to_strings(request.tags).items()}
    return {**EMPTY, **ours, _KEY: request.key}


def _to_image(summary: Mapping[str, Any]) -> PreparedImage:
    """Return an image of the engine's list.

    Args:
        summary: an element of the engine's answer to ``GET /images/json``.
    """
    given = {
        PREFIX + name.removeprefix(_PREFIX): value
        for name, value in summary["Labels"].items()
        if name.startswith(_PREFIX)
    }
    names = [name for name in summary.get("RepoTags") or () if name != _NAMELESS]
    return PreparedImage(
        id=names[0] if names else summary["Id"],
        key=summary["Labels"][_KEY],
        tags=to_tags(given),
        size=int(summary["Size"]),
    )
