"""What a third party gets for writing the four documented verbs."""

from __future__ import annotations

from typing import Any

import pytest

from elasticluster.exceptions import CredentialsError, InstanceError, InstanceNotFoundError, QuotaError
from elasticluster.model import (
    ClusterRecord,
    ComponentRef,
    InstanceRequest,
    InstanceState,
    KeyPair,
    NodeRecord,
    NodeSpec,
    NodeState,
    Tags,
)
from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider

TAGS = Tags(uuid="u-1", name="mine", template="t", owner="me", created="0", kind="w", batch="b-1")
SPEC = NodeSpec(kind="w", image_id="img", image_user="joe", flavor="big", extra={"disk": 7})
KEY = KeyPair(name="k", public_path="/k.pub", private_path="/k")


def request(*names: str) -> InstanceRequest:
    return InstanceRequest(token=TAGS.batch, spec=SPEC, names=names, tags=TAGS, key=KEY)


class Shelf(AbstractCloudProvider):
    """A third party's provider whose machines are lines in a dict; its constructor does not call ours."""

    def __init__(self, addresses: list[str], **config: Any) -> None:
        self.machines: dict[str, dict[str, Any]] = {}
        self.addresses = addresses

    def start_instance(self, *args: Any, node_name: str | None = None, **kwargs: Any) -> Any:
        if node_name == "bad":
            raise ZeroDivisionError("no luck")
        if node_name == "poor":
            raise QuotaError("No more machines.")
        self.machines[f"id-{node_name}"] = kwargs
        return {"instance_id": f"id-{node_name}"}

    def stop_instance(self, instance_id: str) -> None:
        if self.machines.pop(instance_id, None) is None:
            raise InstanceNotFoundError("gone")

    def get_ips(self, instance_id: str) -> list[str]:
        return self.addresses

    def is_instance_running(self, instance_id: str) -> bool:
        if instance_id not in self.machines:
            raise InstanceNotFoundError("gone")
        return bool(self.addresses)


class Oldest(Shelf):
    """Written to the letter of the oldest document: no ``**kwargs``, the id is returned as such."""

    def start_instance(  # type: ignore[override]
        self,
        key_name: str,
        public_key_path: str,
        private_key_path: str,
        security_group: str,
        flavor: str,
        image_id: str,
        image_userdata: str,
        username: str | None = None,
        node_name: str | None = None,
    ) -> Any:
        self.machines[f"id-{node_name}"] = {"flavor": flavor, "username": username}
        return f"id-{node_name}"


def test_create_asks_for_each_instance_and_keeps_failures_apart() -> None:
    provider = Shelf(["10.0.0.1"])
    made = provider.create_instances(request("w1", "bad", "w2", "poor"))
    assert {one.tags.node: one.id for one in made.instances} == {"w1": "id-w1", "w2": "id-w2"}
    assert {name: str(error) for name, error in made.failures.items()} == {
        "bad": "start_instance failed: ZeroDivisionError: no luck",
        "poor": "No more machines.",
    }
    assert isinstance(made.failures["bad"].__cause__, ZeroDivisionError)


def test_create_hands_over_all_that_is_documented() -> None:
    provider = Shelf([])
    provider.create_instances(request("w1"))
    assert provider.machines["id-w1"] == {
        "key_name": "k",
        "public_key_path": "/k.pub",
        "private_key_path": "/k",
        "security_group": "default",
        "flavor": "big",
        "image_id": "img",
        "image_userdata": "",
        "cluster_name": "mine",
        "username": "joe",
        "disk": 7,
    }


def test_create_gives_no_argument_that_a_method_does_not_name() -> None:
    provider = Oldest([])
    assert not provider.create_instances(request("w1")).failures
    assert provider.machines == {"id-w1": {"flavor": "big", "username": "joe"}}


def test_create_refuses_an_answer_without_an_id() -> None:
    class Silent(Shelf):
        def start_instance(self, *args: Any, **kwargs: Any) -> Any:
            return None

    error = Silent([]).create_instances(request("w1")).failures["w1"]
    assert isinstance(error, InstanceError)
    assert error.message == (
        "Silent.start_instance returned None for node 'w1', not the id of an instance as text."
    )


@pytest.mark.parametrize("answer", [3, {"instance_id": 3}])
def test_machine_whose_id_is_no_text_does_not_run_on_unknown_to_anybody(answer: Any) -> None:
    class Numbers(Shelf):
        def start_instance(self, *args: Any, **kwargs: Any) -> Any:
            self.machines[3] = {}  # type: ignore[index]
            return answer

    provider = Numbers([])
    error = provider.create_instances(request("w1")).failures["w1"]
    said = "Numbers.start_instance returned 3 for node 'w1', not the id of an instance as text"
    assert (error.message, provider.machines) == (f"{said}; its machine was destroyed again.", {})
    provider.stop_instance = lambda instance_id: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    assert provider.create_instances(request("w1")).failures["w1"].message == (
        f"{said}; its machine may run, and nobody else knows of it: "
        "stop_instance failed: ZeroDivisionError: division by zero."
    )


