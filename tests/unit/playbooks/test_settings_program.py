"""What becomes of a node's package sources: functions that read and write text, run by a shell."""

from __future__ import annotations

import subprocess

import pytest

from elasticluster.setup.settings import PLAYBOOKS

PROGRAM = PLAYBOOKS / "roles/common/files/settings.sh"
DEBIAN = "ID=debian VERSION_CODENAME=trixie"
UBUNTU = "ID=ubuntu VERSION_CODENAME=noble"
MIRROR = "http://m.example.org/debian"


def run(function: str, text: str, *args: str, system: str = DEBIAN) -> str:
    """Return what a function of the program prints for a text."""
    script = f'set -eu; {system}; . "$1"; shift; {function} "$@"'
    command = ["sh", "-c", script, "test", str(PROGRAM), *args]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


ONE_LINE = """\
# comment
deb http://deb.debian.org/debian trixie main contrib
deb [arch=amd64 signed-by=/k.gpg] https://deb.debian.org/debian trixie-updates main
deb-src http://security.debian.org/debian-security trixie-security main
deb https://download.example.com/linux/debian stable main
deb cdrom:[Debian 13]/ trixie main
"""
ONE_LINE_FROM_MIRROR = """\
# comment
deb http://m.example.org/debian trixie main contrib
deb [arch=amd64 signed-by=/k.gpg] http://m.example.org/debian trixie-updates main
deb-src http://m.example.org/debian-security trixie-security main
deb https://download.example.com/linux/debian stable main
deb cdrom:[Debian 13]/ trixie main
"""
DEB822 = """\
Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian.list
 http://other.example.org/debian
Suites: trixie trixie-updates trixie-backports
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: mirror+file:///etc/apt/mirrors/debian-security.list
Suites: trixie-security
Components: main
"""
DEB822_FROM_MIRROR = """\
Types: deb deb-src
URIs: http://m.example.org/debian
Suites: trixie trixie-updates trixie-backports
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://m.example.org/debian-security
Suites: trixie-security
Components: main
"""


@pytest.mark.parametrize(
    ("text", "expected"), [(ONE_LINE, ONE_LINE_FROM_MIRROR), (DEB822, DEB822_FROM_MIRROR)]
)
def test_release_comes_from_the_mirror_and_nothing_else_does(text: str, expected: str) -> None:
    assert run("apt_sources", text, MIRROR, "") == expected
    assert run("apt_sources", expected, MIRROR, "") == expected


def test_mirror_that_is_named_later_replaces_the_first() -> None:
    moved = run("apt_sources", DEB822_FROM_MIRROR, "http://n.example.org", "http://s.example.org/x")
    assert [line for line in moved.splitlines() if line.startswith("URIs:")] == [
        "URIs: http://n.example.org",
        "URIs: http://s.example.org/x",
    ]


def test_ubuntu_has_its_security_updates_in_the_same_archive() -> None:
    text = "URIs: http://security.ubuntu.com/ubuntu/\nSuites: noble-security\n"
    found = run("apt_sources", text, "http://m/ubuntu", "http://ignored", system=UBUNTU)
    assert found == "URIs: http://m/ubuntu\nSuites: noble-security\n"


REPO = """\
[baseos]
name=AlmaLinux $releasever - BaseOS
mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos
# baseurl=https://repo.almalinux.org/almalinux/$releasever/BaseOS/$basearch/os/
enabled=1
"""
REPO_FROM_MIRROR = """\
[baseos]
name=AlmaLinux $releasever - BaseOS
#mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos
baseurl=http://m/almalinux/$releasever/BaseOS/$basearch/os/
enabled=1
"""


def test_enterprise_linux_comes_from_the_mirror() -> None:
    assert run("dnf_repo", REPO, "http://m/almalinux") == REPO_FROM_MIRROR
    assert run("dnf_repo", REPO_FROM_MIRROR, "http://m/almalinux") == REPO_FROM_MIRROR


def test_dnf_gets_a_proxy_and_loses_it_again() -> None:
    bare = "[main]\ngpgcheck=1\n"
    once = run("dnf_conf", bare, "http://one:3128")
    assert once.splitlines()[2:] == ["proxy=http://one:3128", "gpgcheck=1"]
    assert run("dnf_conf", once, "http://one:3128") == once
    assert run("dnf_conf", once, "http://two:3128") == once.replace("one", "two")
    assert run("dnf_conf", once, "") == bare


def test_proxy_of_the_image_stays_where_none_was_set() -> None:
    bare = "[main]\nproxy=http://images.own:3128\n"
    assert run("dnf_conf", bare, "") == bare
