"""What OpenStack says when it says no, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    CredentialsError,
    FlavorError,
    ImageError,
    KeypairError,
    QuotaError,
    SecurityGroupError,
    SubnetError,
    ThrottledError,
    UnsupportedError,
)
from elasticluster.providers.common.errors import Translation, translated

CONFLICT = 409
NOT_FOUND = 404

AGAIN = "Run the same command again in a few minutes."
_FEWER = "Ask for fewer or smaller nodes, or have the project's quota raised."

TABLE: tuple[Translation, ...] = (
    Translation(
        r"[Ff]ailed to validate token", CredentialsError, "`token` has expired or was revoked; get a new one."
    ),
    Translation(
        r"\(HTTP 401\)$",
        CredentialsError,
        "Correct user, password, project and domains in the section of the cloud, in the OS_* variables or "
        "in `clouds.yaml`; a token may have expired.",
    ),
    Translation(r"[Qq]uota exceeded|[Qq]uota limit|exceeds? .*quota", QuotaError, _FEWER),
    Translation(r"\(HTTP (?:413|429)\)$", ThrottledError, AGAIN),
    Translation(
        r"\(HTTP 403\)$",
        CredentialsError,
        "The user lacks a role in the project that allows this; ask the cloud's operator.",
    ),
    Translation(
        r"No valid host|not enough hosts|capacity",
        CapacityError,
        "Try again later, or with another `flavor` or `availability_zone`.",
    ),
    Translation(
        r"No more IP addresses|IpAddressGeneration|AddressExhausted",
        CapacityError,
        "No addresses are left; use another network.",
    ),
    Translation(r"too small for (?:the )?requested image", FlavorError, "Choose a larger flavor."),
    Translation(r"[Ff]lavor\S* .*(?:not be found|not found)|Invalid flavorRef", FlavorError),
    Translation(r"[Ii]mage .*(?:not be found|not found|not active|find)|requested image", ImageError),
    Translation(r"[Kk]ey_name|[Kk]ey ?pair", KeypairError),
    Translation(r"[Ss]ecurity group", SecurityGroupError),
    Translation(r"[Aa]vailability zone", CapacityError, "Correct `availability_zone`."),
    Translation(r"[Nn]etwork \S+ .*not .*found|[Nn]o (?:fixed|external)|[Ss]ubnet", SubnetError),
    Translation(r"\(HTTP 501\)$", UnsupportedError),
)
"""What a service says, with its status, our class, and what to do."""


class NoAnswerError(CloudProviderError):
    """A service did not answer, or broke down on the way: nobody knows whether it did what was asked."""


class NoReplyError(NoAnswerError):
    """A service did not answer, or whoever stands before it lost patience: it may still be at work."""


def translate(exc: Exception, url: str, doing: str, default: type[CloudProviderError]) -> CloudProviderError:
    """Return the error for what one of the SDK's libraries has raised, to be raised ``from`` it.

    Args:
        exc: an error of openstacksdk or keystoneauth.
        url: address of the identity service.
        doing: what could not be done, to follow "Cannot".
        default: class of an error that says nothing more precise.
    """
    from keystoneauth1.exceptions import DiscoveryFailure, auth_plugins, connection
    from openstack.exceptions import ConfigException

    if isinstance(exc, connection.SSLError):
        return CredentialsError(
            f"Cannot {doing}: the certificate of {url} is not trusted: {exc}",
            hint="Set `cacert` to the file with the certificates of the cloud's operator.",
        )
    if any(isinstance(one, connection.ConnectionError) for one in _chain(exc)):
        return NoReplyError(
            f"Cannot {doing}: the cloud does not answer at {_host(exc, url)}: {_reason(exc)}.",
            hint="Look whether the cloud is up and `auth_url` is right, then run the same command again.",
        )
    if isinstance(exc, DiscoveryFailure):
        if any(is_fault(status_of(one)) for one in _chain(exc)):
            return NoAnswerError(
                f"Cannot {doing}: the identity service at {url} has a fault: it does not tell its versions.",
                hint=AGAIN,
            )
        return CredentialsError(
            f"Cannot {doing}: there is no identity service of OpenStack at {url or 'any address'}.",
            hint="Correct `auth_url`; most often it ends in /v3.",
        )
    if isinstance(exc, (ConfigException, auth_plugins.AuthPluginException)):
        return CredentialsError(
            f"Cannot {doing}: {exc}", hint="Correct the section of the cloud or `clouds.yaml`."
        )
    return _of_status(exc, doing, default)


def status_of(exc: BaseException) -> int:
    """Return the HTTP status that a service answered with; 0 if it did not come to that."""
    return int(getattr(exc, "status_code", 0) or getattr(exc, "http_status", 0) or 0)


def is_fault(status: int) -> bool:
    """Return whether an HTTP status leaves it open what the service has done."""
    return status in _NOBODY_KNOWS


def _of_status(exc: Exception, doing: str, default: type[CloudProviderError]) -> CloudProviderError:
    status = status_of(exc)
    words = str(getattr(exc, "details", "") or getattr(exc, "message", "") or exc)
    if _PAGE_RE.search(words):  # of a proxy before the service
        words = " ".join(_MARKUP_RE.sub(" ", words).split())
    words = _TAIL_RE.sub("", words)[:_LIMIT].strip().rstrip(".")
    said = f"{words} (HTTP {status})" if status else words
    if is_fault(status):
        kind = NoReplyError if status in _OF_PROXIES else NoAnswerError
        return kind(f"Cannot {doing}: the cloud has a fault: {said}", hint=AGAIN)
    return translated(TABLE, said, doing, default)


_TAIL_RE = re.compile(r"\s*\(HTTP \d+\)|\s*\(Request-ID: [^)]*\)")
_PAGE_RE = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_MARKUP_RE = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_LIMIT = 500  # characters
_OF_PROXIES = frozenset({502, 504})
_NOBODY_KNOWS = frozenset({500, 502, 503, 504})


def _host(exc: Exception, url: str) -> str:
    """Return the address that did not answer: one of the services', else that of the identity service."""
    words = str(exc).split()
    return next((word.rstrip(":") for word in words if word.startswith(("http://", "https://"))), url)


def _reason(exc: BaseException) -> str:
    """Return the words of the operating system behind an error, which libraries wrap many times."""
    deepest = ""
    for one in _chain(exc):
        if isinstance(one, TimeoutError):
            return "no answer in time"
        if isinstance(one, OSError) and one.strerror:
            deepest = one.strerror
    return deepest or "the connection was lost"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    todo: list[BaseException] = [exc]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
            todo += [each for each in inner if isinstance(each, BaseException)]
