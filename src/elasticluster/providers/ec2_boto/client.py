"""The connection to EC2: whose, where, how patient, and its errors in our words."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from elasticluster.engine import trace
from elasticluster.engine.ports import Clock
from elasticluster.engine.wait import SystemClock
from elasticluster.exceptions import CloudProviderError, CredentialsError, UnsupportedError
from elasticluster.providers.common.errors import verb_of
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.common.retry import Patience
from elasticluster.providers.ec2_boto import errors

if TYPE_CHECKING:
    from boto3.session import Session
    from types_boto3_ec2 import EC2Client

T = TypeVar("T")

log = logging.getLogger("elasticluster")

PATIENCE = 75
"""Seconds for which a call is repeated that is throttled or not answered: a minute of that is survived."""

_NEWS_SECONDS = 2 * PATIENCE  # what takes longer is told once for so long
_FIRST_PATIENCE = 40  # seconds, while the service has never answered: its address may simply be wrong
_ATTEMPTS = 2  # of the SDK, within a second; what lasts longer is ours to wait for, and to tell of
_CONNECT_TIMEOUT = 10  # seconds
_READ_TIMEOUT = 60  # seconds; making hundreds of machines with one call takes some
_CONNECTIONS = 16

_ADDRESS_OF = "AWS_ENDPOINT_URL_{}"
"""Variable by which the SDK is told where a service is ("Service-specific endpoints" in its reference)."""

_AWS_RE = re.compile(r"(?:^|\.)(?:ec2\.([a-z0-9-]+)\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the service is and who asks; what is empty is as the SDK finds it.

    Attributes:
        url: address of the service.
        region: region.
        access_key: id of an access key.
        secret_key: the key itself.
        profile: profile of the AWS command line's files.
    """

    url: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    profile: str = ""


