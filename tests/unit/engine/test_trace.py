"""What is recorded of a run, and what can be read of it."""

import json
import resource
import stat
import threading
from pathlib import Path

import pytest

from elasticluster.engine import timeline, trace
from elasticluster.engine.events import (
    NodeDone,
    Notice,
    Phase,
    PhaseEnded,
    PhaseStarted,
    TaskDone,
    TaskStarted,
    TaskStatus,
    ignore,
)
from elasticluster.engine.fakes import FakeClock
from elasticluster.engine.pool import run_all
from elasticluster.engine.timeline import Arrival, Call, HostTask, PhaseSpan, Step

OK = TaskStatus.OK


@pytest.fixture
def path(tmp_path):
    return tmp_path / "slurm.trace.jsonl"


@pytest.fixture
def clock():
    clock = FakeClock()
    clock.sleep(1000)
    return clock


@pytest.fixture
def record(path, clock):
    return lambda action="start": trace.recording(str(path), action, clock.now)


def fail(said):
    raise ValueError(said)


def begin(tell, phase=Phase.CREATE, nodes=1):
    tell(PhaseStarted(phase, nodes))


# -- what is recorded ------------------------------------------------------------------------------


def test_phases_are_recorded_in_their_order_and_nodes_with_their_moments(path, clock, record):
    with record():
        tell = trace.heard(ignore)
        clock.sleep(1)
        begin(tell, Phase.CREATE, 2)
        clock.sleep(2)
        tell(NodeDone(Phase.CREATE, "compute001"))
        tell(NodeDone(Phase.CREATE, "compute002", "no capacity, secret is 42"))
        tell(PhaseEnded(Phase.CREATE, 2.0))
        begin(tell, Phase.BOOT)
        clock.sleep(3)
        tell(PhaseEnded(Phase.BOOT, 3.0))
        clock.sleep(1)
    read = timeline.read(str(path))
    assert read.phases == [PhaseSpan("create", 2, 1.0, 3.0), PhaseSpan("boot", 1, 3.0, 6.0)]
    assert read.arrivals == [
        Arrival("compute001", "create", 3.0, failed=False),
        Arrival("compute002", "create", 3.0, failed=True),
    ]
    assert (read.action, read.seconds, read.complete, read.error) == ("start", 7.0, True, "")
    assert read.cpu_seconds >= 0
    assert "secret" not in path.read_text()


def test_listener_hears_what_is_recorded(record):
    told = []
    with record():
        tell = trace.heard(told.append)
        begin(tell)
        tell(Notice("building"))
    assert told == [PhaseStarted(Phase.CREATE, 1), Notice("building")]
    assert trace.heard(ignore) is ignore


def test_calls_are_recorded_with_what_became_of_them(path, clock, record):
    with record():
        begin(trace.heard(ignore))
        with trace.call("make container"):
            clock.sleep(2)
        with pytest.raises(ValueError, match="no"), trace.call("make container"):
            fail("no")
    assert timeline.read(str(path)).calls == [
        Call("make container", 0.0, 2.0, failed=False),
        Call("make container", 2.0, 0.0, failed=True),
    ]


def test_call_outside_of_a_recording_just_happens():
    with pytest.raises(ValueError, match="no"), trace.call("make container"):
        fail("no")


def test_calls_in_threads_of_threads_are_recorded(path, record):
    def call(_):
        with trace.call("look"):
            return threading.current_thread()

    with record():
        begin(trace.heard(ignore))
        threads = run_all(lambda _: run_all(call, range(5), 5), range(4), 4)
    assert len({thread for some in threads for thread in some}) > 1
    assert [one.verb for one in timeline.read(str(path)).calls] == ["look"] * 20


def test_two_recordings_in_two_threads_are_kept_apart(tmp_path):
    barrier = threading.Barrier(2, timeout=10)

    def work(name):
        with trace.recording(str(tmp_path / name), "start"):
            begin(trace.heard(ignore))
            barrier.wait()
            with trace.call(name):
                barrier.wait()

    run_all(work, ["a", "b"], 2)
    assert [[one.verb for one in timeline.read(str(tmp_path / name)).calls] for name in "ab"] == [
        ["a"],
        ["b"],
    ]


