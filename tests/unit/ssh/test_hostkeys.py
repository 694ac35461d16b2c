from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.exceptions import StateError
from elasticluster.model import ClusterRecord, ComponentRef, NodeRecord, NodeSpec
from elasticluster.ssh.hostkeys import fingerprint, read_known_hosts, write_known_hosts

SPEC = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="2cpu-4ram")
ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
EC = "ecdsa-sha2-nistp256 AAAAE2VjZHNh"


def cluster(*nodes: NodeRecord) -> ClusterRecord:
    return ClusterRecord(
        uuid="u",
        name="slurm",
        template="slurm",
        cloud=ComponentRef(type="docker"),
        setup=ComponentRef(type="ansible"),
        nodes=nodes,
    )


def node(name: str, **more: object) -> NodeRecord:
    return NodeRecord(name=name, spec=SPEC, **more)  # type: ignore[arg-type]


def test_keys_are_written_under_name_and_present_address(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    write_known_hosts(
        cluster(
            node(
                "frontend001",
                public_ip="127.0.0.1",
                private_ip="172.18.0.2",
                ssh_port=32768,
                host_keys=(ED, EC),
            ),
            node("compute001", private_ip="10.0.0.7", host_keys=(ED,)),
            node("compute002", private_ip="10.0.0.8"),
            node("compute003", host_keys=(EC,)),
        ),
        str(path),
    )
    assert path.read_text() == (
        f"frontend001,[127.0.0.1]:32768 {ED}\n"
        f"frontend001,[127.0.0.1]:32768 {EC}\n"
        f"compute001,10.0.0.7 {ED}\n"
        f"compute003 {EC}\n"
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = str(tmp_path / "known_hosts")
    write_known_hosts(cluster(node("a", private_ip="10.0.0.7", host_keys=(ED, EC))), path)
    assert read_known_hosts(path) == {"a": (ED, EC), "10.0.0.7": (ED, EC)}


def test_changed_address_replaces_the_old_one(tmp_path: Path) -> None:
    path = str(tmp_path / "known_hosts")
    old = node("a", private_ip="10.0.0.7", host_keys=(ED,))
    write_known_hosts(cluster(old), path)
    write_known_hosts(cluster(replace(old, private_ip="10.0.0.8")), path)
    assert read_known_hosts(path).keys() == {"a", "10.0.0.8"}


def test_other_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"# note\n\n@cert-authority * {ED}\n|1|x|y {ED}\nshort\na,b {ED} comment\n")
    assert read_known_hosts(str(path)) == {"a": (ED,), "b": (ED,)}


def test_fingerprint_is_that_of_openssh(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(ED)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")], capture_output=True, check=True, text=True
    ).stdout
    assert shown.split()[1] == fingerprint(ED)


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !"])
def test_fingerprint_of_nonsense_says_so(key: str) -> None:
    assert fingerprint(key) == f"'{key}' (no key)"


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "known_hosts"
    with pytest.raises(StateError) as caught:
        write_known_hosts(cluster(), str(path))
    assert caught.value.message == f"Cannot write {path}: File exists."