class Cloud:
    """A connection to EC2, made on first use and shared by all threads.

    Args:
        access: where and who.
        clock: whose seconds waits are counted in.
    """

    def __init__(self, access: Access, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._access = access
        self._lock = threading.Lock()
        self._sessions: dict[str, Any] = {}
        self._answered = False
        self._told: dict[str, float] = {}

    @property
    def is_aws(self) -> bool:
        """Whether it is AWS itself, and not another cloud with EC2's API."""
        return not self._access.url or bool(_AWS_RE.search(urlsplit(self._access.url).hostname or ""))

    @property
    def url(self) -> str:
        """Address of the service."""
        return str(self._ec2.meta.endpoint_url)

    @property
    def region(self) -> str:
        """Region."""
        return str(self._ec2.meta.region_name)

    def call(
        self,
        doing: str,
        work: Callable[[EC2Client], T],
        default: type[CloudProviderError] = CloudProviderError,
    ) -> T:
        """Call the service, again and again while it throttles or does not answer.

        Args:
            doing: what is done, to follow "Cannot", e.g. ``make the security group 'x'``. Traces count it
                without names: ``make security group``.
            work: the call; it has to be safe to repeat, as its reply may get lost.
            default: class of an error that says nothing more precise.

        Raises:
            CloudProviderError: it said no, or did not answer for :data:`PATIENCE` seconds.
        """

        def passes(error: CloudProviderError) -> bool:
            if not errors.passes(error):
                return False
            if self._is_news(verb_of(doing)):
                log.warning("%s Trying again for %d s.", error.message, patience.seconds)
            return True

        patience = self.patience(PATIENCE if self._answered else _FIRST_PATIENCE)
        return patience.attempt(lambda: self._once(doing, work, default), passes)

    def patience(self, seconds: float, first: float = 1, longest: float = 10) -> Patience:
        """Return how often something is tried again within some seconds; see :class:`Patience`."""
        return Patience(seconds=seconds, first=first, longest=longest, clock=self.clock)

    def ask(self, service: str, work: Callable[[Any], T]) -> T | None:
        """Return what another service of AWS says; None where there is none, or it does not tell us.

        Args:
            service: its name for the SDK, like ``service-quotas``.
            work: the call.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        if not self.is_aws and not os.environ.get(_ADDRESS_OF.format(service.upper().replace("-", "_"))):
            return None
        try:
            with trace.call(f"ask {service}"):
                return work(self._client(service))
        except (BotoCoreError, ClientError) as exc:
            log.debug("%s does not tell: %s", service, exc)
            return None

    def _is_news(self, doing: str) -> bool:
        """Return whether nobody was told yet that something takes longer: many threads may do the same."""
        now = self.clock.now()
        with self._lock:
            told = self._told.get(doing)
            if told is not None and now - told < _NEWS_SECONDS:
                return False
            self._told[doing] = now
            return True

    @property
    def _ec2(self) -> EC2Client:
        made: EC2Client = self._client("ec2")
        return made

    def _once(self, doing: str, work: Callable[[EC2Client], T], default: type[CloudProviderError]) -> T:
        ec2 = self._ec2
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

        try:
            with trace.call(verb_of(doing)):
                answer = work(ec2)
        except EndpointConnectionError as exc:
            self._check_name()
            raise CloudProviderError(f"{self.url} does not answer; cannot {doing}.") from exc
        except (BotoCoreError, ClientError) as exc:
            raise errors.translate(exc, doing, default) from exc
        self._answered = True
        return answer

    def _check_name(self) -> None:
        """Make sure that the service's name means something: waiting mends no slip.

        Raises:
            CloudProviderError: it does not.
        """
        host = urlsplit(self.url).hostname
        try:
            socket.getaddrinfo(host, None)
        except OSError as exc:
            if not self._answered:
                raise CloudProviderError(
                    f"There is no computer called '{host}': {exc.strerror or exc}.",
                    hint="Correct `ec2_url` or `ec2_region`, or connect this computer to the network.",
                ) from exc

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._sessions:
                self._sessions[service] = self._connected(service)
            return self._sessions[service]

    def _connected(self, service: str) -> Any:
        """Return a client of a service; makes no call, but credentials may be looked for on the network."""
        session = _session(self._access)
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError

        options = Config(
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        )
        url = self._access.url if service == "ec2" else ""
        try:
            self._check_region(session)
            return session.client(service, endpoint_url=url or None, config=options)  # type: ignore[call-overload]
        except NoRegionError as exc:
            raise CloudProviderError(
                "The region is not known.", hint="Set `ec2_region` in the section of the cloud."
            ) from exc
        except (BotoCoreError, ValueError) as exc:
            raise errors.translate(exc, f"use '{self._access.url or service}'") from exc  # type: ignore[arg-type]

    def _check_region(self, session: Session) -> None:
        """Make sure that a region is one of AWS's, and that of the address.

        Raises:
            CloudProviderError: it is not.
        """
        region = session.region_name or ""
        if self._access.url:
            match = _AWS_RE.search(urlsplit(self._access.url).hostname or "")
            if match and match[1] and region and match[1] != region:
                raise CloudProviderError(
                    f"`ec2_url` is in the region '{match[1]}', and `ec2_region` is '{region}'.",
                    hint="Correct one of them, or leave `ec2_url` out.",
                )
            return
        known = [
            name
            for partition in session.get_available_partitions()
            for name in session.get_available_regions("ec2", partition)
        ]
        if region and region not in known:
            raise CloudProviderError(
                f"AWS has no region '{region}' (`ec2_region`).", hint=suggestion(region, known, "regions")
            )


def _session(access: Access) -> Session:
    """Return a session of the SDK with credentials: those given, else the SDK's own.

    Raises:
        UnsupportedError: the SDK is not installed.
        CredentialsError: there is half an access key, or no such profile.
    """
    try:
        from boto3.session import Session
        from botocore.exceptions import ProfileNotFound
    except ImportError as exc:
        raise UnsupportedError(
            "The provider 'ec2_boto' needs boto3, which is not installed.",
            hint="Install it with the extra 'aws': pip install 'elasticluster[aws]'",
        ) from exc
    key, secret = access.access_key, access.secret_key
    if bool(key) != bool(secret):
        missing = "ec2_access_key (or EC2_ACCESS_KEY)" if secret else "ec2_secret_key (or EC2_SECRET_KEY)"
        raise CredentialsError(
            f"There is only half an access key: {missing} is missing.",
            hint="Give both, or neither: then the SDK looks for credentials.",
        )
    try:
        return Session(
            aws_access_key_id=key or None,
            aws_secret_access_key=secret or None,
            aws_session_token=_token_of(key),
            region_name=access.region or None,
            profile_name=None if key else access.profile or None,
        )
    except ProfileNotFound as exc:
        raise _no_profile("" if key else access.profile) from exc


def _no_profile(given: str) -> CredentialsError:
    """Return the error for a profile that is in no file: the one given, else that of the environment."""
    from botocore.session import get_session

    variable = next((one for one in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE") if os.environ.get(one)), "")
    name, source = (given, "`ec2_profile`") if given else (os.environ.get(variable, ""), f"${variable}")
    return CredentialsError(
        f"There is no profile '{name}' ({source}) in the AWS command line's files.",
        hint=suggestion(name, get_session().available_profiles, "profiles"),
    )


def _token_of(key: str) -> str | None:
    """Return the session token that the environment has beside a temporary access key."""
    same = key and key == os.environ.get("AWS_ACCESS_KEY_ID")
    return os.environ.get("AWS_SESSION_TOKEN") if same else None
