"""Runs Ansible, in a private folder of its own, and makes one outcome a node of what it says."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_urlsafe

from elasticluster.engine.children import child
from elasticluster.engine.events import Listener
from elasticluster.engine.ports import SetupJob
from elasticluster.exceptions import AnsibleError
from elasticluster.model import Json, SetupResult
from elasticluster.setup.events import Run
from elasticluster.setup.inventory import by_tunnel, inventory, masters, nodes_at_hand, particulars
from elasticluster.setup.settings import PLAYBOOKS, Settings
from elasticluster.setup.tunnels import tunnels

_CALLBACKS = Path(__file__).with_name("callback")
_CALLBACK = "elasticluster_events"
_MOST_FORKS = 50
_TAIL = (
    100_000  # characters of Ansible's own output that are looked at: a long usage text may follow an error
)
_STDERR = 2
_NOT_FROM_OUTSIDE = frozenset(
    {  # each could switch off the checking of host keys
        "ANSIBLE_HOST_KEY_CHECKING",
        "ANSIBLE_SSH_HOST_KEY_CHECKING",
        "ANSIBLE_SSH_ARGS",
        "ANSIBLE_SSH_COMMON_ARGS",
        "ANSIBLE_SSH_EXTRA_ARGS",
    }
)
_NARROWING_FLAGS = ("-C --check", "--list-hosts", "--list-tags", "--list-tasks", "--step", "--syntax-check")
_NARROWING = ("-l --limit", "-t --tags", "--skip-tags", "--start-at-task")
_EVERY_TASK = {"ANSIBLE_RUN_TAGS": "all", "ANSIBLE_SKIP_TAGS": "never"}  # whatever any file of Ansible's says
_ERROR_RE = re.compile(r"^(\[ERROR\]:?|ERROR!|\S+: error:)\s*")
_SOCKETS = "cp"
_CLEAN_UP = f"""
read -r _
for socket in "$1/{_SOCKETS}"/*; do ssh -O exit -o ControlPath="$socket" node & done
wait
rm -rf "$1"
"""


def inventory_path(settings: Settings, cluster: str) -> Path | None:
    """Return where the inventory of the cluster of that name is kept; None: it is not."""
    return Path(settings.storage_path) / f"{cluster}.inventory.json" if settings.storage_path else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What Ansible is to do.

    Attributes:
        playbooks: paths of playbooks, in order.
        limit: names of the nodes that take part; empty: all.
        variables: further variables for all nodes.
        whole: whether every task has to run, even where the user asks for some tasks or nodes only.
    """

    playbooks: tuple[str, ...]
    limit: tuple[str, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)
    whole: bool = False


def run(settings: Settings, job: SetupJob, tell: Listener) -> SetupResult:
    """Configure the usable nodes of a cluster, or those that join it, and check them.

    Nodes that join are set up, and the masters of the services learn of them; no other node takes part.
    Only a user's own main playbook runs on all nodes, as nobody knows whom it has to tell.

    Args:
        settings: what to do.
        job: the cluster, and how to log in.
        tell: gets an event for each task and node.

    Returns:
        one outcome a node; nodes that did not take part are not in it.

    Raises:
        AnsibleError: a playbook is missing or cannot be read, or Ansible cannot be started.
    """
    if settings.playbook:
        job = replace(job, joining=())
    nodes = [node.name for node in nodes_at_hand(job)]
    new = [name for name in nodes if name in job.joining]
    if job.joining and not new:
        return SetupResult()
    limit = dict.fromkeys([*new, *masters(job, settings)]) if new else ()
    order = Order(playbooks=settings.playbooks, limit=tuple(limit))
    return set_up(settings, job, order, tell)


def set_up(settings: Settings, job: SetupJob, order: Order, tell: Listener) -> SetupResult:
    """Run playbooks that set nodes up; return one outcome for each node that takes part.

    Raises:
        AnsibleError: as :func:`run`.
    """
    if not nodes_at_hand(job):
        return SetupResult(error="no node can be logged in to")
    seen, error = play(settings, job, order, tell)
    part = order.limit or [node.name for node in nodes_at_hand(job)]
    result = seen.result(_groups_in_use(settings, job, part), settings.services, error)
    return replace(
        result,
        failures={name: failure for name, failure in result.failures.items() if name in part},
        checked=result.checked.intersection(part),
    )


def play(settings: Settings, job: SetupJob, order: Order, tell: Listener) -> tuple[Run, str]:
    """Run Ansible; return what it said, and why it ended early if it did.

    Raises:
        AnsibleError: as :func:`run`.
    """
    command = [*(settings.command or (str(Path(sys.executable).with_name("ansible-playbook")),))]
    _require(command[0], order.playbooks)
    with _folder() as folder, tunnels(folder, job, order.limit) as sockets:
        inventories = _write_inventories(folder, settings, job, order)
        inventories += _write_tunnels(folder, job, sockets)
        command += [*_arguments(settings, job, order), *inventories, _write_playbook(folder, order)]
        variables = environment(folder, settings, job) | (_EVERY_TASK if order.whole else {})
        seen, status, output = _play(folder, command, variables, tell, verbose=job.verbosity > 0)
    if not seen.playing:
        raise AnsibleError(f"Ansible cannot run {', '.join(order.playbooks)}: {_reason(output, status)}")
    return seen, "" if seen.ended else f"Ansible ended early: {_reason(output, status)}"


def _groups_in_use(settings: Settings, job: SetupJob, part: Collection[str]) -> dict[str, list[str]]:
    """Return the names of the nodes that take part in each group, under the names that the user gave them."""
    return {
        group: [
            node.name
            for node in job.cluster.nodes
            if node.name in part and group in settings.groups.get(node.kind, ())
        ]
        for group in dict.fromkeys(group for names in settings.groups.values() for group in names)
    }


def _require(program: str, playbooks: Iterable[str]) -> None:
    if not shutil.which(program):
        raise AnsibleError(f"There is no program '{program}' to run Ansible with.")
    for path in playbooks:
        if not Path(path).is_file():
            raise AnsibleError(f"The playbook '{path}' does not exist.")


def _reason(output: str, status: int) -> str:
    """Return the last error that Ansible named, else what it said last."""
    if not status:
        return "it was asked for something else"  # as by --list-tasks
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_RE.match(line)]
    return _ERROR_RE.sub("", (errors or lines or [f"exit status {status}"])[-1]).strip()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder that nobody else can look into.

    However this process ends, SIGKILL included, a shell that waits for that closes the SSH connections kept
    open in the folder and removes it.
    """
    folder = Path(tempfile.gettempdir()) / f"ec-{token_urlsafe(6)}"
    cleaner = subprocess.Popen(
        ["/bin/sh", "-c", _CLEAN_UP, "clean-up", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        folder.mkdir(mode=0o700)  # not before there is somebody to remove it
        (folder / _SOCKETS).mkdir()
        yield folder
    finally:
        cleaner.communicate()


def _write_inventories(folder: Path, settings: Settings, job: SetupJob, order: Order) -> list[str]:
    kept = inventory_path(settings, job.cluster.name)
    nodes = kept or folder / "inventory.json"
    nodes.parent.mkdir(parents=True, exist_ok=True)
    _write(nodes, inventory(job, settings))
    _write(folder / "particulars.json", particulars(job, **order.variables))
    return [f"--inventory={path}" for path in (nodes, folder / "particulars.json")]


def _write_tunnels(folder: Path, job: SetupJob, sockets: Mapping[str, str]) -> list[str]:
    if not sockets:
        return []
    path = folder / "tunnels.json"
    _write(path, by_tunnel(job, sockets))
    return [f"--inventory={path}"]


def _write(path: Path, content: Json) -> None:
    """Write a file that only its owner can read, also where one was there before."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)


def _write_playbook(folder: Path, order: Order) -> str:
    """Write one playbook of all; return its path.

    Given several, Ansible reads each only when it comes to it, and leaves out those behind one in which a
    node failed.
    """
    path = folder / "all.json"
    _write(path, [{"ansible.builtin.import_playbook": playbook} for playbook in order.playbooks])
    return str(path)


def _arguments(settings: Settings, job: SetupJob, order: Order) -> list[str]:
    become = ["--become", f"--become-user={settings.become_user}"] if settings.become else []
    given = [*settings.extra_args, *job.extra_args]
    return [
        *become,
        *(["-" + "v" * job.verbosity] if job.verbosity else []),
        *(_not_narrowing(given) if order.whole else given),
        *(["--limit=" + ",".join(order.limit)] if order.limit else []),
    ]


def _not_narrowing(given: list[str]) -> list[str]:
    """Return a user's arguments for Ansible without those by which it would leave tasks or nodes out."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for names in _NARROWING:
        parser.add_argument(*names.split(), action="append")
    for names in _NARROWING_FLAGS:
        parser.add_argument(*names.split(), action="store_true")
    try:
        return parser.parse_known_args(given)[1]
    except argparse.ArgumentError:
        return given  # Ansible refuses them


def environment(folder: Path, settings: Settings, job: SetupJob) -> dict[str, str]:
    """Return the environment of Ansible: ``ansible_*`` keys, else what the user has set, else our defaults.

    What the user has set for other uses of Ansible never reaches the arguments of SSH.

    Args:
        folder: the private folder of the run.
        settings: has the keys.
        job: has the number of nodes.
    """
    usable = sum(node.usable for node in job.cluster.nodes)
    defaults = {
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),  # none: that of the working directory is not ours
        "ANSIBLE_FORKS": str(max(5, min(usable, _MOST_FORKS))),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=10",
        "ANSIBLE_SSH_RETRIES": "2",
        "ANSIBLE_TIMEOUT": "10",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_NOCOLOR": "True",
    }
    given = {name.upper(): value for name, value in settings.ansible.items()}
    outer = {name: value for name, value in os.environ.items() if name not in _NOT_FROM_OUTSIDE}
    merged = {**defaults, **outer, **given}
    library = {"ANSIBLE_LIBRARY": settings.library} if settings.library else {}
    return {
        **merged,
        "ANSIBLE_CALLBACK_PLUGINS": _also(merged, "ANSIBLE_CALLBACK_PLUGINS", str(_CALLBACKS), ":"),
        "ANSIBLE_CALLBACKS_ENABLED": _also(merged, "ANSIBLE_CALLBACKS_ENABLED", _CALLBACK, ","),
        "ANSIBLE_ROLES_PATH": _also(merged, "ANSIBLE_ROLES_PATH", str(PLAYBOOKS / "roles"), ":"),
        "ANSIBLE_LIBRARY": _also(merged | library, "ANSIBLE_LIBRARY", str(PLAYBOOKS / "library"), ":"),
        # Each run its own: two that share a folder close each other's connections.
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / _SOCKETS),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "LC_ALL": "C.UTF-8",  # Ansible does not start in any other encoding
    }


def _also(variables: Mapping[str, str], name: str, value: str, separator: str) -> str:
    """Return a list variable with one more item in front."""
    return separator.join(part for part in (value, variables.get(name, "")) if part)


def _play(
    folder: Path, command: list[str], variables: Mapping[str, str], tell: Listener, *, verbose: bool
) -> tuple[Run, int, str]:
    """Run Ansible; return what its events said, its exit status and the end of its error output."""
    seen = Run()
    errors = folder / "errors"
    reader, writer = os.pipe()
    with (
        os.fdopen(reader, encoding="utf-8") as lines,
        os.fdopen(writer, "wb") as ours,
        errors.open("wb") as output,
        child(
            command,
            cwd=folder,
            env={**variables, "ELASTICLUSTER_EVENTS_FD": str(writer)},
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            stdout=_STDERR if verbose else subprocess.DEVNULL,
            stderr=output,
        ) as ansible,
    ):
        ours.close()  # else the lines never end
        for line in lines:
            if line.endswith("\n"):  # the last one is cut short where Ansible was killed
                seen.read(line, tell)
        status = ansible.wait()
    return seen, status, errors.read_text(encoding="utf-8", errors="replace")[-_TAIL:]
