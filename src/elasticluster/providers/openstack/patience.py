"""Connections that bear with a service that is down for a while, or asks to slow down.

Imported with the first call to a cloud: it needs ``requests``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Self

from keystoneauth1.exceptions import DiscoveryFailure, Unauthorized
from keystoneauth1.session import Session, TCPKeepAliveAdapter
from requests import PreparedRequest, Response
from urllib3.exceptions import MaxRetryError, NameResolutionError, ResponseError
from urllib3.util.retry import Retry

log = logging.getLogger("elasticluster")

_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 120  # proxies give up earlier; a busy Nova takes its time for many servers
_LONGEST_PAUSE = 10  # seconds
_LONGEST_ORDERED_PAUSE = 30  # seconds, where a service says how long (Retry-After)
_SILENT_SECONDS = 5  # shorter than that is not worth a word
_SAFE = ("GET", "HEAD", "PUT", "DELETE")
_PASSING = (429, 502, 503, 504)
_NOTHING_DONE = (413, 429)
"""Too much was asked: whatever it was, it was not done. Nova once said 413 (API guide, "Limits")."""


class Persistence(Retry):
    """Tries again until a time has passed, what is safe to be tried again.

    A call that reached nobody always is; one that got no answer is, unless it makes something.
    """

    seconds: float = 0
    now: Callable[[], float]
    tell: Callable[[float], None]
    deadline: float | None = None
    """When to give up; None before the first failure."""

    def new(self, **kw: Any) -> Self:
        """Return a copy with some things changed."""
        made = super().new(**kw)
        made.seconds, made.now, made.tell = self.seconds, self.now, self.tell
        made.deadline = self.deadline
        return made

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002 - urllib3's
        """Return whether an answer is no answer."""
        return status_code in _NOTHING_DONE or super().is_retry(method, status_code, has_retry_after)

    def increment(self, method: str | None = None, url: str | None = None, *args: Any, **kw: Any) -> Self:
        """Return what to try on with.

        Raises:
            MaxRetryError: the time has passed.
        """
        made = super().increment(method, url, *args, **kw)
        error, now = kw.get("error"), self.now()
        if made.deadline is None:
            made.deadline = now + self.seconds
        if now >= made.deadline or isinstance(error, NameResolutionError):
            reason = error or ResponseError(ResponseError.GENERIC_ERROR)
            raise MaxRetryError(kw.get("_pool"), url or "", reason)  # type: ignore[arg-type]
        self.tell(made.deadline - now)
        return made


class Teller:
    """Says that we wait, once each time it takes long, however many calls wait.

    Args:
        seconds: how long a service may be down.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._told = False

    def __call__(self, left: float) -> None:
        """Hear that a call is tried again for so many seconds more."""
        waited = self._seconds - left
        if waited < _SILENT_SECONDS:
            self._told = self._told and waited > 0
        elif not self._told:
            self._told = True
            log.warning("The cloud does not answer, or asks to slow down; waiting up to %.0f s more.", left)


class LoginSession(Session):
    """A session that gives up where the identity service wants a login before it tells its versions.

    Keystone never does, but what stands before it may, or what else an address leads to. keystoneauth would
    ask again with the token that it is about to get, and so wait for itself, for ever.
    """

    def request(self, url: str, method: str, *args: Any, **kw: Any) -> Response:
        """Send a request.

        Raises:
            ClientException: as of keystoneauth's session.
        """
        try:
            return super().request(url, method, *args, **kw)
        except Unauthorized as exc:
            identity = str(getattr(self.auth, "auth_url", ""))
            if kw.get("authenticated") is False and url.rstrip("/") == identity.rstrip("/"):
                raise DiscoveryFailure(f"{url} wants a login before it tells its versions") from exc
            raise


class PatientAdapter(TCPKeepAliveAdapter):
    """Connections with time-outs."""

    def send(self, request: PreparedRequest, *args: Any, **kw: Any) -> Response:
        """Send a request, and wait for its answer for as long as we think right."""
        return super().send(request, *args, **{**kw, "timeout": (_CONNECT_SECONDS, _ANSWER_SECONDS)})


def adapter(seconds: float, now: Callable[[], float], also: str = "") -> PatientAdapter:
    """Return what makes connections.

    Args:
        seconds: how long a service may be down.
        now: tells the time, in seconds.
        also: method that is safe to be repeated there, besides those that always are.
    """
    retry = Persistence(
        total=None,
        connect=None,
        read=None,
        status=None,
        other=0,
        redirect=0,
        allowed_methods=[*_SAFE, *filter(None, [also])],
        status_forcelist=_PASSING,
        backoff_factor=0.5,
        backoff_max=_LONGEST_PAUSE,
        backoff_jitter=0.5,
        raise_on_status=False,
        retry_after_max=_LONGEST_ORDERED_PAUSE,
    )
    retry.seconds, retry.now, retry.tell = seconds, now, Teller(seconds)
    return PatientAdapter(max_retries=retry, pool_maxsize=32)
