"""Nodes know each other: by SSH through the cluster's authority, by name through the frontend. One story."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from tests.e2e.images import slurm_image
from tests.e2e.own_playbook import nodes
from tests.e2e.slurm_template import configure
from tests.e2e.test_members import addresses_taken, container

from elasticluster.setup.secrets import ALWAYS

pytestmark = pytest.mark.e2e

RELEASES = [
    "debian-13",
    pytest.param("debian-12", marks=pytest.mark.full),
]
SETUP = """
storage_path={home}/inventories
global_var_common_resolver=frontend
global_var_slurm_accounting=no
global_var_slurm_mpi=no
"""
STRICT = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10"
ENGINE_DNS = "127.0.0.11"
CUT_OFF = f"sudo ip route replace blackhole {ENGINE_DNS}/32 table local"
ASK_ENGINE = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{ENGINE_DNS}/53'"
IMPOSTOR = """
set -e
cd /var/tmp
ssh-keygen -q -t ed25519 -N '' -f key
ssh-keygen -q -t ed25519 -N '' -f authority
ssh-keygen -q -s authority -h -I x -n compute002,{address} key.pub
sudo /usr/sbin/sshd -p 2222 -h /var/tmp/key -o HostCertificate=/var/tmp/key-cert.pub
"""
LOOK = 'sudo sh -c \'cat /proc/[0-9]*/cmdline | tr "\\0" " "\' >>/var/tmp/seen; '


@pytest.fixture(scope="module", params=RELEASES)
def cluster(new_user: Any, engine: DockerClient, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Start a cluster whose names come from the frontend, of a base that has Slurm's packages."""
    user = new_user(request.param)
    setup = SETUP.format(home=user.home)
    base = slurm_image(engine.api, request.param)
    configure(user, base, setup=setup, cluster="compute_nodes=2\nssh_to=frontend")
    user.ok("start", "slurm")
    yield user
    user.run("stop", "--yes", "--force", "slurm")


def on(user: Any, node: str, command: str) -> str:
    return user.ok("ssh", "slurm", "-n", node, "--", command)


def fails(user: Any, node: str, command: str) -> str:
    """Run a command that must fail; return what it said."""
    done = user.run("ssh", "slurm", "-n", node, "--", command)
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def addresses(user: Any) -> dict[str, str]:
    return {name: node["private_ip"] for name, node in nodes(user).items()}


def get_around(user: Any) -> None:
    """Go from every node to every node, by name and by address."""
    known = addresses(user)
    loop = f"for place in {' '.join([*known, *known.values()])}; do {STRICT} $place hostname; done"
    for start in known:
        assert on(user, start, loop).split() == [*known, *known], start


def set_up_again(user: Any, *options: str) -> tuple[dict[str, str], str]:
    """Run setup; return how many steps changed something on each node, and all that was printed."""
    done = user.run("setup", "-v", *options, "slurm")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    return dict(re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+)", said, re.MULTILINE)), said


def look_up(user: Any, node: str, name: str) -> str:
    return on(user, node, f"getent hosts {name}").split()[0]


