"""What the documents say is so: commands, options, links, names of files."""

from __future__ import annotations

import argparse
import doctest
import re
from functools import cache
from pathlib import Path

import pytest
from tests.docs.blocks import MANUAL, ROOT, blocks_of

import elasticluster
from elasticluster import naming
from elasticluster.cli.app import build_parser
from elasticluster.providers.docker.flavors import parse_flavor

DOCUMENTS = sorted({*ROOT.glob("*.md"), *MANUAL, *ROOT.glob("examples/*/README.md")})
INTERNAL = {"__init__", "__main__", "cli", "config", "engine", "literals", "setup", "ssh", "state"}
EVERYWHERE = {"--help", "--verbose", "--storage", "--config"}


@cache
def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers of our commands, by name."""
    parser, _ = build_parser(argparse.Namespace(), ["list"])
    (commands,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(commands.choices)


def options_of(command: str) -> set[str]:
    """Return the long options of a command."""
    shown = (one for one in parsers()[command]._actions if one.help is not argparse.SUPPRESS)
    names = {name for action in shown for name in action.option_strings}
    return {name for name in names if name.startswith("--")}


def named_commands() -> set[tuple[str, str, str]]:
    """Every `elasticluster COMMAND …` that stands as code: its page, the command, and its long options."""
    found = set()
    for page in DOCUMENTS:
        if page.parent.name == "own-command":  # whose command is not one of ours
            continue
        inline = re.findall(r"`(elasticluster [^`\n]+)`", text_of(page))
        for line in "\n".join([*(block.text for block in blocks_of(page)), *inline]).splitlines():
            ours = re.sub(r"#.*| -- .*|\|.*|[`)].*", "", line.partition("elasticluster ")[2])
            words = re.sub(r"(-[cs]|--config|--storage) \S+ ", "", ours).split()
            if words and re.fullmatch(r"[a-z][a-z0-9-]+", words[0]):
                options = [word.partition("=")[0] for word in words if word.startswith("--")]
                found.add((str(page.relative_to(ROOT)), words[0], " ".join(options)))
    return found


def test_commands_are_named() -> None:
    assert {command for _, command, _ in named_commands()} >= parsers().keys()


@pytest.mark.parametrize(("page", "command", "options"), sorted(named_commands()))
def test_named_command_and_its_options_exist(page: str, command: str, options: str) -> None:
    assert command in parsers(), page
    assert set(options.split()) <= options_of(command), page


@cache
def sections_of_commands() -> dict[str, str]:
    """The text of each section of the page on commands, by the commands in its heading."""
    parts = re.split(r"^## ", text_of(ROOT / "docs" / "commands.md"), flags=re.MULTILINE)[1:]
    split = [part.partition("\n") for part in parts]
    return {name: text for heading, _, text in split for name in heading.split(", ")}


@pytest.mark.parametrize("command", parsers())
def test_command_is_documented_with_every_option(command: str) -> None:
    text = sections_of_commands().get(command, "")
    assert text, f"docs/commands.md has no section `## {command}`"
    missing = [name for name in options_of(command) - EVERYWHERE if not re.search(rf"`[^`]*{name}\b", text)]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", text_of(document))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    folders = "benchmarks|docs|examples|scripts|src|tests"
    named = re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]*\w)", text_of(document))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_documented_flavors_are_flavors() -> None:
    text = text_of(ROOT / "docs" / "configuration.md")
    named = re.findall(r"\b[\d.]+cpu-[\d.]+ram\b", text)
    assert len(named) >= 4
    assert {parse_flavor(name, {}).name for name in named} == set(named)


def test_names_of_the_package_are_in_the_reference() -> None:
    text = text_of(ROOT / "docs" / "api.md")
    assert [name for name in elasticluster.__all__ if not re.search(rf"[`{{. ]{name}\b", text)] == []


def test_every_public_module_is_in_the_reference() -> None:
    folder = Path(elasticluster.__path__[0])
    paths = [*folder.glob("*.py"), *(path.parent for path in folder.glob("*/__init__.py"))]
    text = text_of(ROOT / "docs" / "api.md")
    assert {
        path.stem for path in paths if f"automodule:: elasticluster.{path.stem}\n" not in text
    } == INTERNAL


def test_readme_can_be_read_in_three_minutes() -> None:
    words = re.sub(r"```.*?```", "", text_of(ROOT / "README.md"), flags=re.DOTALL)
    assert len(re.findall(r"[A-Za-z]\S*", words)) < 3 * 250


def test_readme_does_not_send_people_to_another_program() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "installation.md"):
        assert not re.search(r"pip install elasticluster", text_of(page))


def test_naming_doctests() -> None:
    result = doctest.testmod(naming)
    assert result.attempted > 10
    assert result.failed == 0
