"""What the suites run on: clouds, and a PostgreSQL server of the tests' own for the long matrix."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.clouds_under_test import CLOUDS, CloudUnderTest, params
from tests.contract.orders import Orders, Standing

from elasticluster.engine.ports import CloudProvider
from elasticluster.model import InstanceState


@pytest.fixture(scope="module", params=params())
def cloud(request: pytest.FixtureRequest) -> Iterator[CloudUnderTest]:
    """Each cloud in turn; a test for some of them names these by `on`."""
    with CLOUDS[request.param]() as made:
        yield made


@pytest.fixture
def provider(cloud: CloudUnderTest) -> CloudProvider:
    """A provider of that cloud."""
    return cloud.provider()


@pytest.fixture
def orders(cloud: CloudUnderTest, provider: CloudProvider, tmp_path: Path) -> Iterator[Orders]:
    """What makes clusters; in the end nothing is left of them."""
    made = Orders(cloud, tmp_path)
    yield made
    made.undo(provider)


@pytest.fixture(scope="module")
def standing(cloud: CloudUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Machines that run, for tests that leave them as they are."""
    provider, orders = cloud.provider(), Orders(cloud, tmp_path_factory.mktemp("standing"))
    try:
        order = orders.new()
        created = order.place(provider)
        yield Standing(provider, order, created, order.wait_for(provider, InstanceState.RUNNING))
    finally:
        orders.undo(provider)


def program(name: str) -> str:
    """Return the path of one of the server's programs, which Debian keeps off the PATH."""
    folders = [os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = shutil.which(name, path=os.pathsep.join(folders))
    assert found, f"these tests need PostgreSQL's server: {name} is missing"
    return found


def unprivileged(folder: Path, *command: str) -> None:
    """Run a program of the server, which refuses to run as root."""
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with (folder / "log").open("ab") as log:
        subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=True, **user)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """Return the folder of the socket of a server that lets this user in as the user ``tests``."""
    folder = Path(tempfile.mkdtemp())  # not pytest's own: the server's user has to be let in
    data = folder / "data"
    if os.geteuid() == 0:
        os.chown(folder, *pwd.getpwnam("postgres")[2:4])
    try:
        unprivileged(folder, program("initdb"), "--auth=trust", "--username=tests", "--no-sync", str(data))
        options = f"-c listen_addresses='' -c fsync=off -k {folder}"
        unprivileged(folder, program("pg_ctl"), "start", "--wait", "-D", str(data), "-o", options)
        try:
            yield folder
        finally:
            unprivileged(folder, program("pg_ctl"), "stop", "--wait", "-m", "immediate", "-D", str(data))
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def new_database(postgres: Path) -> Callable[[], str]:
    """Return what makes databases and returns their URLs."""

    def make() -> str:
        name = f"clusters{next(_numbers)}"
        server = f"host={postgres} user=tests dbname=postgres"
        subprocess.run(
            [program("psql"), server, "-qc", f"CREATE DATABASE {name}"], check=True, capture_output=True
        )
        return f"postgresql://tests@/{name}?host={postgres}"

    return make


_numbers = itertools.count()
