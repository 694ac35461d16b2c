"""The programs that the role slurm runs on nodes, with stand-ins for those of Slurm and systemd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from elasticluster.setup.settings import PLAYBOOKS

FILES = PLAYBOOKS / "roles/slurm/files"
SRUN_WORKS = 'for word; do case $word in --nodelist=*) echo "${word#*=}" ;; esac; done'
SRUN_FAILS = "echo 'srun: no' >&2; exit 1"
SYSTEMCTL = """
case "$1 $2" in
  "show --property=NeedDaemonReload") cat reload ;;
  "show --property=DropInPaths") ! test -e known || cat known ;;
  "show --timestamp=us+utc") echo "Fri 2026-11-20 16:00:00.500000 UTC" ;;
  is-active*) test -e active ;;
  is-enabled*) test -e enabled ;;
  restart*) echo "$*" >>done; test ! -e broken ;;
  status*) echo "it is broken" ;;
  *) echo "$*" >>done ;;
esac
"""
SBATCH = """
for word; do case $word in --partition=*) echo "sbatch ${word#*=}" >>done ;; esac; done
echo 7
"""
HOME = "/home/nobody at all"
STARTED = 1795190400.5  # when SYSTEMCTL says that the service was started


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return a folder in which programs are, and work."""
    programs = {"scontrol": "exit 0", "srun": SRUN_WORKS, "squeue": ":", "sbatch": SBATCH}
    programs |= {"systemctl": SYSTEMCTL, "scancel": 'echo "scancel $*" >>done'}
    for name, script in programs.items():
        install(tmp_path, name, script)
    (tmp_path / "reload").write_text("no\n")
    for name in ("active", "enabled", "conf"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "conf", (STARTED - 0.1, STARTED - 0.1))
    return tmp_path


def install(node: Path, name: str, script: str) -> None:
    (node / name).write_text(f"#!/bin/sh\n{script}\n")
    (node / name).chmod(0o755)


def on(node: Path, *command: str, home: str = "/root") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{node}:{os.environ['PATH']}", "HOME": home}
    return subprocess.run(command, cwd=node, env=environment, capture_output=True, text=True, check=False)


def check(node: Path, groups: str = "slurm_master", home: str = "none", seconds: int = 5) -> dict[str, str]:
    """Return what the check says of nodes."""
    arguments = ("here", groups, home, str(seconds), "compute001")
    done = on(node, sys.executable, str(FILES / "check.py"), *arguments, home=HOME)
    assert done.returncode == 0, done.stderr
    return {name: wrong for nodes in json.loads(done.stdout).values() for name, wrong in nodes.items()}


def submit(node: Path, seconds: int = 5) -> str:
    """Return what the check says of a submit host."""
    return check(node, "slurm_submit", seconds=seconds)["here"]


@pytest.mark.parametrize("state", ["allocated", "allocated+", "mixed-", "mixed", "planned"])
def test_busy_worker_has_nothing_to_prove(node: Path, state: str) -> None:
    install(node, "srun", SRUN_FAILS)
    install(node, "sinfo", f"echo compute001 {state} up main*")
    assert check(node) == {"here": "", "compute001": ""}


def test_worker_whose_job_ends_is_waited_for(node: Path) -> None:
    later = (
        "test -e ended && echo compute001 idle up main* || echo compute001 completing up main*; touch ended"
    )
    install(node, "sinfo", later)
    assert check(node) == {"here": "", "compute001": ""}


def test_worker_whose_job_does_not_end_is_not_ready(node: Path) -> None:
    install(node, "srun", SRUN_FAILS)
    install(node, "sinfo", "echo compute001 completing up main*")
    assert check(node, seconds=0)["compute001"] == "srun: no (Slurm calls the node 'completing')"


def test_idle_worker_has_to_run_a_job(node: Path) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    assert check(node) == {"here": "", "compute001": ""}
    install(node, "srun", SRUN_FAILS)
    assert check(node)["compute001"] == "srun: no (Slurm calls the node 'idle')"


