"""The connection to an OpenStack cloud: made on use, patient, its errors in our words."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from elasticluster.config import environment
from elasticluster.engine import trace
from elasticluster.engine.ports import Clock
from elasticluster.engine.wait import SystemClock
from elasticluster.exceptions import CloudProviderError, CredentialsError, UnsupportedError
from elasticluster.providers.common.errors import verb_of
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.common.retry import Patience
from elasticluster.providers.openstack import CLOUD_KEYS, credentials
from elasticluster.providers.openstack.errors import (
    AGAIN,
    NOT_FOUND,
    NoAnswerError,
    is_fault,
    status_of,
    translate,
)

if TYPE_CHECKING:
    from keystoneauth1.session import Session
    from openstack.config.cloud_region import CloudRegion
    from openstack.connection import Connection

R = TypeVar("R")

WORKERS = 8
"""Calls at a time, where something can be asked for only singly."""

PATIENCE = 90.0
"""Seconds that a service may be down, or ask to slow down, before we give up."""

MICROVERSION = "2.67"
"""Of Nova's API, the last that brings anything we use: the type of a boot volume ("REST API Version
History"). An older cloud is spoken to in its own words."""

TAGS_AT_CREATE = (2, 52)
SOFT_AFFINITY = (2, 15)
POLICY_NOT_POLICIES = (2, 64)
VOLUME_TYPE = (2, 67)


class Cloud:
    """A connection to a cloud, made on first use and shared by all threads.

    Args:
        section: keys of ``[cloud/NAME]``.
        patience: seconds that a service may be down, or ask to slow down.
        clock: whose seconds; None: the system's.

    Attributes:
        patience: as given.
        clock: as given.
    """

    def __init__(
        self, section: Mapping[str, Any], patience: float = PATIENCE, clock: Clock | None = None
    ) -> None:
        self.clock = clock or SystemClock()
        self._section = section
        self.patience = patience
        self._supplied = environment.supplied(CLOUD_KEYS, section)
        self._lock = threading.Lock()
        self._api: Connection | None = None
        self._session: Session | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Address of the identity service."""
        return self._url or str(self._section.get("auth_url") or "")

    @contextmanager
    def use(self, doing: str, default: type[CloudProviderError] = CloudProviderError) -> Iterator[Connection]:
        """Lend the connection for a ``with`` block, and turn the errors of the SDK into ours.

        Args:
            doing: what the block does, to follow "Cannot", e.g. ``make the security group 'x'``. Traces count
                it without names: ``make security group``.
            default: class of an error that says nothing more precise.

        Raises:
            CloudProviderError: the cloud cannot be reached, or said no.
        """
        with self._translating(doing, default), trace.call(verb_of(doing)):
            yield self._connected()

    def once(self, find: Callable[[], R | None], make: Callable[[], R]) -> R:
        """Make a thing unless it is there, and look again before asking again where a reply was lost.

        Raises:
            CloudProviderError: of `find` or `make`.
        """
        patience = Patience(self.patience, clock=self.clock)
        return patience.attempt(lambda: find() or make(), _is_unanswered)

    def offers(self, microversion: tuple[int, int]) -> bool:
        """Return whether Nova's API is spoken in that version or a later one."""
        with self._translating("log in to the cloud", CredentialsError):
            spoken = str(self._connected().compute.default_microversion or "2.1")
        return tuple(map(int, spoken.split("."))) >= microversion

    def project_id(self) -> str:
        """Return the id of the project that everything belongs to."""
        with self._translating("log in to the cloud", CredentialsError):
            return str(self._connected().current_project_id or "")

    def region(self) -> str:
        """Return the name of the region whose machines are meant; empty if the cloud names none.

        Where none is given, it is that of the first endpoint of Nova in the catalogue.
        """
        with self._translating("find the compute service", CredentialsError):
            endpoint = self._connected().compute.get_endpoint_data()
            return str(getattr(endpoint, "region_name", None) or "")

    @contextmanager
    def _translating(self, doing: str, default: type[CloudProviderError]) -> Iterator[None]:
        try:
            from keystoneauth1.exceptions import ClientException, EndpointNotFound
            from openstack.exceptions import SDKException
        except ImportError as exc:
            raise UnsupportedError(
                "Clouds with OpenStack need openstacksdk, which is not installed.",
                hint="Install it with `pip install 'elasticluster[openstack]'`, or from the checkout with "
                "`pip install '.[openstack]'`.",
            ) from exc
        try:
            yield
        except (SDKException, ClientException) as exc:
            if "not present in the service catalog" in str(exc) or isinstance(exc, EndpointNotFound):
                raise self._no_endpoint(exc, doing) from exc
            raise translate(exc, self.url, doing, default) from exc

    def _connected(self) -> Connection:
        with self._lock:
            if self._api is None:
                self._api = self._connect()
            return self._api

    def _connect(self) -> Connection:
        from openstack.connection import Connection

        # Whoever has no handler for what it says would see it twice: here, and in our error.
        logging.getLogger("keystoneauth").addHandler(logging.NullHandler())
        region = self._region()
        self._url = str(region.config["auth"].get("auth_url", ""))
        credentials.check_url(self._url)
        self._session = region.get_session()
        if isinstance(self._session.verify, str):
            credentials.check_certificates(self._session.verify)
        api = Connection(config=region)
        api.compute.default_microversion = _microversion(api)
        return api

    def _region(self) -> CloudRegion:
        from openstack.config.loader import OpenStackConfig

        constructor: Any = functools.partial(_session, patience=self.patience, clock=self.clock)
        access = credentials.access(self._section, self._supplied)
        places: dict[str, Any] = (
            credentials.files(os.environ) if access.cloud else {"load_yaml_config": False}
        )
        config = OpenStackConfig(load_envvars=False, session_constructor=constructor, **places)
        if access.cloud:
            credentials.check_cloud(access.cloud, config, places["config_files"])
        chosen: dict[str, Any] = {**access.options, "cloud": access.cloud or None, "auth": dict(access.auth)}
        if access.kind:
            chosen["auth_type"] = access.kind
        return config.get_one(**chosen)

    def _no_endpoint(self, exc: Exception, doing: str) -> CloudProviderError:
        """Return the error for a service that the catalogue has not: most often, the region is wrong."""
        from keystoneauth1.exceptions import ClientException

        region = str(self._section.get("region_name") or self._supplied.get("region_name", ""))
        session = self._session
        auth: Any = session.auth if session else None
        catalog: list[Any] = []
        with contextlib.suppress(ClientException):  # there may be no catalogue either
            catalog = auth.get_access(session).service_catalog.catalog if session else []
        known = {str(one["region"]) for service in catalog for one in service["endpoints"]}
        if region and known and region not in known:
            return CredentialsError(
                f"Cannot {doing}: there is no region '{region}'.", hint=suggestion(region, known, "regions")
            )
        return CredentialsError(
            f"Cannot {doing}: {exc}",
            hint="Credentials have to be for a project: set `project_name`, and `region_name` if there is "
            "more than one region.",
        )


