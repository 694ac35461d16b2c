"""The programs that the role slurm runs on nodes, with stand-ins for those of Slurm and systemd."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.unit.playbooks.programs import install, on, told

from elasticluster.setup.settings import PLAYBOOKS

FILES = PLAYBOOKS / "roles/slurm/files"
SYSTEMCTL = """
case "$1 $2" in
  "show --property=NeedDaemonReload") cat reload ;;
  "show --property=DropInPaths") ! test -e known || cat known ;;
  "show --timestamp=us+utc") echo "Fri 2026-11-20 16:00:00.500000 UTC" ;;
  is-active*) test -e active ;;
  is-enabled*) test -e enabled ;;
  restart*) echo "$*" >>done; test ! -e broken ;;
  *) echo "$*" >>done ;;
esac
"""
STARTED = 1795190400.5  # when SYSTEMCTL says that the service was started


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return a folder in which programs are, and work."""
    programs = {"systemctl": SYSTEMCTL, "journalctl": ":", "scancel": 'echo "scancel $*" >>done'}
    for name, script in programs.items():
        install(tmp_path, name, script)
    (tmp_path / "reload").write_text("no\n")
    for name in ("active", "enabled", "conf"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "conf", (STARTED - 0.1, STARTED - 0.1))
    return tmp_path


def start(node: Path, *files: str, answers: str = "true") -> subprocess.CompletedProcess[str]:
    return on(node, "sh", str(FILES / "start.sh"), "slurmd", answers, "conf", *files)


def test_service_that_runs_with_its_files_is_left_alone(node: Path) -> None:
    assert start(node).stdout == "\n"
    assert not (node / "done").exists()


def test_service_older_than_a_file_is_restarted(node: Path) -> None:
    os.utime(node / "conf", (STARTED + 0.1, STARTED + 0.1))
    assert start(node).stdout == "changed\n"
    assert (node / "done").read_text() == "restart slurmd\n"


@pytest.mark.parametrize(
    ("missing", "done"), [("active", "restart slurmd\n"), ("enabled", "enable --quiet slurmd\n")]
)
def test_service_is_made_to_run_now_and_after_a_boot(node: Path, missing: str, done: str) -> None:
    (node / missing).unlink()
    assert start(node).stdout == "changed\n"
    assert (node / "done").read_text() == done


def test_changed_unit_is_read_again(node: Path) -> None:
    (node / "reload").write_text("yes\n")
    assert start(node).stdout == "changed\n"
    assert (node / "done").read_text() == "daemon-reload\n"


def test_part_of_a_unit_that_systemd_does_not_know_of_is_read(node: Path) -> None:
    part = node / "slurmd.service.d/ours.conf"
    part.parent.mkdir()
    part.touch()
    os.utime(part, (STARTED - 1, STARTED - 1))
    assert start(node, str(part)).stdout == "changed\n"
    assert (node / "done").read_text() == "daemon-reload\n"
    (node / "done").unlink()
    (node / "known").write_text(f"other.conf {part}\n")
    assert start(node, str(part)).stdout == "\n"
    assert not (node / "done").exists()


@pytest.mark.parametrize(
    ("logged", "why"),
    [
        ("", ""),
        ("Started.\nThat was all.", ": Started.; That was all."),
        (
            "slurmd: error: no such key: Foo\n[16:00] error: no such key: Foo\nslurmd: fatal: no file\nbye",
            ": error: no such key: Foo; fatal: no file",
        ),
    ],
)
def test_service_that_does_not_start_says_why(node: Path, logged: str, why: str) -> None:
    (node / "active").unlink()
    (node / "broken").touch()
    (node / "logged").write_text(logged)
    install(node, "journalctl", "cat logged")
    done = start(node)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == f"slurmd does not start{why}"


def test_service_is_waited_for_until_it_answers(node: Path) -> None:
    assert start(node, answers="test -e asked || { touch asked; exit 1; }").stdout == "\n"


