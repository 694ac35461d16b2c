"""Installs what nodes need and nothing else, so that images can be made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from elasticluster.engine.events import Listener
from elasticluster.engine.ports import SetupJob
from elasticluster.model import Json, SetupResult
from elasticluster.setup.runner import Order, play
from elasticluster.setup.services import current_name, services_of
from elasticluster.setup.settings import BAKE, PLAYBOOKS, SITE, Settings
from elasticluster.setup.variables import known_variables, set_for_roles

_COMMON = "common"
_MADE_ON_USE = "__pycache__"


def image_key(settings: Settings, kind: str, playbooks: Path = PLAYBOOKS) -> str:
    """Return a digest of all that decides what is installed on nodes of a kind.

    It errs on the safe side: some variables and files change it that change nothing of what is installed.

    Args:
        settings: groups and variables of each kind of node.
        kind: kind of node.
        playbooks: folder with the shipped playbooks and roles.

    Returns:
        hexadecimal digits; empty where a playbook of the user's own runs instead of ours.
    """
    if settings.playbook:
        return ""
    groups = sorted(set(map(current_name, settings.groups.get(kind, ()))))
    roles = [_COMMON, *sorted(service.role for service in services_of(groups))]
    files = {path.relative_to(playbooks).as_posix(): _digest(path) for path in _files(playbooks, roles)}
    return hashlib.sha256(
        json.dumps([groups, _variables(settings, kind), files], sort_keys=True).encode()
    ).hexdigest()


def bake(settings: Settings, job: SetupJob, tell: Listener) -> SetupResult:
    """Install what the usable nodes need, then remove what must not be in an image of them.

    Raises:
        AnsibleError: Ansible cannot be started.
    """
    seen, error = play(settings, job, Order(playbooks=(str(BAKE),), whole=True), tell)
    return SetupResult(failures=seen.failures, error=error)


def _variables(settings: Settings, kind: str) -> dict[str, Json]:
    """Return the variables of a kind that a shipped role knows, by their present names, but for secrets."""
    known: Mapping[str, Mapping[str, Json]] = known_variables()
    return {
        name: value
        for name, value in set_for_roles(settings.kind_vars.get(kind, {})).items()
        if name in known and not known[name].get("no_log")
    }


def _files(playbooks: Path, roles: list[str]) -> Iterator[Path]:
    """Return the files that take part in setting up a node of some roles."""
    yield from (playbooks / SITE.name, playbooks / BAKE.name)
    for folder in (playbooks / "library", *(playbooks / "roles" / role for role in roles)):
        yield from (path for path in folder.rglob("*") if path.is_file() and _counts(path))


def _counts(path: Path) -> bool:
    return path.suffix != ".md" and _MADE_ON_USE not in path.parts


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
