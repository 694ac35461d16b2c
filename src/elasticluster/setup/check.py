"""Finds what is wrong with groups, variables and playbooks before any machine is made."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from elasticluster.exceptions import ConfigurationError
from elasticluster.model import ClusterRecord, Json
from elasticluster.setup.older import CHANGED, OLD
from elasticluster.setup.services import (
    ALIASES,
    KNOWN_GROUPS,
    SHIPPED_GROUPS,
    Service,
    current_name,
    services_of,
)
from elasticluster.setup.settings import Settings
from elasticluster.setup.slurm import problem_of, reserved
from elasticluster.setup.variables import known_variables, typed

if TYPE_CHECKING:
    import yaml

_LET_THROUGH = "ansible_"  # variables of Ansible's own
_VAULT = "$ANSIBLE_VAULT"  # how an encrypted file begins; only Ansible can look into it
_PLAY_KEYS = ("hosts", "import_playbook", "ansible.builtin.import_playbook")


def check(settings: Settings, cluster: ClusterRecord) -> None:
    """Check that a cluster can be set up as asked.

    Raises:
        ConfigurationError: it cannot; all problems are named.
    """
    problems = [*_playbooks(settings), *_groups(settings, cluster), *_variables(settings)]
    if not problems:
        return
    where = f"[setup/{cluster.setup.section}]" if cluster.setup.section else "The setup provider"
    if len(problems) == 1:
        raise ConfigurationError(f"{where}: {problems[0]}.")
    lines = "".join(f"\n- {problem}" for problem in problems)
    raise ConfigurationError(f"{where} has {len(problems)} problems:{lines}")


def _playbooks(settings: Settings) -> Iterator[str]:
    for path in settings.own_playbooks:
        problem = _playbook(Path(path))
        if problem:
            yield f"playbook '{path}' {problem}"
    if settings.library and not Path(settings.library).is_dir():
        yield f"ansible_module_dir '{settings.library}' is no folder"


def _playbook(path: Path) -> str:
    """Return what Ansible would refuse before its first play; empty if nothing."""
    import yaml

    if not path.is_file():
        return "does not exist"
    try:
        text = path.read_text(encoding="utf-8")
        return "" if text.startswith(_VAULT) else _no_plays(yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        return f"cannot be read: line {line}: {exc.problem}"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        return f"cannot be read: {str(exc).splitlines()[0]}"


def _no_plays(root: yaml.Node | None) -> str:
    """Return why this is no list of plays; empty if it is one."""
    import yaml

    entries = root.value if isinstance(root, yaml.SequenceNode) else ()
    for entry in entries:
        keys = [key.value for key, _ in entry.value] if isinstance(entry, yaml.MappingNode) else []
        if not any(key in keys for key in _PLAY_KEYS):
            return f"is no list of plays: line {entry.start_mark.line + 1}: there is no 'hosts'"
    return "" if entries else "is no list of plays"


def _groups(settings: Settings, cluster: ClusterRecord) -> Iterator[str]:
    kinds = cluster.kinds or tuple(settings.groups)
    in_use = {node.kind for node in cluster.nodes if node.staying} if cluster.nodes else {*kinds}
    ungrouped = [kind for kind in kinds if kind in in_use and kind not in settings.groups]
    yield from (f"kind '{kind}' has no groups" for kind in ungrouped)
    used = dict.fromkeys(group for kind in kinds for group in settings.groups.get(kind, ()))
    if not settings.own_playbooks:
        yield from (_unknown_group(group) for group in used if current_name(group) not in SHIPPED_GROUPS)
    if not settings.playbook:
        for service in services_of(used):
            yield from _master(service, settings, cluster)
        yield from _reserved_kinds(settings, kinds)


def _reserved_kinds(settings: Settings, kinds: Collection[str]) -> Iterator[str]:
    for kind in filter(reserved, kinds):
        if "slurm_worker" in map(current_name, settings.groups.get(kind, ())):
            yield f"kind '{kind}': Slurm means something else by this name: choose another for its workers"


def _unknown_group(group: str) -> str:
    shipped = ", ".join(sorted(SHIPPED_GROUPS))
    if group in KNOWN_GROUPS:
        return f"group '{group}' is not part of this version, which has {shipped}"
    meant = _did_you_mean(group, SHIPPED_GROUPS | ALIASES.keys())
    return f"there is no group '{group}'{meant}; there are {shipped}"


def _master(service: Service, settings: Settings, cluster: ClusterRecord) -> Iterator[str]:
    kinds = [kind for kind, groups in settings.groups.items() if service.master in map(current_name, groups)]
    count = sum(node.kind in kinds for node in cluster.nodes if node.staying)
    if not kinds:
        yield f"no kind of node is in group '{service.master}', which {service.role} needs"
    elif count != 1 and (cluster.nodes or cluster.kinds):
        yield f"group '{service.master}' must have exactly one node, not {count} (of kind {', '.join(kinds)})"


def _variables(settings: Settings) -> Iterator[str]:
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind, variables in settings.kind_vars.items():
        for name, value in variables.items():
            problem = _variable(name, value, settings)
            if problem:
                kinds[name, problem].append(kind)
    for (name, problem), of_kinds in kinds.items():
        yield f"variable '{name}' (kind {', '.join(of_kinds)}): {problem}"


def without_effect(settings: Settings) -> Iterator[str]:
    """Say of each variable that shipped roles once knew why it does nothing any more.

    Nothing is said where a playbook of the user's own runs instead of ours: it may well know the variable.
    """
    given = {name for variables in settings.kind_vars.values() for name in variables}
    for name in sorted(given & CHANGED.keys()) if not settings.playbook else ():
        yield f"The variable '{name}' has no effect: {CHANGED[name]}."


def _variable(name: str, value: Json, settings: Settings) -> str:
    """Return what is wrong with a variable.

    Playbooks of the user's own may know others, and one that runs instead of ours may mean something else by
    an older name.
    """
    older = {} if settings.playbook else OLD
    if name in CHANGED or (name in OLD and name not in older):
        return ""
    present = older.get(name, name)
    if present in known_variables():
        try:
            expected = typed(name, value)
        except ValueError as exc:
            return str(exc)
        return "" if settings.playbook else problem_of(present, expected)
    meant = _did_you_mean(name, known_variables().keys() | older.keys())
    let_through = name.startswith(_LET_THROUGH) or (settings.own_playbooks and not meant)
    return "" if let_through else f"no role knows it{meant}"


def _did_you_mean(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f" (did you mean '{near[0]}'?)" if near else ""
