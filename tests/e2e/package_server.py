"""A small HTTP proxy for package managers, and mirror of Debian, that remembers what it was asked for."""

from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

ARCHIVES = {
    "debian": "http://deb.debian.org/debian",
    "debian-security": "http://security.debian.org/debian-security",
}
HANDED_ON = ("If-Modified-Since", "Range", "If-Range")


@dataclass
class PackageServer:
    """A server that runs.

    Attributes:
        url: where it listens; its mirror is at ``/debian`` and ``/debian-security``.
        proxied: paths on this server that it was asked for as a proxy.
        others: all else that it was asked for.
    """

    url: str
    proxied: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def origin(self, asked: str) -> str:
        """Return where a page is had from."""
        if not asked.startswith(f"{self.url}/"):
            self.others.append(asked)
            return asked
        path = urlsplit(asked).path
        self.proxied.append(path)
        _, archive, rest = path.split("/", 2)
        return f"{ARCHIVES[archive]}/{rest}"


@contextlib.contextmanager
def package_server(address: str) -> Iterator[PackageServer]:
    """Run a server at an address of this computer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = _fetched(server.origin(self.path), self.headers)
            self.send_response(status)
            for name in ("Content-Type", "Last-Modified", "Content-Range"):
                if headers[name]:
                    self.send_header(name, headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((address, 0), Handler) as listener:
        server = PackageServer(f"http://{address}:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def _fetched(url: str, headers: Any) -> tuple[int, Any, bytes]:
    """Return status, headers and content of a page."""
    asked = {name: headers[name] for name in HANDED_ON if headers[name]}
    try:
        request = urllib.request.Request(url, headers=asked)  # noqa: S310 - of Debian's archives
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - same
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
