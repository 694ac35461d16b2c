"""Plays on this computer, with what roles are told of a small cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from elasticluster.setup.settings import PLAYBOOKS

ROLES = PLAYBOOKS / "roles"
KINDS = {"frontend001": "frontend", "compute001": "compute", "big001": "big"}
WORKERS = ("compute001", "big001")
REGISTERED = {"changed": True, "stdout": "", "stdout_lines": []}
SAID = {"compute001": {"cpus": 2, "memory_mb": 2048}}  # by the provider; the user has to say the other's
SET: dict[str, dict[str, Any]] = {
    "big001": {
        "slurm_cpus": 4,
        "slurm_memory_mb": 16384,
        "slurm_gpus": 2,
        "slurm_gpu_type": "a100",
        "slurm_features": ["fast"],
    }
}


def tasks() -> list[dict[str, Any]]:
    files = [*ROLES.glob("*/tasks/*.yml"), *ROLES.glob("*/handlers/*.yml")]
    return [task for path in files for task in yaml.safe_load(path.read_text(encoding="utf-8"))]


def cluster(shared_home: str) -> dict[str, Any]:
    """Return what roles are told of a cluster with a frontend and two workers, each of a kind of its own."""
    said = {"private_ip": None, "image_user": "debian"}
    return {
        "nodes": {name: said | {"kind": kind} | SAID.get(name, {}) for name, kind in KINDS.items()},
        "kinds": {"frontend": ["slurm_master"], "compute": ["slurm_worker"], "big": ["slurm_worker"]},
        "groups": {"slurm_master": ["frontend001"], "slurm_worker": [*WORKERS], "slurm_submit": []},
        "roles": ["slurm"],
        "home_server": "frontend001",
        "shared_home": shared_home,
        "resolver": "frontend",
    }


def inventory() -> dict[str, Any]:
    """Return three nodes that are all this computer, with the variables of all roles."""
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "common_system": {"family": "debian", "name": "debian-13", "container": True},
        "elasticluster": cluster("nfs"),
        "elasticluster_secrets": {"munge_key": "k"},
    }
    for role in ROLES.iterdir():
        for name in ("defaults/main.yml", "vars/main.yml", "vars/debian.yml"):
            variables |= yaml.safe_load((role / name).read_text(encoding="utf-8"))
    del variables["slurm_features"]  # a role's defaults are not among `hostvars`, which are asked for it
    variables |= {task["register"]: REGISTERED for task in tasks() if "register" in task}
    groups = {"slurm_master": ["frontend001"], "slurm_worker": WORKERS}
    hosts = {group: {"hosts": {name: SET.get(name, {}) for name in names}} for group, names in groups.items()}
    return {"all": {"vars": variables, "children": hosts}}


def play(folder: Path, *steps: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "inventory.json").write_text(json.dumps(inventory()))
    playbook = {"hosts": "all", "gather_facts": False, "tasks": list(steps)}
    (folder / "play.json").write_text(json.dumps([playbook]))
    program = Path(sys.executable).with_name("ansible-playbook")
    filters = ":".join(map(str, ROLES.glob("*/filter_plugins")))  # these plays are not the roles' own
    settings = {"ANSIBLE_FILTER_PLUGINS": filters, "ANSIBLE_LOCAL_TEMP": str(folder), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        [program, "--inventory=inventory.json", "play.json"],
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8"} | settings,
        capture_output=True,
        text=True,
        check=False,
    )
