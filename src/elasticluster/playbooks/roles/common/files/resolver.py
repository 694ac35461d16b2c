# ruff: noqa: INP001, T201 - a program of its own
"""Let a node find the others by their names: ask the cluster's resolver first, or be it.

Reads a table in JSON from standard input:

- ``address``: of the node that is the resolver, inside the cluster;
- ``hosts``: on that node, the names of all nodes, as in /etc/hosts; else nothing.

Prints "changed" where something was done. The resolver passes other names on to the servers that its node had
before; the others go on to theirs where it does not answer. Runs as root on a node, which has Python's
standard library, systemd and, on the resolver's node, dnsmasq.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEADER = "# Written by ElastiCluster: do not edit here."
DOMAIN = "elasticluster.internal"  # nobody else answers for it
UNITS = Path("/etc/systemd/system")
FOLDER = Path("/etc/elasticluster/resolver")
HOSTS = FOLDER / "hosts"
OURS = FOLDER / "resolv.conf"
THEIRS = FOLDER / "resolv.conf.theirs"  # what the node had before
NOT_APPLIED = Path("/run/elasticluster-resolver")  # a run has begun and not come to its end

RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED = Path("/run/systemd/resolve")
RESOLVED_SETTINGS = ("/etc/systemd", "/run/systemd", "/usr/lib/systemd")
RESOLVED_OURS = Path("/etc/systemd/resolved.conf.d/zz-elasticluster.conf")  # the last that is read holds
MOST_SERVERS = 3  # that the C library asks

SERVICE = "elasticluster-resolver.service"
SERVICE_UNIT = """
[Unit]
Description=Names of the cluster's nodes
After=network.target
Before=nss-lookup.target
Wants=nss-lookup.target

[Service]
Type=forking
ExecStart=/usr/sbin/dnsmasq --conf-file={folder}/dnsmasq.conf
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
DNSMASQ_CONF = """
pid-file
bind-dynamic
listen-address=127.0.0.1
listen-address={address}
no-hosts
addn-hosts={hosts}
domain={domain}
local=/{domain}/
expand-hosts
domain-needed
resolv-file={upstream}
{servers}"""
RESOLVED_CONF = """
[Resolve]
# Of several servers for all links it asks but one: what was set before is passed on to by the resolver.
DNS=
DNS={address}
Domains={domain}
"""

# DHCP clients and others write their own /etc/resolv.conf whenever they like. What they write is kept for the
# resolver, which looks at it again by itself. However often they do so, the watch must not give up;
# where somebody else insists in the same way, the pause leaves the processor to others.
GUARD = "elasticluster-resolv-conf"
GUARD_PATH = """
[Unit]
Description=Watch /etc/resolv.conf
StartLimitIntervalSec=0

[Path]
PathChanged=/etc/resolv.conf

[Install]
WantedBy=multi-user.target
"""
GUARD_SERVICE = """
[Unit]
Description=Ask the cluster's resolver first
DefaultDependencies=no
After=local-fs.target
Before=nss-lookup.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cd /etc; test -L resolv.conf || ! test -s {ours} || \
test "$$(cat {ours})" = "$$(cat resolv.conf)" || \
{{ sleep 1; grep -qs "{header}" resolv.conf || cat resolv.conf >{theirs}; cat {ours} >resolv.conf; }}'

[Install]
WantedBy=multi-user.target
"""


