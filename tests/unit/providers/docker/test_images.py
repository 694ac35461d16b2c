"""Building node images, without building one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from elasticluster.engine.events import Event, Notice, ignore
from elasticluster.engine.fakes import FakeClock
from elasticluster.exceptions import ImageError
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


def test_build_that_never_ends_is_not_waited_for_without_end() -> None:
    with (
        images._one_at_a_time(ignore),
        pytest.raises(ImageError) as caught,
        images._one_at_a_time(ignore, FakeClock()),
    ):
        pass
    assert str(caught.value) == (
        "Another command has been building a node image for 20 minutes.\n"
        "`fuser -v /var/tmp` names the processes that may hold the lock on that folder; end the one that "
        "hangs, then try again."
    )


def test_remains_of_a_killed_build_are_removed_and_nothing_else(tmp_path: Path) -> None:
    killed = tmp_path / "elasticluster-image-x1"
    (killed / "chroot").mkdir(parents=True)
    (killed / "base.tar").write_text("half")
    outside = tmp_path / "work"
    (outside / "file").parent.mkdir()
    (outside / "file").touch()
    (tmp_path / "elasticluster-image-link").symlink_to(outside)
    (tmp_path / "elasticluster-image-file").touch()
    (tmp_path / "elasticluster-mine").mkdir()
    images._remove_remains(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "work",
        "elasticluster-image-link",
        "elasticluster-image-file",
        "elasticluster-mine",
    }
    assert (outside / "file").exists()


def test_folder_with_a_mount_in_it_is_told(tmp_path: Path) -> None:
    assert images._mounted_in(Path("/"))
    assert not images._mounted_in(tmp_path)


def test_image_name_changes_with_its_content_and_is_legal() -> None:
    names = {images._tag("Registry.example:5000/a_b/c@sha256:00", content) for content in ("id-1", "id-2")}
    assert len(names) == 2
    assert all(name.startswith("elasticluster/node:registry-example-5000-a-b-c-sha256-00-") for name in names)


def test_reference_without_a_tag_is_the_latest() -> None:
    assert images._split("debian") == ("debian", "latest")
    assert images._split("localhost:5000/debian") == ("localhost:5000/debian", "latest")
    assert images._split("debian:12") == ("debian", "12")