def secrets(user: Any) -> dict[str, str]:
    """Return a line of each secret, one from its middle: keys begin and end alike."""
    (path,) = (user.home / ".elasticluster/storage").glob("*.json")
    found = json.loads(path.read_text())["cluster"]["secrets"]
    assert {*ALWAYS} <= found.keys()
    lines = {name: value.split("\n") for name, value in found.items()}
    return {name: some[len(some) // 2 - 1] for name, some in lines.items()}


def test_user_gets_from_every_node_to_every_node(cluster: Any) -> None:
    get_around(cluster)


def test_nothing_in_the_users_home_is_touched(cluster: Any) -> None:
    assert on(cluster, "compute001", "ls ~/.ssh").split() == ["authorized_keys"]
    assert len(on(cluster, "compute001", "cat ~/.ssh/authorized_keys").splitlines()) == 1


def test_key_of_ones_own_is_still_offered(cluster: Any) -> None:
    said = on(cluster, "compute001", "ssh -G compute002")
    files = [line.split()[1] for line in said.splitlines() if line.startswith("identityfile ")]
    assert {"~/.ssh/id_rsa", "~/.ssh/id_ed25519", "/etc/ssh/elasticluster/%u"} <= {*files}


def test_root_does_not_get_from_node_to_node(cluster: Any) -> None:
    assert "Permission denied" in fails(cluster, "compute001", f"sudo {STRICT} compute002 hostname")
    assert "Permission denied" in fails(cluster, "compute001", f"{STRICT} root@compute002 hostname")


def test_host_that_another_authority_vouches_for_is_refused(cluster: Any) -> None:
    address = addresses(cluster)["compute002"]
    on(cluster, "compute002", IMPOSTOR.format(address=address))
    for place in ("compute002", address):
        said = fails(cluster, "compute001", f"{STRICT} -p 2222 {place} hostname")
        assert "Host key verification failed" in said


def test_node_cannot_pass_for_another(cluster: Any) -> None:
    said = fails(cluster, "frontend001", f"{STRICT} -o HostKeyAlias=compute001 compute002 hostname")
    assert "name is not a listed principal" in said


def test_names_resolve_where_the_dns_of_the_engine_is_cut_off(cluster: Any) -> None:
    on(cluster, "compute001", ASK_ENGINE)
    on(cluster, "compute001", CUT_OFF)
    fails(cluster, "compute001", ASK_ENGINE)
    for name, address in addresses(cluster).items():
        if name != "compute001":  # its own name is in /etc/hosts
            assert look_up(cluster, "compute001", name) == address
    get_around(cluster)


def test_resolver_passes_other_names_on(cluster: Any, engine: DockerClient) -> None:
    (network,) = engine.networks.list(filters={"label": f"elasticluster.uuid={cluster.uuids()[0]}"})
    name = f"compute002.{network.name}"  # which the engine knows
    assert look_up(cluster, "compute001", name) == addresses(cluster)["compute002"]


def test_name_that_nobody_knows_is_not_found(cluster: Any) -> None:
    fails(cluster, "compute001", "getent hosts compute999")


def test_resolv_conf_that_something_overwrites_again_and_again_is_mended(cluster: Any) -> None:
    mended = "cmp -s /etc/resolv.conf resolv.conf"
    overwrite = f"""
        cd /etc/elasticluster/resolver
        for time in $(seq 6); do
          sudo cp --no-preserve=all resolv.conf.theirs /etc/resolv.conf
          timeout 60 sh -c 'until {mended}; do sleep 0.1; done' || exit 1
        done
    """
    on(cluster, "compute002", overwrite)


def test_second_setup_changes_nothing_and_shows_no_secret(cluster: Any) -> None:
    on(
        cluster,
        "compute002",
        f"touch /var/tmp/seen; (while test -e /var/tmp/seen; do {LOOK} done) >/dev/null 2>&1 &",
    )
    here: set[str] = set()
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(here, done))
    watcher.start()
    changed, said = set_up_again(cluster, "-vv")
    done.set()
    watcher.join()
    assert changed == dict.fromkeys(addresses(cluster), "0")
    there = on(cluster, "compute002", "mv /var/tmp/seen /var/tmp/all; sed 's/ /\\n/g' /var/tmp/all | sort -u")
    assert "json.load(sys.stdin)" in there.replace("\n", " ")
    assert any("ansible-playbook" in command for command in here)
    logged = on(cluster, "compute002", "sudo journalctl --no-pager --output=cat")
    kept = (cluster.home / "inventories/slurm.inventory.json").read_text()
    places = {
        "screen": said,
        "inventory": kept,
        "processes": there,
        "processes here": "".join(here),
        "log": logged,
    }
    shown = [
        (name, place) for name, text in secrets(cluster).items() for place in places if text in places[place]
    ]
    assert shown == []


def watch(seen: set[str], done: threading.Event) -> None:
    """Note the command lines of all programs on this computer."""
    while not done.wait(0.05):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_text(errors="replace"))
            except OSError:
                continue  # it has ended


def test_key_that_signs_is_on_no_node(cluster: Any) -> None:
    keys = secrets(cluster)
    places = "/etc /home /root /run /tmp /var"
    for node in addresses(cluster):  # by standard input: sudo logs what is on its command line
        command = ["ssh", "slurm", "-n", node, "--", f"sudo grep -rlsF -f - {places}"]
        assert cluster.run(*command, stdin=keys["ssh_ca_key"]).stdout == ""
        assert cluster.run(*command, stdin=keys["ssh_user_key"]).stdout == "/etc/ssh/elasticluster/debian\n"


