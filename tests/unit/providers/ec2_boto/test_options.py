"""Keys of the node's section, else of the cloud's."""

from __future__ import annotations

from elasticluster.model import NodeSpec
from elasticluster.providers.ec2_boto.options import Options


def spec(**extra: object) -> NodeSpec:
    return NodeSpec(
        kind="compute", image_id="", image_user="", flavor="", security_group=" a, sg-1 ,", extra=extra
    )


def test_several_groups_and_subnets_are_lists_or_texts() -> None:
    assert Options.of(spec(network_ids=["one", "two"]), {}).subnets == ("one", "two")
    assert Options.of(spec(network_ids="one, two"), {}).subnets == ("one", "two")
    assert Options.of(spec(), {}).groups == ("a", "sg-1")


def test_cloud_says_what_the_node_leaves_open() -> None:
    cloud = {"price": 0.5, "timeout": 60, "request_floating_ip": True}
    options = Options.of(spec(timeout=30), cloud)
    assert (options.price, options.timeout, options.wants_address) == (0.5, 30, True)
    assert not Options.of(spec(request_floating_ip=False), cloud).wants_address
