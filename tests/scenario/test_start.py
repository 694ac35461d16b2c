"""The whole way of a `start`, with everything that can go wrong on it."""

import time
from dataclasses import replace

import pytest

from elasticluster.engine import execute
from elasticluster.engine.configure import StartOptions
from elasticluster.engine.events import NodeDone, Phase, PhaseStarted, Warned
from elasticluster.engine.fakes import FakeCloud, host_key
from elasticluster.engine.stop import pause
from elasticluster.exceptions import (
    CapacityError,
    ClusterError,
    ClusterNotFound,
    ConfigurationError,
    CredentialsError,
    FlavorError,
    QuotaError,
    ThrottledError,
)
from elasticluster.model import Failure, InstanceState, Layer, NodeState, Verdict

PHASES = [Phase.PREFLIGHT, Phase.CREATE, Phase.BOOT, Phase.CONNECT, Phase.SETUP]


def states(report):
    return {node.name: node.state for node in report.cluster.nodes}


def test_start_brings_every_node_to_ready(world, cluster):
    report = world.start(cluster)
    assert report.verdict is Verdict.READY
    assert set(states(report).values()) == {NodeState.READY}
    assert world.store.load("slurm") == report.cluster
    assert [event.phase for event in world.told(PhaseStarted)] == PHASES


def test_start_pins_host_keys_had_from_the_cloud(world, cluster):
    report = world.start(cluster)
    assert [node.host_keys for node in report.cluster.nodes] == [
        (host_key(node.instance_id),) for node in report.cluster.nodes
    ]
    lines = world.network.known_hosts[world.store.known_hosts_path("slurm")]
    assert len(lines) == 3


def test_start_believes_host_keys_on_first_contact_only_if_the_cloud_delivers_none(world, cluster):
    world.cloud.delivers_host_keys = False
    report = world.start(cluster)
    assert report.cluster.nodes[0].host_keys == ("ssh-ed25519 SEEN-AT-frontend001",)
    texts = [event.text for event in world.events if hasattr(event, "text")]
    assert "Host keys of 3 nodes were accepted on first contact." in texts


def test_start_again_changes_no_machine(world, cluster):
    first = world.start(cluster).cluster
    again = world.start(first).cluster
    assert [node.instance_id for node in again.nodes] == [node.instance_id for node in first.nodes]
    assert world.cloud.calls["create_instances"] == 2


@pytest.mark.parametrize("compute", [2, 200])
def test_start_makes_no_more_calls_for_more_nodes(world, new_cluster, compute):
    world.start(new_cluster(compute=compute))
    assert world.cloud.calls["create_instances"] == 2
    assert world.cloud.calls["list_instances"] <= 12
    assert world.cloud.calls["host_keys"] == 1


def test_start_without_setup_leaves_the_cluster_unconfigured(world, cluster):
    report = world.start(cluster, configure=False)
    assert report.verdict is Verdict.NOT_CONFIGURED
    assert set(states(report).values()) == {NodeState.REACHABLE}
    assert world.setup.jobs == []


def test_start_stores_what_it_will_ask_for_before_it_asks(world, cluster):
    stored = []

    class Watching(FakeCloud):
        def create_instances(self, request):
            record = world.store.load("slurm")
            stored.extend(
                (record.node(n).state, record.node(n).batch == request.token) for n in request.names
            )
            return super().create_instances(request)

    world.cloud = Watching(clock=world.cloud.clock)
    world.start(cluster)
    assert stored == [(NodeState.CREATING, True)] * 3


def test_start_one_after_another_makes_one_machine_a_call(world, cluster):
    world.start(cluster, max_parallel=1)
    assert world.cloud.calls["create_instances"] == 3


