"""Logging in over an open line with Paramiko: the host key first, then the user, then a command."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from elasticluster.model import Failure, Layer, ProbeResult, SshTarget
from elasticluster.ssh.hostkeys import fingerprint, key_types
from elasticluster.ssh.line import Line

if TYPE_CHECKING:
    import paramiko

LOG = "elasticluster.ssh.paramiko"
"""Logger that Paramiko writes to on our behalf."""


class DeniedError(Exception):
    """A target did not let us in."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def load_key(path: str) -> paramiko.PKey | None:
    """Return a private key; None if only an SSH agent can use it.

    So it is where the key is protected by a passphrase, `path` is that of a public key, or it is empty.

    Raises:
        DeniedError: the file cannot be read, or is no key.
    """
    import paramiko
    from paramiko.pkey import UnknownKeyType

    if not path or _public_half(path):
        return None
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException):  # how `cryptography` says "protected"
        return None
    except OSError as exc:
        reason = exc.strerror or str(exc)
    except (ValueError, paramiko.SSHException, UnknownKeyType) as exc:
        reason = str(exc)
    raise DeniedError(Failure(layer=Layer.LOGIN, message=f"the private key {path} cannot be used: {reason}"))


def log_in(line: Line, key: paramiko.PKey | None) -> ProbeResult:
    """Log in, run a command that does nothing, and close the line.

    Args:
        line: an open line to the target.
        key: the private key; None: as for :func:`authenticate`.
    """
    try:
        with session(line) as transport:
            authenticate(transport, line, key)
            _run_nothing(transport, line)
            return ProbeResult(host_keys=(host_key(transport),))
    except DeniedError as exc:
        return ProbeResult(failure=exc.failure)


@contextlib.contextmanager
def session(line: Line) -> Iterator[paramiko.Transport]:
    """Agree on encryption and check the host key; close the line in the end.

    Each step may take the target's `timeout`.

    Raises:
        DeniedError: the host is not the pinned one, or breaks off, here or within the ``with`` block.
    """
    import paramiko
    from paramiko.ssh_exception import IncompatiblePeer

    target = line.target
    transport = paramiko.Transport(line.socket)
    transport.set_log_channel(LOG)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = target.timeout
    try:
        _prefer_pinned(transport, target)
        transport.start_client(timeout=target.timeout)
        if not transport.initial_kex_done:
            raise _denied(line, Layer.TIMED_OUT, f"did not agree on keys within {target.timeout:g} s")
        _check_host_key(transport, line)
        yield transport
    except IncompatiblePeer as exc:
        raise _denied(line, Layer.LOGIN, f"speaks no SSH that can be used: {exc}") from exc
    except (paramiko.SSHException, EOFError, OSError) as exc:
        raise _broken_off(line, exc) from exc
    finally:
        hang_up(transport, line)


def hang_up(transport: paramiko.Transport, line: Line) -> None:
    """Close a connection, and wait for its thread to end."""
    transport.packetizer.complete_handshake()  # else the timer of a failed one runs on
    transport.close()
    line.close()
    transport.join(line.target.timeout)


def host_key(transport: paramiko.Transport) -> str:
    """Return the host key that was shown, as ``"TYPE BASE64"``."""
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def _broken_off(line: Line, exc: Exception) -> DeniedError:
    if _too_late(exc):
        return _denied(line, Layer.TIMED_OUT, f"did not go on within {line.target.timeout:g} s")
    if "protocol banner" in str(exc):
        return _denied(line, Layer.REFUSED, "answers, but does not speak SSH")
    reason = str(exc) or "the connection was closed"
    return _denied(line, Layer.REFUSED, f"broke off SSH: {reason}")


def _too_late(exc: Exception) -> bool:
    """Return whether time was up; Paramiko says so in its messages only."""
    return isinstance(exc, TimeoutError) or "timeout" in str(exc).lower()


def _denied(line: Line, layer: Layer, message: str) -> DeniedError:
    return DeniedError(line.failure(layer, message))


def _prefer_pinned(transport: paramiko.Transport, target: SshTarget) -> None:
    """Ask for a host key of a pinned type first; any other the host would show is a mismatch."""
    options = transport.get_security_options()
    pinned = key_types(target.host_keys)
    wanted = [kind for kind in options.key_types if _key_type(kind) in pinned]
    options.key_types = (*wanted, *(kind for kind in options.key_types if kind not in wanted))


