"""Runs of the real Ansible, on this computer alone."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from elasticluster.engine.events import Event, TaskDone, TaskStarted, TaskStatus, ignore
from elasticluster.engine.ports import SetupJob
from elasticluster.exceptions import AnsibleError
from elasticluster.model import NodeState, SetupResult
from elasticluster.setup.runner import environment, run
from elasticluster.setup.settings import Settings

LOCAL = {"ansible_connection": "local", "ansible_become": "false"}

PLAYBOOK = """
- hosts: mine
  gather_facts: false
  tasks:
    - name: Look
      ansible.builtin.debug:
        msg: "{{ elasticluster.name }} {{ elasticluster_secrets.munge_key | length }}"
    - name: Break
      ansible.builtin.fail:
        msg: compute002 is not to be
      when: inventory_hostname == "compute002"
    - name: Report the checks
      ansible.builtin.set_stats:
        data:
          elasticluster_checks: {mine: {frontend001: "", compute001: "wrong colour"}}
      run_once: true
"""


FAILS_FOR_ONE = """
- hosts: all
  gather_facts: false
  tasks: [{name: Break, ansible.builtin.fail: {msg: lost}, when: inventory_hostname == "compute002"}]
"""

CHECKS_THE_REST = """
- hosts: all
  gather_facts: false
  roles: [beside]
  tasks:
    - name: Report the checks
      ansible.builtin.set_stats:
        data:
          elasticluster_checks:
            mine: "{{ dict(ansible_play_hosts | product([found])) }}"
      run_once: true
"""

BESIDE = """
- name: Find what is beside the playbook
  ansible.builtin.set_fact:
    found: "{{ '' if [of_group, lookup('ansible.builtin.file', 'x.txt')] == ['g', 'f'] else 'not found' }}"
"""

DIES = """
- name: "{{ lookup('ansible.builtin.pipe', 'kill -9 $PPID') }}"
  hosts: all
  gather_facts: false
  tasks: [{ansible.builtin.meta: noop}]
"""


def own(playbook: Path, **changes: Any) -> Settings:
    """Return settings that run a playbook of one's own, without SSH."""
    groups = {"frontend": ("mine",), "compute": ("mine",)}
    variables = dict.fromkeys(groups, LOCAL)
    return Settings(groups=groups, kind_vars=variables, playbook=str(playbook), become=False, **changes)


@dataclass
class Finished:
    """A run, and all that there is to see of it."""

    folder: Path
    told: list[Event] = field(default_factory=list)
    result: SetupResult = field(default_factory=SetupResult)


