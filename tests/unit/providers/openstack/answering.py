"""A service that gives the answers that a test wants."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG_UP = 0


@contextmanager
def answering(*answers: int) -> Iterator[tuple[str, list[str]]]:
    """Run a server that gives these answers, the last one for ever; yield its URL and the calls it got."""
    left = itertools.chain(answers, itertools.repeat(answers[-1]))
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            calls.append(self.command)
            status = next(left)
            if status == HANG_UP:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", calls
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
