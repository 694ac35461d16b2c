"""Nodes that cannot simply be logged in to or installed: proxies, agents, other users, mirrors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from tests.e2e.images import bare_image
from tests.e2e.own_playbook import wait_for
from tests.e2e.package_server import PackageServer, package_server

from elasticluster.engine.children import child

pytestmark = pytest.mark.e2e

WHO = """
- name: Say who runs tasks
  hosts: front
  gather_facts: false
  tasks:
    - name: Leave a mark
      ansible.builtin.shell: id -un >> /var/tmp/{name}
      changed_when: false
"""
AS_WRITTEN = """
    - name: Find variables under both names
      ansible.builtin.assert:
        that: [proxy_url == common_proxy_url, multiuser_cluster == "yes"]
"""
ONE_NODE = """
[cloud/local]
provider=docker

[login/mine]
{login}

[setup/mine]
{setup}
frontend_groups=front

[cluster/{name}]
cloud=local
login=mine
setup=mine
image_id={image}
flavor=1cpu-0.5ram
frontend_nodes=1
{cluster}
"""


def configure(user: Any, name: str, **sections: str) -> None:
    """Write the configuration of a cluster with one node; HOME stands for the home directory.

    Args:
        user: whose.
        name: of the cluster.
        **sections: lines for ``login``, ``setup`` and ``cluster``, and the ``image``.
    """
    text = ONE_NODE.format(**{"name": name, "cluster": "", "image": "debian-13"} | sections)
    user.configure(text.replace("HOME", str(user.home)))


def mark(user: Any, name: str, text: str = WHO) -> None:
    """Write a playbook that leaves a mark on the node."""
    (user.home / f"{name}.yml").write_text(text.format(name=name))


# -- a bare system behind a proxy -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(engine: DockerClient) -> Iterator[str]:
    """Return an address of this computer that containers of all networks reach."""
    network = engine.networks.create(f"test-{uuid.uuid4().hex[:8]}", driver="bridge")
    network.reload()
    yield network.attrs["IPAM"]["Config"][0]["Gateway"]
    network.remove()


@pytest.fixture(scope="module")
def packages(gateway: str) -> Iterator[PackageServer]:
    with package_server(gateway) as server:
        yield server


OLD_VARIABLES = """
global_var_proxy_url={url}
global_var_ssh_password_auth=no
global_var_upgrade_packages=yes
global_var_allow_reboot=yes
global_var_multiuser_cluster=yes
global_var_common_package_mirror={url}/debian/
"""
OURS = Path("/etc/ssh/sshd_config.d/00-elasticluster.conf")
FORGET = f"mv {OURS} /root/; systemctl reload ssh"
BARE_LOGIN = "image_user=root\nimage_sudo=no"
BARE_SETUP = "before=HOME/before.yml\nafter=HOME/after.yml\nglobal_var_common_packages=hello\n"


@pytest.fixture(scope="module")
def bare(new_user: Any, engine: DockerClient, packages: PackageServer) -> Iterator[Any]:
    """Start a node without Python and sudo, with the variables of an older release."""
    user = new_user("bare")
    mark(user, "before")
    mark(user, "after", WHO + AS_WRITTEN)
    user.image = bare_image(engine.api)
    variables = OLD_VARIABLES.format(url=packages.url)
    configure(user, "bare", login=BARE_LOGIN, setup=BARE_SETUP + variables, image=user.image)
    user.started = user.run("start", "bare")
    yield user
    user.ok("stop", "--yes", "bare")


def test_node_is_set_up_by_root_without_sudo(bare: Any) -> None:
    assert bare.started.returncode == 0, bare.started.stderr
    assert bare.ssh("cat /var/tmp/before /var/tmp/after", "bare").split() == ["root", "root"]
    assert bare.ssh("hello", "bare") == "Hello, world!\n"


def test_every_package_comes_from_the_mirror_through_the_proxy(bare: Any, packages: PackageServer) -> None:
    assert packages.others == []
    found = {path.rpartition("/")[2].partition("_")[0] for path in packages.proxied if path.endswith(".deb")}
    assert {"python3", "sudo", "hello"} <= found
    releases = {path for path in packages.proxied if path.endswith("/InRelease")}
    assert releases == {
        "/debian/dists/trixie/InRelease",
        "/debian/dists/trixie-updates/InRelease",
        "/debian-security/dists/trixie-security/InRelease",
    }


def test_user_is_told_of_variables_without_effect_and_of_no_others(bare: Any) -> None:
    (warning,) = re.findall(r"^WARNING: .*", bare.started.stderr, re.MULTILINE)
    assert warning.startswith("WARNING: The variable 'multiuser_cluster' has no effect: users are not shared")


def test_nobody_logs_in_by_password(bare: Any) -> None:
    assert offered(bare) == "publickey"


@pytest.mark.parametrize(
    "spoil",
    [
        f"sed -i /^Include/d /etc/ssh/sshd_config; {FORGET}",
        f"{FORGET}; sleep 1; mv /root/{OURS.name} {OURS}; touch /run/elasticluster-sshd",
    ],
    ids=["where sshd_config includes nothing", "where setup was interrupted before sshd was told"],
)
def test_nobody_logs_in_by_password_after_another_setup(bare: Any, spoil: str) -> None:
    bare.ssh(spoil, "bare")
    wait_for(lambda: offered(bare) == "publickey,password")
    bare.ok("setup", "bare")
    wait_for(lambda: offered(bare) == "publickey")


def test_second_setup_of_the_bare_node_changes_nothing(bare: Any) -> None:
    again = bare.run("setup", "-v", "bare")
    assert re.findall(r"changed=(\d+)", again.stdout + again.stderr) == ["0"]


def test_node_forgets_the_proxy_and_the_rule_for_passwords(bare: Any) -> None:
    setup = BARE_SETUP.replace("after=HOME/after.yml\n", "")
    configure(bare, "bare", login=BARE_LOGIN, setup=setup, image=bare.image)
    bare.ok("setup", "bare")
    wait_for(lambda: offered(bare) == "publickey,password")
    assert "Proxy" not in bare.ssh("apt-config dump", "bare")


def offered(user: Any) -> str:
    """Return by which methods sshd, as it runs, lets users log in; empty if it does not answer."""
    ask = "ssh -o PreferredAuthentications=none -o StrictHostKeyChecking=no nobody@localhost"
    said = user.ssh(f"{ask} 2>&1 || :", "bare")
    return "".join(re.findall(r"Permission denied \((.*)\)", said))


# -- an agent's key, a proxy command, another user than root ----------------------------------------------

RELAY = """\
import socket, sys, threading
with open({log!r}, "a") as log:
    print(*sys.argv[1:], file=log)
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := sys.stdin.buffer.raw.read(65536):
        stream.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := stream.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run an SSH agent that has many keys; return the public half of the one that is only there."""
    folder = tmp_path_factory.mktemp("agent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSH_AUTH_SOCK", str(folder / "socket"))
        command = ["ssh-agent", "-D", "-a", str(folder / "socket")]
        with child(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            for name in (*(f"other{number}" for number in range(7)), "mine"):
                path = str(folder / name)
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
                subprocess.run(["ssh-add", "-q", path], check=True)
            (folder / "mine").rename(folder / "kept")
            yield folder / "mine.pub"


@pytest.fixture(scope="module")
def proxied(new_user: Any, agent: Path) -> Iterator[Any]:
    """Start a node that is reached by a proxy command and the agent's key; not root runs tasks on it."""
    user = new_user("proxied")
    mark(user, "mine")
    user.log = user.home / "relay.log"
    (user.home / "my relay").write_text(RELAY.format(log=str(user.log)))
    configure(
        user,
        "proxied",
        login=f"image_user=debian\nuser_key_public={agent}\nimage_user_sudo=worker\n"
        "image_userdata=useradd --create-home worker",
        setup="playbook_path=HOME/mine.yml",
        cluster=f"ssh_proxy_command={sys.executable} 'HOME/my relay' %%h %%p %%r %%n 100%% +%s",
    )
    user.ok("start", "--no-setup", "proxied")
    wait_for(lambda: user.run("ssh", "proxied", "--", "test -d /home/worker").returncode == 0)
    yield user
    user.ok("stop", "--yes", "proxied")


