"""Images and flavors: found by name or id."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from elasticluster.exceptions import CloudProviderError, FlavorError, ImageError
from elasticluster.model import Json
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.openstack.client import Cloud

_GPU_RE = re.compile(r"gpu|nvidia|tesla|quadro|^[abhlptv]\d", re.IGNORECASE)


def find_image(cloud: Cloud, wanted: str) -> Any:
    """Return an image (openstacksdk's), by id or by name.

    Raises:
        ImageError: there is none, there are several of that name, or it cannot be booted (yet).
    """
    with cloud.use(f"look for the image '{wanted}'", ImageError) as api:
        found = [*api.image.images(name=wanted)] or _by_id(api, wanted)
        known = [] if found else [image.name for image in api.image.images()]
    if not found:
        raise ImageError(
            f"There is no image '{wanted}' on this cloud.", hint=suggestion(wanted, known, "images")
        )
    image = only(found, wanted, "image", ImageError)
    if image.status != "active":
        raise ImageError(
            f"Image '{wanted}' cannot be booted: it is {image.status}.", hint="Choose another `image_id`."
        )
    return image


class Flavors:
    """The flavors of a cloud, asked for once.

    Args:
        cloud: the cloud.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._known: list[Any] = []

    def find(self, wanted: str) -> Any:
        """Return a flavor (openstacksdk's), by id or by name.

        Raises:
            FlavorError: there is none, or there are several of that name.
        """
        known = self._all()
        found = [one for one in known if one.id == wanted] or [one for one in known if one.name == wanted]
        if not found:
            raise FlavorError(
                f"There is no flavor '{wanted}' on this cloud.",
                hint=suggestion(wanted, [one.name for one in known], "flavors"),
            )
        return only(found, wanted, "flavor", FlavorError)

    def variables(self, wanted: str) -> dict[str, Json]:
        """Return what roles are told about a flavor: ``cpus``, ``memory_mb`` and, if it has any, ``gpus``.

        Raises:
            FlavorError: as :meth:`find`.
        """
        flavor = self.find(wanted)
        gpus = gpus_of(flavor.extra_specs or {})
        return {"cpus": flavor.vcpus, "memory_mb": flavor.ram, **({"gpus": gpus} if gpus else {})}

    def _all(self) -> list[Any]:
        with self._lock:
            if not self._known:
                with self._cloud.use("list flavors") as api:
                    self._known = [*api.compute.flavors(details=True)]
            return self._known


def gpus_of(specs: Mapping[str, str]) -> int:
    """Return how many GPUs a flavor's extra specs promise (Nova's administration guide, "Extra specs").

    ``resources:VGPU`` and ``resources:PGPU`` are numbers; ``pci_passthrough:alias`` has ``NAME:NUMBER``
    pairs, of which those count whose operator has named them like GPUs.
    """
    direct = (int(specs.get(f"resources:{kind}", 0)) for kind in ("VGPU", "PGPU"))
    aliases = (one.strip().partition(":") for one in specs.get("pci_passthrough:alias", "").split(","))
    return sum(direct) + sum(int(number or 1) for name, _, number in aliases if _GPU_RE.search(name))


def only(found: Iterable[Any], wanted: str, what: str, error: type[CloudProviderError]) -> Any:
    """Return the one thing that was found.

    Raises:
        CloudProviderError: there are several; the message has their ids.
    """
    several = [*found]
    if len(several) > 1:
        ids = ", ".join(sorted(one.id for one in several))
        raise error(f"There are {len(several)} {what}s called '{wanted}'.", hint=f"Give an id: {ids}.")
    return several[0]


def _by_id(api: Any, wanted: str) -> list[Any]:
    """Return the image of an id, in a list; the service refuses what can be no id in many ways."""
    from openstack.exceptions import BadRequestException, NotFoundException

    try:
        return [api.image.get_image(wanted)]
    except (BadRequestException, NotFoundException):
        return []
