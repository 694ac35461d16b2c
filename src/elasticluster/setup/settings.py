"""What a setup provider was told, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from elasticluster.model import Json
from elasticluster.setup.services import Service, services_of

PLAYBOOKS = Path(__file__).resolve().parent.parent / "playbooks"
"""Where the playbooks and roles are that come with this package."""

SITE = PLAYBOOKS / "site.yml"

_FORMER_SITE = PLAYBOOKS / "main.yml"  # what the 1.3 release calls it

BOOTSTRAP = PLAYBOOKS / "bootstrap.yml"

BUSY = PLAYBOOKS / "busy.yml"

LEAVE = PLAYBOOKS / "leave.yml"

BAKE = PLAYBOOKS / "bake.yml"


def own_playbook(path: str) -> str:
    """Return `path`; empty if it is the playbook that comes along, as files of older releases name it."""
    return "" if path and Path(path).resolve() in (SITE, _FORMER_SITE) else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the nodes of a cluster are to be configured.

    Attributes:
        groups: groups of each kind of node, as the user wrote them.
        kind_vars: variables for the nodes of each kind; texts are turned into what their role expects.
        playbook: the user's own playbook instead of ours; empty for ours.
        before: the user's playbook to run before; empty for none.
        after: the user's playbook to run after; empty for none.
        become: whether tasks run through sudo.
        become_user: the user that sudo turns into.
        ansible: ``ansible_*`` keys: exported to Ansible and set as variables.
        command: program to run instead of our own ``ansible-playbook``.
        extra_args: further arguments for it.
        library: folder with more Ansible modules; empty for none.
        storage_path: folder to keep the inventory in; empty: it is removed after the run.
    """

    groups: Mapping[str, tuple[str, ...]]
    kind_vars: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    playbook: str = ""
    before: str = ""
    after: str = ""
    become: bool = True
    become_user: str = "root"
    ansible: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    extra_args: tuple[str, ...] = ()
    library: str = ""
    storage_path: str = ""

    @property
    def services(self) -> tuple[Service, ...]:
        """The shipped services in use: none where the user's own playbook runs instead of ours."""
        if self.playbook:
            return ()
        return services_of(group for names in self.groups.values() for group in names)

    @property
    def own_playbooks(self) -> tuple[str, ...]:
        """The user's own playbooks, in the order in which they run."""
        return tuple(path for path in (self.before, self.playbook, self.after) if path)

    @property
    def playbooks(self) -> tuple[str, ...]:
        """All playbooks of a run, in order."""
        main = self.playbook or str(SITE)
        first = (str(BOOTSTRAP), self.before) if self.before else ()
        return (*first, main, *((self.after,) if self.after else ()))
