"""Nodes in containers, as a user's cluster gets them."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient
from tests.e2e.images import bare_image, minimal_image

from elasticluster.engine.events import Event, Notice
from elasticluster.exceptions import FlavorError, ImageError, InstanceError, KeypairError
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    Instance,
    InstanceRequest,
    InstanceState,
    KeyPair,
    NodeSpec,
    Tags,
)
from elasticluster.naming import new_uuid, object_name
from elasticluster.providers.docker import DockerProvider

pytestmark = pytest.mark.e2e

USERDATA = "id -un; date +%s%N; echo made-by-userdata >/root/mark; sleep 1; echo the end"


class Nodes:
    """A cluster of nodes made by the provider, without the rest of the engine."""

    def __init__(self, key: KeyPair) -> None:
        self.provider = DockerProvider()
        self.key = key
        none = ComponentRef(type="none")
        self.record = ClusterRecord(
            uuid=new_uuid(), name="e2e+docker_1.0", template="t", cloud=none, setup=none
        )
        self.told: list[Event] = []

    def request(self, *names: str, **spec: Any) -> InstanceRequest:
        made_of = {"image_id": "debian-13", "image_user": "debian", "flavor": "1cpu-0.5ram", **spec}
        batch = new_uuid()
        tags = Tags(
            uuid=self.record.uuid, name=self.record.name, template="t", owner="e2e", created="0", batch=batch
        )
        return InstanceRequest(
            token=batch, spec=NodeSpec(kind="n", **made_of), names=names, tags=tags, key=self.key
        )

    def start(self, request: InstanceRequest) -> list[Instance]:
        """Make nodes and wait until they have their identity."""
        self.provider.preflight(self.record, [request], self.told.append)
        self.provider.prepare(self.record, self.key)
        created = self.provider.create_instances(request)
        assert not created.failures
        ids = [one.id for one in created.instances]
        wait_for(lambda: len(self.provider.host_keys(ids)) == len(ids))
        return self.list(ids)

    def list(self, ids: Sequence[str]) -> list[Instance]:
        found = {one.id: one for one in self.provider.list_instances(self.record.uuid)}
        return [found[one] for one in ids]

    def run(self, instance: Instance, command: str, user: str = "debian") -> str:
        """Run a command on a node by SSH, trusting no host key but the one that the provider told."""
        known = Path(self.key.private_path).with_name(instance.id)
        keys = self.provider.host_keys([instance.id])[instance.id]
        known.write_text("".join(f"[127.0.0.1]:{instance.ssh_port} {key}\n" for key in keys))
        options = [
            *("-i", self.key.private_path, "-p", str(instance.ssh_port), "-F", "none"),
            *("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"),
        ]
        done = wait_for(lambda: ssh([*options, f"{user}@127.0.0.1", command]))
        return str(done).strip()

    def close(self) -> None:
        self.provider.stop_instances([one.id for one in self.provider.list_instances(self.record.uuid)])
        self.provider.release(self.record.uuid)


def ssh(arguments: list[str]) -> str:
    """Return what a command printed; empty if the login did not work, and "-" if it printed nothing."""
    done = subprocess.run(["ssh", *arguments], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 255 and "Host key verification failed" not in done.stderr:
        return ""
    return done.stdout.strip() or done.stderr.strip() or "-"


def wait_for(look: Any, seconds: float = 30) -> Any:
    """Return the first result that is true."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return result


@pytest.fixture(scope="module")
def engine() -> Iterator[APIClient]:
    client = APIClient(version="auto")
    yield client
    client.close()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return KeyPair(name="e2e", public_path=f"{path}.pub", private_path=str(path))


@pytest.fixture(scope="module")
def nodes(key: KeyPair) -> Iterator[Nodes]:
    made = Nodes(key)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pair(nodes: Nodes) -> list[Instance]:
    """Two running nodes, with user data."""
    return nodes.start(nodes.request("compute001", "compute002", image_userdata=USERDATA))


@pytest.fixture
def few(key: KeyPair) -> Iterator[Nodes]:
    """A cluster for one test."""
    made = Nodes(key)
    yield made
    made.close()


