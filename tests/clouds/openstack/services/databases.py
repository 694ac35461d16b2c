"""The services' databases: made once, then copied and told of the paths and ports of each start."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import settings
import sqlite

FLAVORS = (  # name, vCPUs, MB of memory, GB of disk
    ("m1.tiny", 1, 512, 1),
    ("m1.small", 1, 2048, 20),
    ("m1.large", 4, 8192, 40),
    ("m1.impossible", 4000, 8192, 40),  # larger than the only host: no valid host is found
)


def make(state: Path, service: str, ports: dict[str, int]) -> None:
    """Make the database of one service, by the service's own means."""
    sqlite.tune()
    makers: dict[str, Callable[[], None]] = {
        "keystone": lambda: _keystone(state, settings.url(ports, "keystone")),
        "placement": lambda: _manage(state, "placement", ["db", "sync"]),
        "glance": lambda: _manage(state, "glance", ["db", "sync"]),
        "neutron": lambda: _neutron(state),
        "cinder": lambda: _manage(state, "cinder", ["db", "sync"]),
        "nova": lambda: _nova(state),
    }
    makers[service]()


def relocate(state: Path, ports: dict[str, int]) -> None:
    """Tell a copy of the databases where it is now, and the ports of the services."""
    with sqlite3.connect(state / "keystone.sqlite") as keystone:
        for service, (kind, _) in settings.CATALOG.items():
            keystone.execute(
                "UPDATE endpoint SET url = ? WHERE service_id IN (SELECT id FROM service WHERE type = ?)",
                (settings.url(ports, service), kind),
            )
    with sqlite3.connect(state / "nova_api.sqlite") as nova:
        for cell, name in (("cell0", "nova_cell0"), ("cell1", "nova")):
            nova.execute(
                "UPDATE cell_mappings SET database_connection = ? WHERE name = ?",
                (settings.database(state, name), cell),
            )


def _keystone(state: Path, url: str) -> None:
    owner = ["--keystone-user", "root", "--keystone-group", "root"] if os.geteuid() == 0 else []
    _manage(state, "keystone", ["db_sync"])
    _manage(state, "keystone", ["fernet_setup", *owner])
    _manage(state, "keystone", ["credential_setup", *owner])
    # Without all three, Placement answers that the internal endpoint of the identity service is missing.
    urls = [word for kind in ("public", "internal", "admin") for word in (f"--bootstrap-{kind}-url", url)]
    login = ["--bootstrap-password", settings.PASSWORD, "--bootstrap-region-id", settings.REGION]
    _manage(state, "keystone", ["bootstrap", *login, *urls])


def _neutron(state: Path) -> None:
    from neutron.common import config
    from neutron.db.migration.models import head
    from sqlalchemy import create_engine

    config.register_common_config_options()
    head.get_metadata().create_all(create_engine(settings.database(state, "neutron")))


def _nova(state: Path) -> None:
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
    cell0 = ["--database_connection", settings.database(state, "nova_cell0")]
    _manage(state, "nova", ["api_db", "sync"])
    _manage(state, "nova", ["cell_v2", "map_cell0", *cell0])
    _manage(state, "nova", ["db", "sync"])
    _manage(state, "nova", ["cell_v2", "create_cell", "--name", "cell1"])
    _in_child(lambda: _flavors(state))


def _flavors(state: Path) -> None:
    """Write the flavors where Nova would: while its host runs for the first time, no copy can be made."""
    from nova import config, context, objects

    config.parse_args(["nova", "--config-file", str(state / "nova.conf")])
    objects.register_all()
    for number, (name, vcpus, memory, disk) in enumerate(FLAVORS, 1):
        objects.Flavor(
            context=context.get_admin_context(),
            flavorid=str(number),
            name=name,
            vcpus=vcpus,
            memory_mb=memory,
            root_gb=disk,
            ephemeral_gb=0,
            swap=0,
            rxtx_factor=1.0,
            is_public=True,
            disabled=False,
            extra_specs={},
            projects=[],
        ).create()


def _manage(state: Path, service: str, words: list[str]) -> None:
    """Run a service's management command."""
    main = __import__(f"{service}.cmd.manage", fromlist=["main"]).main
    sys.argv = [f"{service}-manage", "--config-file", str(state / f"{service}.conf"), *words]
    _in_child(main)


def _in_child(work: Callable[[], object]) -> None:
    """Do something in a process of its own: configuration can be read only once in each.

    Raises:
        ChildProcessError: it failed.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 1 if work() else 0
        except SystemExit as end:
            status = 1 if end.code else 0
        except BaseException:  # noqa: BLE001 - whatever it is: it must not run on as its parent
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        raise ChildProcessError(f"{sys.argv} failed")
