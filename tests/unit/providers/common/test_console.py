"""Host keys in what machines write to their consoles."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from elasticluster.providers.common.console import host_keys

BEGIN, END = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Lines of real public keys, of all types that count, with comments."""
    return [new_key(tmp_path_factory.mktemp("keys") / kind, kind) for kind in ("ed25519", "rsa", "ecdsa")]


def new_key(path: Path, kind: str) -> str:
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "root@ip-10-0-0-7", "-f", path]
    subprocess.run(command, check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def bare(lines: list[str]) -> tuple[str, ...]:
    return tuple(" ".join(line.split()[:2]) for line in lines)


@pytest.mark.parametrize(
    "prefix", ["", "[   14.1] cloud-init[712]: ", "ci-info: ", "<14>Nov 21 10:00:00 ec2: "]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_keys_between_the_marks_are_read_whatever_stands_before_them(
    keys: list[str], prefix: str, end: str
) -> None:
    lines = ["Debian GNU/Linux 13 ttyS0", BEGIN, *keys, END, "login:"]
    assert host_keys("".join(f"{prefix}{line}{end}" for line in lines)) == bare(keys)


def test_console_that_ends_within_the_block_has_no_keys_yet(keys: list[str]) -> None:
    assert host_keys("\n".join([BEGIN, *keys])) == ()
    assert host_keys("\n".join([BEGIN, *keys, END[:-12]])) == ()
    assert host_keys("") == ()


def test_keys_outside_of_the_marks_do_not_count(keys: list[str]) -> None:
    assert host_keys("\n".join([keys[0], BEGIN, keys[1], END, keys[2]])) == bare([keys[1]])


def test_last_complete_block_counts(keys: list[str]) -> None:
    first, second = [BEGIN, keys[0], END], [BEGIN, keys[1], END]
    assert host_keys("\n".join([*first, *second, BEGIN, keys[2]])) == bare([keys[1]])


def test_damaged_and_unknown_keys_are_left_out_and_the_others_are_read_once(keys: list[str]) -> None:
    kind, text = keys[0].split()[:2]
    broken = [f"{kind} {text[4:]}", f"{kind} {text[:-3]}", f"{kind} *{text}", f"ssh-dss {text}", kind]
    assert host_keys("\n".join([BEGIN, *broken, keys[0], keys[0], END])) == bare([keys[0]])
