"""Our tags as descriptions and names."""

from __future__ import annotations

from dataclasses import replace

from elasticluster.model import Tags
from elasticluster.naming import new_uuid
from elasticluster.providers.openstack.described import described, description, full_name, named

TAGS = Tags(
    uuid=new_uuid(),
    name="slurm+pvfs2",
    template="a b&c",
    owner="ada@here 1a2b",
    created="2026-11-21T18:00:00+00:00",
)


def test_description_is_read_as_it_was_written() -> None:
    assert described(description(TAGS)) == (TAGS, "")
    assert described(description(replace(TAGS, kind="compute"), "a-server")) == (
        replace(TAGS, kind="compute"),
        "a-server",
    )


def test_long_description_keeps_what_things_are_found_by() -> None:
    long = replace(TAGS, name="n" * 100, template="t" * 100)
    text = description(long, new_uuid())
    assert len(text) <= 255
    tags, server = described(text)
    assert (tags.uuid, tags.owner, tags.created) == (long.uuid, long.owner, long.created)
    assert server


def test_descriptions_of_others_say_nothing() -> None:
    for text in (None, "", "Default security group", "uuid=1", f"elasticluster {TAGS.uuid}"):
        assert not described(text)[0].uuid


def test_name_tells_the_whole_uuid() -> None:
    name = full_name(TAGS)
    assert name == f"elasticluster-slurm-pvfs2-{TAGS.uuid}"
    assert named(name) == Tags(uuid=TAGS.uuid, name="slurm-pvfs2", template="", owner="", created="")
    spread = named(f"{name}-my-kind")
    assert spread is not None
    assert (spread.uuid, spread.kind) == (TAGS.uuid, "my-kind")


def test_longest_name_is_found_again() -> None:
    found = named(full_name(replace(TAGS, name="x" * 100)))
    assert found is not None
    assert found.uuid == TAGS.uuid


def test_names_of_others_are_nobodys() -> None:
    for name in ("elasticluster-key", "my-key", f"elasticluster-x-{TAGS.uuid[:8]}", f"other-x-{TAGS.uuid}"):
        assert named(name) is None
