"""Commands in processes that have their imports behind them: each is a fork of one that has.

``python -m tests.e2e.warm CLOUD`` reads requests, one JSON object a line, and answers each with the exit
status of the fork that did it (negative: the signal that killed it).
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from tests.e2e.kill_points import Observer

import elasticluster.cli
import elasticluster.conf
from elasticluster.engine.children import child
from elasticluster.main import main

ROOT = Path(__file__).parents[2]


class Warm:
    """The process that forks; one command at a time.

    Args:
        cloud: name of the provider that commands use.
    """

    def __init__(self, cloud: str) -> None:
        self._cloud = cloud
        self._stack = ExitStack()
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.e2e.warm", self._cloud]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = self._stack.enter_context(child(command, cwd=ROOT, env=environment, **pipes))
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def run(
        self, words: tuple[str, ...], environment: Mapping[str, str], *watched: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        Args:
            words: its arguments.
            environment: its environment.
            *watched: path of the log and name of the moment of death, as for ``kill_points.py``; none: nobody
                looks.
        """
        folder = Path(environment["HOME"])
        files = {name: folder / f"{name}-{threading.get_ident()}" for name in ("stdout", "stderr")}
        request = {
            "words": words,
            "environment": dict(environment),
            "watched": watched,
            **{name: str(path) for name, path in files.items()},
        }
        with self._guard:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
        said = {name: path.read_text() for name, path in files.items()}
        for path in files.values():
            path.unlink()
        return subprocess.CompletedProcess(words, status, **said)


@contextmanager
def several(cloud: str, count: int) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return what runs commands as :meth:`Warm.run` does, so many at a time, from any thread."""
    free: queue.SimpleQueue[Warm] = queue.SimpleQueue()

    def run(
        words: tuple[str, ...], environment: Mapping[str, str], *watched: str
    ) -> subprocess.CompletedProcess[str]:
        process = free.get()
        try:
            return process.run(words, environment, *watched)
        finally:
            free.put(process)

    with ExitStack() as stack:
        for _ in range(count):
            free.put(stack.enter_context(Warm(cloud)))
        yield run


def _serve(cloud: str) -> dict[str, Any] | None:
    """Fork for each request; return it in the fork, and None at the end."""
    _import_everything(cloud)
    for line in sys.stdin:
        if not (pid := os.fork()):
            return dict(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def _import_everything(cloud: str) -> None:
    """Import what a command on a cloud imports while it runs."""
    import paramiko  # noqa: F401
    import rich.console  # noqa: F401
    import voluptuous  # noqa: F401

    provider = importlib.import_module(f"elasticluster.providers.{cloud}")
    for package in (elasticluster.cli, elasticluster.conf, provider):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    _SDKS[cloud]()


def _use_boto3() -> None:
    import boto3

    made = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    boto3.client("ec2", endpoint_url="http://127.0.0.1:1", **made).close()


def _use_openstacksdk() -> None:
    import openstack

    login = {"username": "x", "password": "x", "project_name": "x", "user_domain_id": "default"}
    openstack.connect(
        auth_url="http://127.0.0.1:1/v3", load_yaml_config=False, load_envvars=False, **login
    ).close()


_SDKS = {"ec2_boto": _use_boto3, "openstack": _use_openstacksdk}
"""What makes a client of a cloud, without a word to it: the rest is imported only then."""


def _become(request: dict[str, Any]) -> None:
    """Be a command, in the fork."""

    os.environ.clear()
    os.environ.update(request["environment"])
    for descriptor, path in enumerate([os.devnull, request["stdout"], request["stderr"]]):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = ["elasticluster", *request["words"]]
    if request["watched"]:
        Observer(*request["watched"]).watch()
    main()


if __name__ == "__main__":
    mine = _serve(*sys.argv[1:])
    if mine:
        _become(mine)