def test_start_finds_the_machines_of_a_crash_between_call_and_reply(world, cluster):
    class Crashing(FakeCloud):
        crashing = True

        def create_instances(self, request):
            made = super().create_instances(request)
            if self.crashing:
                raise KeyboardInterrupt
            return made

    world.cloud = Crashing(clock=world.cloud.clock, tags_each=False)
    with pytest.raises(KeyboardInterrupt):
        world.start(cluster, max_parallel=1)
    world.cloud.crashing = False
    report = world.start(world.store.load("slurm"))
    assert report.verdict is Verdict.READY
    assert len(world.cloud.machines) == 3


def test_node_that_cannot_be_made_is_lost_and_stops_no_other(world, new_cluster):
    world.cloud.broken["compute001"] = QuotaError("Quota of 2 instances reached.")
    report = world.start(new_cluster(min_nodes={"compute": 1}))
    assert report.verdict is Verdict.PARTLY_READY
    assert str(report.lost["compute001"]) == "create: Quota of 2 instances reached."
    assert states(report)["compute002"] is NodeState.READY


def test_too_few_nodes_are_not_configured_and_not_destroyed(world, cluster):
    world.cloud.broken["compute001"] = QuotaError("Quota of 2 instances reached.")
    report = world.start(cluster)
    assert report.verdict is Verdict.NOT_READY
    assert report.error == "1 of 2 compute nodes are usable, at least 2 are needed"
    assert world.setup.jobs == []
    assert len(world.cloud.machines) == 2


def test_start_after_a_quota_was_raised_makes_the_missing_node(world, cluster):
    world.cloud.broken["compute001"] = QuotaError("Quota of 2 instances reached.")
    first = world.start(cluster)
    world.cloud.broken.clear()
    report = world.start(first.cluster)
    assert report.verdict is Verdict.READY
    assert len(world.cloud.machines) == 3


def test_start_with_a_corrected_flavor_makes_the_missing_nodes_of_that(world, cluster):
    world.cloud.broken = dict.fromkeys(["compute001", "compute002"], FlavorError("There is no such flavor."))
    first = world.start(cluster)
    world.cloud.broken.clear()
    right = {kind: replace(first.cluster.of_kind(kind)[0].spec, flavor="9cpu-9ram") for kind in cluster.kinds}
    report = world.start(first.cluster, specs=right)
    assert report.verdict is Verdict.READY
    flavors = {node.name: node.spec.flavor for node in world.store.load("slurm").nodes}
    assert flavors == {"frontend001": "1cpu-1ram", "compute001": "9cpu-9ram", "compute002": "9cpu-9ram"}


def test_machine_that_comes_up_broken_is_lost_with_evidence_and_replaced_next_time(world, cluster):
    world.cloud.ill["compute002"] = InstanceState.ERROR
    first = world.start(cluster)
    node = first.cluster.node("compute002")
    assert str(node.failure) == f"boot: its instance {node.instance_id} is broken: ill on purpose"
    assert node.failure.evidence == f"console of {node.instance_id}"
    world.cloud.ill.clear()
    report = world.start(first.cluster)
    assert report.verdict is Verdict.READY
    assert node.instance_id not in world.cloud.machines


def test_machine_that_does_not_run_in_time_is_down_and_kept(world, cluster):
    world.cloud.boot_seconds = 10_000
    report = world.start(replace(cluster, start_timeout=30))
    assert str(report.lost["compute001"]) == "boot: did not run within 30 s"
    assert len(world.cloud.machines) == 3
    assert world.cloud.clock.seconds == pytest.approx(30, abs=1)


def test_node_that_does_not_answer_names_the_layer(world, cluster):
    failure = Failure(layer=Layer.REFUSED, message="192.0.2.3:22 refused the connection")
    world.network.deaf["compute001"] = failure
    report = world.start(replace(cluster, start_timeout=30))
    assert str(report.lost["compute001"]) == (
        "connection refused: 192.0.2.3:22 refused the connection (given up after 30 s)"
    )
    assert states(report)["compute002"] is NodeState.REACHABLE


def test_node_with_a_wrong_host_key_is_given_up_at_once(world, cluster):
    world.network.deaf["compute001"] = Failure(layer=Layer.HOST_KEY, message="shows another key")
    report = world.start(cluster)
    assert report.lost["compute001"].layer is Layer.HOST_KEY
    assert world.cloud.clock.seconds < 10