def calls(user: Any) -> list[str]:
    """Return what the proxy command was given since it was asked last."""
    given = user.log.read_text().splitlines()
    user.log.write_text("")
    return given


@pytest.mark.parametrize(
    "command", [("setup", "proxied"), ("ssh", "proxied", "--", "true"), ("sftp", "proxied", "--", "-b", "-")]
)
def test_proxy_command_gets_the_same_from_everybody(proxied: Any, command: tuple[str, ...]) -> None:
    calls(proxied)
    proxied.ok(*command)
    given = calls(proxied)
    assert len(given) >= 2  # one is a probe
    assert {re.sub(r" \d+ ", " PORT ", line, count=1) for line in given} == {
        "127.0.0.1 PORT debian frontend001 100% +%s"
    }


def test_ssh_config_leads_through_the_proxy_with_the_agents_key(proxied: Any, tmp_path: Path) -> None:
    config = tmp_path / "ssh.conf"
    proxied.ok("ssh-config", "proxied", "--output", str(config))
    calls(proxied)
    command = ["ssh", "-F", str(config), "proxied", "hostname"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "frontend001\n"
    (given,) = calls(proxied)
    assert re.sub(r" \d+ ", " PORT ", given, count=1) == "127.0.0.1 PORT debian frontend001 100% +%s"


def test_own_tasks_are_run_by_the_user_named(proxied: Any) -> None:
    proxied.ok("setup", "proxied")
    assert set(proxied.ssh("cat /var/tmp/mine", "proxied").split()) == {"worker"}


@pytest.mark.parametrize(
    ("socket", "said"),
    [
        ("", "no SSH agent is known: SSH_AUTH_SOCK is not set"),
        ("/nowhere", "no SSH agent answers at SSH_AUTH_SOCK=/nowhere"),
    ],
)
def test_missing_agent_is_told(
    proxied: Any, agent: Path, monkeypatch: pytest.MonkeyPatch, socket: str, said: str
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", socket)
    refused = proxied.run("setup", "proxied")
    assert refused.returncode == 69
    message = f"Of the key {agent} the template names no private half, and {said}.\nRun `ssh-add "
    assert message in refused.stderr


def test_agent_without_the_key_is_told(proxied: Any, agent: Path) -> None:
    private = str(agent.with_name("kept"))
    subprocess.run(["ssh-add", "-q", "-d", private], check=True)
    try:
        refused = proxied.run("ssh", "proxied", "--", "true")
    finally:
        subprocess.run(["ssh-add", "-q", private], check=True)
    assert refused.returncode == 69
    assert f"SSH_AUTH_SOCK={os.environ['SSH_AUTH_SOCK']} does not hold it" in refused.stderr


def test_key_with_a_passphrase_is_used_through_the_agent(new_user: Any, agent: Path) -> None:
    user = new_user("protected")
    mark(user, "mine")
    key = user.home / "key"
    key.write_bytes(agent.with_name("kept").read_bytes())
    key.chmod(0o600)
    key.with_name("key.pub").write_text(agent.read_text())
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(key)], check=True)
    login = f"image_user=debian\nuser_key_private={key}\nuser_key_public={key}.pub"
    configure(user, "protected", login=login, setup="playbook_path=HOME/mine.yml")
    user.ok("start", "protected")
    assert user.ssh("cat /var/tmp/mine", "protected") == "root\n"
    user.ok("stop", "--yes", "protected")


