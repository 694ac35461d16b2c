# ruff: noqa: INP001, T201 - a program of its own
"""Let a node be known to the other nodes of its cluster by SSH, and know them; say who may log in and how.

Reads a table in JSON from standard input:

- ``authority``: the public key that vouches for all nodes of the cluster;
- ``certificates``: what it has signed of this node's host keys;
- ``passwords``: whether users may log in by password (yes, no); empty: as the image has it;
- ``user``: name of the user who logs in; root gets no way to other nodes;
- ``user_key``, ``user_public``: the key pair by which the user goes from node to node.

Prints "changed" where something was done. The files are put in place all or not at all, and only if sshd can
read its configuration then. Runs as root on a node, which has Python's standard library and OpenSSH.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path("/etc/ssh/elasticluster")  # all files in it are ours
AUTHORITIES = FOLDER / "known_hosts"
USER_KEY = FOLDER / "%u"  # sshd and ssh put in who logs in, or who calls
USER_PUBLIC = FOLDER / "%u.pub"
NOT_TOLD = Path("/run/elasticluster-sshd")  # sshd does not know yet what its files say
PASSWORDS = {
    "yes": ("PasswordAuthentication",),
    "no": ("PasswordAuthentication", "KbdInteractiveAuthentication"),
}
HEADER = "# Written by ElastiCluster: do not edit here."


class Side(NamedTuple):
    """One side of SSH: its configuration, our part of that, and a program that says what holds."""

    main: Path
    ours: Path
    says: tuple[str, ...]


SERVER = Side(
    Path("/etc/ssh/sshd_config"),
    Path("/etc/ssh/sshd_config.d/00-elasticluster.conf"),  # for most settings the first that is read holds
    ("/usr/sbin/sshd", "-T"),
)
CLIENT = Side(
    Path("/etc/ssh/ssh_config"),
    Path("/etc/ssh/ssh_config.d/00-elasticluster.conf"),
    ("ssh", "-G", "-F", "/etc/ssh/ssh_config", "node"),
)


class File(NamedTuple):
    """A file as it is or is to be."""

    text: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o644


Files = dict[Path, "File | None"]
"""Files by path; None for one that is not there, or is to go."""


def output(*command: str, stdin: str = "") -> str:
    """Return what a program prints; it must not fail."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout


def present(path: Path) -> File | None:
    """Return a file as it is; None if it is not there."""
    try:
        status = path.stat()
        return File(path.read_text(), status.st_uid, status.st_gid, status.st_mode & 0o777)
    except FileNotFoundError:
        return None


def put(path: Path, file: File | None) -> None:
    """Make a file what it is to be; nobody sees a part of it, or more than its mode allows."""
    if file is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o755, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:  # noqa: PTH123
        stream.write(file.text)
        os.fchown(stream.fileno(), file.uid, file.gid)
        os.fchmod(stream.fileno(), file.mode)
    new.replace(path)


def certified(text: str) -> list[str]:
    """Return what a certificate says; signed twice, it says the same and looks different."""
    return output("ssh-keygen", "-L", "-f", "-", stdin=text).splitlines()[1:]


def same(old: File | None, new: File | None) -> bool:
    """Return whether a file is what it is to be."""
    if old is None or new is None or old[1:] != new[1:]:
        return old == new
    return old == new or ("-cert-" in new.text and certified(old.text) == certified(new.text))


def replace(wanted: Files, before: Files) -> None:
    """Put those files in place that are not yet; `before` takes up what was there."""
    for path, file in wanted.items():
        old = present(path)
        if not same(old, file):
            NOT_TOLD.touch()  # should this be interrupted, the next run tells it
            before.setdefault(path, old)
            put(path, file)


def effective(side: Side) -> dict[str, list[str]]:
    """Return what holds on a side: for each keyword, in small letters, the words of all its lines."""
    found: dict[str, list[str]] = {}
    for line in output(*side.says).splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword.lower(), []).extend(value.split())
    return found


