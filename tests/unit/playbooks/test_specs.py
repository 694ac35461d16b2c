"""The options of every shipped role: its defaults, its argument specs and its README say the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticluster.setup.settings import PLAYBOOKS

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in PLAYBOOKS.glob("roles/*"))

SPECS = """
argument_specs:
  main:
    options:
      web_port: {type: int, default: 80, choices: [80, 8080], description: Port of C(httpd).}
      web_name:
        type: str
        default: "{{ elasticluster.name }}"
        description: [Name a|b of the site., By default that of the cluster.]
      web_sites:
        type: list
        elements: dict
        default: []
        description: Sites.
        options:
          title: {type: str, required: true, description: What it is called.}
"""
README = """# web

By hand.

<!-- variables: written by scripts/role-readmes from meta/argument_specs.yml -->
{rows}
<!-- end of variables -->

More.
"""
ROWS = """| name | type | default | meaning |
|---|---|---|---|
| `web_port` | int: `80`, `8080` | `80` | Port of `httpd`. |
| `web_name` | str | that of the cluster | Name a&#124;b of the site. |
| `web_sites` | list of dict | `[]` | Sites. |
| `web_sites[].title` | str | required | What it is called. |"""


def load(role: str, path: str) -> Any:
    return yaml.safe_load((PLAYBOOKS / "roles" / role / path).read_text(encoding="utf-8"))


def options(role: str) -> Mapping[str, Any]:
    return load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def paragraphs(option: Mapping[str, Any]) -> list[str]:
    description = option.get("description", "")
    return [description] if isinstance(description, str) else description


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_argument_specs(role: str) -> None:
    """A secret has its default where Ansible does not show it; an option may have none at all."""
    known, defaults = options(role), load(role, "defaults/main.yml")
    secret = {name for name, option in known.items() if option.get("no_log")}
    assert {name: option["default"] for name, option in known.items() if "default" in option} == {
        name: value for name, value in defaults.items() if name not in secret
    }
    assert defaults.keys() <= known.keys()


@pytest.mark.parametrize("role", ROLES)
def test_every_option_has_the_prefix_of_its_role_a_type_and_a_meaning(role: str) -> None:
    assert [
        name
        for name, option in options(role).items()
        if not (name.startswith(f"{role}_") and option.get("type") and any(paragraphs(option)))
    ] == []


@pytest.mark.parametrize("role", ROLES)
def test_default_that_is_an_expression_or_not_there_is_told_in_words(role: str) -> None:
    """Nobody should have to read Jinja in a table."""
    told = {
        name
        for name, option in options(role).items()
        if any(text.startswith("By default ") for text in paragraphs(option))
    }
    assert [
        name
        for name, option in options(role).items()
        if "{{" in str(option.get("default", "{{")) and not option.get("required") and name not in told
    ] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with one role, whose README has a table of before."""
    role = tmp_path / "src/elasticluster/playbooks/roles/web"
    (role / "meta").mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    (role / "meta/argument_specs.yml").write_text(SPECS, encoding="utf-8")
    (role / "README.md").write_text(README.format(rows="| old |"), encoding="utf-8")
    shutil.copy(ROOT / "scripts/role-readmes", tmp_path / "scripts")
    return tmp_path


def role_readmes(checkout: Path, *args: str) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    command = [sys.executable, str(checkout / "scripts/role-readmes"), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_readmes_have_the_present_options() -> None:
    assert role_readmes(ROOT, "--check") == (0, "")


def test_stale_table_is_found_and_left_alone_by_a_check(checkout: Path) -> None:
    readme = checkout / "src/elasticluster/playbooks/roles/web/README.md"
    before = readme.read_text(encoding="utf-8")
    said = "src/elasticluster/playbooks/roles/web/README.md: is not what scripts/role-readmes writes\n"
    assert role_readmes(checkout, "--check") == (1, said)
    assert readme.read_text(encoding="utf-8") == before


def test_table_is_written_and_the_prose_around_it_stays(checkout: Path) -> None:
    assert role_readmes(checkout)[0] == 0
    assert role_readmes(checkout, "--check") == (0, "")
    readme = checkout / "src/elasticluster/playbooks/roles/web/README.md"
    assert readme.read_text(encoding="utf-8") == README.format(rows=ROWS)
