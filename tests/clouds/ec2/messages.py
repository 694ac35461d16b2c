"""EC2's requests and answers, as they are on the wire."""

from __future__ import annotations

import io
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15"
_CREDENTIAL_RE = re.compile(r"Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/")


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        action: what is to be done, like ``RunInstances``.
        parameters: the form's fields, flat as EC2's Query API has them (``InstanceId.1``).
        environ: what WSGI says of the request.
        body: its body.
    """

    action: str
    parameters: Mapping[str, str]
    environ: Environ = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def read(cls, environ: Environ) -> Call:
        """Read a request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        form = {} if target else dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        return cls(form.get("Action") or target.rpartition(".")[2], form, environ, body)

    def changed(self, **parameters: str | None) -> Call:
        """Return the call with other parameters; those that are None are left out."""
        form = {key: value for key, value in {**self.parameters, **parameters}.items() if value is not None}
        return replace(self, parameters=form, body=urllib.parse.urlencode(form).encode())

    def listed(self, name: str) -> list[str]:
        """Return the values of a list, as of ``InstanceId.1``, ``InstanceId.2`` …"""
        of_list = re.compile(rf"{re.escape(name)}\.\d+")
        return [value for key, value in self.parameters.items() if of_list.fullmatch(key)]

    @property
    def access_key(self) -> str:
        """Id of the access key that signed the call; empty if none did."""
        match = _CREDENTIAL_RE.search(self.environ.get("HTTP_AUTHORIZATION", ""))
        return match[1] if match else ""

    @property
    def region(self) -> str:
        """Region that the call was signed for."""
        match = _CREDENTIAL_RE.search(self.environ.get("HTTP_AUTHORIZATION", ""))
        return match[3] if match else ""

    def to(self, application: Application) -> Answer:
        """Let an application answer the call."""
        environ = self.environ | {
            "wsgi.input": io.BytesIO(self.body),
            "CONTENT_LENGTH": str(len(self.body)),
            "PATH_INFO": "/",  # other clouds have EC2's API in a folder
        }
        started: list[Any] = []
        body = b"".join(application(environ, lambda status, headers, *_: started.extend([status, headers])))
        return Answer(started[0], body, tuple(started[1]))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a call."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/xml;charset=UTF-8"),)

    @property
    def good(self) -> bool:
        """Whether the call did what it was to do."""
        return self.status.startswith("2")

    @classmethod
    def of(cls, action: str, inner: str) -> Answer:
        """Return the answer to a call that was done, around some XML."""
        body = f'<{action}Response xmlns="{NAMESPACE}"><requestId>test</requestId>{inner}</{action}Response>'
        return cls("200 OK", body.encode())

    def send(self, start: Callable[..., Any]) -> Iterable[bytes]:
        """Send it by WSGI."""
        kept = [header for header in self.headers if header[0].lower() != "content-length"]
        start(self.status, [*kept, ("Content-Length", str(len(self.body)))])
        return [self.body]


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure of the server
    """What EC2 says instead of doing something.

    Args:
        code: EC2's word for it, as on the API reference's page of error codes.
        message: a sentence.
        status: HTTP's number for it.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.answer = Answer(
            f"{status} {code}",
            f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
            "</Errors><RequestID>test</RequestID></Response>".encode(),
        )