def test_machine_that_dies_while_it_is_knocked_at_is_noticed(world, cluster):
    world.network.deaf["compute001"] = Failure(layer=Layer.TIMED_OUT, message="no answer")
    real = world.network.probe

    class Deadly(type(world.network)):
        def probe(self, targets):
            for machine in list(world.cloud.machines.values()):
                if machine.instance.tags.node == "compute001":
                    world.cloud.halt(machine.instance.id)
            return real(targets)

    world.network = Deadly(deaf=world.network.deaf)
    report = world.start(cluster)
    assert report.lost["compute001"].message.endswith("has stopped")
    assert world.cloud.clock.seconds < 10


def test_stopped_machines_are_started_again_under_their_new_ports(world, cluster):
    first = world.start(cluster).cluster
    node = first.node("compute001")
    world.cloud.halt(node.instance_id)
    report = world.start(first)
    assert report.verdict is Verdict.READY
    again = report.cluster.node("compute001")
    assert (again.instance_id, again.ssh_port) == (node.instance_id, node.ssh_port + 1000)


def test_failed_task_loses_its_node_and_setup_can_be_repeated(world, cluster):
    world.setup.failing["compute002"] = "Install packages: no such package"
    first = world.start(cluster)
    assert first.verdict is Verdict.NOT_READY
    assert str(first.lost["compute002"]) == "setup: Install packages: no such package"
    world.setup.failing.clear()
    assert world.configure(first.cluster).verdict is Verdict.READY


def test_group_without_a_check_is_set_up_but_not_verified(world, cluster):
    world.setup.unverified = ("my_group",)
    report = world.start(cluster)
    assert report.verdict is Verdict.NOT_VERIFIED
    assert report.unverified == ("my_group",)


def test_secrets_are_stored_before_they_are_used_and_made_once(world, cluster):
    first = world.start(cluster).cluster
    assert world.store.load("slurm").secrets == {"munge_key": f"secret of {cluster.uuid}"}
    assert world.start(first).cluster.secrets == first.secrets
    assert "secret of" not in repr(first)


@pytest.mark.parametrize("error", [FlavorError("No such flavor."), CredentialsError("Wrong password.")])
def test_cluster_that_cannot_be_begun_is_not_kept(world, cluster, error):
    world.cloud.refused = error
    with pytest.raises(type(error)):
        world.start(cluster)
    with pytest.raises(ClusterNotFound):
        world.store.load("slurm")
    assert world.cloud.calls["create_instances"] == 0


def test_wrong_variable_is_refused_before_any_machine_is_made(world, cluster):
    world.setup.refused = ConfigurationError("no such variable")
    with pytest.raises(ConfigurationError):
        world.start(cluster)
    assert world.cloud.machines == {}


def test_existing_cluster_is_kept_when_it_cannot_go_on(world, cluster):
    first = world.start(cluster).cluster
    world.cloud.refused = CredentialsError("Expired.")
    with pytest.raises(CredentialsError):
        world.start(first)
    assert len(world.store.load("slurm").nodes) == 3


def test_cloud_that_is_silent_for_a_moment_is_asked_again(world, cluster):
    class Moody(FakeCloud):
        def list_instances(self, cluster=None):
            silent = self.calls["create_instances"] and 3 < self.clock.seconds < 40
            self.outage = ThrottledError("Slow down.") if silent else None
            try:
                return super().list_instances(cluster)
            finally:
                self.outage = None

    world.cloud = Moody(clock=world.cloud.clock)
    assert world.start(cluster).verdict is Verdict.READY
    assert [event.text for event in world.told(Warned)] == ["Slow down. Trying again for 60 s."]