# -- shipped roles and a user who is not root -------------------------------------------------------------

SHIPPED = "after=HOME/after.yml"


@pytest.fixture(scope="module")
def plain(new_user: Any) -> Iterator[Any]:
    """Start a node with a user who is not root, and one who is root under another name."""
    user = new_user("plain")
    mark(user, "after")
    users = "useradd hpc; useradd --non-unique --uid 0 --no-create-home toor"
    user.login = f"image_user=debian\nimage_userdata={users}"
    configure(user, "plain", login=user.login, setup=SHIPPED)
    user.ok("start", "--no-setup", "plain")
    wait_for(lambda: user.run("ssh", "plain", "--", "id toor").returncode == 0)
    yield user
    user.ok("stop", "--yes", "plain")


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("image_user_sudo=hpc", r"image_user_sudo=hpc is user hpc here, whose uid is \d+ and not 0"),
        ("image_user_sudo=nobody1", "id: .nobody1.: no such user"),
        ("image_sudo=no", r"image_user=debian with image_sudo=no is user debian here, whose uid is \d+"),
    ],
)
def test_user_who_is_not_root_is_refused_by_the_first_step(plain: Any, login: str, said: str) -> None:
    configure(plain, "plain", login=f"{plain.login}\n{login}", setup=SHIPPED)
    refused = plain.run("setup", "plain")
    assert refused.returncode == 4
    task = "task 'common : Install what Ansible needs'"
    assert re.search(rf"frontend001: setup: {task}: .*{said}", refused.stdout)


def test_root_under_another_name_sets_nodes_up(plain: Any) -> None:
    configure(plain, "plain", login=f"{plain.login}\nimage_user_sudo=toor", setup=SHIPPED)
    plain.ok("setup", "plain")
    assert plain.ssh("test -O /var/tmp/after || sudo stat -c %u /var/tmp/after", "plain") == "0\n"


def test_proxy_command_that_fails_is_named(plain: Any) -> None:
    command = "sh -c 'echo the gate is closed >&2; exit 9'"
    cluster = f"ssh_proxy_command={command}\nssh_probe_timeout=1"
    configure(plain, "plain", login=plain.login, setup=SHIPPED, cluster=cluster)
    failed = plain.run("setup", "plain")
    assert failed.returncode == 4
    assert re.search(
        r"^  frontend001: proxy command: 127\.0\.0\.1:\d+ was not reached: "
        rf"`{re.escape(command)}` ended with status 9: the gate is closed",
        failed.stdout,
        re.MULTILINE,
    )
