"""Which virtual network a cluster is in, told by its subnets or by ``vpc``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from elasticluster.exceptions import SubnetError, VpcError
from elasticluster.model import Json, NodeSpec
from elasticluster.providers.ec2_boto.catalog import Catalog
from elasticluster.providers.ec2_boto.options import Options


def vpc_of(specs: Iterable[NodeSpec], cloud: Mapping[str, Json], catalog: Catalog) -> str:
    """Return the id of the virtual network of some kinds of nodes; empty: the account's default one.

    Args:
        specs: the kinds.
        cloud: keys of ``[cloud/NAME]``.
        catalog: where names are looked up.

    Raises:
        VpcError: the network does not exist, or the subnets are in several.
        SubnetError: a subnet does not exist or is in another network than ``vpc``, or a kind names none.
    """
    named = {spec.kind: Options.of(spec, cloud).subnets for spec in specs}
    subnets = catalog.subnets([name for names in named.values() for name in names])
    vpcs = {one.id: one.vpc for one in subnets}
    wanted = str(cloud.get("vpc") or "")
    if wanted:
        vpc = catalog.vpc(wanted)
        _check_within(named, vpcs, vpc, catalog)
        return vpc
    if len(set(vpcs.values())) > 1:
        listed = ", ".join(f"{subnet} in {vpc}" for subnet, vpc in sorted(vpcs.items()))
        raise VpcError(
            f"The subnets of a cluster (`network_ids`) are in several virtual networks: {listed}.",
            hint="Its machines could not talk to each other: name subnets of one of them.",
        )
    vpc = next(iter(vpcs.values()), "")
    without = [kind for kind, some in named.items() if not some]
    if vpc and without and catalog.default_vpc() != vpc:
        known = ", ".join(catalog.subnets_of(vpc))
        raise SubnetError(
            f"The subnets of a cluster (`network_ids`) are in the virtual network '{vpc}', and kind "
            f"'{without[0]}' names none: it would be in the account's default one.",
            hint=f"Its machines could not talk to each other. Subnets of '{vpc}': {known}.",
        )
    return vpc


def _check_within(
    named: Mapping[str, tuple[str, ...]], vpcs: Mapping[str, str], vpc: str, catalog: Catalog
) -> None:
    """Make sure that every kind names subnets, and only such as are in a virtual network.

    Raises:
        SubnetError: it is not so.
    """
    outside = [subnet for subnet, there in vpcs.items() if there != vpc]
    without = [kind for kind, subnets in named.items() if not subnets]
    if not outside and not without:
        return
    what = (
        f"The subnet '{outside[0]}' (`network_ids`) is not in the virtual network '{vpc}' (`vpc`)"
        if outside
        else f"With `vpc`, every kind of node needs `network_ids`; kind '{without[0]}' has none"
    )
    known = ", ".join(catalog.subnets_of(vpc)) or "none"
    raise SubnetError(f"{what}.", hint=f"Subnets of '{vpc}': {known}.")