@pytest.mark.parametrize(
    ("addresses", "public", "private", "port"),
    [
        (["198.51.100.7", "10.0.0.1"], "198.51.100.7", "10.0.0.1", 22),
        (["10.0.0.1", "198.51.100.7"], "198.51.100.7", "10.0.0.1", 22),
        (["192.168.1.5"], None, "192.168.1.5", 22),
        (["127.0.0.1:49153", "172.18.0.2"], "127.0.0.1", "172.18.0.2", 49153),
        (["node.example.org:2222"], "node.example.org", None, 2222),
        (["2001:db8::7"], "2001:db8::7", None, 22),
        (["[2001:db8::7]:2222", "fd00::1"], "2001:db8::7", "fd00::1", 2222),
        (["fe80::1", "169.254.3.4", "10.0.0.9"], None, "10.0.0.9", 22),
        (["10.0.0.5:2222", "198.51.100.7"], "198.51.100.7", "10.0.0.5", 22),
    ],
)
def test_list_sorts_addresses(addresses: list[str], public: str, private: str, port: int) -> None:
    provider = Shelf(addresses)
    provider.create_instances(request("w1"))
    [instance] = provider.list_instances("u-1")
    assert (instance.public_ip, instance.private_ip, instance.ssh_port) == (public, private, port)
    assert instance.state is InstanceState.RUNNING


def test_list_knows_only_the_cluster_asked_for() -> None:
    provider = Shelf(["10.0.0.1"])
    provider.create_instances(request("w1"))
    assert not provider.list_instances("u-2")
    assert [one.id for one in provider.list_instances()] == ["id-w1"]


def test_list_shows_an_instance_that_does_not_run_yet() -> None:
    provider = Shelf([])
    provider.create_instances(request("w1"))
    assert [one.state for one in provider.list_instances()] == [InstanceState.PENDING]


def test_list_answers_for_adopted_instances_that_still_exist() -> None:
    nodes = tuple(NodeRecord(name=name, spec=SPEC, instance_id=f"id-{name}") for name in ("w1", "w2"))
    none = ComponentRef(type="none")
    record = ClusterRecord(uuid="u-1", name="mine", template="t", cloud=none, setup=none, nodes=nodes)
    provider = Shelf(["10.0.0.1"])
    provider.machines["id-w2"] = {}
    provider.adopt(record)
    [found] = provider.list_instances("u-1")
    assert (found.id, found.tags.node, found.tags.uuid) == ("id-w2", "w2", "u-1")


class Flaky(Shelf):
    """Has trouble with one machine."""

    trouble: Exception = OSError("network is down")

    def is_instance_running(self, instance_id: str) -> bool:
        if instance_id == "id-w2":
            raise self.trouble
        return super().is_instance_running(instance_id)


def flaky(trouble: Exception) -> Flaky:
    provider = Flaky(["10.0.0.1"])
    provider.trouble = trouble
    provider.create_instances(request("w1", "w2", "w3"))
    return provider


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (OSError("network is down"), "is_instance_running failed: OSError: network is down"),
        (KeyError("id-w2"), "is_instance_running failed: KeyError: 'id-w2'"),
        (QuotaError("Slow down."), "Slow down."),
    ],
)
def test_list_keeps_an_instance_that_cannot_be_looked_at(trouble: Exception, reason: str) -> None:
    found = {one.id: (one.state, one.reason) for one in flaky(trouble).list_instances()}
    assert found == {
        "id-w1": (InstanceState.RUNNING, ""),
        "id-w2": (InstanceState.PENDING, reason),
        "id-w3": (InstanceState.RUNNING, ""),
    }


@pytest.mark.parametrize("answer", [b"10.0.0.1", "10.0.0.1", 7, [7]])
def test_machine_with_addresses_that_are_none_is_listed_with_the_reason_and_can_be_stopped(
    answer: Any,
) -> None:
    provider = Shelf(["10.0.0.1"])
    provider.create_instances(request("w1"))
    provider.addresses = answer
    [instance] = provider.list_instances()
    assert instance.state is InstanceState.PENDING
    assert instance.reason.startswith("get_ips failed: TypeError: ")
    assert not provider.stop_instances(["id-w1"])
    assert not provider.machines