def test_service_that_ends_instead_of_answering_says_why(node: Path) -> None:
    install(node, "journalctl", "echo 'fatal: CLUSTER ID MISMATCH.'")
    done = start(node, answers="rm active; echo refused; exit 1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "slurmd has ended: fatal: CLUSTER ID MISMATCH."


def test_command_that_cannot_read_its_configuration_is_not_tried_again(node: Path) -> None:
    install(node, "journalctl", "echo 'error: that does not matter'")
    done = start(node, answers="echo '[1] error: key Foo'; echo 'fatal: unable to read'; exit 1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "slurmd cannot be asked: error: key Foo; fatal: unable to read"


def test_service_that_never_answers_says_what_was_said_last(node: Path) -> None:
    install(node, "date", 'test "$1" != +%s || { echo x >>looks; wc -l <looks | sed "s/$/00/"; }')
    done = start(node, answers="echo sacctmgr: error: Connection refused >&2; exit 1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "slurmd does not answer: sacctmgr: error: Connection refused"


@pytest.fixture
def controller(node: Path) -> Path:
    """Return a folder with a controller that has run before, and has jobs."""
    (node / "clustername").write_text("mine|129")
    (node / "jobs").write_text("main 3 RUNNING\nshort,main 4_[1-3] PENDING\n")
    install(node, "squeue", "cat jobs")
    return node


def guard(node: Path, cluster: str, *partitions: str) -> str:
    """Return why a configuration was refused; empty if it was not."""
    done = on(node, "sh", str(FILES / "guard.sh"), "clustername", cluster, *partitions)
    assert done.returncode == bool(done.stdout), done.stderr
    return done.stdout.strip()


def test_configuration_that_keeps_the_name_and_the_partitions_of_jobs_is_let_through(
    controller: Path,
) -> None:
    assert guard(controller, "mine", "short", "main", "new") == ""
    assert guard(controller, "Mine", "short", "main") == ""
    (controller / "clustername").write_text("mine")  # as Slurm before 23.11 has it
    assert guard(controller, "mine", "short", "main") == ""


def test_name_of_a_cluster_stays_as_it_was_at_its_first_start(controller: Path) -> None:
    assert guard(controller, "other", "short", "main") == (
        "the cluster is called 'mine' in Slurm since its first start: set slurm_cluster_name back to that, "
        "it cannot become 'other'"
    )
    (controller / "clustername").unlink()
    assert guard(controller, "other", "other") == ""


@pytest.mark.parametrize(
    ("partitions", "lost"),
    [
        (["main"], "partition short with job 4_[1-3]"),
        (["short", "mainly"], "partition main with jobs 3, 4_[1-3]"),
    ],
)
def test_partition_that_has_jobs_stays(controller: Path, partitions: list[str], lost: str) -> None:
    assert guard(controller, "mine", *partitions) == (
        f"jobs would be lost with their partition: {lost}; keep it, or let them end or cancel them first"
    )


def test_only_some_of_many_jobs_are_named(controller: Path) -> None:
    (controller / "jobs").write_text("".join(f"main {number} PENDING\n" for number in range(1, 9)))
    assert "partition main with jobs 1, 2, 3, 4, 5 and 3 more;" in guard(controller, "mine", "new")


def test_job_that_has_ended_does_not_keep_its_partition(controller: Path) -> None:
    (controller / "jobs").write_text("short 4 COMPLETING\nmain 5 SUSPENDED\n")
    assert guard(controller, "mine", "main") == ""
    assert "partition main with job 5;" in guard(controller, "mine", "short")


def test_controller_that_is_down_can_be_set_up_again(controller: Path) -> None:
    install(controller, "squeue", "exit 1")
    assert guard(controller, "mine", "new") == ""
    install(controller, "squeue", "cat jobs")
    (controller / "active").unlink()
    assert guard(controller, "mine", "new") == ""


STATES = """
compute001 allocated none
compute002 drained mine
compute003 idle none
compute004 drained elasticluster-leaving
compute005 down* Not responding
"""
JOBS = "1 compute001\n2 compute[001,003]\n3 compute003\n"
SQUEUE = """
wanted=.
for word; do
  case $word in --nodelist=*) wanted=$(echo "${word#*=}" | sed 's/compute//g; s/,/|/g') ;; esac
done
test -e ended || grep -E "$wanted" jobs || :
"""
SCONTROL = """
case $1 in
  show) echo compute001; echo compute003 ;;
  requeue) echo "$*" >>done; test "$2" != 3 ;;
  *) echo "$*" >>done ;;
esac
"""


@pytest.fixture
def master(node: Path) -> Path:
    """Return a folder with a scheduler that has five workers."""
    (node / "states").write_text(STATES.lstrip())
    (node / "jobs").write_text(JOBS)
    install(node, "sinfo", "cat states")
    install(node, "squeue", SQUEUE)
    install(node, "scontrol", SCONTROL)
    return node


def members(node: Path, *arguments: str) -> list[str]:
    """Return what the program printed."""
    done = on(node, "sh", str(FILES / "members.sh"), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_busy_names_each_node_of_each_job(master: Path) -> None:
    assert members(master, "busy") == [
        "busy compute001 1",
        "busy compute001 2",
        "busy compute003 2",
        "busy compute003 3",
    ]
    assert told(master) == []


def test_worker_that_leaves_is_drained_and_its_jobs_are_named(master: Path) -> None:
    assert members(master, "leave", "wait", "0", "compute001") == ["busy compute001 1", "busy compute001 2"]
    assert told(master) == ["update NodeName=compute001 State=DRAIN Reason=elasticluster-leaving"]


def test_worker_that_is_drained_already_keeps_its_reason(master: Path) -> None:
    (master / "ended").touch()
    assert members(master, "leave", "wait", "9", "compute002", "compute004") == []
    assert told(master) == []


def test_worker_that_the_scheduler_does_not_know_has_left(master: Path) -> None:
    assert members(master, "leave", "wait", "9", "compute009") == []
    assert told(master) == []


def test_scheduler_that_does_not_answer_is_no_empty_one(master: Path) -> None:
    install(master, "sinfo", "exit 1")
    install(master, "squeue", "exit 1")
    for arguments in (["busy"], ["leave", "wait", "0", "compute001"], ["return"]):
        assert on(master, "sh", str(FILES / "members.sh"), *arguments).returncode == 1


def test_jobs_that_are_not_waited_for_go_back_into_the_queue_or_end(master: Path) -> None:
    assert members(master, "leave", "end", "0", "compute003") == ["busy compute003 2", "busy compute003 3"]
    assert told(master) == [
        "update NodeName=compute003 State=DRAIN Reason=elasticluster-leaving",
        "requeue 2",
        "requeue 3",
        "scancel 3",
        "update NodeName=compute003 State=DOWN Reason=elasticluster-leaving",
    ]


def test_workers_that_were_to_leave_come_back_and_no_others(master: Path) -> None:
    assert members(master, "return") == ["changed"]
    assert told(master) == ["update NodeName=compute004 State=RESUME Reason=none"]


def test_worker_whose_reason_names_another_does_not_come_back_with_it(master: Path) -> None:
    reasons = ("like compute001 now", "elasticluster-leaving", "not elasticluster-leaving at all")
    lines = [f"compute00{number} drained {why}" for number, why in enumerate(reasons, 3)]
    (master / "states").write_text("compute001 down none\n" + "\n".join(lines) + "\n")
    assert members(master, "return", "compute001") == ["changed"] * 2
    assert told(master) == [f"update NodeName=compute00{n} State=RESUME Reason=none" for n in (1, 4)]


@pytest.mark.parametrize("state", ["down", "down*", "fail", "failing", "drained", "draining"])
def test_worker_that_an_administrator_has_taken_out_keeps_its_reason(master: Path, state: str) -> None:
    (master / "states").write_text(f"compute002 {state} mine\n")
    assert members(master, "leave", "wait", "0", "compute002") == []
    assert members(master, "return") == []
    assert told(master) == []


@pytest.mark.parametrize(
    "found", ["down none", "down* Not responding", "down elasticluster-leaving", "idle left over"]
)
def test_worker_that_might_come_back_by_itself_is_drained(master: Path, found: str) -> None:
    (master / "states").write_text(f"compute002 {found}\n")
    assert members(master, "leave", "wait", "0", "compute002") == []
    assert told(master) == ["update NodeName=compute002 State=DRAIN Reason=elasticluster-leaving"]


def test_worker_that_joins_comes_back_whatever_it_was_taken_out_for(master: Path) -> None:
    assert members(master, "return", "compute001", "compute002", "compute005") == ["changed"] * 3
    assert told(master) == [f"update NodeName=compute00{n} State=RESUME Reason=none" for n in (2, 4, 5)]


def test_worker_that_has_more_gpus_than_it_knew_of_comes_back(master: Path) -> None:
    why = "gres/gpu count reported lower than configured (0 < 2)"
    (master / "states").write_text(f"compute001 drained {why}\ncompute002 drained gres/gpu is broken\n")
    assert members(master, "return") == []
    assert members(master, "regain") == ["changed"]
    assert told(master) == ["update NodeName=compute001 State=RESUME Reason=none"]


def test_worker_that_leaves_does_not_come_back_because_of_gpus(master: Path) -> None:
    assert members(master, "regain") == []
    assert told(master) == []


SACCTMGR = """
case "$*" in
  *associations*) cat known ;;
  *) echo "$*" >>done ;;
esac
"""
ADDED = [
    "--immediate --quiet add cluster Mine",
    "--immediate --quiet add account users cluster=Mine",
    "--immediate --quiet add user debian account=users cluster=Mine",
    "--immediate --quiet add user Alice account=users cluster=Mine",
]


@pytest.fixture
def records(node: Path) -> Path:
    """Return a folder with a database and a slurmdbd that know nothing yet."""
    install(node, "sacctmgr", SACCTMGR)
    install(node, "runuser", 'case "$*" in *"SELECT id"*) cat number ;; *) test -e database ;; esac')
    install(node, "mariadb", "cat >database")
    (node / "known").touch()
    return node


def accounting(node: Path, *arguments: str) -> list[str]:
    """Return what the program printed."""
    done = on(node, "sh", str(FILES / "accounting.sh"), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_database_is_made_once_and_has_no_password(records: Path) -> None:
    assert accounting(records, "database", "slurm_acct_db") == ["changed"]
    statements = (records / "database").read_text()
    assert "CREATE DATABASE IF NOT EXISTS `slurm_acct_db`;" in statements
    assert "IDENTIFIED VIA unix_socket;" in statements
    assert accounting(records, "database", "slurm_acct_db") == []


def test_cluster_account_and_users_are_registered(records: Path) -> None:
    assert accounting(records, "register", "Mine", "users", "debian", "Alice") == ["changed"] * 4
    assert told(records) == ADDED


@pytest.mark.parametrize("count", range(5))
def test_registration_carries_on_where_it_was_broken_off(records: Path, count: int) -> None:
    """The names are in lower case once they are registered."""
    known = ["root|\nroot|root\n", "users|\n", "users|debian\n", "users|alice\n"]
    (records / "known").write_text("".join(known[:count]))
    assert accounting(records, "register", "Mine", "users", "debian", "Alice") == ["changed"] * (4 - count)
    assert told(records) == ADDED[count:]


def test_user_whose_name_is_part_of_another_is_registered(records: Path) -> None:
    (records / "known").write_text("root|\nusers|\nusers|debianx\nother|debian\n")
    assert accounting(records, "register", "Mine", "users", "debian") == ["changed"]
    assert told(records) == ADDED[2:3]


@pytest.mark.parametrize("number", ["2748\n", ""])
def test_controller_gets_the_number_that_slurmdbd_has(records: Path, number: str) -> None:
    (records / "number").write_text(number)
    (records / "kept").write_text("mine|129")
    assert accounting(records, "agree", "mine", "kept", "slurm_acct_db") == (["changed"] if number else [])
    assert (records / "kept").read_text() == ("mine|2748" if number else "mine|129")
    assert told(records) == (["stop slurmctld"] if number else [])
    assert accounting(records, "agree", "mine", "kept", "slurm_acct_db") == []


def test_controller_that_is_new_or_keeps_no_number_is_left_alone(records: Path) -> None:
    assert accounting(records, "agree", "mine", "kept", "slurm_acct_db") == []
    (records / "kept").write_text("mine")
    assert accounting(records, "agree", "mine", "kept", "slurm_acct_db") == []
    assert told(records) == []


def test_accounting_is_turned_off_once(records: Path) -> None:
    assert accounting(records, "off") == ["changed"]
    assert told(records) == ["disable --quiet --now slurmdbd"]
    for name in ("active", "enabled"):
        (records / name).unlink()
    assert accounting(records, "off") == []