def _key_type(algorithm: str) -> str:
    """Return the type of the keys that sign with an algorithm (RFC 8332 gives RSA keys new ones)."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _check_host_key(transport: paramiko.Transport, line: Line) -> None:
    pinned = line.target.host_keys
    shown = host_key(transport)
    if pinned and shown not in pinned:
        known = ", ".join(fingerprint(key) for key in pinned)
        raise _denied(
            line,
            Layer.HOST_KEY,
            f"shows host key {fingerprint(shown)}, but {known} is pinned for {line.target.name}: "
            "another machine answers at this address",
        )


def authenticate(transport: paramiko.Transport, line: Line, key: paramiko.PKey | None) -> None:
    """Log in over a connection.

    Args:
        transport: the connection.
        line: what it goes over.
        key: the private key; None: that of the SSH agent which the target means, or any where it means none.

    Raises:
        DeniedError: the host does not let the user in, or there is no key to try.
        paramiko.SSHException: the host breaks off.
    """
    target = line.target
    with contextlib.ExitStack() as stack:
        keys = [key] if key else _agent_keys(stack, line)
        if any(_lets_in(transport, line, candidate) for candidate in keys):
            return
    raise _denied(
        line,
        Layer.LOGIN,
        f"does not let user {target.user} in with {_key_name(target.key_path)}: "
        "no such user there, or one that does not accept it",
    )


def _lets_in(transport: paramiko.Transport, line: Line, key: paramiko.PKey) -> bool:
    """Return whether a key lets the user in; another one may be tried if not."""
    import paramiko

    user = line.target.user
    try:
        transport.auth_publickey(user, key)
    except paramiko.BadAuthenticationType as exc:
        offered = ", ".join(exc.allowed_types)
        raise _denied(line, Layer.LOGIN, f"takes no keys from {user}, only: {offered}") from exc
    except paramiko.AuthenticationException as exc:
        if _too_late(exc):
            raise
        if not transport.is_active():
            raise _denied(line, Layer.LOGIN, f"broke off the login of user {user}: {exc}") from exc
    return transport.is_authenticated()


def _key_name(path: str) -> str:
    return f"key {path}" if path else "any key of the SSH agent"


def _agent_keys(stack: contextlib.ExitStack, line: Line) -> list[paramiko.PKey]:
    """Return the agent's keys that may let us in: only the one meant, where the target names one.

    Each login talks to the agent by itself, as one connection cannot be shared among threads.

    Raises:
        DeniedError: there is no such key.
    """
    target = line.target
    held = _held_by_agent(stack)
    meant = _public_half(target.key_path, target.public_key_path, f"{target.key_path}.pub")
    keys = [key for key in held if not target.key_path or key.get_base64() == meant]
    if not keys:
        raise _denied(line, Layer.LOGIN, f"was not tried: {_no_key(target.key_path, held, meant)}")
    return keys


def _held_by_agent(stack: contextlib.ExitStack) -> Sequence[paramiko.PKey]:
    """Return the keys that the SSH agent holds; none if there is no agent."""
    import paramiko

    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return ()
    stack.callback(agent.close)
    return agent.get_keys()


def _no_key(path: str, held: Sequence[paramiko.PKey], meant: str) -> str:
    if path and held and not meant:
        return f"key {path} is protected by a passphrase, and no public half says which of the agent it is"
    agent = "the SSH agent does not hold it" if held else "no SSH agent holds a key"
    if not path:
        return f"no key file is given, and {agent}"
    if _public_half(path):
        return f"of key {path} there is no private half here, and {agent}; run `ssh-add PRIVATE_KEY`"
    return f"key {path} is protected by a passphrase, and {agent}; run `ssh-add {path}`"


def _public_half(*places: str) -> str:
    """Return the BASE64 of the public key in the first of some files that holds one; empty if none does."""
    for place in places:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            match Path(place).read_text(encoding="utf-8").split():
                case [kind, base64, *_] if kind.startswith(("ssh-", "ecdsa-")):
                    return base64
    return ""


def _run_nothing(transport: paramiko.Transport, line: Line) -> None:
    """Prove that commands run: a login shell may refuse, a home directory may be missing."""
    target = line.target
    channel = transport.open_session(timeout=target.timeout)
    channel.settimeout(target.timeout)
    channel.exec_command("true")
    if not channel.status_event.wait(target.timeout):
        limit = f"within {target.timeout:g} s"
        raise _denied(line, Layer.TIMED_OUT, f"lets user {target.user} in, but ran no command {limit}")
    status = channel.recv_exit_status()
    if status:
        words = (channel.recv(1000) + channel.recv_stderr(1000)).decode(errors="replace").strip()
        reason = f": {words.splitlines()[0]}" if words else ""
        message = f"lets user {target.user} in, but `true` ended with {status} there{reason}"
        raise _denied(line, Layer.LOGIN, message)


def _debugging(_record: logging.LogRecord) -> bool:
    return logging.getLogger("elasticluster").isEnabledFor(logging.DEBUG)


# Paramiko logs what we report as failures once more, as errors with tracebacks.
logging.getLogger(LOG).addFilter(_debugging)
