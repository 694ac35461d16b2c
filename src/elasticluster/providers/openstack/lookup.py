"""What the keys of a node mean on this cloud: names become ids, once for all nodes of a kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from elasticluster.exceptions import CapacityError, UnsupportedError
from elasticluster.model import Json, NodeSpec
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.openstack import networks
from elasticluster.providers.openstack.client import VOLUME_TYPE, Cloud
from elasticluster.providers.openstack.images import Flavors, find_image


class Lookup:
    """Looks things up by name or id, each once.

    Args:
        cloud: the cloud.
        section: keys of ``[cloud/NAME]``, which those of a node win over.
    """

    def __init__(self, cloud: Cloud, section: Mapping[str, Any]) -> None:
        self._cloud = cloud
        self._section = section
        self._lock = threading.RLock()
        self._found: dict[tuple[object, ...], Any] = {}
        self.flavors = Flavors(cloud)

    def image(self, spec: NodeSpec) -> Any:
        """Return the image to boot (openstacksdk's).

        Raises:
            ImageError: see :func:`.images.find_image`.
        """
        return self._once(("image", spec.image_id), lambda: find_image(self._cloud, spec.image_id))

    def flavor(self, spec: NodeSpec) -> Any:
        """Return the flavor (openstacksdk's).

        Raises:
            FlavorError: see :meth:`.images.Flavors.find`.
        """
        return self.flavors.find(spec.flavor)

    def networks(self, spec: NodeSpec) -> tuple[str, ...]:
        """Return the ids of the networks of a node.

        Raises:
            SubnetError: see :func:`.networks.find_networks`.
        """
        wanted = texts(spec.extra.get("network_ids"))
        return tuple(self._once(("networks", *wanted), lambda: networks.find_networks(self._cloud, wanted)))

    def groups(self, spec: NodeSpec) -> list[Any]:
        """Return the security groups that a node names (openstacksdk's); none: the cluster's own.

        Raises:
            SecurityGroupError: see :func:`.networks.find_groups`.
        """
        wanted = texts(spec.security_group)
        found = self._once(("groups", *wanted), lambda: networks.find_groups(self._cloud, wanted))
        return [*found] if wanted else []

    def external_network(self, spec: NodeSpec) -> str:
        """Return the id of the network that a node's floating IP address comes from; empty if it gets none.

        Raises:
            SubnetError: see :func:`.networks.find_external_network`.
        """
        if not self.setting(spec, "request_floating_ip"):
            return ""
        named, inner = str(spec.extra.get("floating_network_id") or ""), self.networks(spec)
        found = self._once(
            ("external", named, *inner),
            lambda: networks.find_external_network(self._cloud, named, inner),
        )
        return str(found)

    def zone(self, spec: NodeSpec) -> str:
        """Return the availability zone of a node; empty: the cloud's choice.

        Raises:
            CapacityError: there is none of that name, or it is down.
        """
        wanted = str(self.setting(spec, "availability_zone") or "")
        if wanted:
            self._once(("zone", wanted), lambda: self._check_zone(wanted))
        return wanted

    def check_volume(self, spec: NodeSpec) -> None:
        """Check that the cloud takes the type of a boot volume.

        Raises:
            UnsupportedError: it is too old for that.
        """
        if spec.extra.get("boot_disk_type") and not self._cloud.offers(VOLUME_TYPE):
            raise UnsupportedError(
                "This cloud makes boot volumes only of its usual type.", hint="Leave out `boot_disk_type`."
            )

    def setting(self, spec: NodeSpec, name: str) -> Json:
        """Return the value of a key that nodes and clouds have: the node's, if it has one."""
        value = spec.extra.get(name)
        return self._section.get(name) if value is None else value

    def _check_zone(self, wanted: str) -> bool:
        with self._cloud.use("list availability zones", CapacityError) as api:
            zones = [*api.compute.availability_zones()]
        name = wanted.partition(":")[0]  # operators may name a host after it
        state = {str(zone.name): zone.state.get("available", True) for zone in zones}
        if name not in state:
            raise CapacityError(
                f"There is no availability zone '{name}' on this cloud.",
                hint=suggestion(name, state, "availability zones"),
            )
        if not state[name]:
            raise CapacityError(
                f"Availability zone '{name}' is down.", hint="Set `availability_zone` to another one."
            )
        return True

    def _once(self, key: tuple[object, ...], find: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._found:
                self._found[key] = find()
            return self._found[key]


def texts(value: Json) -> tuple[str, ...]:
    """Return the texts of a list, or of one text with commas."""
    listed = value.split(",") if isinstance(value, str) else value or ()
    return tuple(filter(None, (str(one).strip() for one in listed)))