def unless_missing(call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Make a call that has nothing to do if the thing is not there."""
    from openstack.exceptions import HttpException

    try:
        call(*args, **kwargs)
    except HttpException as exc:
        if status_of(exc) != NOT_FOUND:
            raise


def _microversion(api: Connection) -> str | None:
    """Return in which version Nova's API is spoken; None: its first, which has no tags.

    Raises:
        NoAnswerError: Nova does not tell. keystoneauth would have us take that for the first version; but
            servers made without tags would be seen no more once it tells again.
    """
    from keystoneauth1.exceptions import EndpointNotFound
    from openstack.utils import maximum_supported_microversion

    found = maximum_supported_microversion(api.compute, MICROVERSION)
    if found is None:
        url = api.compute.get_endpoint()
        if not url:
            raise EndpointNotFound
        root = url.removesuffix("/").removesuffix(str(api.current_project_id))
        answer = api.session.get(root, raise_exc=False)
        if is_fault(answer.status_code):
            raise NoAnswerError(
                "Cannot log in to the cloud: its compute service does not tell its versions "
                f"(HTTP {answer.status_code}).",
                hint=AGAIN,
            )
    return str(found) if found else None


def _is_unanswered(error: CloudProviderError) -> bool:
    return isinstance(error, NoAnswerError)


def _session(*, auth: Any, patience: float, clock: Clock, **options: Any) -> Any:
    """Return keystoneauth's session, over connections that are tried again where that is safe.

    keystoneauth's own ``connect_retries`` also repeat a call that may have been carried out, and its
    ``status_code_retries`` leave out the login.
    """
    from requests import Session as Connections

    from elasticluster.providers.openstack.patience import LoginSession, adapter

    connections = Connections()
    for scheme in ("http://", "https://"):
        connections.mount(scheme, adapter(patience, clock.now))
    url = getattr(auth, "auth_url", "")  # `clouds.yaml` may name kinds of credentials that log in nowhere
    if url:  # nothing is ever made there: to log in twice does no harm
        connections.mount(url, adapter(patience, clock.now, also="POST"))
    return LoginSession(auth=auth, session=connections, **options)
