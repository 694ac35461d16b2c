"""Store a value on each server and read it back. Arguments: port, names of the servers.

Prints what is wrong with each, as JSON: ``{"cache001": "", "cache002": "Connection refused"}``.
"""

import json
import socket
import sys

SECONDS = 10
VALUE = b"works"
KEY = b"elasticluster-check"
REQUEST = b"set %s 0 60 %d\r\n%s\r\nget %s\r\nquit\r\n" % (KEY, len(VALUE), VALUE, KEY)


def wrong(server: str, port: int) -> str:
    """Return what is wrong with a server; empty if it works."""
    try:
        with socket.create_connection((server, port), SECONDS) as connection:
            connection.sendall(REQUEST)
            with connection.makefile("rb") as answer:
                lines = answer.read().split(b"\r\n")
    except OSError as error:
        return f"{server}:{port}: {error.strerror or error}"
    return "" if VALUE in lines else f"the value that was stored is not there; the server said {lines}"


if __name__ == "__main__":
    print(json.dumps({server: wrong(server, int(sys.argv[1])) for server in sys.argv[2:]}))
