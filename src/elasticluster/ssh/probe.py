"""One round of SSH attempts on many nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from elasticluster.engine.pool import run_all
from elasticluster.model import ClusterRecord, Failure, ProbeResult, SshTarget
from elasticluster.ssh.hostkeys import write_known_hosts
from elasticluster.ssh.line import Line
from elasticluster.ssh.login import DeniedError, load_key, log_in, session
from elasticluster.ssh.tunnel import lines_to

if TYPE_CHECKING:
    import paramiko

_LOGINS = 32  # threads; a login mostly waits for the other side

_CONNECTIONS = (
    200  # at the same time; macOS allows a process 256 open files, and a gateway's sshd needs one for each
)
_PROXIES = 10  # at the same time; sshd begins to refuse at ten connections that are not logged in yet


class ParamikoProber:
    """Finds out whether nodes let us in."""

    def probe(self, targets: Sequence[SshTarget]) -> Mapping[str, ProbeResult]:
        """Try every target once, all at the same time.

        Knocking, agreeing on keys, logging in and running a command may each take a target's `timeout`.

        Returns:
            a result for each target, by the target's name. It holds the host key that was shown: one, of a
            type that is pinned if any is.
        """
        results: dict[str, ProbeResult] = {}
        for batch in _batches(targets):
            results |= _probe(batch)
        return results

    def write_known_hosts(self, cluster: ClusterRecord, path: str) -> None:
        """Write the pinned keys of all nodes under their names and present addresses, all or nothing.

        Raises:
            StateError: the file cannot be written; the old one is untouched.
        """
        write_known_hosts(cluster, path)

    def output(self, target: SshTarget, known_hosts: str, command: str, seconds: float) -> str:
        """Run a shell command on a node; return its standard output.

        Raises:
            ReadinessError: the node does not let us in, the command fails, or takes longer than `seconds`.
        """
        from elasticluster.ssh.client import output_of

        return output_of(target, known_hosts, command, seconds)


def answers(target: SshTarget) -> bool:
    """Return whether a target's address still shows one of its pinned host keys; does not log in."""
    with lines_to([target]) as found:
        line = found[target.name]
        if isinstance(line, Failure):
            return False
        try:
            with session(line):
                return bool(target.host_keys)
        except DeniedError:
            return False


def _batches(targets: Sequence[SshTarget]) -> Iterator[list[SshTarget]]:
    for proxied, size in ((False, _CONNECTIONS), (True, _PROXIES)):
        group = [target for target in targets if bool(target.proxy_command) is proxied]
        yield from (group[start : start + size] for start in range(0, len(group), size))


def _probe(targets: Sequence[SshTarget]) -> dict[str, ProbeResult]:
    with lines_to(targets) as found:
        lines = [line for line in found.values() if isinstance(line, Line)]
        lost = {name: what for name, what in found.items() if isinstance(what, Failure)}
        results = {name: ProbeResult(failure=what) for name, what in lost.items()}
        results |= {line.target.name: result for line, result in zip(lines, _log_in_all(lines), strict=True)}
    return {target.name: results[target.name] for target in targets}


def _log_in_all(lines: Sequence[Line]) -> list[ProbeResult]:
    """Log in over all lines; each key file is read once."""
    keys = {path: _key(path) for path in {line.target.key_path for line in lines}}

    def log_in_one(line: Line) -> ProbeResult:
        key = keys[line.target.key_path]
        return ProbeResult(failure=key) if isinstance(key, Failure) else log_in(line, key)

    return run_all(log_in_one, lines, _LOGINS)


def _key(path: str) -> paramiko.PKey | Failure | None:
    try:
        return load_key(path)
    except DeniedError as exc:
        return exc.failure