def systemctl(*arguments: str) -> str:
    """Run systemctl; return what it says."""
    command = ["systemctl", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def enable(name: str, *verb: str) -> None:
    """Let a unit be started at boot, and do something with it as its file is now.

    All units are read again only where that is needed: it takes its time, and others have written theirs.
    """
    if systemctl("show", "--property=NeedDaemonReload", "--value", name) == "yes":
        systemctl("daemon-reload")
    systemctl("enable", "--no-reload", name)
    if verb:
        systemctl(*verb, name)


def active(name: str) -> bool:
    """Return whether a unit is active."""
    return not subprocess.run(["systemctl", "--quiet", "is-active", name], check=False).returncode


def text_of(path: Path) -> str:
    """Return the text of a file; empty if it is not there."""
    return path.read_text() if path.exists() else ""


def put(path: Path, text: str) -> bool:
    """Make a file have a text; return whether it had another."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)  # in place: in containers /etc/resolv.conf is a mount
    return True


def unit(template: str, **values: object) -> str:
    """Return the text of a file of ours."""
    return HEADER + template.format(**values)


def words(text: str, keyword: str) -> list[str]:
    """Return what follows a keyword in a resolv.conf, in all lines that begin with it."""
    lines = [line.split() for line in text.splitlines()]
    return [word for line in lines if line[:1] == [keyword] for word in line[1:]]


def behind_resolved() -> bool:
    """Return whether programs of this node ask systemd-resolved."""
    return RESOLV_CONF.resolve().parent == RESOLVED


def serve(address: str, *, again: bool) -> bool:
    """Be the resolver, with what its file of hosts says now; return whether its settings were others."""
    if behind_resolved():
        upstream, servers = RESOLVED / "resolv.conf", "".join(f"server={one}\n" for one in displaced())
    else:
        upstream, servers = THEIRS, ""
    values = {"address": address, "hosts": HOSTS, "domain": DOMAIN, "upstream": upstream, "servers": servers}
    changed = put(FOLDER / "dnsmasq.conf", unit(DNSMASQ_CONF, **values))
    changed |= put(UNITS / SERVICE, unit(SERVICE_UNIT, folder=FOLDER))
    if changed or again:
        enable(SERVICE, "restart")
    else:
        systemctl("reload-or-restart", SERVICE)
    return changed


def displaced() -> list[str]:
    """Return the servers that systemd-resolved was told to ask for all links; ours takes their place."""
    folders = [Path(folder) for folder in RESOLVED_SETTINGS]
    files = [file for folder in folders for file in sorted(folder.glob("resolved.conf.d/*.conf"))]
    texts = [
        text_of(file) for file in [*(f / "resolved.conf" for f in folders), *files] if file != RESOLVED_OURS
    ]
    lines = [line.partition("=") for text in texts for line in text.splitlines()]
    servers = [server for key, _, value in lines if key.strip() == "DNS" for server in value.split()]
    return [server.split("#")[0] for server in servers]  # a name for TLS may follow


def ask_by_resolved(address: str, *, again: bool) -> bool:
    """Let systemd-resolved ask the resolver for names of the cluster; return whether it did not."""
    conf = unit(RESOLVED_CONF, address=address, domain=DOMAIN)
    changed = put(RESOLVED_OURS, conf)
    if changed or again:
        systemctl("restart", "systemd-resolved.service")
    return changed


def ask_by_file(address: str, *, again: bool) -> bool:
    """Let /etc/resolv.conf name the resolver first, now and later; return whether it did not."""
    changed = put(OURS, resolv_conf(address))
    changed |= put(UNITS / f"{GUARD}.path", unit(GUARD_PATH))
    changed |= put(UNITS / f"{GUARD}.service", unit(GUARD_SERVICE, header=HEADER, theirs=THEIRS, ours=OURS))
    if RESOLV_CONF.is_symlink():
        RESOLV_CONF.unlink()  # what it led to is somebody else's
    changed |= put(RESOLV_CONF, OURS.read_text())
    changed |= not active(f"{GUARD}.path")
    if changed or again:
        enable(f"{GUARD}.service")
        enable(f"{GUARD}.path", "restart")
    return changed


def resolv_conf(address: str) -> str:
    """Return a resolv.conf that names the resolver before the servers that the node had; those are noted."""
    present = text_of(RESOLV_CONF)
    if not present.startswith(HEADER):
        put(THEIRS, present)
    theirs = text_of(THEIRS)
    domains = words(theirs, "search") or words(theirs, "domain")
    servers = [address, *(server for server in words(theirs, "nameserver") if server != address)]
    options = words(theirs, "options")
    lines = [
        HEADER,
        f"search {' '.join([DOMAIN, *domains])}",
        *(f"nameserver {server}" for server in servers[:MOST_SERVERS]),
        *([f"options {' '.join(options)}"] if options else []),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what is not done yet."""
    told = json.load(sys.stdin)
    again = NOT_APPLIED.exists()
    NOT_APPLIED.touch()
    ask = ask_by_resolved if behind_resolved() else ask_by_file
    if told["hosts"] is None:
        changed = ask(told["address"], again=again)
    else:  # the servers that the node had are noted first
        changed = ask("127.0.0.1", again=again)
        changed |= put(HOSTS, told["hosts"])
        changed |= serve(told["address"], again=again)
    NOT_APPLIED.unlink()
    print("changed" if changed or again else "")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as exc:
        sys.exit(f"{' '.join(exc.cmd)}: {exc.stderr.strip() or exc}")
    except OSError as exc:
        sys.exit(str(exc))
