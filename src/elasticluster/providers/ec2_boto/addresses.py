"""Elastic IP addresses of our own, for instances that get no public address by themselves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from elasticluster.engine.pool import run_all
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import Instance, InstanceState
from elasticluster.providers.common.tags import PREFIX, to_strings
from elasticluster.providers.ec2_boto import errors
from elasticluster.providers.ec2_boto.client import Cloud
from elasticluster.providers.ec2_boto.instances import FILTER_VALUES, of_cluster, tag_list
from elasticluster.providers.ec2_boto.many import chunks

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import AddressTypeDef, FilterTypeDef

WORKERS = 8
"""Calls at a time: addresses can only be had one by one."""

_FOR = f"{PREFIX}instance"
_RELEASE_SECONDS = 60  # an address may be in use for as long as its machine ends


class Addresses:
    """Allocates, associates and releases addresses; those of anybody else are never touched.

    Args:
        cloud: the connection.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()

    def give(self, wanting: Sequence[Instance]) -> list[Instance]:
        """Give each of some running instances of a cluster a public address.

        An address that was allocated for one before, by a run that was cut short, is used first. It can only
        be associated now: an instance on its way takes none (EC2 API reference, AssociateAddress).

        Returns:
            the instances with their addresses; one that could not be given any is on its way, and says why.
        """
        if not wanting:
            return []
        with self._lock:
            there = {self._instance_of(one): one for one in self._listed(of_cluster(wanting[0].tags.uuid))}
            return run_all(lambda one: self._give(one, there.get(one.id)), wanting, WORKERS)

    def release(self, allocations: Sequence[str]) -> None:
        """Release some addresses by the ids of their allocation; what is gone is no error."""
        for some in chunks(allocations, FILTER_VALUES):
            run_all(self._release, self._listed([{"Name": "allocation-id", "Values": some}]), WORKERS)

    def release_of(self, cluster: str, machines: Collection[str]) -> None:
        """Release the addresses of some machines of the cluster of a UUID."""
        found = [one for one in self._listed(of_cluster(cluster)) if self._instance_of(one) in machines]
        run_all(self._release, found, WORKERS)

    def _listed(self, filters: Sequence[FilterTypeDef]) -> list[AddressTypeDef]:
        answer = self._cloud.call("list addresses", lambda ec2: ec2.describe_addresses(Filters=filters))
        return answer["Addresses"]

    def _give(self, instance: Instance, known: AddressTypeDef | None) -> Instance:
        try:
            address = known or self._allocate(instance)
            self._cloud.call(
                f"give the address {address['PublicIp']} to machine '{instance.id}'",
                lambda ec2: ec2.associate_address(
                    AllocationId=address["AllocationId"], InstanceId=instance.id, AllowReassociation=False
                ),
            )
        except CloudProviderError as exc:
            return replace(instance, state=InstanceState.PENDING, reason=exc.message)
        return replace(instance, public_ip=address["PublicIp"])

    def _allocate(self, instance: Instance) -> AddressTypeDef:
        tags = instance.tags
        written = to_strings(tags) | {"Name": f"{tags.name}-{tags.node or tags.kind}", _FOR: instance.id}
        made = self._cloud.call(
            f"allocate an address for machine '{instance.id}'",
            lambda ec2: ec2.allocate_address(
                Domain="vpc",
                TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tag_list(written)}],
            ),
        )
        return {"AllocationId": made["AllocationId"], "PublicIp": made["PublicIp"]}

    def _release(self, address: AddressTypeDef) -> None:
        """Release an address, first taking it away from its machine: one in use cannot be released."""
        public = address["PublicIp"]

        def release() -> None:
            association = address.get("AssociationId")
            if association:
                with _unless_gone():
                    self._cloud.call(
                        f"take the address '{public}' away",
                        lambda ec2: ec2.disassociate_address(AssociationId=association),
                    )
            with _unless_gone():
                self._cloud.call(
                    f"release the address '{public}'",
                    lambda ec2: ec2.release_address(AllocationId=address["AllocationId"]),
                )

        self._cloud.patience(_RELEASE_SECONDS).attempt(
            release, lambda error: errors.code_of(error) == "InvalidIPAddress.InUse"
        )

    @staticmethod
    def _instance_of(address: AddressTypeDef) -> str:
        """Return the id of the machine that an address was allocated for."""
        return next((tag["Value"] for tag in address.get("Tags", ()) if tag["Key"] == _FOR), "")


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except CloudProviderError as exc:
        if errors.code_of(exc) not in errors.NO_ADDRESS:
            raise