@pytest.fixture(scope="module")
def finished(job: SetupJob, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    done = Finished(tmp_path_factory.mktemp("run"))
    (done.folder / "tmp").mkdir()
    (done.folder / "mine.yml").write_text(PLAYBOOK)
    settings = own(done.folder / "mine.yml", storage_path=str(done.folder / "kept"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(done.folder / "tmp"))
        done.result = run(settings, job, done.told.append)
    return done


def test_run_has_one_outcome_for_each_node(finished: Finished) -> None:
    assert {node: str(failure) for node, failure in finished.result.failures.items()} == {
        "compute001": "check: mine: wrong colour",
        "compute002": "setup: task 'Break': compute002 is not to be",
    }
    assert finished.result.checked == {"frontend001"}
    assert finished.result.error == ""


def test_run_tells_tasks_as_they_begin_and_end(finished: Finished) -> None:
    assert finished.told[0] == TaskStarted("mine", "Look")
    failed = TaskDone("compute002", "Break", TaskStatus.FAILED, "compute002 is not to be")
    assert failed in finished.told


def test_run_leaves_nothing_behind(finished: Finished) -> None:
    assert list((finished.folder / "tmp").iterdir()) == []


def test_inventory_is_kept_where_asked_for_and_only_its_owner_reads_it(
    finished: Finished, job: SetupJob
) -> None:
    kept = finished.folder / "kept/slurm.inventory.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert job.cluster.secrets["munge_key"] not in kept.read_text()


def test_playbook_that_cannot_be_read_is_an_error_of_its_own(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("- hosts: mine\n  tasks: [\n")
    settings = own(tmp_path / "mine.yml")
    with pytest.raises(AnsibleError) as caught:
        run(settings, job, ignore)
    assert caught.value.message.startswith(f"Ansible cannot run {settings.playbook}: YAML parsing failed: ")


def test_playbook_that_cannot_be_read_keeps_those_before_it_from_running(
    job: SetupJob, tmp_path: Path
) -> None:
    (tmp_path / "mine.yml").write_text(PLAYBOOK)
    (tmp_path / "after.yml").write_text("- hosts: mine\n  task: []\n")
    told: list[Event] = []
    with pytest.raises(AnsibleError, match="'task' is not a valid attribute for a Play"):
        run(own(tmp_path / "mine.yml", after=str(tmp_path / "after.yml")), job, told.append)
    assert told == []


def test_playbook_behind_a_failed_node_runs_with_what_is_beside_it(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(FAILS_FOR_ONE)
    folder = tmp_path / "my own"
    for path, text in {
        "after.yml": CHECKS_THE_REST,
        "x.txt": "f",
        "group_vars/mine.yml": "of_group: g",
        "roles/beside/tasks/main.yml": BESIDE,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    result = run(own(tmp_path / "mine.yml", after=str(folder / "after.yml")), job, ignore)
    assert {node: str(why) for node, why in result.failures.items()} == {
        "compute002": "setup: task 'Break': lost"
    }
    assert result.checked == {"frontend001", "compute001"}
    assert result.unverified == ()


def test_play_that_loses_all_its_nodes_ends_the_run(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(FAILS_FOR_ONE.replace("hosts: all", "hosts: compute002"))
    (tmp_path / "after.yml").write_text(PLAYBOOK)
    result = run(own(tmp_path / "mine.yml", after=str(tmp_path / "after.yml")), job, ignore)
    assert result.error == "not run, because a play before failed on all its nodes: mine"
    assert result.failures.keys() == {"frontend001", "compute001", "compute002"}


def test_ansible_that_dies_after_a_playbook_has_not_ended_well(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(PLAYBOOK.replace("compute002", "nobody"))
    (tmp_path / "after.yml").write_text(DIES)
    result = run(own(tmp_path / "mine.yml", after=str(tmp_path / "after.yml")), job, ignore)
    assert result.error.startswith("Ansible ended early: ")
    assert not result.checked


def test_run_that_is_limited_to_some_nodes_verifies_no_group(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(PLAYBOOK.replace(', compute001: "wrong colour"', ""))
    limited = replace(job, extra_args=("--limit", "frontend001"))
    result = run(own(tmp_path / "mine.yml"), limited, ignore)
    assert result.checked == {"frontend001"}
    assert result.failures == {}
    assert result.unverified == ("mine",)


def test_task_that_hangs_on_a_node_is_its_failure_only(job: SetupJob, tmp_path: Path) -> None:
    hangs = FAILS_FOR_ONE.replace("ansible.builtin.fail: {msg: lost}", "ansible.builtin.raw: sleep 600")
    (tmp_path / "mine.yml").write_text(hangs.replace("hosts: all", "hosts: all\n  timeout: 2"))
    (tmp_path / "after.yml").write_text(CHECKS_THE_REST.replace("[beside]", "[]").replace("[found]", "['']"))
    result = run(own(tmp_path / "mine.yml", after=str(tmp_path / "after.yml")), job, ignore)
    assert {node: str(why) for node, why in result.failures.items()} == {
        "compute002": "setup: task 'Break': Timed out after 2 second(s)."
    }
    assert result.checked == {"frontend001", "compute001"}


def test_own_main_playbook_runs_on_all_nodes_where_some_join(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(PLAYBOOK.replace("compute002", "nobody"))
    result = run(own(tmp_path / "mine.yml"), replace(job, joining=("compute002",)), ignore)
    assert result.changed.keys() == {"frontend001", "compute001", "compute002"}
    assert result.unverified == ("mine",)


def test_run_that_is_asked_for_a_list_sets_nothing_up(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(PLAYBOOK)
    with pytest.raises(AnsibleError, match=r"mine\.yml: it was asked for something else$"):
        run(own(tmp_path / "mine.yml"), replace(job, extra_args=("--list-tasks",)), ignore)


def test_argument_that_ansible_does_not_know_is_named(job: SetupJob, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(PLAYBOOK)
    with pytest.raises(AnsibleError, match=r"mine\.yml: unrecognized arguments: --frob$"):
        run(own(tmp_path / "mine.yml"), replace(job, extra_args=("--frob",)), ignore)


def test_secret_is_not_shown_where_variables_are_refused(
    job: SetupJob, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    play = "- {hosts: all, gather_facts: false, vars: {slurm_maxjobcount: many}, roles: [slurm]}"
    (tmp_path / "mine.yml").write_text(play)
    groups = {"frontend": ("slurm_master",), "compute": ("slurm_worker",)}
    settings = replace(own(tmp_path / "mine.yml"), groups=groups)
    result = run(settings, replace(job, verbosity=3), ignore)
    assert "slurm_maxjobcount" in result.failures["compute001"].message
    shown = capfd.readouterr().err
    assert "slurm_munge_key" in shown
    assert job.cluster.secrets["munge_key"] not in shown + str(result)


def test_missing_playbook_is_an_error(job: SetupJob) -> None:
    settings = Settings(groups={}, playbook="/no/such.yml")
    with pytest.raises(AnsibleError) as caught:
        run(settings, job, ignore)
    assert caught.value.message == "The playbook '/no/such.yml' does not exist."


def test_missing_program_is_an_error(job: SetupJob) -> None:
    with pytest.raises(AnsibleError) as caught:
        run(Settings(groups={}, command=("/no/such",)), job, ignore)
    assert caught.value.message == "There is no program '/no/such' to run Ansible with."


def test_cluster_without_usable_nodes_is_not_set_up(settings: Settings, job: SetupJob) -> None:
    down = [replace(node, state=NodeState.DOWN) for node in job.cluster.nodes]
    job = replace(job, cluster=job.cluster.with_nodes(*down))
    assert run(settings, job, ignore).error == "no node can be logged in to"


def test_environment_prefers_the_section_to_the_user_to_the_defaults(
    job: SetupJob, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_FORKS", "3")
    monkeypatch.setenv("ANSIBLE_TIMEOUT", "7")
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "timer")
    settings = replace(settings, ansible={"ansible_timeout": "9"})
    found = environment(Path("/run"), settings, job)
    assert found["ANSIBLE_TIMEOUT"] == "9"
    assert found["ANSIBLE_FORKS"] == "3"
    assert found["ANSIBLE_PIPELINING"] == "True"
    assert found["ANSIBLE_CALLBACKS_ENABLED"] == "elasticluster_events,timer"
    assert found["HOME"] == os.environ["HOME"]


@pytest.mark.parametrize(
    "name", ["HOST_KEY_CHECKING", "SSH_ARGS", "SSH_COMMON_ARGS", "SSH_EXTRA_ARGS", "SSH_HOST_KEY_CHECKING"]
)
def test_environment_of_the_user_cannot_switch_off_the_checking_of_host_keys(
    job: SetupJob, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    without = environment(Path("/run"), settings, job)
    monkeypatch.setenv(f"ANSIBLE_{name}", "-o StrictHostKeyChecking=no")
    assert environment(Path("/run"), settings, job) == without


def test_section_has_the_last_word_on_the_arguments_of_ssh(job: SetupJob, settings: Settings) -> None:
    settings = replace(settings, ansible={"ansible_ssh_args": "-o Ciphers=aes128-ctr"})
    assert environment(Path("/run"), settings, job)["ANSIBLE_SSH_ARGS"] == "-o Ciphers=aes128-ctr"
