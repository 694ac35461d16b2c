"""What is shown meanwhile, on standard error only."""

import pytest

from elasticluster.cli.live import Live
from elasticluster.cli.progress import shown, title
from elasticluster.engine.events import (
    NodeDone,
    Notice,
    Phase,
    PhaseEnded,
    PhaseStarted,
    TaskDone,
    TaskStarted,
    TaskStatus,
    Warned,
)

LOST = [
    PhaseStarted(Phase.CREATE, 2),
    NodeDone(Phase.CREATE, "compute001"),
    NodeDone(Phase.CREATE, "compute002", "create: no quota"),
    PhaseEnded(Phase.CREATE, 1.0),
]
SETUP = [
    PhaseStarted(Phase.SETUP, 1),
    TaskStarted("A play", "Install [packages]"),
    TaskDone("compute001", "Install [packages]", TaskStatus.CHANGED),
    TaskDone("compute001", "Start", TaskStatus.FAILED, "no such unit"),
    Warned("The disk is nearly full."),
    Notice("Building an image."),
    PhaseEnded(Phase.SETUP, 2.0),
]


def lines(capsys, events, verbosity=0):
    with shown(verbosity) as tell:
        for event in events:
            tell(event)
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()


def test_piped_progress_is_a_line_for_each_phase_and_each_lost_node(capsys):
    assert lines(capsys, LOST) == ["Creating 2 nodes …", "  compute002: create: no quota"]


def test_piped_progress_tells_failures_warnings_and_notices(capsys):
    assert lines(capsys, SETUP) == [
        "Configuring 1 node …",
        "  compute001: Start: no such unit",
        "WARNING: The disk is nearly full.",
        "Building an image.",
    ]


def test_verbose_progress_names_tasks_and_times(capsys):
    told = lines(capsys, SETUP, verbosity=1)
    assert "  Install [packages]" in told
    assert told[-1] == "  (setup: 2.0 s)"


def test_phase_without_nodes_is_not_mentioned(capsys):
    assert lines(capsys, [PhaseStarted(Phase.CREATE, 0), PhaseEnded(Phase.CREATE, 0)]) == []


@pytest.mark.parametrize("events", [LOST, SETUP])
def test_live_display_marks_phases_that_lost_nodes(capsys, events):
    with Live() as live:
        for event in events:
            live.tell(event)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "✗" in printed.err
    assert "✓" not in printed.err


def test_live_display_marks_phases_that_lost_none(capsys):
    with Live() as live:
        for event in (LOST[0], LOST[1], NodeDone(Phase.CREATE, "compute002"), LOST[3]):
            live.tell(event)
    assert "✓ Creating 2 nodes" in capsys.readouterr().err


def test_every_phase_has_a_title():
    for phase in Phase:
        assert title(PhaseStarted(phase, 1))