def test_nodes_know_one_that_joins_though_nothing_is_done_on_them(cluster: Any) -> None:
    config = cluster.home / ".elasticluster/config"
    wanted = "frontend_var_common_packages=hello\nglobal_var_common_resolver"
    config.write_text(config.read_text().replace("global_var_common_resolver", wanted))
    grown = cluster.run("resize", "-v", "--add", "1:compute", "slurm")
    assert grown.returncode == 0, grown.stdout + grown.stderr
    taking_part = re.findall(r"^(\w+) +: ok=", grown.stdout + grown.stderr, re.MULTILINE)
    assert taking_part == ["compute003", "frontend001"]
    get_around(cluster)
    assert cluster.ssh("srun --nodelist=compute003 hostname").strip() == "compute003"
    assert cluster.ssh("hello") == "Hello, world!\n"  # the master has what was asked for meanwhile


def test_configuration_without_include_lines_gets_one_of_ours(cluster: Any) -> None:
    on(cluster, "compute002", "sudo sed -i /^Include/d /etc/ssh/sshd_config /etc/ssh/ssh_config")
    fails(cluster, "compute002", f"{STRICT} compute001 hostname")
    assert set_up_again(cluster)[0]["compute002"] == "1"
    assert on(cluster, "compute002", f"{STRICT} compute001 hostname").strip() == "compute001"
    heads = on(cluster, "compute002", "sed -n 2p /etc/ssh/sshd_config /etc/ssh/ssh_config").splitlines()
    assert heads == ["Include /etc/ssh/sshd_config.d/00-elasticluster.conf"]


def test_setup_finds_what_somebody_has_done_to_files_and_units_of_ours(cluster: Any) -> None:
    guard = "elasticluster-resolv-conf.path"
    spoil = (
        f"cd /etc/ssh/elasticluster; sudo mkdir old; sudo chown 4242 known_hosts; sudo systemctl stop {guard}"
    )
    on(cluster, "compute002", spoil)
    assert set_up_again(cluster)[0]["compute002"] == "2"
    look = f"cd /etc/ssh/elasticluster; stat -c %U known_hosts; systemctl is-active {guard}; sudo rmdir old"
    assert on(cluster, "compute002", look).split() == ["root", "active"]


def test_setup_stops_where_sshd_could_not_read_its_configuration(cluster: Any) -> None:
    on(
        cluster,
        "compute002",
        "sudo cp /etc/ssh/sshd_config /root/; echo Port none | sudo tee -a /etc/ssh/sshd_config",
    )
    said = cluster.run("setup", "slurm")
    assert said.returncode != 0
    assert "Say why the node cannot be trusted': /usr/sbin/sshd: " in said.stdout
    assert "Badly formatted port number" in said.stdout
    on(cluster, "compute002", "sudo mv /root/sshd_config /etc/ssh/")


def test_what_cannot_be_done_as_a_whole_is_taken_back(cluster: Any) -> None:
    folder = "/etc/ssh/ssh_config.d"
    spoil = f"cd {folder}; sudo rm ../elasticluster/known_hosts 00-*; sudo mkdir .00-elasticluster.conf.new"
    on(cluster, "compute002", spoil)
    said = cluster.run("setup", "slurm")
    assert said.returncode != 0
    assert f"Is a directory: '{folder}/.00-elasticluster.conf.new'" in said.stdout
    fails(cluster, "compute002", "test -e /etc/ssh/elasticluster/known_hosts")
    on(cluster, "compute002", f"sudo rmdir {folder}/.00-elasticluster.conf.new")
    cluster.ok("setup", "slurm")
    assert on(cluster, "compute002", f"{STRICT} compute001 hostname").strip() == "compute001"


def test_nodes_know_each_other_under_other_addresses(cluster: Any, engine: DockerClient) -> None:
    image = container(engine, cluster, "compute001").image
    before = addresses(cluster)
    cluster.ok("pause", "--yes", "slurm")
    with addresses_taken(engine, cluster, image, len(before)):
        cluster.ok("resume", "slurm")
        after = addresses(cluster)
        assert not {*before.values()} & {*after.values()}
        on(cluster, "compute001", CUT_OFF)
        assert look_up(cluster, "compute001", "compute002") == after["compute002"]
        get_around(cluster)
        workers = sorted(name for name in after if name.startswith("compute"))
        assert sorted(cluster.ssh(f"srun --nodes={len(workers)} hostname").split()) == workers
        assert set_up_again(cluster)[0] == dict.fromkeys(after, "0")
