"""What `list-nodes --timings` prints of a small trace, to the letter, and of a large one."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from elasticluster.cli import timings
from elasticluster.engine.timeline import Arrival, Call, HostTask, PhaseSpan, Step, Trace

NODES = ("compute001", "frontend001")


@pytest.fixture
def small():
    return Trace(
        action="start",
        started=1700000000.0,
        seconds=40.0,
        complete=True,
        cpu_seconds=4.25,
        phases=[
            PhaseSpan("preflight", 2, 0.0, 0.1),
            PhaseSpan("create", 2, 0.1, 10.0),
            PhaseSpan("connect", 2, 10.0, 20.0),
            PhaseSpan("setup", 2, 20.0, 40.0),
        ],
        arrivals=[
            Arrival("frontend001", "create", 5.0, failed=False),
            Arrival("compute001", "create", 10.0, failed=False),
            Arrival("frontend001", "connect", 20.0, failed=False),
            Arrival("compute001", "connect", 20.0, failed=False),
            *(Arrival(node, "setup", 40.0, failed=False) for node in NODES),
        ],
        calls=[
            Call("list containers", 0.0, 0.25, failed=False),
            Call("make container", 0.1, 4.5, failed=False),
            Call("make container", 0.1, 9.5, failed=True),
        ],
        steps=[
            Step(
                "Slurm",
                "slurm : Install what the scheduler and the accounting need",
                20.0,
                [HostTask("frontend001", 20.0, 34.0, "changed"), HostTask("compute001", 20.0, 25.0, "ok")],
            ),
            Step("Slurm", "Start", 34.0, [HostTask("frontend001", 34.0, 40.0, "ok")]),
        ],
    )


def lines_of(trace, width=80):
    return timings.text(trace, width).splitlines()


def test_text(small):
    when = datetime.fromtimestamp(1700000000).astimezone().isoformat(" ")
    assert timings.text(small, 80) == "\n".join(
        [
            f"start of {when}: 40.0 s",
            "",
            "seconds until  created  reachable  set up",
            "compute001        10.0       20.0    25.0",
            "frontend001        5.0       20.0    40.0",
            "",
            "                                  0            40.0 s  seconds  slowest",
            "preflight                         #                        0.1",
            "create                            #####                    9.9  compute001",
            "connect                                #####              10.0",
            "setup                                       #########     20.0",
            "  slurm : Install what the sche…            ######        14.0  frontend001 14.0",
            "  Start                                           ###      6.0  frontend001 6.0",
            "",
            "calls of the cloud  count  failed  seconds",
            "make container          2       1     14.0",
            "list containers         1       0      0.2",
            "",
            "total: 40.0 s; 3 calls; 2 task steps, 3 host-tasks; 4.2 s of CPU here",
        ]
    )


@pytest.mark.parametrize("width", [80, 100, 200])
def test_waterfall_fits_the_width(small, width):
    longest = max(map(len, lines_of(replace(small, calls=[]), width)[6:-2]))
    assert longest == width


def test_waterfall_on_a_tiny_terminal_still_has_bars(small):
    assert [line for line in lines_of(small, 10) if line.startswith("cre") and "#" in line]


def test_killed_run_says_so_and_shows_what_it_was_at(small):
    killed = replace(small, complete=False, cpu_seconds=None, seconds=38.0)
    killed.phases[-1] = replace(killed.phases[-1], end=None)
    killed.steps[-1].hosts.clear()
    lines = lines_of(killed)
    assert lines[0].endswith(": 38.0 s so far; still running, or killed")
    assert "  4.0" in next(line for line in lines if line.startswith("  Start"))
    assert " 18.0" in next(line for line in lines if line.startswith("setup"))
    assert lines[-1] == "total: 38.0 s; 3 calls; 2 task steps, 2 host-tasks"


def test_run_broken_off_by_an_error_names_it(small):
    assert lines_of(replace(small, error="ImageError"))[0].endswith(": 40.0 s, broken off by ImageError")


def test_node_that_failed_in_a_phase_says_so(small):
    small.arrivals[1] = replace(small.arrivals[1], failed=True)
    small.arrivals[3:] = []
    assert lines_of(small)[2:5] == [
        "seconds until  created  reachable",
        "compute001      failed          -",
        "frontend001        5.0       20.0",
    ]


def test_run_without_nodes_and_calls_has_no_tables_of_them(small):
    bare = replace(small, arrivals=[], calls=[], steps=[], phases=small.phases[:1])
    assert len(lines_of(bare)) == 6


def test_names_of_others_cannot_confuse_a_terminal(small):
    small.steps[1].task = "\x1b[2J"
    assert "\x1b" not in timings.text(small, 80)


@pytest.fixture
def large(small):
    names = [f"compute{number:04d}" for number in range(1000)]
    arrivals = [
        Arrival(name, "create", 1.0 + number / 100, failed=False) for number, name in enumerate(names)
    ]
    arrivals[7] = replace(arrivals[7], failed=True)
    hosts = [HostTask(name, 20.0, 21.0, "ok") for name in names]
    steps = [Step("Slurm", f"Step {number}", 20.0, hosts) for number in range(20)]
    return replace(small, arrivals=arrivals, steps=steps, calls=1000 * small.calls)


def test_large_cluster_gets_a_page_with_its_failed_and_slowest_nodes(large):
    lines = lines_of(large)
    assert len(lines) < 70
    shown = [line.split()[0] for line in lines if line.startswith("compute")]
    assert shown == ["compute0007", *(f"compute{number:04d}" for number in range(981, 1000))]
    assert "These are the 20 slowest of 1000 nodes; `--json` has all." in lines
    assert "make container       2000    1000  14000.0" in lines


def test_data_has_everything_and_the_sums(large):
    data = json.loads(json.dumps(timings.data(large)))
    assert len(data["nodes"]) == 1000
    assert data["nodes"]["compute0007"] == {"create": None}
    assert data["calls_by_verb"]["make container"] == {"count": 2000, "failed": 1000, "seconds": 14000.0}
    assert (data["task_steps"], data["host_tasks"], data["cpu_seconds"]) == (20, 20_000, 4.25)
    assert data["steps"][0]["hosts"][0] == {"host": "compute0000", "start": 20.0, "end": 21.0, "status": "ok"}
    assert data["phases"][0] == {"name": "preflight", "nodes": 2, "start": 0.0, "end": 0.1}
