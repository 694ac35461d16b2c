"""What the documents say is so: commands, options, links, samples."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from elasticluster import exceptions, naming
from elasticluster.cli.start import EXIT_CODES, EXIT_NOT_VERIFIED
from elasticluster.config import tables
from elasticluster.config.keys import Key
from elasticluster.naming import new_uuid
from elasticluster.providers.ansible_provider import SETUP_KEYS
from elasticluster.providers.docker import CLOUD_KEYS, NODE_KEYS, DockerProvider
from elasticluster.providers.docker.flavors import parse_flavor

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def elasticluster(*args: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a new user."""
    command = [sys.executable, "-m", "elasticluster", *args]
    env = {**os.environ, "HOME": str(home), "COLUMNS": "200"}
    return subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False)


@cache
def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(document), flags=re.MULTILINE | re.DOTALL)


def named_commands() -> list[str]:
    """Every ``elasticluster COMMAND`` that stands as code in a document."""
    code = [
        piece
        for document in DOCUMENTS
        for piece in [*blocks(document, "sh"), *re.findall(r"`(elasticluster [^`]+)`", text_of(document))]
    ]
    return sorted(set(re.findall(r"\belasticluster ([a-z][a-z-]+)", "\n".join(code))))


def named_options() -> list[tuple[str, str]]:
    """Every option that a row of the README's command table gives to its command."""
    rows = re.findall(r"^\| `elasticluster ([a-z-]+)(.*)$", text_of(ROOT / "README.md"), flags=re.MULTILINE)
    return [(command, option) for command, row in rows for option in re.findall(r"`(--[a-z-]+)", row)]


def test_commands_are_named() -> None:
    expected = {"start", "stop", "list", "list-nodes", "list-templates", "setup", "ssh", "sftp"}
    assert expected <= set(named_commands())


@pytest.mark.parametrize("command", named_commands())
def test_named_command_exists(command: str, tmp_path: Path) -> None:
    assert elasticluster(command, "--help", home=tmp_path).returncode == 0


@pytest.mark.parametrize(("command", "option"), named_options())
def test_named_option_exists(command: str, option: str, tmp_path: Path) -> None:
    assert re.search(rf"{option}\b", elasticluster(command, "--help", home=tmp_path).stdout)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", text_of(document))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    folders = "benchmarks|docs|examples|scripts|src|tests"
    named = re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]*\w)", text_of(document))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_readme_configuration_loads(tmp_path: Path) -> None:
    (sample,) = blocks(ROOT / "README.md", "ini")
    (tmp_path / "config").write_text(sample, encoding="utf-8")
    done = elasticluster("-c", "config", "list-templates", home=tmp_path)
    assert done.stderr == ""
    assert "name:     slurm\ncloud:     local\nfrontend nodes: 1\ncompute nodes: 2\n" in done.stdout


@pytest.fixture
def own_name() -> Iterator[str]:
    """A name that no other cluster has; fail if instances of that cluster are left, and remove them."""
    name = f"docs-{new_uuid()[:8]}"
    yield name
    provider = DockerProvider()
    ours = [one for one in provider.list_instances() if one.tags.name == name]
    provider.stop_instances([instance.id for instance in ours])
    for uuid in {instance.tags.uuid for instance in ours}:
        provider.release(uuid)
    assert ours == []


@pytest.mark.e2e
def test_readme_python_sample_runs(tmp_path: Path, own_name: str) -> None:
    (sample,) = blocks(ROOT / "README.md", "python")
    assert sample.count('"my-cluster"') == 1
    env = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", sample.replace("my-cluster", own_name)]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+\.\d+\.\d+\.\d+$", done.stdout, flags=re.MULTILINE)


def test_exit_codes_are_listed() -> None:
    """Every class of error ends with a code that the table explains."""
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, exceptions.ElastiClusterError)}
    codes |= {*EXIT_CODES.values(), EXIT_NOT_VERIFIED}
    table = text_of(ROOT / "docs" / "commands.md").partition("## Exit codes")[2]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", table, flags=re.MULTILINE)}
    assert codes - listed == set()


@cache
def documented_keys() -> dict[str, set[str]]:
    """The keys in the tables of the page on configuration, by heading."""
    found: dict[str, set[str]] = {}
    for section in re.split(r"^##+ ", text_of(ROOT / "docs" / "configuration.md"), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        cells = re.findall(r"^\| (`[^|]+) \|", text, flags=re.MULTILINE)
        found[heading] = set(re.findall(r"`([a-z_]+)`", " ".join(cells)))
    return found


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("`[cloud/NAME]`", [tables.PROVIDER]),
        ("`provider=docker`", [*CLOUD_KEYS, *NODE_KEYS]),
        ("`[login/NAME]`", tables.LOGIN_KEYS),
        ("`[setup/NAME]`", [tables.SETUP_PROVIDER, *SETUP_KEYS]),
        ("`[cluster/NAME]`", [*tables.CLUSTER_KEYS, *tables.NODE_KEYS]),
        ("`[storage]`", tables.STORAGE_KEYS),
    ],
)
def test_every_key_is_documented_and_no_other(heading: str, keys: Sequence[Key]) -> None:
    """Keys made of names, like ``KIND_nodes``, are not in the tables of the code."""
    assert documented_keys()[heading] == {key.name for key in keys}


def test_documented_flavors_are_flavors() -> None:
    text = text_of(ROOT / "docs" / "configuration.md")
    named = re.findall(r"\b[\d.]+cpu-[\d.]+ram\b", text)
    assert len(named) >= 4
    assert {parse_flavor(name, {}).name for name in named} == set(named)


def test_readme_does_not_send_people_to_another_program() -> None:
    assert not re.search(r"pip install elasticluster", text_of(ROOT / "README.md"))


def test_naming_doctests() -> None:
    result = doctest.testmod(naming)
    assert result.attempted > 10
    assert result.failed == 0
