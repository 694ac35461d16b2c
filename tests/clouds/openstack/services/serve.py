"""Runs one service of the test cloud: its own WSGI application, on a socket that is handed in."""

from __future__ import annotations

import importlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

import settings
import sqlite

APPLICATIONS = {
    "keystone": "keystone.wsgi.api",
    "placement": "placement.wsgi.api",
    "glance": "glance.wsgi.api",
    "neutron": "neutron.wsgi.api",
    "cinder": "cinder.wsgi.api",
    "nova": "nova.wsgi.osapi_compute",
}
THREADS = {"nova": 16}
READY = "ready to serve"


def run(state: Path, service: str, descriptor: int) -> None:
    """Serve until killed; says so in its log when it is ready."""
    sys.argv = [service]
    _name_files(state)
    starters = {"nova": _nova, "cinder": _cinder, "neutron": _neutron}
    application = starters.get(service, _plain)(state, service)
    _serve(application, socket.socket(fileno=descriptor), THREADS.get(service, 8))


def _name_files(state: Path) -> None:
    """Say where the configuration is; applications that are loaded by a server take no arguments."""
    for service in settings.CATALOG:
        os.environ[f"OS_{service.upper()}_CONFIG_DIR"] = str(state)
        os.environ[f"OS_{service.upper()}_CONFIG_FILES"] = f"{service}.conf"
    os.environ["OS_NOVA_CONFIG_FILES"] = f"{settings.paste('nova')};nova.conf"


def _plain(_state: Path, service: str) -> Any:
    sqlite.tune()
    return importlib.import_module(APPLICATIONS[service]).application


def _neutron(state: Path, service: str) -> Any:
    import instant_binding

    instant_binding.register(state / "plugins")
    sys.path.append(str(state / "plugins"))
    return _plain(state, service)


def _nova(state: Path, service: str) -> Any:
    """Start the API and, as threads of the same process, conductor, scheduler and the only host."""
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    application = _plain(state, service)
    import os_vif
    from nova import context
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.db.main import api as database
    from nova.objects import host_mapping
    from nova.scheduler import rpcapi as scheduler
    from nova.service import Service

    # A writer inside another one, which would wait for itself.
    database.security_group_ensure_default = database._security_group_ensure_default
    os_vif.initialize()
    for binary, topics in (
        ("nova-conductor", {"topic": conductor.RPC_TOPIC}),
        ("nova-scheduler", {"topic": scheduler.RPC_TOPIC}),
        ("nova-compute", {"topic": compute.RPC_TOPIC, "topic_alt": compute.RPC_TOPIC_ALT}),
    ):
        Service.create(binary=binary, **topics).start()
    host_mapping.discover_hosts(context.get_admin_context())
    return application


def _cinder(state: Path, service: str) -> Any:
    """Start the API and, as threads of the same process, scheduler and the only backend."""
    os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "1"
    sys.argv = [service, "--config-file", str(state / "cinder.conf")]
    import oslo_service.backend

    oslo_service.backend.init_backend(oslo_service.backend.BackendType.THREADING)
    application = _plain(state, service)
    from cinder.service import Service

    Service.create(
        host="host1@logging", service_name="logging", binary="cinder-volume", coordination=True
    ).start()
    # Last: it waits until a backend has told it what it has.
    Service.create(binary="cinder-scheduler", service_name="scheduler").start()
    return application


def _serve(application: Any, listener: socket.socket, threads: int) -> None:
    import waitress

    print(READY, flush=True)  # noqa: T201 - its log
    waitress.serve(application, sockets=[listener], threads=threads, channel_timeout=300)