@pytest.mark.parametrize(
    ("partitions", "chosen"),
    [
        ("big up|main* up|last up", "main"),
        ("big up|last up", "big"),
        ("main* down|last up", "last"),
        ("main* down", ""),
    ],
)
def test_job_goes_to_a_partition_that_the_worker_is_in(node: Path, partitions: str, chosen: str) -> None:
    lines = [f"echo compute001 idle {up} {name}" for name, up in map(str.split, partitions.split("|"))]
    install(node, "sinfo", "; ".join(lines))
    install(node, "srun", f'echo "$*" >>asked; {SRUN_WORKS}')
    assert check(node)["compute001"] == ""
    asked = (node / "asked").read_text()
    assert f"--partition={chosen} " in asked if chosen else "--partition" not in asked


@pytest.mark.parametrize("group", ["slurm_master", "slurm_submit"])
def test_home_that_cannot_be_written_to_is_the_fault_of_the_node(node: Path, group: str) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    assert check(node, group, "volume")["here"] == f"{HOME} cannot be written to: No such file or directory"
    assert check(node, group, "none")["here"] == ""


def test_submit_host_has_to_have_a_job_run(node: Path) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    install(node, "srun", "echo compute001")
    assert submit(node) == ""
    install(node, "srun", SRUN_FAILS)
    assert submit(node) == "srun: no"


def test_submit_host_waits_for_room_that_only_a_check_takes(node: Path) -> None:
    install(node, "sinfo", "echo compute001 allocated up main*")
    install(node, "squeue", "echo main")
    install(node, "srun", SRUN_FAILS)
    assert submit(node) == "srun: no"


def test_submit_host_has_a_job_queued_where_all_workers_are_busy(node: Path) -> None:
    install(node, "sinfo", "echo compute001 allocated up main*")
    install(node, "srun", SRUN_FAILS)
    assert submit(node) == ""
    assert told(node) == ["sbatch main", "scancel 7"]
    install(node, "sbatch", "echo 'sbatch: error: refused' >&2; exit 1")
    assert submit(node) == "sbatch: error: refused"


def test_submit_host_of_a_cluster_without_workers_has_to_reach_the_controller(node: Path) -> None:
    install(node, "sinfo", ":")
    assert submit(node, seconds=0) == ""
    install(node, "scontrol", "echo 'no controller' >&2; exit 1")
    assert submit(node, seconds=0) == "no controller"


def test_node_that_is_both_reports_both(node: Path) -> None:
    install(node, "sinfo", "echo compute001 idle up main*")
    arguments = ("here", "slurm_master,slurm_submit", "none", "5", "compute001")
    done = on(node, sys.executable, str(FILES / "check.py"), *arguments)
    both = {"slurm_master": {"here": ""}, "slurm_worker": {"compute001": ""}, "slurm_submit": {"here": ""}}
    assert json.loads(done.stdout) == both


def start(node: Path, *files: str) -> subprocess.CompletedProcess[str]:
    return on(node, "sh", str(FILES / "start.sh"), "slurmd", "conf", *files)


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


def test_service_that_does_not_start_says_why(node: Path) -> None:
    (node / "active").unlink()
    (node / "broken").touch()
    done = start(node)
    assert done.returncode == 1
    assert done.stdout == "it is broken\n"


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


def told(node: Path) -> list[str]:
    """Return what the scheduler was told to do."""
    return (node / "done").read_text().splitlines() if (node / "done").exists() else []


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
    assert members(master, "return") == ["changed"]
    assert told(master) == ["update NodeName=compute001 State=RESUME Reason=none"]


SACCTMGR = """
case "$*" in
  *associations*) cat known ;;
  *cluster) test -e answers ;;
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
    install(node, "timeout", "test -e answers")
    install(node, "tail", "echo 'what it logged'")
    install(node, "runuser", "test -e database")
    install(node, "mariadb", "cat >database")
    (node / "known").touch()
    (node / "answers").touch()
    return node


def accounting(node: Path, *arguments: str, status: int = 0) -> list[str]:
    """Return what the program printed."""
    done = on(node, "sh", str(FILES / "accounting.sh"), *arguments)
    assert done.returncode == status, done.stderr
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


def test_slurmdbd_that_does_not_answer_says_what_it_logged(records: Path) -> None:
    (records / "answers").unlink()
    said = accounting(records, "register", "Mine", "users", "debian", status=1)
    assert said == ["slurmdbd does not answer", "what it logged"]


def test_accounting_is_turned_off_once(records: Path) -> None:
    assert accounting(records, "off") == ["changed"]
    assert told(records) == ["disable --quiet --now slurmdbd"]
    for name in ("active", "enabled"):
        (records / name).unlink()
    assert accounting(records, "off") == []