def also(side: Side, keyword: str, value: Path) -> list[str]:
    """Return what holds for a keyword and one value more."""
    words = [word for word in effective(side).get(keyword.lower(), []) if word not in ("none", str(value))]
    return [*words, str(value)]


def config(*lines: str) -> File:
    """Return a file of ours."""
    return File("".join(f"{line}\n" for line in (HEADER, *lines)))


def server_lines(told: dict[str, Any]) -> list[str]:
    """Return our part of the configuration of sshd."""
    return [
        f"AuthorizedKeysFile {' '.join(also(SERVER, 'AuthorizedKeysFile', USER_PUBLIC))}",
        *(f"HostCertificate {path}" for path in certificates(told)),
        *(f"{keyword} {told['passwords']}" for keyword in PASSWORDS.get(told["passwords"], ())),
    ]


def client_lines() -> list[str]:
    """Return our part of the configuration of ssh."""
    return [
        f"GlobalKnownHostsFile {' '.join(also(CLIENT, 'GlobalKnownHostsFile', AUTHORITIES))}",
        *(f"IdentityFile {path}" for path in also(CLIENT, "IdentityFile", USER_KEY)),
    ]


def certificates(told: dict[str, Any]) -> dict[Path, File]:
    """Return the certificates of this node's host keys."""
    kinds = {line.split("-cert-")[0]: line for line in told["certificates"]}
    return {FOLDER / f"{kind}-cert.pub": File(f"{line}\n") for kind, line in kinds.items()}


def user_files(told: dict[str, Any]) -> dict[Path, File]:
    """Return the key pair of the user."""
    user = told["user"]
    if user == "root":
        return {}
    account = pwd.getpwnam(user)
    return {
        FOLDER / user: File(told["user_key"], account.pw_uid, account.pw_gid, 0o600),
        FOLDER / f"{user}.pub": File(f"{told['user_public']} elasticluster\n"),
    }


def all_files(told: dict[str, Any]) -> Files:
    """Return all files as they are to be, those first that others name."""
    ours = {
        AUTHORITIES: File(f"@cert-authority * {told['authority']} elasticluster\n"),
        **certificates(told),
        **user_files(told),
    }
    left: Files = {path: None for path in FOLDER.glob("*") if path not in ours and not path.is_dir()}
    settings = {SERVER.ours: config(*server_lines(told)), CLIENT.ours: config(*client_lines())}
    return {**ours, **settings, **left}


def holds(side: Side) -> bool:
    """Return whether our part of a configuration is read."""
    known = effective(side)
    lines = [line.split() for line in side.ours.read_text().splitlines() if line != HEADER]
    return all({*words} <= {*known.get(keyword.lower(), ())} for keyword, *words in lines)


def include(side: Side, before: Files) -> None:
    """See to it that our part of a configuration is read.

    Systems bring a line that includes it. Where somebody has taken that away, a line for our part alone is
    put in front: others that lie about in its folder do not begin to hold.
    """
    if holds(side):
        return
    main = present(side.main) or File("")
    replace({side.main: main._replace(text=f"{HEADER}\nInclude {side.ours}\n{main.text}")}, before)
    if not holds(side):
        raise ValueError(f"{side.ours} has no effect, although {side.main} includes it")


def reload() -> None:
    """Let sshd read its configuration; where each connection has an sshd of its own, that does so anyway."""
    for unit in ("ssh.service", "sshd.service"):
        if not subprocess.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode:
            output("systemctl", "reload", unit)
            break
    NOT_TOLD.unlink()


def main() -> None:
    """Put all in place, or nothing."""
    told = json.load(sys.stdin)
    before: Files = {}
    try:
        replace(all_files(told), before)
        for side in (SERVER, CLIENT):
            include(side, before)
        output("/usr/sbin/sshd", "-t")
    except BaseException:
        for path, file in before.items():
            put(path, file)
        raise
    if NOT_TOLD.exists():
        reload()
        print("changed")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as exc:
        sys.exit(f"{exc.cmd[0]}: {exc.stderr.strip() or exc}")
    except (OSError, ValueError) as exc:
        sys.exit(str(exc))