def test_cloud_that_stays_silent_is_an_error_and_nothing_is_lost(world, cluster):
    class Dying(FakeCloud):
        def list_instances(self, cluster=None):
            if self.calls["create_instances"]:
                self.outage = ThrottledError("Slow down.")
            return super().list_instances(cluster)

    world.cloud = Dying(clock=world.cloud.clock)
    with pytest.raises(ThrottledError):
        world.start(cluster)
    record = world.store.load("slurm")
    assert all(node.instance_id for node in record.nodes)


def test_every_node_is_told_of_in_every_phase(world, cluster):
    world.start(cluster)
    for phase in (Phase.CREATE, Phase.BOOT, Phase.CONNECT):
        done = {event.node for event in world.told(NodeDone) if event.phase is phase}
        assert done == {"frontend001", "compute001", "compute002"}


def test_dry_run_changes_nothing(world, cluster):
    plan = execute.look_ahead(cluster, world.tools)
    assert [batch.names for batch in plan.create] == [("frontend001",), ("compute001", "compute002")]
    assert world.store.names() == []
    assert set(world.cloud.calls) == {"list_instances"}


def test_setup_does_not_call_a_cluster_ready_whose_node_never_came_up(world, new_cluster):
    world.cloud.broken["compute001"] = QuotaError("Quota of 2 instances reached.")
    first = world.start(new_cluster(min_nodes={"compute": 1}))
    report = world.configure(first.cluster)
    assert report.verdict is Verdict.PARTLY_READY
    assert "compute001" in report.lost


def test_node_for_which_the_cloud_made_nothing_and_said_nothing_is_lost(world, new_cluster):
    class Silent(FakeCloud):
        def create_instances(self, request):
            kept = replace(request, names=request.names[:1])
            return super().create_instances(kept)

    world.cloud = Silent(clock=world.cloud.clock)
    report = world.start(new_cluster(min_nodes={"compute": 1}))
    assert report.verdict is Verdict.PARTLY_READY
    assert report.lost["compute002"].message == "the cloud made no instance for it and gave no reason"


def test_setup_notices_machines_that_have_stopped_or_gone(world, new_cluster):
    first = world.start(new_cluster(min_nodes={"compute": 0})).cluster
    world.cloud.halt(first.node("compute001").instance_id)
    del world.cloud.machines[first.node("compute002").instance_id]
    report = world.configure(first)
    assert report.verdict is Verdict.PARTLY_READY
    assert report.lost["compute001"].message.endswith("has stopped")
    assert report.lost["compute002"].message.endswith("is gone")


def test_node_that_no_check_has_named_makes_the_cluster_not_verified(world, cluster):
    class Forgetful(type(world.setup)):
        def setup(self, job, tell):
            result = super().setup(job, tell)
            return replace(result, checked=result.checked - {"compute002"})

    world.setup = Forgetful()
    report = world.start(cluster)
    assert report.verdict is Verdict.NOT_VERIFIED
    assert report.unverified == ("compute002",)


def test_stored_cluster_is_not_ready_while_it_is_not_proved_anew(world, cluster):
    first = world.start(cluster).cluster
    assert first.ready
    world.setup.failing["compute001"] = "no"
    assert not world.configure(first).cluster.ready
    assert not world.store.load("slurm").ready


def test_setup_checks_variables_before_it_touches_a_node(world, cluster):
    first = world.start(cluster).cluster
    world.setup.refused = ConfigurationError("no such variable")
    with pytest.raises(ConfigurationError):
        world.configure(first)
    assert len(world.setup.jobs) == 1


def test_what_was_begun_of_a_refused_cluster_is_kept_if_it_cannot_be_removed(world, cluster):
    class Vanishing(FakeCloud):
        def prepare(self, cluster, key):
            super().prepare(cluster, key)
            self.outage = ThrottledError("The engine is away.")
            raise self.outage

    world.cloud = Vanishing(clock=world.cloud.clock)
    with pytest.raises(ThrottledError):
        world.start(cluster)
    assert world.store.names() == ["slurm"]
    world.cloud.outage = None
    world.stop(world.store.load("slurm"))
    assert world.cloud.shared == set()


