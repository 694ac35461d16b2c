"""Variables that configurations of older releases set, and what they are now."""

from __future__ import annotations

from collections.abc import Mapping

OLD: Mapping[str, str] = {
    "allow_reboot": "common_reboot",
    "disable_selinux": "common_disable_selinux",
    "proxy_url": "common_proxy_url",
    "ssh_password_auth": "common_ssh_password_auth",
    "upgrade_packages": "common_upgrade_packages",
}
"""Older name of a variable -> present name. Both are set, so that playbooks of users find what they wrote."""

_NO_NIS = "users are not shared out by NIS; make them on all nodes by a playbook of your own"
_ONLY_HOME = "only `/home` is shared; `common_home_server` and `common_home_clients` say who takes part"
_NO_FIREWALL = "nodes have no packet filter; the cloud's security group decides who can reach them"
_CLOCK = "the clock is kept by the time service of the image"
_DATABASE = "only Slurm's own user reaches the database of the accounting, and without a password"

CHANGED: Mapping[str, str] = {
    "NFS_EXPORTS": _ONLY_HOME,
    "NFS_MOUNTS": _ONLY_HOME,
    "NIS_CLIENTS": _NO_NIS,
    "NIS_DOMAIN": _NO_NIS,
    "NIS_MASTER": _NO_NIS,
    "NIS_SLAVES": _NO_NIS,
    "SLURM_ACCOUNTING_DB_NAME": _DATABASE,
    "SLURM_ACCOUNTING_DB_PASS": _DATABASE,
    "SLURM_ACCOUNTING_DB_USER": _DATABASE,
    "autofs_home_server": "`/home` is mounted at boot; `common_home_server` names the node that has it",
    "default_forward_policy": _NO_FIREWALL,
    "default_input_policy": _NO_FIREWALL,
    "insecure_https_downloads": "packages are checked by their signatures, and nothing is fetched around the "
    "package manager",
    "multiuser_cluster": _NO_NIS,
    "nfs_clients": _ONLY_HOME,
    "ntp_peers": _CLOCK,
    "ntp_server": _CLOCK,
    "slurm_conf_file": "`slurm.conf` is where the distribution has it; workers get it from the controller",
    "slurm_fastschedule": "Slurm has no `FastSchedule` any more; nodes are always what is configured",
    "slurm_version": "Slurm comes from the distribution, in the version that it has",
    "trusted_hosts": _NO_FIREWALL,
}
"""Older variable without effect -> why. It is accepted and set, and the user is told."""
