"""What the roles' conditions and templates come to, by the real Ansible on this computer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticluster.setup.settings import PLAYBOOKS

ROLES = PLAYBOOKS / "roles"
WORKERS = ("compute001", "compute002")
REGISTERED = {"changed": True, "stdout": "", "stdout_lines": []}
SAID = {"compute001": {"cpus": 2, "memory_mb": 2048}}  # by the provider; the user has to say the other's
SET = {"compute002": {"slurm_cpus": 4, "slurm_memory_mb": 16384}}


def tasks() -> list[dict[str, Any]]:
    files = [*ROLES.glob("*/tasks/*.yml"), *ROLES.glob("*/handlers/*.yml")]
    return [task for path in files for task in yaml.safe_load(path.read_text(encoding="utf-8"))]


def conditions() -> list[str]:
    found = [task["when"] for task in tasks() if "when" in task]
    return [text for when in found for text in (when if isinstance(when, list) else [when])]


def cluster(shared_home: str) -> dict[str, Any]:
    """Return what roles are told of a cluster with a frontend and two workers."""
    nothing = {"private_ip": None}
    return {
        "nodes": {name: nothing | SAID.get(name, {}) for name in ("frontend001", *WORKERS)},
        "groups": {"slurm_master": ["frontend001"], "slurm_worker": [*WORKERS]},
        "roles": ["slurm"],
        "home_server": "frontend001",
        "shared_home": shared_home,
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
    variables |= {task["register"]: REGISTERED for task in tasks() if "register" in task}
    groups = {"slurm_master": ["frontend001"], "slurm_worker": WORKERS}
    hosts = {group: {"hosts": {name: SET.get(name, {}) for name in names}} for group, names in groups.items()}
    return {"all": {"vars": variables, "children": hosts}}


def play(folder: Path, *steps: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "inventory.json").write_text(json.dumps(inventory()))
    playbook = {"hosts": "all", "gather_facts": False, "tasks": list(steps)}
    (folder / "play.json").write_text(json.dumps([playbook]))
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run(
        [program, "--inventory=inventory.json", "play.json"],
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": str(folder), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_conditions_are_true_or_false(tmp_path: Path) -> None:
    that = [f"({condition}) is boolean" for condition in conditions()]
    homes = ("nfs", "volume", "none")
    steps = [{"ansible.builtin.assert": {"that": that}, "vars": {"elasticluster": cluster(h)}} for h in homes]
    done = play(tmp_path, *steps)
    assert done.returncode == 0, done.stdout + done.stderr


def exports(path: Path) -> dict[str, Any]:
    """Return the step that exports home directories, into another file."""
    (step,) = [task for task in tasks() if task["name"] == "Export the home directories"]
    (module,) = [key for key in step if "." in key]
    ours = {key: value for key, value in step[module].items() if key not in ("owner", "group")}
    return {module: ours | {"path": str(path)}, "when": step["when"]}


def configuration(path: Path, **variables: Any) -> dict[str, Any]:
    """Return a step that writes the configuration of Slurm, and may fail."""
    template = ROLES / "slurm/templates/slurm.conf.j2"
    content = f"{{{{ lookup('ansible.builtin.template', '{template}') }}}}"
    copied = {"content": content, "dest": str(path), "mode": "0644"}
    return {"ansible.builtin.copy": copied, "vars": variables, "run_once": True, "ignore_errors": True}


@dataclass
class Written:
    """What the templates came to."""

    folder: Path
    said: str

    def settings(self, name: str) -> dict[str, str]:
        """Return the lines of a slurm.conf by what comes before the first equals sign, or by node."""
        lines = (self.folder / name).read_text().splitlines()
        pairs = [line.split("=", 1) for line in lines if not line.startswith("#")]
        return {value.split()[0] if key == "NodeName" else key: value for key, value in pairs}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("written")
    (folder / "templates").symlink_to(ROLES / "common/templates")
    done = play(
        folder,
        exports(folder / "exports.d/elasticluster.exports"),
        configuration(folder / "usual"),
        configuration(folder / "own", slurm_conf={"DefMemPerNode": 100, "KillWait": 60}),
        configuration(folder / "unsized", slurm_workers=["frontend001"]),
    )
    return Written(folder, done.stdout + done.stderr)


def test_exports_are_written_where_their_folder_does_not_exist(written: Written) -> None:
    lines = (written.folder / "exports.d/elasticluster.exports").read_text().splitlines()
    exported = [line for line in lines if not line.startswith("#")]
    assert exported == [f"/home {worker}(rw,no_subtree_check)" for worker in WORKERS]


def test_jobs_get_the_memory_of_a_node_but_for_what_the_system_needs(written: Written) -> None:
    assert written.settings("usual")["compute001"] == "compute001 CPUs=2 RealMemory=1843 State=UNKNOWN"


def test_size_that_the_provider_does_not_say_is_that_of_the_user(written: Written) -> None:
    assert written.settings("usual")["compute002"] == "compute002 CPUs=4 RealMemory=15872 State=UNKNOWN"


def test_job_of_one_processor_gets_its_share_of_the_smallest_worker(written: Written) -> None:
    assert written.settings("usual")["DefMemPerCPU"] == "921"


def test_share_of_a_job_is_replaced_by_that_of_the_user(written: Written) -> None:
    found = written.settings("own")
    assert "DefMemPerCPU" not in found
    assert (found["DefMemPerNode"], found["KillWait"]) == ("100", "60")


def test_size_that_nobody_says_is_refused(written: Written) -> None:
    assert not (written.folder / "unsized").exists()
    assert "set slurm_cpus and slurm_memory_mb for the kind of frontend001" in written.said
