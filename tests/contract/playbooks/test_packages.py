"""What is installed, upgraded and kept from starting on which nodes, by the real Ansible on this computer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.playbooks.local_play import play

ALL_WANTED = {
    "common_system": {"family": "debian", "name": "debian-13", "container": False},
    "common_upgrade_packages": True,
    "common_reboot": True,
}


def states(that: str, **variables: Any) -> dict[str, Any]:
    return {"ansible.builtin.assert": {"that": [that]}, "vars": variables}


def test_nodes_that_only_learn_of_others_are_not_upgraded_or_rebooted(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        states(
            "__common_package_tasks == ['upgrade-debian.yml', 'packages-debian.yml', 'reboot.yml']",
            **ALL_WANTED,
        ),
        {"ansible.builtin.group_by": {"key": "elasticluster_set_up"}},
        states("__common_package_tasks == ['packages-debian.yml']", **ALL_WANTED),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_services_of_the_roles_in_use_do_not_start_in_nodes_made_of_an_image(tmp_path: Path) -> None:
    ours = "group_names | map('extract', __slurm_services) | flatten"
    sealed = f"__common_sealed[:__common_sealed.index('--')] == {ours} + ['nfs-kernel-server']"
    done = play(tmp_path, states(sealed, common_roles=["slurm"]))
    assert done.returncode == 0, done.stdout + done.stderr
