"""What the package as a whole promises: types are shipped, starting is cheap, documented names exist."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

import elasticluster

HEAVY = ("ansible", "asyncio", "docker", "paramiko", "requests", "rich", "voluptuous", "yaml")


def modules_after(statement: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nsys.stdout.write('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_package_ships_its_types() -> None:
    assert Path(elasticluster.__file__).with_name("py.typed").is_file()


def test_import_loads_nothing_else() -> None:
    loaded = {name for name in modules_after("import elasticluster") if name.startswith("elasticluster")}
    assert loaded == {"elasticluster"}


@pytest.mark.parametrize(
    "module", ["elasticluster.main", "elasticluster.engine.ports", "elasticluster.model"]
)
def test_import_stays_light(module: str) -> None:
    assert modules_after(f"import {module}") & set(HEAVY) == set()


def test_help_stays_light() -> None:
    loaded = modules_after(
        "import contextlib, sys\nfrom elasticluster.main import main\nsys.argv[1:] = ['--help']\n"
        "with contextlib.suppress(SystemExit): main()"
    )
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("group", ["elasticluster.cloud_providers", "elasticluster.setup_providers"])
def test_entry_points_load(group: str) -> None:
    found = metadata.entry_points(group=group)
    assert [entry.name for entry in found if not isinstance(entry.load(), type)] == []
    assert len(found) > 0


@pytest.mark.parametrize(
    "name",
    [
        "elasticluster.cluster:Cluster",
        "elasticluster.cluster:Node",
        "elasticluster.cluster:NodeNamingPolicy",
        "elasticluster.conf",
        "elasticluster.exceptions:ClusterNotFound",
        "elasticluster.exceptions:NodeNotFound",
        "elasticluster.helpers",
        "elasticluster.main:main",
        "elasticluster.providers:AbstractCloudProvider",
        "elasticluster.providers:AbstractSetupProvider",
        "elasticluster.providers.ansible_provider:AnsibleSetupProvider",
        "elasticluster.repository:AbstractClusterRepository",
        "elasticluster.repository:MemRepository",
        "elasticluster.subcommands:AbstractCommand",
    ],
)
def test_documented_name_exists(name: str) -> None:
    module, _, attribute = name.partition(":")
    found = import_module(module)
    assert not attribute or hasattr(found, attribute)