def test_stored_cluster_without_machines_is_kept_when_its_start_is_refused(world, cluster):
    world.store.save(cluster)
    world.cloud.refused = CredentialsError("Expired.")
    with pytest.raises(CredentialsError):
        world.start(cluster)
    assert world.store.names() == ["slurm"]


def test_cloud_that_cannot_tag_machines_gets_one_call_for_each(world, cluster):
    world.cloud.tags_instances = False
    world.start(cluster)
    assert world.cloud.calls["create_instances"] == 3


@pytest.mark.parametrize(("limit", "expected"), [(-1, 3), (1, 3), (2, 2), (0, 2)])
def test_limit_of_parallel_calls(world, cluster, limit, expected):
    world.start(cluster, max_parallel=limit)
    assert world.cloud.calls["create_instances"] == expected


def test_host_keys_are_asked_for_again_after_a_hiccup(world, cluster):
    class Moody(FakeCloud):
        def host_keys(self, ids):
            if not self.calls["host_keys"]:
                self.calls["host_keys"] += 1
                raise ThrottledError("Slow down.")
            return super().host_keys(ids)

    world.cloud = Moody(clock=world.cloud.clock)
    assert world.start(cluster).verdict is Verdict.READY


def test_machine_gone_while_it_is_knocked_at_is_not_waited_for(world, cluster):
    first = world.start(cluster).cluster

    class Deadly(type(world.network)):
        def probe(self, targets):
            world.cloud.machines.pop(first.node("compute001").instance_id, None)
            alive = [target for target in targets if target.name != "compute001"]
            deaf = {"compute001": Failure(layer=Layer.TIMED_OUT, message="no answer")}
            answers = dict(super().probe(alive))
            return answers | {
                name: replace(next(iter(answers.values())), failure=failure, host_keys=())
                for name, failure in deaf.items()
                if any(target.name == name for target in targets) and answers
            }

    world.network = Deadly()
    began = world.cloud.clock.seconds
    report = world.start(first)
    assert report.lost["compute001"].message.endswith("is gone")
    assert world.cloud.clock.seconds - began < 10


def test_broken_machine_that_cannot_be_destroyed_is_told_of(world, cluster):
    first = world.start(cluster).cluster
    world.cloud.halt(first.node("compute001").instance_id, InstanceState.ERROR)
    world.cloud.stop_instances = lambda ids: dict.fromkeys(ids, QuotaError("It is locked."))
    assert world.start(first).verdict is Verdict.READY
    assert any("could not be destroyed: It is locked." in event.text for event in world.told(Warned))


def test_thousand_lost_nodes_cost_one_entry_of_the_journal(world, new_cluster):
    cluster = new_cluster(compute=300)
    world.cloud.broken |= {f"compute{n:03d}": QuotaError("no") for n in range(1, 301)}
    entries = []
    journal = world.store.journal
    world.store.journal = lambda record, changed: (entries.append(len(changed)), journal(record, changed))
    world.start(cluster)
    assert len(entries) < 10
    assert max(entries) >= 300


def test_launch_makes_only_the_named_node_and_leaves_the_others_alone(world, cluster):
    first = world.start(cluster).cluster
    dead, halted = (first.node(name).instance_id for name in ("compute001", "compute002"))
    world.cloud.halt(dead, InstanceState.ERROR)
    world.cloud.halt(halted)
    del world.cloud.machines[first.node("frontend001").instance_id]
    record = execute.launch(first, world.tools, ["frontend001"])
    assert record.node("frontend001").instance_id in world.cloud.machines
    assert {dead, halted} < set(world.cloud.machines)
    assert world.cloud.calls["resume_instances"] == 0


def test_launch_takes_over_a_machine_found_by_its_tags(world, cluster):
    first = world.start(cluster).cluster
    forgotten = cluster.with_nodes(*(node for node in cluster.nodes))
    world.store.delete("slurm")
    record = execute.launch(forgotten, world.tools, ["compute001"])
    assert record.node("compute001").instance_id == first.node("compute001").instance_id
    assert len(world.cloud.machines) == 3


