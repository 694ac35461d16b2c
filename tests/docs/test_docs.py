"""What the documents say is so: commands, options, links, samples."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from elasticluster import exceptions, naming
from elasticluster.cli.start import EXIT_CODES, EXIT_NOT_VERIFIED
from elasticluster.providers.docker import DockerProvider

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
def no_leftovers() -> Iterator[None]:
    """Fail if instances of the sample's cluster are left, and remove them."""
    provider = DockerProvider()
    before = {instance.id for instance in provider.list_instances()}
    yield
    ours = [
        one for one in provider.list_instances() if one.tags.name == "my-cluster" and one.id not in before
    ]
    provider.stop_instances([instance.id for instance in ours])
    for uuid in {instance.tags.uuid for instance in ours}:
        provider.release(uuid)
    assert ours == []


@pytest.mark.e2e
@pytest.mark.usefixtures("no_leftovers")
def test_readme_python_sample_runs(tmp_path: Path) -> None:
    (sample,) = blocks(ROOT / "README.md", "python")
    env = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", sample]
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


def test_readme_does_not_send_people_to_another_program() -> None:
    assert not re.search(r"pip install elasticluster", text_of(ROOT / "README.md"))


def test_naming_doctests() -> None:
    result = doctest.testmod(naming)
    assert result.attempted > 10
    assert result.failed == 0
