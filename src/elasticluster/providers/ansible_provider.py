"""The documented setup provider: configures clusters with Ansible and the playbooks that come along."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.config.keys import Key
from elasticluster.engine.events import Listener, Warned, ignore
from elasticluster.engine.ports import SetupJob
from elasticluster.engine.scheduler import Ask, Scheduler
from elasticluster.model import ClusterRecord, Json, SetupResult
from elasticluster.providers.base import AbstractSetupProvider

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster

SETUP_KEYS = (
    Key("playbook_path", "path", help="your own playbook, to be run instead of ours"),
    Key("before", "path", help="a playbook of yours to run before"),
    Key("after", "path", help="a playbook of yours to run after"),
    Key("storage_path", "str", help="folder to keep the inventory in"),
    Key("ansible_command", "str", help="program to run instead of our own ansible-playbook"),
    Key("ansible_extra_args", "str", help="further arguments for ansible-playbook, quoted as for a shell"),
    Key("ansible_module_dir", "str", help="folder with more Ansible modules"),
)
"""Keys of ``[setup/NAME]``, besides groups and variables. Any other ``ansible_NAME`` is exported to Ansible
as ``ANSIBLE_NAME``, and set as a variable of that name on all nodes."""

_OWN_KEYS = frozenset(key.name for key in SETUP_KEYS)


def _full(path: str | None) -> str:
    """Return a path that holds in any folder; empty for none."""
    return str(Path(path).expanduser().absolute()) if path else ""


class AnsibleSetupProvider(AbstractSetupProvider):
    """Configures the nodes of a cluster with Ansible.

    Args:
        groups: Ansible groups of each kind of node: ``{'frontend': ['slurm_master'], …}``.
        playbook_path: playbook to run; by default the one that comes along.
        environment_vars: variables for the nodes of each kind: ``{'compute': {'name': 'value'}, …}``.
        storage_path: folder to keep the inventory in; by default it is removed after the run.
        sudo: whether to become another user by sudo.
        sudo_user: the user to become.
        ansible_module_dir: folder with more Ansible modules. True or False, which ``slow_but_safer`` of the
            1.3 release has as seventh argument, is accepted without effect.
        **extra_conf: ``before``, ``after``, ``ansible_command``, ``ansible_extra_args`` as in
            :data:`SETUP_KEYS`, and further ``ansible_*`` settings.

    Attributes:
        groups: as given.
        environment: variables for the nodes of each kind.
    """

    HUMAN_READABLE_NAME = "Ansible"

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]],
        playbook_path: str | None = None,
        environment_vars: Mapping[str, Mapping[str, Json]] | None = None,
        storage_path: str | None = None,
        sudo: bool = True,  # noqa: FBT001, FBT002 - documented signature
        sudo_user: str = "root",
        ansible_module_dir: str | bool | None = None,  # noqa: FBT001 - 1.3 had a boolean here
        **extra_conf: Any,
    ) -> None:
        from elasticluster.setup.settings import Settings, own_playbook

        self.groups = {kind: tuple(names) for kind, names in groups.items()}
        self.environment = {kind: dict(variables) for kind, variables in (environment_vars or {}).items()}
        self._settings = Settings(
            groups=self.groups,
            kind_vars=self.environment,
            playbook=own_playbook(_full(playbook_path)),
            before=_full(extra_conf.get("before")),
            after=_full(extra_conf.get("after")),
            become=sudo,
            become_user=sudo_user,
            ansible={
                name: str(value)
                for name, value in extra_conf.items()
                if name.startswith("ansible_") and name not in _OWN_KEYS
            },
            command=tuple(shlex.split(extra_conf.get("ansible_command") or "")),
            extra_args=tuple(shlex.split(extra_conf.get("ansible_extra_args") or "")),
            library="" if isinstance(ansible_module_dir, bool) else _full(ansible_module_dir),
            storage_path=_full(storage_path),
        )

    def setup_cluster(self, cluster: Cluster, extra_args: Sequence[str] = ()) -> bool:
        """Configure all nodes of a cluster; safe to be called again and again.

        Args:
            cluster: the cluster to configure.
            extra_args: further arguments for ``ansible-playbook``.

        Returns:
            whether every node was configured, and no check found anything wrong.

        Raises:
            AnsibleError: a playbook is missing or cannot be read.
        """
        from dataclasses import replace

        job = cluster.setup_job()
        result = self.setup(replace(job, extra_args=(*job.extra_args, *extra_args)), ignore)
        return not result.failures and not result.error

    def resume_cluster(self, cluster: Cluster, extra_args: Sequence[str] = ()) -> bool:
        """Configure a cluster whose machines were paused; the same as :meth:`setup_cluster`."""
        return self.setup_cluster(cluster, extra_args)

    def cleanup(self, cluster: Cluster | None = None) -> None:
        """Remove the inventory of a cluster, if it is kept."""
        from elasticluster.setup.runner import inventory_path

        path = inventory_path(self._settings, cluster.name) if cluster else None
        if path:
            path.unlink(missing_ok=True)

    def check(self, cluster: ClusterRecord) -> None:
        """Check groups, variables and playbooks before any machine is made.

        Raises:
            ConfigurationError: something is wrong; all problems are named.
        """
        from elasticluster.setup.check import check

        check(self._settings, cluster)

    def make_secrets(self, cluster: ClusterRecord) -> Mapping[str, str]:
        """Return the secrets that the cluster needs and does not have yet, newly made."""
        from elasticluster.setup import secrets
        from elasticluster.setup.services import services_of

        groups = [group for names in self.groups.values() for group in names]
        wanted = {name for service in services_of(groups) for name in service.secrets}
        return secrets.make(wanted.union(secrets.ALWAYS) - cluster.secrets.keys())

    def busy(self, job: SetupJob, tell: Listener) -> Mapping[str, str]:
        """Return what nodes are at work on, by name; idle ones are left out.

        Nobody is asked where a playbook of the user's own runs instead of ours.

        Raises:
            SetupProviderError: the master of a service cannot be asked.
        """
        from elasticluster.setup.members import busy

        return busy(self._settings, job)

    def scheduler(self, cluster: ClusterRecord, ask: Ask) -> Scheduler | None:
        """Return what the scheduler of the shipped roles says; None if none is in use."""
        from elasticluster.setup.scheduler import scheduler

        return scheduler(self._settings, cluster, ask)

    def leave(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Take the nodes in ``job.leaving`` out of the shipped services."""
        from elasticluster.engine.wait import SystemClock
        from elasticluster.setup.members import leave

        return leave(self._settings, job, tell, SystemClock())

    def image_key(self, kind: str) -> str:
        """Return what changes whenever other things would be installed on nodes of a kind.

        Empty where a playbook of the user's own runs instead of ours.
        """
        from elasticluster.setup.bake import image_key

        return image_key(self._settings, kind)

    def bake(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Install what the usable nodes need, and remove what must not be in an image of them.

        Raises:
            AnsibleError: Ansible cannot be started.
        """
        from elasticluster.setup.bake import bake

        return bake(self._settings, job, tell)

    def setup(self, job: SetupJob, tell: Listener) -> SetupResult:
        """Configure the usable nodes of a cluster, or those that join it, then check them.

        Raises:
            AnsibleError: a playbook is missing or cannot be read.
        """
        from elasticluster.setup.check import without_effect
        from elasticluster.setup.runner import run

        for text in without_effect(self._settings):
            tell(Warned(text))
        return run(self._settings, job, tell)
