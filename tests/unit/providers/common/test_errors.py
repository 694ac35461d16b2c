"""What clouds say, in our words."""

from __future__ import annotations

import pytest

from elasticluster.exceptions import CloudProviderError, ImageError, InstanceError, QuotaError
from elasticluster.providers.common.errors import Translation, translated, verb_of

TABLE = (
    Translation(r"^LimitExceeded: ", QuotaError, "Ask for more."),
    Translation(r"no such image|^Limit", ImageError),
)


@pytest.mark.parametrize(
    ("said", "kind", "hint"),
    [
        ("LimitExceeded: no such image", QuotaError, "Ask for more."),
        ("Whatever: no such image", ImageError, ""),
        ("Whatever: LimitExceeded: ", InstanceError, ""),
    ],
    ids=["the first that fits", "anywhere", "none fits"],
)
def test_what_a_cloud_says_becomes_the_error_of_the_table(
    said: str, kind: type[CloudProviderError], hint: str
) -> None:
    error = translated(TABLE, said, "make an instance for node 'a'", InstanceError)
    assert type(error) is kind
    assert error.message == f"Cannot make an instance for node 'a': {said}"
    assert error.hint == hint


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
