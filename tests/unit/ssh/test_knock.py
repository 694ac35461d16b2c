"""What answers, or not, where SSH is expected; the servers that speak it are in the contract tests."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from elasticluster.model import Failure, Layer, SshTarget
from elasticluster.ssh.probe import ParamikoProber

Speak = Callable[[bytes | None], int]


def target(**changes: object) -> SshTarget:
    values = {"host": "127.0.0.1", "port": 22, "user": "me", "key_path": "", "timeout": 2}
    return SshTarget(name="compute001", **(values | changes))  # type: ignore[arg-type]


def failure(**changes: object) -> Failure:
    found = ParamikoProber().probe([target(**changes)])["compute001"].failure
    assert found
    return found


def failure_of(**changes: object) -> tuple[Layer, str]:
    found = failure(**changes)
    return found.layer, found.message


@pytest.fixture
def speak() -> Iterator[Callable[[bytes | None], int]]:
    """Listen on ports that say something and hang up, or (None) say nothing; return the port."""
    with contextlib.ExitStack() as stack:

        def listen(words: bytes | None) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            if words is not None:
                thread = threading.Thread(target=_hang_up, args=(listener, words), daemon=True)
                stack.callback(thread.join)
                stack.callback(listener.shutdown, socket.SHUT_RDWR)
                thread.start()
            return int(listener.getsockname()[1])

        yield listen


def _hang_up(listener: socket.socket, words: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(words)


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Fail if a test leaves a thread or a file behind."""
    before = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted
    yield
    assert (set(threading.enumerate()), len(os.listdir("/proc/self/fd"))) == before  # noqa: PTH208


def test_closed_port_refuses() -> None:
    assert failure_of(port=1) == (Layer.REFUSED, "127.0.0.1:1 refuses connections")


def test_ipv6_address_is_written_with_brackets() -> None:
    layer, message = failure_of(host="::1", port=1)
    assert layer in {Layer.REFUSED, Layer.TIMED_OUT}  # the latter where there is no IPv6 at all
    assert message.startswith("[::1]:1 ")


def test_port_that_accepts_and_closes_refuses(speak: Speak) -> None:
    port = speak(b"")
    assert failure_of(port=port) == (
        Layer.REFUSED,
        f"127.0.0.1:{port} closed the connection before SSH answered",
    )


def test_port_that_accepts_and_says_nothing_is_timed_out(speak: Speak) -> None:
    port = speak(None)
    assert failure_of(port=port, timeout=0.3) == (
        Layer.TIMED_OUT,
        f"127.0.0.1:{port} accepts connections, but SSH did not answer within 0.3 s",
    )


def test_server_that_breaks_off_after_its_banner_is_told(speak: Speak) -> None:
    port = speak(b"SSH-2.0-Odd\r\n")
    assert failure_of(port=port) == (
        Layer.REFUSED,
        f"127.0.0.1:{port} broke off SSH: the connection was closed",
    )


def test_server_that_is_none_of_ssh_is_told(speak: Speak) -> None:
    port = speak(b"Exceeded MaxStartups\r\n")
    assert failure_of(port=port, timeout=1) == (
        Layer.REFUSED,
        f"127.0.0.1:{port} answers, but does not speak SSH",
    )


def test_name_without_address_is_told() -> None:
    layer, message = failure_of(host="no-such-node.invalid")
    assert layer is Layer.NO_ADDRESS
    assert message.startswith("'no-such-node.invalid' has no address: ")


def test_failing_proxy_command_is_quoted() -> None:
    assert failure(proxy_command="sh -c 'echo one; echo no route to %h; exit 1' >&2") == Failure(
        layer=Layer.PROXY,
        message="127.0.0.1:22 was not reached: `sh -c 'echo one; echo no route to 127.0.0.1; exit 1' >&2` "
        "ended with status 1: no route to 127.0.0.1",
        evidence="one\nno route to 127.0.0.1",
    )


def test_proxy_command_that_lives_on_without_output_is_told() -> None:
    command = "sh -c 'echo no route >&2; exec >&- <&-; exec sleep 60'"
    assert failure_of(proxy_command=command) == (
        Layer.PROXY,
        f"127.0.0.1:22 was not reached: `{command}` closed its output: no route",
    )


def test_silent_proxy_command_is_told() -> None:
    assert failure_of(proxy_command="sleep 5", timeout=0.3) == (
        Layer.PROXY,
        "127.0.0.1:22 did not answer through the proxy command within 0.3 s",
    )


def test_paramiko_logs_only_when_debugging(speak: Speak, caplog: pytest.LogCaptureFixture) -> None:
    port = speak(b"nonsense\r\n")
    failure(port=port)
    assert caplog.records == []
    caplog.set_level(logging.DEBUG, "elasticluster")
    failure(port=port)
    assert {record.name for record in caplog.records} == {"elasticluster.ssh.paramiko"}