def test_task_steps_have_the_times_that_their_events_carry(path, clock, record):
    with record():
        tell = trace.heard(ignore)
        begin(tell, Phase.SETUP)
        clock.sleep(10)  # lines are read late
        tell(TaskStarted("Slurm", "Install", "id-1", 1001.0))
        tell(TaskDone("compute001", "Install", OK, "", "id-1", 1001.5, 1003.0))
        tell(TaskStarted("Slurm", "Start", "id-2", 1004.0))
        tell(TaskDone("compute001", "Install", OK, "", "id-2", 1004.0, 1005.0))
        tell(TaskDone("compute002", "Install", TaskStatus.FAILED, "secret", "id-1", 1001.5, 1004.0))
    assert timeline.read(str(path)).steps == [
        Step(
            "Slurm",
            "Install",
            1.0,
            [HostTask("compute001", 1.5, 3.0, "ok"), HostTask("compute002", 1.5, 4.0, "failed")],
        ),
        Step("Slurm", "Start", 4.0, [HostTask("compute001", 4.0, 5.0, "ok")]),
    ]
    assert "secret" not in path.read_text()


def test_task_steps_without_times_of_their_own_are_taken_as_they_come(path, clock, record):
    with record():
        tell = trace.heard(ignore)
        begin(tell, Phase.SETUP)
        tell(TaskStarted("Mine", "Work"))
        clock.sleep(2)
        tell(TaskDone("compute001", "Work", OK))
        tell(TaskDone("compute001", "Never begun", OK))
    assert timeline.read(str(path)).steps == [
        Step("Mine", "Work", 0.0, [HostTask("compute001", 0.0, 2.0, "ok")])
    ]


def test_step_that_begins_on_each_host_by_itself_is_one_step(path, record):
    with record():
        tell = trace.heard(ignore)
        begin(tell, Phase.SETUP)
        for host in ("compute001", "compute002"):
            tell(TaskStarted("Free", "Work", "id-1", 1000.0))
            tell(TaskDone(host, "Work", OK, "", "id-1", 1000.0, 1001.0))
            tell(TaskStarted("Free", "Rest", "id-2", 1001.0))
    assert [(step.task, len(step.hosts)) for step in timeline.read(str(path)).steps] == [
        ("Work", 2),
        ("Rest", 0),
    ]


def test_error_that_ends_a_run_is_named_by_its_class_only(path, record):
    def run():
        with record():
            begin(trace.heard(ignore))
            fail("secret")

    with pytest.raises(ValueError, match="secret"):
        run()
    read = timeline.read(str(path))
    assert (read.error, read.complete) == ("ValueError", True)
    assert read.phases == [PhaseSpan("create", 1, 0.0, None)]
    assert "secret" not in path.read_text()


def test_recording_within_another_is_a_part_of_it(path, tmp_path, record):
    with record("remove"):
        begin(trace.heard(ignore))
        with trace.recording(str(tmp_path / "other"), "pause"):
            begin(trace.heard(ignore), Phase.STOP)
    assert [phase.name for phase in timeline.read(str(path)).phases] == ["create", "stop"]
    assert not (tmp_path / "other").exists()


# -- the file --------------------------------------------------------------------------------------


def test_file_is_for_its_owner_only_and_takes_the_place_of_the_one_before(path, record):
    path.write_text("of another run")
    path.chmod(0o644)
    with record():
        begin(trace.heard(ignore))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert timeline.read(str(path)).action == "start"


def test_link_in_the_place_of_the_file_is_replaced_and_not_followed(path, tmp_path, record):
    (tmp_path / "precious").write_text("mine")
    path.symlink_to(tmp_path / "precious")
    with record():
        begin(trace.heard(ignore))
    assert (tmp_path / "precious").read_text() == "mine"
    assert timeline.read(str(path)).complete


def test_run_that_comes_to_no_phase_leaves_the_trace_before(path, record):
    with record("start"):
        begin(trace.heard(ignore))
    with pytest.raises(ValueError, match="no"), record("resize"), trace.call("look"):
        fail("no")
    assert timeline.read(str(path)).action == "start"


