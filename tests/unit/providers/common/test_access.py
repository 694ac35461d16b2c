"""Where SSH is let in from."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from elasticluster.exceptions import CloudProviderError, ConfigurationError
from elasticluster.providers.common.access import public_address, ssh_sources

PUBLIC = "https://1.1.1.1"  # nothing is sent there
HINT = (
    "Set `ssh_from` in the section of the cloud to the networks that you connect from, like 203.0.113.0/24."
)


class Echo(HTTPServer):
    """A service that answers with an address, or with anything else."""

    answer = "203.0.113.9\n"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class EchoHandler(BaseHTTPRequestHandler):
    server: Echo

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answer.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo(("127.0.0.1", 0), EchoHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> str:
    """URL at which nobody listens."""
    with HTTPServer(("127.0.0.1", 0), EchoHandler) as server:
        return f"http://127.0.0.1:{server.server_port}"


def test_configured_networks_are_taken_and_single_addresses_become_networks(nobody: str) -> None:
    entries = ["203.0.113.0/24", " 198.51.100.7", "198.51.100.7/32", "2001:db8::1", "0.0.0.0/0", "10.1.2.3/8"]
    assert ssh_sources(entries, PUBLIC, nobody) == (
        "203.0.113.0/24", "198.51.100.7/32", "2001:db8::1/128", "0.0.0.0/0", "10.0.0.0/8",
    )  # fmt: skip


@pytest.mark.parametrize("entry", ["everywhere", "10.0.0.0/33", "", "10.0.0.256"])
def test_configured_nonsense_is_an_error_that_shows_it(entry: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ssh_sources(["10.0.0.0/8", entry], PUBLIC)
    assert str(caught.value) == (
        f"`ssh_from`: '{entry}' is no network.\n"
        "Write networks as 203.0.113.0/24 or 2001:db8::/48, and everywhere as 0.0.0.0/0."
    )


@pytest.mark.parametrize(
    ("endpoint", "source"),
    [
        ("http://127.0.0.1:5000/v3", "127.0.0.1/32"),
        ("https://127.0.0.1", "127.0.0.1/32"),
        ("http://[::1]:5000", "::1/128"),
    ],
)
def test_without_configuration_it_is_this_computer_as_the_cloud_sees_it(
    endpoint: str, source: str, nobody: str
) -> None:
    assert ssh_sources([], endpoint, nobody) == (source,)


def test_private_address_on_the_way_to_the_internet_is_replaced_by_the_public_one(echo: Echo) -> None:
    (source,) = ssh_sources([], PUBLIC, echo.url)
    address = ipaddress.ip_network(source).network_address
    assert source == "203.0.113.9/32" or address.is_global, "unless this computer has a public address"


@pytest.mark.parametrize("answer", ["<html>Log in first</html>", ""])
def test_answer_that_is_no_address_says_how_to_do_without(echo: Echo, answer: str) -> None:
    echo.answer = answer
    with pytest.raises(CloudProviderError) as caught:
        public_address(echo.url)
    assert caught.value.message == (
        f"This computer's public address is not known: {echo.url} does not tell it "
        f"({answer!r} does not appear to be an IPv4 or IPv6 address)."
    )
    assert caught.value.hint == HINT


def test_service_that_does_not_answer_says_how_to_do_without(nobody: str) -> None:
    with pytest.raises(CloudProviderError) as caught:
        public_address(nobody)
    assert "Connection refused" in caught.value.message
    assert caught.value.hint == HINT


def test_endpoint_without_an_address_is_told() -> None:
    with pytest.raises(CloudProviderError) as caught:
        ssh_sources([], "https://no-such-host.invalid")
    assert caught.value.message.startswith("The address of https://no-such-host.invalid cannot be found: ")
    assert caught.value.hint == "Correct the address of the service in the section of the cloud."
