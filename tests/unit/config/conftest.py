"""A good configuration to start from, a provider with tables, and problems without the folder's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from elasticluster.config.keys import Key
from elasticluster.config.tables import SetupTable
from elasticluster.config.templates import Configuration
from elasticluster.exceptions import ConfigurationError
from elasticluster.providers.registry import CLOUDS, cloud_tables

GOOD = """\
[cloud/here]
provider=toy
region=north
[login/me]
image_user=debian
[setup/slurm]
frontend_groups=slurm_master
compute_groups=slurm_worker
[cluster/slurm]
cloud=here
login=me
setup=slurm
image_id=debian-13
flavor=small
frontend_nodes=1
compute_nodes=2
"""

TOY = (
    (
        Key("region", "str", required=True, help="where the machines are"),
        Key("endpoint", "url"),
        Key("floating", "bool", default=False),
        Key("retries", "int"),
        Key("price", "float"),
        Key("mode", "str", choices=("fast", "cheap")),
        Key("project_name", "str"),
        Key("password", "str"),
    ),
    (Key("boot_disk_size", "int", default=10), Key("network_ids", "list")),
)


CLOUDS_TOO = {name: cloud_tables(name) for name in CLOUDS if name != "docker"}


ANSIBLE = SetupTable((Key("playbook_path", "path"), Key("careful", "bool")))


@pytest.fixture
def files(tmp_path: Path) -> SimpleNamespace:
    """Write configurations, read them, and tell their problems as ``config:LINE: …``."""

    def read(text: str | bytes, **more: str) -> Configuration:
        path = tmp_path / "config"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, content in more.items():
            folder = tmp_path / "config.d"
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.conf").write_text(content)
        providers = {"toy": TOY, "free": None, **CLOUDS_TOO}
        return Configuration.read(path, providers=providers, setups={"ansible": ANSIBLE, "free": None})

    def lines(call: Callable[[], object]) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            call()
        return caught.value.message.replace(f"{tmp_path}/", "").splitlines()

    def problems(text: str | bytes, name: str = "slurm") -> list[str]:
        configuration = read(text)
        return lines(lambda: configuration.template(name))

    return SimpleNamespace(good=GOOD, read=read, lines=lines, problems=problems, folder=tmp_path)