def test_cluster_forgotten_meanwhile_leaves_no_trace(path, record):
    with record():
        tell = trace.heard(ignore)
        begin(tell)
        path.unlink()
        tell(PhaseEnded(Phase.CREATE, 1.0))
        begin(tell, Phase.RELEASE)
    assert not path.exists()


def test_folder_that_cannot_be_written_to_keeps_nothing_from_being_done(tmp_path):
    (tmp_path / "file").write_text("")
    done = []
    for path in (tmp_path / "file" / "trace", tmp_path / "missing" / "trace"):
        with trace.recording(str(path), "start"):
            tell = trace.heard(done.append)
            begin(tell)
            with trace.call("look"):
                tell(PhaseEnded(Phase.CREATE, 1.0))
        assert timeline.read(str(path)) is None
    assert len(done) == 4


def test_disk_that_is_full_keeps_nothing_from_being_done(path, record):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    told = []
    try:
        with record():
            tell = trace.heard(told.append)
            begin(tell)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
            for number in range(50):
                tell(TaskStarted("Slurm", f"Task {number}"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(told) == 51
    assert path.stat().st_size == 200
    assert timeline.read(str(path)).phases == [PhaseSpan("create", 1, 0.0, None)]


def test_run_killed_while_nodes_come_is_known_up_to_the_last_one(path, clock, record):
    with record():
        tell = trace.heard(ignore)
        begin(tell, Phase.CONNECT, 3)
        for node in ("compute001", "compute002"):
            tell(NodeDone(Phase.CONNECT, node))
            with trace.call("look"):
                clock.sleep(1)
        read = timeline.read(str(path))
    assert [one.node for one in read.arrivals] == ["compute001", "compute002"]
    assert [one.start for one in read.calls] == [0.0, 1.0]
    assert (read.seconds, read.complete) == (2.0, False)


def test_killed_run_can_be_read_up_to_its_end(path, clock, record):
    with record():
        tell = trace.heard(ignore)
        begin(tell, Phase.SETUP)
        clock.sleep(1)
        tell(TaskStarted("Slurm", "Install", "id-1"))
        tell(TaskDone("compute001", "Install", OK, "", "id-1", 1001.0, 1003.0))
        clock.sleep(4)
        tell(TaskStarted("Slurm", "Hang", "id-2"))
        now = path.read_bytes()
    for cut in (now, now[:-20], now + b'{"call": 7}\n["?"]\n'):
        path.write_bytes(cut)
        read = timeline.read(str(path))
        assert (read.complete, read.cpu_seconds) == (False, None)
        assert read.phases == [PhaseSpan("setup", 1, 0.0, None)]
        assert read.steps[0].hosts == [HostTask("compute001", 1.0, 3.0, "ok")]
        assert read.seconds == (3.0 if cut == now[:-20] else 5.0)
    assert [step.task for step in read.steps] == ["Install", "Hang"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]\n",
        b"\xff\n",
        b'{"version": 2, "action": "start", "started": 1.0}\n',
        b'{"cluster": {}}\n',
    ],
)
def test_file_that_is_no_trace_of_this_version_is_none(path, content):
    path.write_bytes(content)
    assert timeline.read(str(path)) is None


def test_trace_that_is_not_there_is_none(tmp_path):
    assert timeline.read(str(tmp_path / "none")) is None


def test_thousand_hosts_make_a_file_of_moderate_size(path, record):
    with record():
        tell = trace.heard(ignore)
        begin(tell, Phase.SETUP, 1000)
        for step in range(20):
            start = 1000.0 + 10 * step
            tell(TaskStarted("Slurm", f"slurm : Install the packages, part {step}", f"id-{step}", start))
            for host in range(1000):
                began, ended = start + host / 200, start + host / 200 + 1.234
                tell(TaskDone(f"compute{host:04d}", "Install", OK, "", f"id-{step}", began, ended))
    assert sum(len(step.hosts) for step in timeline.read(str(path)).steps) == 20_000
    assert path.stat().st_size < 1_000_000
    assert len(path.read_text().splitlines()) == 1 + 1 + 2 * 20 + 1
    assert all(json.loads(line) for line in Path(path).read_text().splitlines())
