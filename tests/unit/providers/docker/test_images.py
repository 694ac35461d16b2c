"""Building node images, without building one."""

from __future__ import annotations

import threading

from elasticluster.engine.events import Event, Notice, ignore
from elasticluster.providers.docker import images


def test_second_build_says_that_it_waits_for_the_first() -> None:
    told: list[Event] = []
    waits, done = threading.Event(), threading.Event()

    def tell(event: Event) -> None:
        told.append(event)
        waits.set()

    def second() -> None:
        with images._one_at_a_time(tell):
            done.set()

    thread = threading.Thread(target=second)
    with images._one_at_a_time(ignore):
        thread.start()
        assert waits.wait(10)
        assert not done.is_set()
    thread.join(10)
    assert done.is_set()
    assert told == [Notice("Waiting for another command that is building a node image.")]


def test_image_name_changes_with_its_content_and_is_legal() -> None:
    names = {images._tag("Registry.example:5000/a_b/c@sha256:00", content) for content in ("id-1", "id-2")}
    assert len(names) == 2
    assert all(name.startswith("elasticluster/node:registry-example-5000-a-b-c-sha256-00-") for name in names)


def test_reference_without_a_tag_is_the_latest() -> None:
    assert images._split("debian") == ("debian", "latest")
    assert images._split("localhost:5000/debian") == ("localhost:5000/debian", "latest")
    assert images._split("debian:12") == ("debian", "12")
