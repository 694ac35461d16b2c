"""Finds what is wrong with groups, variables and playbooks before any machine is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from elasticluster.exceptions import ConfigurationError
from elasticluster.model import ClusterRecord
from elasticluster.setup.own_playbooks import playbook_problem
from elasticluster.setup.services import Service, current_name, services_of
from elasticluster.setup.settings import Settings
from elasticluster.setup.slurm import reserved
from elasticluster.setup.vocabulary import Vocabulary, folder_problem, program_problem


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
        raise ConfigurationError(f"{where}: {problems[0]}{'' if problems[0].endswith('?') else '.'}")
    lines = "".join(f"\n- {problem}" for problem in problems)
    raise ConfigurationError(f"{where} has {len(problems)} problems:{lines}")


def _playbooks(settings: Settings) -> Iterator[str]:
    for path in settings.own_playbooks:
        problem = playbook_problem(Path(path))
        if problem:
            yield f"playbook '{path}' {problem}"
    if settings.library and (problem := folder_problem(settings.library)):
        yield f"ansible_module_dir {problem}"
    if settings.command and (problem := program_problem(settings.command[0])):
        yield f"ansible_command: {problem}"


def _groups(settings: Settings, cluster: ClusterRecord) -> Iterator[str]:
    kinds = cluster.kinds or tuple(settings.groups)
    in_use = {node.kind for node in cluster.nodes if node.staying} if cluster.nodes else {*kinds}
    ungrouped = [kind for kind in kinds if kind in in_use and kind not in settings.groups]
    yield from (f"kind '{kind}' has no groups" for kind in ungrouped)
    used = dict.fromkeys(group for kind in kinds for group in settings.groups.get(kind, ()))
    words = Vocabulary(settings)
    wrong = (words.group_problem(group) or words.group_warning(group) for group in used)
    yield from filter(None, wrong)
    if not settings.playbook:
        for service in services_of(used):
            yield from _master(service, settings, cluster)
        yield from _reserved_kinds(settings, kinds)


def _reserved_kinds(settings: Settings, kinds: Collection[str]) -> Iterator[str]:
    for kind in filter(reserved, kinds):
        if "slurm_worker" in map(current_name, settings.groups.get(kind, ())):
            yield f"kind '{kind}': Slurm means something else by this name: choose another for its workers"


def _master(service: Service, settings: Settings, cluster: ClusterRecord) -> Iterator[str]:
    kinds = [kind for kind, groups in settings.groups.items() if service.master in map(current_name, groups)]
    count = sum(node.kind in kinds for node in cluster.nodes if node.staying)
    if not kinds:
        yield f"no kind of node is in group '{service.master}', which {service.role} needs"
    elif count != 1 and (cluster.nodes or cluster.kinds):
        yield f"group '{service.master}' must have exactly one node, not {count} (of kind {', '.join(kinds)})"


def _variables(settings: Settings) -> Iterator[str]:
    words = Vocabulary(settings)
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind, variables in settings.kind_vars.items():
        for name, value in variables.items():
            problem = words.variable_problem(name, value)
            if problem:
                kinds[name, problem].append(kind)
    for (name, problem), of_kinds in kinds.items():
        yield f"variable '{name}' (kind {', '.join(of_kinds)}): {problem}"


def without_effect(settings: Settings) -> Iterator[str]:
    """Say of each variable that shipped roles once knew why it does nothing any more."""
    words = Vocabulary(settings)
    for name in sorted({name for variables in settings.kind_vars.values() for name in variables}):
        if warning := words.variable_warning(name):
            yield f"The variable '{name}' {warning}{'' if warning.endswith('?') else '.'}"
