"""Under which names traces count what is done on the container engine."""

from __future__ import annotations

import pytest

from elasticluster.providers.docker.client import verb_of


@pytest.mark.parametrize(
    ("doing", "verb"),
    [
        ("list containers", "list containers"),
        ("make a container for node 'compute001'", "make container"),
        ("remove the container '1f0c5d3a9b72'", "remove container"),
        ("read the host keys of '1f0c5d3a9b72'", "read host keys"),
        ("make the network 'it's mine'", "make network"),
        ("look at the image 'debian-13'", "look at image"),
        ("remove the cluster's network and volume", "remove cluster's network and volume"),
    ],
)
def test_verb_names_nothing_that_differs_from_node_to_node(doing: str, verb: str) -> None:
    assert verb_of(doing) == verb
