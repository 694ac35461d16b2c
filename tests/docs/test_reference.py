"""The page of all keys is what the tables in the code say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from elasticluster.config import tables
from elasticluster.config.documented import DOCUMENTED
from elasticluster.providers.ansible_provider import SETUP_KEYS
from elasticluster.providers.docker import CLOUD_KEYS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/configuration-keys.md"


def config_reference(checkout: Path, *args: str) -> tuple[int, str]:
    command = [sys.executable, str(checkout / "scripts/config-reference"), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose page of keys is an older one."""
    for path in ("scripts/config-reference", "docs/configuration-keys.md"):
        (tmp_path / path).parent.mkdir()
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "docs/configuration-keys.md").write_text("# All keys\n", encoding="utf-8")
    return tmp_path


def test_page_of_keys_is_up_to_date() -> None:
    assert config_reference(ROOT, "--check") == (0, "")


def test_older_page_of_keys_is_found_and_written_anew(checkout: Path) -> None:
    name = "docs/configuration-keys.md"
    stale = f"{name}: is not what scripts/config-reference writes\n"
    assert config_reference(checkout, "--check") == (1, stale)
    assert config_reference(checkout) == (0, f"{name}: written\n")
    assert config_reference(checkout, "--check") == (0, "")
    assert config_reference(checkout) == (0, "")


def test_page_of_keys_has_every_key_and_every_older_name() -> None:
    text = PAGE.read_text(encoding="utf-8")
    of_clouds = [key for both in DOCUMENTED.values() for keys in both or () for key in keys]
    own = (*tables.LOGIN_KEYS, *tables.CLUSTER_KEYS, *tables.NODE_KEYS, *tables.STORAGE_KEYS)
    names = {key.name for key in (*own, *SETUP_KEYS, *CLOUD_KEYS, *of_clouds)}
    names |= {old for several in (tables.RENAMED, tables.INVERTED) for one in several.values() for old in one}
    assert [name for name in sorted(names) if f"| `{name}` |" not in text] == []