def test_login_works_with_the_key_and_the_pinned_host_key(nodes: Nodes, pair: list[Instance]) -> None:
    for instance in pair:
        assert nodes.run(instance, "id -un; sudo -n id -un; echo $HOME") == "debian\nroot\n/home/debian"


def test_host_keys_are_one_for_each_node(nodes: Nodes, pair: list[Instance]) -> None:
    first, second = nodes.provider.host_keys([one.id for one in pair]).values()
    assert first[0].startswith("ssh-ed25519 ")
    assert first != second
    assert nodes.run(pair[0], "cut -d' ' -f1,2 /etc/ssh/ssh_host_*.pub") == "\n".join(first)


def test_nodes_have_machine_ids_of_their_own(nodes: Nodes, pair: list[Instance]) -> None:
    assert len({nodes.run(one, "cat /etc/machine-id") for one in pair}) == 2


def test_nodes_know_their_names_and_find_each_other(nodes: Nodes, pair: list[Instance]) -> None:
    for instance in pair:
        assert nodes.run(instance, "hostname -f") == instance.tags.node
        for other in pair:
            assert nodes.run(instance, f"getent hosts {other.tags.node}").split() == [
                other.private_ip,
                other.tags.node,
            ]


def test_home_is_shared_and_belongs_to_the_user_everywhere(nodes: Nodes, pair: list[Instance]) -> None:
    nodes.run(pair[0], "echo shared >note")
    assert nodes.run(pair[1], "cat note; stat -c %U:%G note") == "shared\ndebian:debian"


def test_whole_system_comes_up_without_a_failed_unit(nodes: Nodes, pair: list[Instance]) -> None:
    assert nodes.run(pair[0], "systemctl is-system-running --wait") == "running"
    assert nodes.run(pair[0], "cat /proc/1/cgroup | grep -c system.slice") == "0"


def test_flavor_limits_the_container(engine: APIClient, pair: list[Instance]) -> None:
    limits = engine.inspect_container(pair[0].id)["HostConfig"]
    half = 2**29
    assert (limits["NanoCpus"], limits["Memory"], limits["MemorySwap"]) == (10**9, half, half)
    assert limits["Privileged"] is False


def test_user_data_ran_as_root_and_left_its_output(nodes: Nodes, pair: list[Instance]) -> None:
    log = wait_for(lambda: _log_if_ended(nodes, pair[0])).splitlines()
    assert log[0] == "root"
    assert log[2:] == ["the end", "image_userdata ended with status 0"]
    assert nodes.run(pair[0], "sudo cat /root/mark") == "made-by-userdata"
    console = nodes.provider.console_output(pair[0].id)
    assert "the end" in console
    assert "\x1b" not in console


def _log_if_ended(nodes: Nodes, instance: Instance) -> str:
    text = nodes.run(instance, "sudo cat /var/log/elasticluster-userdata.log")
    return text if "ended with status" in text else ""


def test_paused_node_keeps_its_identity_and_runs_no_user_data_again(
    nodes: Nodes, pair: list[Instance]
) -> None:
    before = (nodes.provider.host_keys([pair[1].id]), wait_for(lambda: _log_if_ended(nodes, pair[1])))
    began = time.monotonic()
    assert not nodes.provider.pause_instances([pair[1].id])
    assert time.monotonic() - began < 10, "killed, and not halted by its systemd"
    [stopped] = nodes.list([pair[1].id])
    assert (stopped.state, stopped.public_ip) == (InstanceState.STOPPED, None)
    assert not nodes.provider.resume_instances([stopped.id])
    [again] = nodes.list([pair[1].id])
    assert again.state is InstanceState.RUNNING
    assert nodes.run(again, "systemctl is-system-running --wait") == "running"
    assert (nodes.provider.host_keys([again.id]), _log_if_ended(nodes, again)) == before


def test_ids_are_those_that_docker_ps_prints(engine: APIClient, nodes: Nodes, pair: list[Instance]) -> None:
    ours = engine.containers(filters={"label": [f"elasticluster.uuid={nodes.record.uuid}"]})
    assert {one.id for one in pair} == {summary["Id"][:12] for summary in ours}
    assert nodes.provider.get_ips(ours[0]["Id"]) == nodes.provider.get_ips(ours[0]["Id"][:12])


