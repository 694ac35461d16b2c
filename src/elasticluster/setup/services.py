"""What the shipped roles set up, and every group name that the documents know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """Something that a shipped role sets up.

    Attributes:
        role: name of the role.
        master: group that has exactly one node; it exports ``/home`` where that goes by NFS.
        members: the other groups.
        informed: those of them whose nodes have to learn who is a member, as the master has.
        secrets: names of the secrets that the role needs, made once for each cluster.
    """

    role: str
    master: str
    members: tuple[str, ...]
    informed: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups of the service."""
        return (self.master, *self.members)


SERVICES = (
    Service(
        "slurm",
        master="slurm_master",
        members=("slurm_worker", "slurm_submit"),
        informed=("slurm_submit",),
        secrets=("munge_key",),
    ),
)

SHIPPED_GROUPS = frozenset(group for service in SERVICES for group in service.groups)

ALIASES: Mapping[str, str] = {
    "condor_workers": "condor_worker",
    "gluster_client": "glusterfs_client",
    "gluster_data": "glusterfs_server",
    "gridengine_clients": "gridengine_worker",
    "maui_master": "torque_master",
    "pbs_clients": "torque_worker",
    "pbs_master": "torque_master",
    "slurm_client": "slurm_submit",
    "slurm_clients": "slurm_worker",
    "slurm_workers": "slurm_worker",
}
"""Older group names, and what they are called now. Both may be used, in configuration and in playbooks."""

_MANUALS = """
    anaconda ansible azure_files ceph_client ceph_mds ceph_mon ceph_osd condor_master condor_worker
    cuda docker easybuild ganglia_collector ganglia_master ganglia_monitor ganglia_web
    glusterfs_client glusterfs_server gridengine_master gridengine_submit gridengine_worker
    hadoop_datanode hadoop_jobtracker hadoop_master hadoop_namenode hadoop_tasktracker hadoop_worker
    hpc ipython_controller ipython_engine jenkins julia jupyterhub kubernetes_master
    kubernetes_worker mdce_master mdce_worker nfs-server ntp_master ntp_server opencpu pbspro_client
    pbspro_master pbspro_worker pvfs2_client pvfs2_data pvfs2_meta r rstudio samba slurm_client
    slurm_master slurm_submit slurm_worker torque_master torque_worker
"""

KNOWN_GROUPS = frozenset(_MANUALS.split()).union(ALIASES)
"""Group names of the manuals, shipped here or not."""


def current_name(group: str) -> str:
    """Return what a group is called now."""
    return ALIASES.get(group, group)


def services_of(groups: Iterable[str]) -> tuple[Service, ...]:
    """Return the services of which at least one group is among `groups`."""
    names = {current_name(group) for group in groups}
    return tuple(service for service in SERVICES if names.intersection(service.groups))
