"""A service that throttles or does not answer, and consoles."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from tests.clouds.ec2.server import Ec2Server
from tests.contract.providers.ec2_boto.clusters import Cluster

from elasticluster.engine.fakes import FakeClock
from elasticluster.exceptions import CloudProviderError, ThrottledError

New = Callable[..., Cluster]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvB3Ad1rLJ4QqSHkVIdSVC6Z4uBy2yC0ecBpP3oN2xU"
CONSOLE = f"""\x1b[0mDebian GNU/Linux 13\r
-----BEGIN SSH HOST KEY KEYS-----\r
{KEY} root@compute001\r
-----END SSH HOST KEY KEYS-----\r
login: """


class Downtime(FakeClock):
    """Time in which a service is mended after some seconds."""

    def __init__(self, server: Ec2Server, seconds: float) -> None:
        super().__init__()
        self.server, self.until = server, seconds

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.seconds >= self.until:
            self.server.mend()


def test_minute_of_throttling_is_survived_and_told_once(
    new: New, ec2: Ec2Server, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = new(clock=Downtime(ec2, 60))
    cluster.provider.list_instances()
    ec2.inject("DescribeInstances", "RequestLimitExceeded", message="Slow down.", status=503, every=True)
    with caplog.at_level(logging.WARNING):
        assert not cluster.provider.list_instances()
    assert caplog.messages == [
        "Cannot list machines: RequestLimitExceeded: Slow down. Trying again for 75 s."
    ]


def test_throttling_of_calls_about_one_machine_each_is_told_once(
    new: New, ec2: Ec2Server, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = new(count=4, clock=FakeClock())
    ids = cluster.ids()
    ec2.inject("GetConsoleOutput", "RequestLimitExceeded", message="Slow down.", status=503, times=12)
    with caplog.at_level(logging.WARNING):
        cluster.provider.host_keys(ids)
    assert len(caplog.messages) == 1


def test_throttling_without_end_is_told(new: New, ec2: Ec2Server) -> None:
    ec2.inject("DescribeInstances", "RequestLimitExceeded", message="Slow down.", status=503, every=True)
    with pytest.raises(ThrottledError) as caught:
        new(clock=FakeClock()).provider.list_instances()
    assert caught.value.message == "Cannot list machines: RequestLimitExceeded: Slow down."
    assert caught.value.hint == "Others use the same account: run the same command again later."


def test_half_a_minute_without_an_answer_is_survived_from_the_beginning(new: New, ec2: Ec2Server) -> None:
    ec2.inject("*", "Unavailable", message="The server is overloaded.", status=503, every=True)
    assert not new(clock=Downtime(ec2, 30)).provider.list_instances()


def test_service_that_is_not_there_is_told_with_its_address(new: New) -> None:
    cluster = new(clock=FakeClock(), config={"ec2_url": "http://127.0.0.1:1"})
    with pytest.raises(CloudProviderError) as caught:
        cluster.provider.list_instances()
    assert caught.value.message == "http://127.0.0.1:1 does not answer; cannot list machines."


def test_host_keys_are_read_from_the_consoles(new: New, ec2: Ec2Server) -> None:
    cluster = new()
    first, second = cluster.ids()
    ec2.console(first, CONSOLE)
    assert cluster.provider.host_keys([first, second, "i-0123456789abcdef0"]) == {first: (KEY,)}


def test_console_is_told_without_control_characters(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=1)
    (machine,) = cluster.ids()
    ec2.console(machine, CONSOLE)
    assert cluster.provider.console_output(machine).splitlines()[0] == "Debian GNU/Linux 13"
    assert not cluster.provider.console_output("i-0123456789abcdef0")


def test_console_of_a_type_that_has_no_latest_one_is_read_as_it_was_kept(new: New, ec2: Ec2Server) -> None:
    cluster = new(count=1)
    (machine,) = cluster.ids()
    ec2.console(machine, CONSOLE)
    ec2.inject("GetConsoleOutput", "UnsupportedOperation", message="This instance type does not support it")
    assert "Debian" in cluster.provider.console_output(machine)