def test_pause_of_a_missing_container_is_an_error_of_its_own(nodes: Nodes) -> None:
    errors = nodes.provider.pause_instances(["no-such-container"])
    assert str(errors["no-such-container"]) == (
        "Cannot stop the container 'no-such-container': No such container: no-such-container"
    )


def test_resume_of_a_missing_container_is_an_error_of_its_own(nodes: Nodes) -> None:
    errors = nodes.provider.resume_instances(["no-such-container"])
    assert str(errors["no-such-container"]) == (
        "Cannot start the container 'no-such-container': No such container: no-such-container"
    )


def test_same_create_call_twice_makes_the_nodes_once(few: Nodes) -> None:
    request = few.request("twin001")
    [first] = few.start(request)
    again = few.provider.create_instances(request)
    assert [one.id for one in again.instances] == [first.id]
    assert [one.id for one in few.provider.list_instances(few.record.uuid)] == [first.id]


def test_container_made_but_not_started_by_a_killed_call_is_finished(few: Nodes, engine: APIClient) -> None:
    request = few.request("cut001")
    [node] = few.start(request)
    engine.kill(node.id)
    again = few.provider.create_instances(request)
    assert [one.id for one in again.instances] == [node.id]
    assert few.list([node.id])[0].state is InstanceState.RUNNING


def test_name_taken_by_another_call_fails_that_node_only(few: Nodes) -> None:
    few.start(few.request("x001"))
    made = few.provider.create_instances(few.request("x001", "x002"))
    assert [one.tags.node for one in made.instances] == ["x002"]
    name = object_name(few.record.name, few.record.uuid, "x001")
    assert isinstance(made.failures["x001"], InstanceError)
    assert str(made.failures["x001"]) == (
        f"A container called '{name}' exists, and it is not the one that was asked for.\n"
        f"Look at it with `docker inspect {name}`; remove it if nobody needs it."
    )


def test_stop_and_release_leave_nothing(few: Nodes, engine: APIClient) -> None:
    few.start(few.request("x001"))
    few.close()
    ours = {"label": [f"elasticluster.uuid={few.record.uuid}"]}
    assert not engine.containers(all=True, filters=ours)
    assert not engine.networks(filters=ours)
    assert not engine.volumes(filters=ours)["Volumes"]


def test_release_cuts_off_what_still_hangs_on_the_network(few: Nodes, engine: APIClient) -> None:
    [node] = few.start(few.request("x001"))
    engine.create_volume(f"{few.record.uuid}-other")
    few.provider.stop_instances([node.id])
    stranger = engine.create_container(
        engine.inspect_image(_node_image(engine)).get("Id"),  # type: ignore[no-untyped-call]
        entrypoint=["sleep", "60"],
        host_config=engine.create_host_config(
            network_mode=object_name(few.record.name, few.record.uuid), auto_remove=True
        ),
    )
    engine.start(stranger["Id"])
    few.provider.release(few.record.uuid)
    assert not engine.networks(filters={"label": [f"elasticluster.uuid={few.record.uuid}"]})
    engine.remove_container(stranger["Id"], force=True)
    engine.remove_volume(f"{few.record.uuid}-other")


def _node_image(engine: APIClient) -> str:
    return str(engine.images("elasticluster/node")[0]["Id"])


def test_bare_image_gets_nothing_installed_and_lets_root_in(few: Nodes, engine: APIClient) -> None:
    [node] = few.start(few.request("bare001", image_id=bare_image(engine), image_user="root"))
    assert few.run(node, "id -un; command -v python3 sudo; echo none", user="root") == "root\nnone"
    assert few.run(node, "systemctl is-system-running --wait", user="root") == "running"


def test_bare_image_gets_its_user_without_sudo(few: Nodes, engine: APIClient) -> None:
    [node] = few.start(few.request("bare001", image_id=bare_image(engine), image_user="joe"))
    assert few.run(node, "id -un; id -u; pwd", user="joe") == "joe\n1000\n/home/joe"


