"""Fixtures of test clouds; a folder's ``conftest.py`` imports those that its tests use."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import closing, contextmanager

import docker
import pytest
from tests.clouds.ec2.server import Ec2Server
from tests.clouds.machines import Machines, Wanted, console
from tests.clouds.stand_in import StandIn
from tests.e2e.images import slurm_image


@pytest.fixture(scope="session")
def ec2_server() -> Iterator[Ec2Server]:
    """Return EC2 without machines, for all tests of this process; see :func:`ec2`."""
    with Ec2Server() as server:
        yield server


@pytest.fixture
def ec2(ec2_server: Ec2Server) -> Iterator[Ec2Server]:
    """Return EC2 without machines, as if nobody had used it before."""
    ec2_server.reset()
    yield ec2_server
    ec2_server.reset()


@contextmanager
def ec2_with_machines(prefix: str, **server_options: str) -> Iterator[Ec2Server]:
    """Run EC2 whose instances are containers, which have Slurm's packages; all are gone afterwards.

    Args:
        prefix: beginning of the names of what is made on the container engine.
        **server_options: further arguments of :class:`Ec2Server`.
    """
    with closing(docker.from_env().api) as api:
        image = slurm_image(api)
    with Machines(prefix, image=image) as machines:

        def look() -> list[Wanted]:
            return [Wanted(**one) for one in server.machines()]

        with (
            Ec2Server(public=machines.public, vpc=machines.subnet, **server_options) as server,
            machines.following(look, server.console),
        ):
            yield server


@contextmanager
def ec2_with_stand_in(prefix: str) -> Iterator[Ec2Server]:
    """Run EC2 whose instances are all one machine; both are gone afterwards."""
    with StandIn(prefix) as machine:
        public = [*ipaddress.ip_network(machine.subnet).subnets(new_prefix=19)][3]
        written = console("machine", [machine.host_key])
        with Ec2Server(public=str(public), vpc=machine.subnet, written=written) as server:
            yield server