def test_machine_without_any_answer_about_its_addresses_has_none() -> None:
    class Mute(Shelf):
        def get_ips(self, instance_id: str) -> Any:
            return None

    provider = Mute(["10.0.0.1"])
    provider.create_instances(request("w1"))
    [instance] = provider.list_instances()
    assert (instance.state, instance.public_ip, instance.reason) == (InstanceState.RUNNING, None, "")


def test_what_a_provider_says_is_told_without_the_secrets_that_it_was_made_with() -> None:
    class Chatty(Shelf):
        def is_instance_running(self, instance_id: str) -> bool:
            raise OSError(f"no login for {self.init_arguments['config_password']}")

    provider = Chatty(["10.0.0.1"], config_password="pw1")  # noqa: S106
    provider.create_instances(request("w1"))
    [instance] = provider.list_instances()
    assert instance.reason == "is_instance_running failed: OSError: no login for ********"


def test_list_leaves_out_an_instance_that_is_gone() -> None:
    provider = flaky(InstanceNotFoundError("gone"))
    assert [one.id for one in provider.list_instances()] == ["id-w1", "id-w3"]


def test_list_is_refused_as_a_whole_without_credentials() -> None:
    with pytest.raises(CredentialsError, match=r"^Who are you\?$"):
        flaky(CredentialsError("Who are you?")).list_instances()


def test_instance_that_cannot_be_looked_at_can_be_stopped() -> None:
    provider = flaky(OSError("network is down"))
    assert not provider.stop_instances(["id-w1", "id-w2", "id-w3"])
    assert not provider.machines


def test_stop_counts_a_missing_instance_as_stopped() -> None:
    provider = Shelf(["10.0.0.1"])
    provider.create_instances(request("w1"))
    assert not provider.stop_instances(["id-w1", "id-never"])
    assert not provider.list_instances()


def test_pause_and_resume_are_not_among_the_four_verbs() -> None:
    provider = Shelf([])
    assert {id_: str(error) for id_, error in provider.pause_instances(["x", "y"]).items()} == dict.fromkeys(
        ("x", "y"), "Shelf cannot stop an instance and keep its disk: it has no `pause_instance`."
    )
    assert str(provider.resume_instances(["x"])["x"]) == (
        "Shelf cannot start a stopped instance again: it has no `resume_instance`."
    )


class Pausable(Shelf):
    """Has the two optional verbs."""

    def pause_instance(self, instance_id: str) -> None:
        self.machines[instance_id]["asleep"] = True

    def resume_instance(self, instance_id: str) -> None:
        self.machines[instance_id]["asleep"] = False

    def is_instance_running(self, instance_id: str) -> bool:
        return not self.machines[instance_id].get("asleep")


def states(provider: AbstractCloudProvider) -> dict[str, InstanceState]:
    return {one.id: one.state for one in provider.list_instances()}


def test_optional_verbs_pause_and_resume_each_instance_by_itself() -> None:
    provider = Pausable(["10.0.0.1"])
    provider.create_instances(request("w1", "w2"))
    errors = provider.pause_instances(["id-never", "id-w1"])
    assert {id_: str(error) for id_, error in errors.items()} == {
        "id-never": "pause_instance failed: KeyError: 'id-never'"
    }
    assert states(provider) == {"id-w1": InstanceState.STOPPED, "id-w2": InstanceState.RUNNING}
    assert list(provider.resume_instances(["id-never", "id-w1"])) == ["id-never"]
    assert states(provider) == {"id-w1": InstanceState.RUNNING, "id-w2": InstanceState.RUNNING}


def test_instance_that_another_process_paused_is_stopped_and_not_on_its_way() -> None:
    nodes = (NodeRecord(name="w1", spec=SPEC, instance_id="id-w1", state=NodeState.PAUSED),)
    none = ComponentRef(type="none")
    provider = Pausable(["10.0.0.1"])
    provider.machines["id-w1"] = {"asleep": True}
    provider.adopt(ClusterRecord(uuid="u-1", name="mine", template="t", cloud=none, setup=none, nodes=nodes))
    assert states(provider) == {"id-w1": InstanceState.STOPPED}


def test_arguments_of_a_provider_are_remembered_by_name() -> None:
    assert Shelf(["10.0.0.1"], zone="z").init_arguments == {"addresses": ["10.0.0.1"], "zone": "z"}


def test_setup_provider_needs_both_documented_verbs() -> None:
    class Half(AbstractSetupProvider):
        def setup_cluster(self, cluster: Any, extra_args: Any = ()) -> bool:
            return True

    with pytest.raises(TypeError, match="cleanup"):
        Half()  # type: ignore[abstract]