def test_refresh_reads_all_addresses_with_one_call(world, cluster):
    first = world.start(cluster).cluster
    before = world.cloud.calls["list_instances"]
    machine = first.node("compute001").instance_id
    world.cloud.resume_instances([machine])
    record = execute.refresh(first, world.tools)
    assert record.node("compute001").ssh_port == first.node("compute001").ssh_port + 1000
    assert world.cloud.calls["list_instances"] == before + 1


def test_paused_cluster_is_started_again_by_start(world, cluster):
    first = world.start(cluster).cluster
    paused = pause(first, world.tools, [node.name for node in first.nodes])
    assert {node.state for node in paused.nodes} == {NodeState.PAUSED}
    assert {node.state for node in world.store.load("slurm").nodes} == {NodeState.PAUSED}
    report = world.start(paused)
    assert report.verdict is Verdict.READY
    assert [node.instance_id for node in report.cluster.nodes] == [node.instance_id for node in first.nodes]


def test_events_come_one_at_a_time(world, cluster):
    at_once = []
    most = []

    def slow(event):
        at_once.append(event)
        most.append(len(at_once))
        time.sleep(0.001)
        at_once.remove(event)

    tools = replace(world.tools, tell=slow)
    execute.start(cluster, tools, StartOptions())
    assert max(most) == 1


def test_machines_that_carry_no_tags_are_neither_made_twice_nor_given_up(world, cluster):
    record = world.start(cluster).cluster
    untagged = [replace(node, batch=None) for node in record.nodes]
    world.store.save(replace(record, nodes=tuple(untagged)))
    world.cloud.machines.clear()  # nothing is listed
    with pytest.raises(ClusterError, match="frontend001, compute001, compute002 carry no tags") as caught:
        world.start(world.store.load("slurm"))
    assert "can be listed, used, set up and stopped" in caught.value.hint
    assert world.cloud.machines == {}
    assert world.configure(world.store.load("slurm")).verdict is Verdict.READY


def test_node_started_by_itself_is_not_made_twice_either(world, cluster):
    record = world.start(cluster).cluster
    old = replace(record.node("compute001"), batch=None)
    world.store.save(record.with_nodes(old))
    world.cloud.machines.pop(old.instance_id)
    with pytest.raises(ClusterError, match="compute001 carry no tags"):
        execute.launch(world.store.load("slurm"), world.tools, ["compute001"])
    assert world.store.load("slurm").node("compute001").instance_id == old.instance_id


def test_machine_that_does_not_start_again_stays_paused_and_is_tried_again(world, cluster):
    class Tired(FakeCloud):
        tired = True

        def resume_instances(self, ids):
            return (
                dict.fromkeys(ids, CapacityError("No room.")) if self.tired else super().resume_instances(ids)
            )

    world.cloud = Tired(clock=world.cloud.clock)
    paused = world.pause(world.start(cluster).cluster)
    report = world.start(paused)
    assert report.verdict is Verdict.NOT_READY
    assert {str(why) for name, why in report.lost.items() if name == "compute001"} == {
        f"boot: its instance {paused.node('compute001').instance_id} could not be started again: No room."
    }
    assert {node.state for node in world.store.load("slurm").nodes} == {NodeState.PAUSED}
    world.cloud.tired = False
    assert world.start(world.store.load("slurm")).verdict is Verdict.READY


def test_machines_that_may_have_been_made_unseen_are_told_of(world, cluster):
    world.cloud.tags_instances = False
    begun = replace(cluster.nodes[1], state=NodeState.CREATING, batch="b")
    world.store.save(cluster.with_nodes(begun))
    for command in (world.start, world.stop):
        world.events.clear()
        world.store.save(cluster.with_nodes(begun))
        command(world.store.load("slurm"))
        texts = [event.text for event in world.told(Warned)]
        assert any("was ended while it made compute001" in text for text in texts), command
