"""Which files the role slurm writes, and what is shown of them, by the real Ansible on this computer."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from tests.contract.playbooks.local_play import ROLES, play

from elasticluster.setup.settings import PLAYBOOKS

KEY = "0123456789abcdef" * 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose plays find the modules and templates of the role; each tells all that it can."""
    monkeypatch.setenv("ANSIBLE_LIBRARY", str(PLAYBOOKS / "library"))
    monkeypatch.setenv("ANSIBLE_VERBOSITY", "3")
    (tmp_path / "templates").symlink_to(ROLES / "slurm/templates")
    return tmp_path


def configure(**variables: Any) -> dict[str, Any]:
    """Return a step that configures Slurm as the role does, but changes nothing."""
    included = {"file": str(ROLES / "slurm/tasks/configure.yml"), "apply": {"check_mode": True}}
    secrets = {"elasticluster_secrets": {"munge_key": KEY}}
    return {"ansible.builtin.include_tasks": included, "vars": secrets | variables}


def test_size_that_nobody_says_is_asked_for(folder: Path) -> None:
    said = play(folder, configure(slurm_workers=["frontend001"])).stdout
    assert "set slurm_cpus and slurm_memory_mb for the kind of frontend001" in said
    assert KEY not in said


def test_key_of_munge_is_not_shown(folder: Path) -> None:
    done = play(folder, configure())
    said = done.stdout + done.stderr
    assert "/etc/slurm/slurm.conf" in said
    assert KEY not in said


def owned(**file: str) -> dict[str, str]:
    """Return a file that belongs to whoever runs the test."""
    owner, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    return {"owner": owner, "group": group, **file}


def writing(file: dict[str, str], text: str) -> dict[str, Any]:
    """Return a step that writes a file."""
    return {
        "elasticluster_files": {"files": [file], "contents": {file["path"]: text}},
        "run_once": True,
    }


def test_file_that_is_wrong_does_not_replace_one_that_is_right(folder: Path) -> None:
    path = folder / "kept"
    validate = "sh -c 'grep right %s || { echo %s: line 1 >&2; exit 3; }'"
    file = owned(path=str(path), validate=validate)
    steps = [writing(file, text) for text in ("all right", "all wrong")]
    done = play(folder, *steps)
    assert f'"msg": "{path}: line 1"' in done.stdout
    assert path.read_text() == "all right\n"
    assert list(folder.glob(".elasticluster-*")) == []


def test_secret_is_written_and_not_shown(folder: Path) -> None:
    secret = owned(path=str(folder / "kept"), mode="0400")
    done = play(folder, writing(secret, f"{KEY}\n{KEY}"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "kept").read_text() == f"{KEY}\n{KEY}\n"
    assert KEY not in done.stdout
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in done.stdout
    assert '"path": ' in done.stdout
