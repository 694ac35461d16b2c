"""What stands between a test and the services: one door for each service, at which things can go wrong.

A door hands every request on to the real service, and its answer back, in which the services' addresses are
replaced by those of the doors: so the whole of a client's traffic goes through them, from the catalog that
Keystone hands out. The services themselves talk to each other directly and never see a door. Each test
process has doors of its own; what goes wrong there troubles nobody else who uses the same cloud.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
HOP = {"connection", "content-length", "keep-alive", "server", "date", "transfer-encoding"}
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: an end of the connection that the other side cannot mistake
UNAUTHORIZED = "The request you have made requires authentication."


@dataclass
class Fault:
    """Something that goes wrong with requests.

    Attributes:
        method: HTTP method of the requests concerned; empty: any.
        path: regular expression found in their path.
        service: service concerned; empty: all.
        status: status of the answer; 0: the service's own.
        message: what the answer says.
        headers: headers of the answer.
        times: how many requests are concerned; 0: all until the faults are mended.
        skip: how many are let through first.
        late: seconds after an answer of our own (`status`) that the service is handed the request all the
            same, as by a proxy that lost patience; 0: it never is.
        drop_reply: whether the service does the work, and nobody hears of it.
        delay: seconds before anything happens.
        outage: seconds for which, from this request on, no service answers.
        amend: changes the content of the service's own answer, in place.
        lasting: whether it is how the cloud always is; others that concern a request come first.
        hits: how many requests it was about up to now.
    """

    method: str
    path: str
    service: str = ""
    status: int = 0
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    skip: int = 0
    late: float = 0.0
    drop_reply: bool = False
    delay: float = 0.0
    outage: float = 0.0
    amend: Callable[[Any], None] | None = None
    lasting: bool = False
    hits: int = 0

    def concerns(self, service: str, method: str, path: str) -> bool:
        """Return whether it is about such a request."""
        return (
            self.service in {"", service}
            and self.method in {"", method}
            and re.search(self.path, path) is not None
        )

    def strikes(self) -> bool:
        """Count one more request that it is about; return whether it goes wrong."""
        self.hits += 1
        return self.hits > self.skip and (not self.times or self.hits <= self.skip + self.times)


@dataclass(frozen=True)
class Answer:
    """An answer to a request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Doors:
    """A door for each service.

    Args:
        ports: ports of the real services, by their names.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.real = dict(ports)
        self.faults: list[Fault] = []
        self.expired: set[str] = set()
        self.tokens: set[str] = set()
        self.closed_until: dict[str, float] = {}
        self._calls: list[str] = []
        self._lock = threading.Lock()
        self._servers = {name: _Server(name, self) for name in ports}
        self.ports = {name: server.server_port for name, server in self._servers.items()}
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            for server in self._servers.values()
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Let nobody in any more."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def calls(self) -> list[str]:
        """Return the requests up to now: ``"nova POST /v2.1/servers"``."""
        with self._lock:
            return list(self._calls)

    def forget_calls(self) -> None:
        """Begin anew with what :meth:`calls` returns."""
        with self._lock:
            self._calls.clear()

    def shut(self, seconds: float, *services: str) -> None:
        """Let services (all of them if none is named) end connections without an answer for a while."""
        until = time.monotonic() + seconds
        self.closed_until |= dict.fromkeys(services or self.ports, until)

    def is_closed(self, service: str) -> bool:
        """Return whether a service is as if it were not there."""
        return time.monotonic() < self.closed_until.get(service, 0.0)

    def fault_for(self, service: str, method: str, path: str, token: str) -> Fault | None:
        """Note a request; return what goes wrong with it, if anything."""
        with self._lock:
            self._calls.append(f"{service} {method} {path}")
            if token:
                self.tokens.add(token)
            if token in self.expired:
                return Fault(method, path, status=401, message=UNAUTHORIZED)
            in_order = sorted(self.faults, key=lambda fault: fault.lasting)
            concerned = [fault for fault in in_order if fault.concerns(service, method, path)]
            return next((fault for fault in concerned if fault.strikes()), None)

    def translated(self, text: bytes) -> bytes:
        """Return an answer with the doors' addresses in place of the services'."""
        for service, port in self.real.items():
            text = text.replace(_address(port), _address(self.ports[service]))
        return text


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, service: str, doors: Doors) -> None:
        self.service = service
        self.doors = doors
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that are killed by a test hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Write nothing; :meth:`Doors.calls` tells."""

    def handle_any(self) -> None:
        """Answer a request, or let something go wrong."""
        doors, service = self.server.doors, self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if doors.is_closed(service):
            self._hang_up()
            return
        token = self.headers.get("X-Auth-Token", "")
        fault = doors.fault_for(service, self.command, self.path, token)
        time.sleep(fault.delay if fault else 0)
        if fault and fault.outage:
            doors.shut(fault.outage)
            self._hang_up()
            return
        if fault and fault.status:
            if fault.late:
                request = copy.copy(self)  # this one goes on to the connection's next request
                threading.Timer(fault.late, request._ask, (doors.real[service], body)).start()
            self._send(_failure(fault))
            return
        try:
            answer = self._ask(doors.real[service], body)
        except (OSError, http.client.HTTPException):  # the service itself has gone
            self._hang_up()
            return
        if fault and fault.amend:
            answer = _amended(answer, fault.amend)
        if fault and fault.drop_reply:
            self._hang_up()
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815

    def _ask(self, port: int, body: bytes) -> Answer:
        """Hand the request on to the real service."""
        link = http.client.HTTPConnection(HOST, port, timeout=300)
        with contextlib.closing(link):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            link.request(self.command, self.path, body=body or None, headers=headers)
            reply = link.getresponse()
            translate = self.server.doors.translated
            kept = [
                (name, translate(value.encode()).decode())
                for name, value in reply.getheaders()
                if name.lower() not in HOP
            ]
            return Answer(reply.status, kept, translate(reply.read()))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _hang_up(self) -> None:
        """End the connection without an answer."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.rfile.close()
            self.connection.close()


def _address(port: int) -> bytes:
    return f"http://{HOST}:{port}".encode()


def _failure(fault: Fault) -> Answer:
    """Return an error in the form that Keystone gives it; clients take the message out of any."""
    reason = http.client.responses.get(fault.status, "Error")
    content = {"error": {"code": fault.status, "message": fault.message or reason, "title": reason}}
    headers = {"Content-Type": "application/json", **fault.headers}
    return Answer(fault.status, list(headers.items()), json.dumps(content).encode())


def _amended(answer: Answer, amend: Callable[[Any], None]) -> Answer:
    if not answer.body:
        return answer
    content = json.loads(answer.body)
    amend(content)
    return Answer(answer.status, answer.headers, json.dumps(content).encode())
