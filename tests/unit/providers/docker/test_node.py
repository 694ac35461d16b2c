"""What a node finds on its first boot."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from elasticluster.exceptions import KeypairError
from elasticluster.model import InstanceRequest, KeyPair, NodeSpec, Tags
from elasticluster.providers.docker.node import first_boot_files

TAGS = Tags(uuid="1a2b3c4d-5e6f", name="c", template="t", owner="me", created="2026")


def request(key: Path, userdata: str = "") -> InstanceRequest:
    spec = NodeSpec(
        kind="x", image_id="debian-13", image_user="o'brien", flavor="1cpu-1ram", image_userdata=userdata
    )
    pair = KeyPair(name="k", public_path=str(key), private_path="")
    return InstanceRequest(token=TAGS.uuid, spec=spec, names=("x001",), tags=TAGS, key=pair)


def unpacked(archive: bytes) -> dict[str, tuple[str, int]]:
    """Return text and mode of the files in a tar archive, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = [(member, tar.extractfile(member)) for member in tar if member.isfile()]
        return {member.name: (file.read().decode(), member.mode) for member, file in files if file}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pub"
    path.write_text("ssh-ed25519 AAAA me\n\n")
    return path


def test_first_boot_files_name_user_and_key(key: Path) -> None:
    assert unpacked(first_boot_files("abc", "x001", request(key))) == {
        "etc/elasticluster/node": ("instance=abc\nuser='o'\"'\"'brien'\nname=x001\n", 0o600),
        "etc/elasticluster/authorized_keys": ("ssh-ed25519 AAAA me\n", 0o600),
    }


@pytest.mark.parametrize(
    ("given", "written"), [("id", "#!/bin/sh\nid\n"), ("#!/usr/bin/python3\n1", "#!/usr/bin/python3\n1")]
)
def test_first_boot_files_hold_user_data_as_a_program(key: Path, given: str, written: str) -> None:
    files = unpacked(first_boot_files("abc", "x001", request(key, given)))
    assert files["etc/elasticluster/userdata"] == (written, 0o700)


def test_first_boot_files_hold_no_blank_user_data(key: Path) -> None:
    assert "etc/elasticluster/userdata" not in unpacked(first_boot_files("abc", "x001", request(key, " \n")))


def test_first_boot_files_need_a_readable_public_key(tmp_path: Path) -> None:
    path = tmp_path / "none.pub"
    with pytest.raises(KeypairError) as caught:
        first_boot_files("abc", "x001", request(path))
    assert caught.value.message == (
        f"Cannot read the public key '{path}': [Errno 2] No such file or directory: '{path}'"
    )