@pytest.mark.full
def test_image_without_an_init_gets_what_a_node_needs(few: Nodes, engine: APIClient) -> None:
    [node] = few.start(few.request("app001", image_id=minimal_image(engine)))
    assert few.run(node, "sudo -n systemctl is-system-running --wait; command -v python3") == (
        "running\n/usr/bin/python3"
    )


def test_debian_12_is_a_base_system_too(few: Nodes) -> None:
    [node] = few.start(few.request("old001", image_id="debian-12"))
    assert few.run(
        node, ". /etc/os-release; echo $ID $VERSION_ID; sudo -n systemctl is-system-running --wait"
    ) == ("debian 12\nrunning")


def test_single_instance_of_the_documented_verbs(key: KeyPair) -> None:
    provider = DockerProvider()
    instance_id = provider.start_instance(
        "k", key.public_path, key.private_path, "default", "1cpu-0.5ram", "debian-13", "", username="debian"
    )
    assert provider.is_instance_running(instance_id)
    public, private = provider.get_ips(instance_id)
    assert public.startswith("127.0.0.1:")
    assert private.count(".") == 3
    [uuid] = {one.tags.uuid for one in provider.list_instances() if one.id == instance_id}
    provider.stop_instance(instance_id)
    assert not provider.is_instance_running(instance_id)
    assert not provider.list_instances(uuid)


def test_flavor_larger_than_the_machine_is_refused_before_anything_is_made(
    few: Nodes, engine: APIClient
) -> None:
    cpus = engine.info()["NCPU"]
    with pytest.raises(FlavorError) as caught:
        few.provider.preflight(few.record, [few.request("x001", flavor="1000cpu-1ram")], few.told.append)
    assert caught.value.message == f"Flavor '1000cpu-1ram' wants 1000 processors; this machine has {cpus}."


def test_image_that_does_not_exist_is_refused_before_anything_is_made(few: Nodes) -> None:
    request = few.request("x001", image_id="elasticluster/no-such-image:1")
    with pytest.raises(ImageError) as caught:
        few.provider.preflight(few.record, [request], few.told.append)
    assert caught.value.message.startswith(
        "There is no image 'elasticluster/no-such-image:1' on this machine, and it cannot be fetched: "
    )
    assert caught.value.hint == (
        "image_id is one of debian-12, debian-13, or an image that `docker pull` can get."
    )
    assert few.told == [Notice("Fetching the image 'elasticluster/no-such-image:1'.")]


def test_image_that_cannot_become_a_node_is_refused_with_the_last_lines(
    few: Nodes, engine: APIClient
) -> None:
    empty = "elasticluster/test-empty:1"
    name, tag = empty.split(":")
    before = _unnamed_images(engine)
    engine.import_image_from_data(b"\0" * 10240, repository=name, tag=tag)
    try:
        with pytest.raises(ImageError) as caught:
            few.provider.preflight(few.record, [few.request("x001", image_id=empty)], few.told.append)
    finally:
        engine.remove_image(empty)
        for layer in _unnamed_images(engine) - before:
            engine.remove_image(layer)
    assert caught.value.message.startswith(f"Building the node image of '{empty}' failed: ")
    assert "\n  Step 4/5 : RUN " in caught.value.message
    assert caught.value.hint == (
        "A base image needs systemd and an SSH server, or apt or dnf to install them."
    )


def _unnamed_images(engine: APIClient) -> set[str]:
    return {image["Id"] for image in engine.images(filters={"dangling": True})}


def test_missing_public_key_fails_the_node_and_leaves_no_container(few: Nodes) -> None:
    request = few.request("x001")
    lost = dataclasses.replace(request, key=KeyPair(name="k", public_path="/no/key.pub", private_path=""))
    few.provider.preflight(few.record, [lost], few.told.append)
    few.provider.prepare(few.record, lost.key)
    made = few.provider.create_instances(lost)
    assert isinstance(made.failures["x001"], KeypairError)
    assert not few.provider.list_instances(few.record.uuid)


def test_too_many_nodes_for_this_machine_are_refused(few: Nodes) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii"))
    names = [f"x{number:05d}" for number in range(limit)]
    with pytest.raises(Exception, match=f"this machine allows {limit}"):
        few.provider.preflight(few.record, [few.request(*names)], few.told.append)
