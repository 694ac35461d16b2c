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


_VARIABLES = """
    ANSIBLE_VERSION CEPH_MOUNTS EASYBUILD_INSTALL EASYBUILD_OPTARCH EASYBUILD_PREFIX EASYBUILD_VERSION
    HIVE_METASTORE_DB_PASSWORD MATLAB_EXE PYTHON3_EXE SGE_CELL af_mount_point af_share_name
    af_storage_account_key af_storage_account_name anaconda_cleanup anaconda_in_path anaconda_mirror
    anaconda_python_version anaconda_version bigtop_mirror bigtop_release ceph_cluster_name
    ceph_data_pg_num ceph_fsid ceph_metadata_pg_num ceph_osd_pg_num ceph_osd_pool_size ceph_release
    cuda_version docker_compose_release docker_credential_helpers_release docker_group_members
    docker_prune_frequency docker_release_channel glusterfs_redundancy glusterfs_replicas
    glusterfs_stripes glusterfs_version julia_home julia_in_path julia_version
    kubernetes_dashboard_deploy kubernetes_default_networking kubernetes_helm_deploy kubernetes_network
    kubernetes_openebs_deploy kubernetes_service_network kubernetes_version modules_tool opencpu_version
    pbspro_version r_cluster_support r_cran_mirror_url r_libraries rstudio_version smb_server_name
    smb_shares smb_workgroup spark_driver_maxresultsize_mb spark_driver_memory_mb
    spark_executor_memory_mb spark_python_worker_memory_mb
"""

LATER_VARIABLES = frozenset(_VARIABLES.split())
"""Variables of the manuals that belong to roles that are not shipped here."""

_LATER_BEGINNINGS = ("lmod_",)


def is_later_variable(name: str) -> bool:
    """Return whether the manuals have a variable of that name for a role that is not shipped here."""
    return name in LATER_VARIABLES or name.startswith(_LATER_BEGINNINGS)


def current_name(group: str) -> str:
    """Return what a group is called now."""
    return ALIASES.get(group, group)


def services_of(groups: Iterable[str]) -> tuple[Service, ...]:
    """Return the services of which at least one group is among `groups`."""
    names = {current_name(group) for group in groups}
    return tuple(service for service in SERVICES if names.intersection(service.groups))
