"""The container engine: how to reach it, and its errors in our words."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from elasticluster.engine import trace
from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    CredentialsError,
    FlavorError,
    ImageError,
    InstanceNotFoundError,
    QuotaError,
    UnsupportedError,
)
from elasticluster.providers.common.errors import Translation, translated, verb_of

if TYPE_CHECKING:
    from docker import APIClient

CONFLICT = 409
NOT_FOUND = 404

_DEFAULT_URL = "unix:///var/run/docker.sock"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NETWORK_SCHEMES = frozenset({"ssh", "tcp", "http", "https"})
_SOCKET_SCHEMES = frozenset({"unix", "http+unix"})
_DEFAULT_PORT = 2375
_KNOCK_TIMEOUT = 10  # seconds
_TIMEOUT = 120  # seconds for one call; a busy engine takes its time to make a container

_API_ERRORS = (
    Translation(
        r"non-overlapping IPv4|predefined address pools",
        QuotaError,
        "No addresses are left for another network: `docker network prune` removes those that nothing uses.",
    ),
    Translation(
        r"no space left on device",
        CapacityError,
        "Free some disk space, e.g. with `docker system prune`.",
    ),
    Translation(r"[Rr]ange of CPUs|memory limit", FlavorError, "Choose a smaller flavor."),
    Translation(r"No such image|pull access denied|manifest unknown|invalid reference", ImageError),
    Translation(r"No such container", InstanceNotFoundError),
)
"""What the engine says, and what it means."""


class Engine:
    """A connection to the container engine, made on first use and shared by all threads.

    Args:
        host: address of the engine as in ``DOCKER_HOST``; empty: ``DOCKER_HOST`` itself, else the
            ``docker`` command's current context, else the system's socket.
        timeout: seconds to wait for the answer to one call.
    """

    def __init__(self, host: str = "", timeout: int = _TIMEOUT) -> None:
        self._host = host
        self._timeout = timeout
        self._lock = threading.Lock()
        self._api: APIClient | None = None

    @property
    def url(self) -> str:
        """Address of the engine."""
        return self._host or os.environ.get("DOCKER_HOST") or _context_url() or _DEFAULT_URL

    def patient(self, timeout: int) -> Engine:
        """Return another connection to the same engine, whose calls may take `timeout` seconds each."""
        return Engine(self._host, timeout)

    @contextmanager
    def use(self, doing: str, default: type[CloudProviderError] = CloudProviderError) -> Iterator[APIClient]:
        """Lend the engine's client for a ``with`` block, and turn its errors into ours.

        Args:
            doing: what the block does, to follow "Cannot", e.g. ``make the network 'x'``. Traces count it
                without names: ``make network``.
            default: class of an error that says nothing more precise.

        Raises:
            CloudProviderError: the engine is remote, cannot be reached, or said no.
        """
        from docker.errors import DockerException
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        try:
            with trace.call(verb_of(doing)):
                yield self._connected()
        except (DockerException, RequestException, HTTPError) as exc:
            raise self._translated(exc, doing, default) from exc

    def _connected(self) -> APIClient:
        with self._lock:
            if self._api is None:
                self._check_local()
                self._check_reachable()
                self._api = _client(self.url, self._timeout)
                weakref.finalize(self, self._api.close)
            return self._api

    def _check_local(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme in _NETWORK_SCHEMES and parts.hostname not in _LOOPBACK:
            raise UnsupportedError(
                f"The container engine {self.url} is on another machine: nodes are reached through "
                "ports on 127.0.0.1, which would be that machine's.",
                hint="Unset DOCKER_HOST (or the docker context) to use the engine of this machine, "
                "or run elasticluster over there.",
            )

    def _check_reachable(self) -> None:
        """Find out in plain words why the engine does not answer; the SDK's own are hard to tell apart."""
        try:
            _knock(self.url)
        except FileNotFoundError as exc:
            raise CloudProviderError(
                f"There is no container engine at {self.url}.",
                hint="Install Docker and start it (Debian, Ubuntu: `sudo apt install docker.io`), or set "
                "DOCKER_HOST to the engine's address.",
            ) from exc
        except PermissionError as exc:
            raise CredentialsError(
                f"No permission to use the container engine at {self.url}.",
                hint="Let yourself in with `sudo usermod -aG docker $USER`, then log in again.",
            ) from exc
        except OSError as exc:
            raise CloudProviderError(
                f"The container engine at {self.url} does not answer: {exc.strerror or exc}.",
                hint="Start it with `sudo systemctl start docker`.",
            ) from exc

    def _translated(
        self, exc: Exception, doing: str, default: type[CloudProviderError]
    ) -> CloudProviderError:
        from docker.errors import APIError

        if not isinstance(exc, APIError):
            return CloudProviderError(
                f"The container engine at {self.url} went away; cannot {doing}: {exc}",
                hint="Look at `systemctl status docker`, then run the same command again.",
            )
        return translated(_API_ERRORS, str(exc.explanation or exc), doing, default)


def _knock(url: str) -> None:
    """Open a connection to the engine and close it.

    Raises:
        OSError: nobody answers.
    """
    parts = urlsplit(url)
    if parts.scheme in _NETWORK_SCHEMES:
        address = (parts.hostname or "", parts.port or _DEFAULT_PORT)
        socket.create_connection(address, _KNOCK_TIMEOUT).close()
    elif parts.scheme in _SOCKET_SCHEMES:
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(_KNOCK_TIMEOUT)
            knocking.connect(parts.netloc + parts.path)


def _client(url: str, timeout: int) -> APIClient:
    from docker import APIClient
    from docker.utils import kwargs_from_env

    options = kwargs_from_env()
    options["base_url"] = url
    return APIClient(version="auto", timeout=timeout, **options)


def _context_url() -> str:
    """Return the address in the ``docker`` command's current context; empty if it has none."""
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        return str(ContextAPI.kwargs_from_context().get("base_url", ""))
    except (DockerException, OSError, ValueError):
        return ""  # an unreadable context is the `docker` command's to complain about
