"""Images made of containers, as the engine describes them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from elasticluster.model import ImageRequest, Tags
from elasticluster.providers.common.tags import to_strings, to_tags
from elasticluster.providers.docker import prepared

TAGS = Tags(
    uuid="u-1",
    name="bake-Big+One",
    template="Big+One",
    owner="me@here/5f0c21b7",
    created="2026",
    kind="compute",
)
REQUEST = ImageRequest(instance_id="abc", key="k" * 64, tags=TAGS)


def summary(**changes: Any) -> dict[str, Any]:
    """Return an element of the engine's list of images."""
    return {
        "Id": "sha256:0123",
        "RepoTags": ["elasticluster/prepared:one"],
        "Labels": prepared._labels(REQUEST),
        "Size": 233_000_000,
        **changes,
    }


def test_image_comes_back_with_key_and_tags() -> None:
    image = prepared._to_image(summary())
    assert (image.id, image.key, image.tags) == ("elasticluster/prepared:one", REQUEST.key, TAGS)
    assert image.size == 233_000_000


def test_image_whose_name_a_newer_one_has_taken_is_known_by_its_id() -> None:
    assert prepared._to_image(summary(RepoTags=None)).id == "sha256:0123"
    assert prepared._to_image(summary(RepoTags=[])).id == "sha256:0123"
    assert prepared._to_image(summary(RepoTags=["<none>:<none>"])).id == "sha256:0123"


def test_labels_of_an_image_undo_all_that_make_a_container_a_member_of_a_cluster() -> None:
    member = to_strings(Tags(**{field.name: "x" for field in fields(Tags)}))
    assert to_tags(member | prepared._labels(REQUEST)) == Tags(**{field.name: "" for field in fields(Tags)})


def test_name_of_an_image_is_legal_and_changes_with_content_and_owner() -> None:
    others = [replace(REQUEST, key="l" * 64), replace(REQUEST, tags=replace(TAGS, owner="you"))]
    names = [prepared._tag(request) for request in (REQUEST, REQUEST, *others)]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert names[0].startswith("big-one-")
    assert names[0].endswith("-compute")
