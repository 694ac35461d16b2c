"""Reaching the container engine, and what is said when that fails."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from requests import Response

from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    FlavorError,
    InstanceError,
    QuotaError,
    UnsupportedError,
)
from elasticluster.providers.docker import DockerProvider
from elasticluster.providers.docker.client import Engine


@pytest.fixture
def dying_engine(tmp_path: Path) -> Iterator[str]:
    """Address of an engine that tells its version and hangs up at the next call."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()
        server.settimeout(10)

        def serve() -> None:
            body = json.dumps({"ApiVersion": "1.41"}).encode()
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            answers = [head + body, b""]
            while answers:
                link, _ = server.accept()
                with link:
                    if link.recv(65536):  # else somebody only knocked
                        link.sendall(answers.pop(0))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix://{tmp_path}/engine.sock"
        thread.join()


def failure(host: str) -> CloudProviderError:
    with pytest.raises(CloudProviderError) as caught:
        DockerProvider(docker_host=host).list_instances()
    return caught.value


def as_nobody(work: Callable[[], str]) -> str:
    """Return what `work` returns in a child process without root's rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.seteuid(65534)
            os.write(writer, work().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def test_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    error = failure(f"unix://{tmp_path}/none.sock")
    assert str(error) == (
        f"There is no container engine at unix://{tmp_path}/none.sock.\n"
        "Install Docker and start it (Debian, Ubuntu: `sudo apt install docker.io`), or set DOCKER_HOST to "
        "the engine's address."
    )
    assert isinstance(error.__cause__, FileNotFoundError)


def test_engine_that_is_not_there_is_told_of_docker_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/env.sock")
    assert failure("").message == f"There is no container engine at unix://{tmp_path}/env.sock."


def test_engine_that_does_not_listen_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "dead.sock"))
    assert str(failure(f"unix://{tmp_path}/dead.sock")) == (
        f"The container engine at unix://{tmp_path}/dead.sock does not answer: Connection refused.\n"
        "Start it with `sudo systemctl start docker`."
    )


def test_engine_that_refuses_the_user_is_told(tmp_path: Path) -> None:
    """In a process of its own, which gives up its rights: to root every socket is open."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "closed.sock"))
        server.listen()
        (tmp_path / "closed.sock").chmod(0)
        url = f"unix://{tmp_path}/closed.sock"
        assert as_nobody(lambda: str(failure(url))) == (
            f"No permission to use the container engine at {url}.\n"
            "Let yourself in with `sudo usermod -aG docker $USER`, then log in again."
        )


def test_engine_that_goes_away_in_the_middle_is_told(dying_engine: str) -> None:
    error = failure(dying_engine)
    assert error.message.startswith(
        f"The container engine at {dying_engine} went away; cannot list containers: "
    )
    assert error.hint == "Look at `systemctl status docker`, then run the same command again."


@pytest.mark.parametrize("host", ["ssh://me@far", "tcp://10.0.0.1:2375", "https://far:2376"])
def test_engine_on_another_machine_is_refused(host: str) -> None:
    error = failure(host)
    assert isinstance(error, UnsupportedError)
    assert error.message == (
        f"The container engine {host} is on another machine: nodes are reached through ports on 127.0.0.1, "
        "which would be that machine's."
    )


def test_engine_on_a_loopback_port_is_not_remote() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        assert failure(host).message == f"The container engine at {host} does not answer: Connection refused."


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("could not find an available, non-overlapping IPv4 address pool among the defaults", QuotaError),
        ("write /var/lib/docker/x: no space left on device", CapacityError),
        ("Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", FlavorError),
        ("something else", InstanceError),
    ],
)
def test_engine_saying_no_is_translated(said: str, kind: type[CloudProviderError]) -> None:
    response: Any = Response()
    response.status_code = 500
    error = Engine("unix:///x")._translated(
        APIError("500", response, said), "make a container", InstanceError
    )
    assert type(error) is kind
    assert error.message == f"Cannot make a container: {said}"
