"""Every block of code in the manual is held to the truth, or says why it cannot be; see `blocks.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.blocks import CLAIMS, MANUAL, NEEDS_ARGUMENT, ROOT, Block, blocks_of, claiming
from tests.docs.reader import Reader

from elasticluster.config.default import deploy_default

ALL = [block for page in MANUAL for block in blocks_of(page)]


def pages(*claims: str) -> list[Path]:
    """Return the pages that have blocks with one of these claims."""
    return [page for page in MANUAL if claiming(*claims, pages=[page])]


def name(page: Path) -> str:
    return page.name


def test_blocks_are_found() -> None:
    assert {block.claim for block in ALL} <= set(CLAIMS), "see tests/docs/blocks.py"
    assert len(ALL) > 30


@pytest.mark.parametrize("page", MANUAL, ids=name)
def test_no_block_is_overlooked(page: Path) -> None:
    """A fence that the expression does not see would go unclaimed."""
    fences = re.findall(r"^[ \t>]*(?:```|~~~)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    directives = len(re.findall(r"^```\{", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert len(fences) == 2 * (len(blocks_of(page)) + directives)


@pytest.mark.parametrize("block", ALL, ids=str)
def test_block_has_a_claim(block: Block) -> None:
    assert block.language in CLAIMS.get(block.claim, ()), (
        f"{block}: {block.language}, {block.claim or 'nothing'}"
    )
    assert block.argument or block.claim not in NEEDS_ARGUMENT


@pytest.mark.parametrize("page", pages("shell"), ids=name)
def test_commands_without_a_cluster_run(page: Path, tmp_path: Path) -> None:
    reader = Reader.new(tmp_path)
    deploy_default(tmp_path / ".elasticluster" / "config")
    for block in claiming("shell", "file", pages=[page]):
        reader.follow(block)


@pytest.mark.parametrize("block", claiming("configuration"), ids=str)
def test_configuration_loads(block: Block, tmp_path: Path) -> None:
    reader = Reader.new(tmp_path)
    deploy_default(tmp_path / ".elasticluster" / "config")
    reader.configure("block", block.text)
    done = reader.run("elasticluster", "config", "check")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", pages("python"), ids=name)
def test_python_runs(page: Path, tmp_path: Path) -> None:
    reader = Reader.new(tmp_path)
    deploy_default(tmp_path / ".elasticluster" / "config")
    reader.execute(claiming("python", pages=[page]))


@pytest.mark.parametrize("block", claiming("test"), ids=str)
def test_named_test_does_the_same(block: Block) -> None:
    path, _, function = block.argument.partition("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^def {re.escape(function)}\(", source, flags=re.MULTILINE)
    commands = re.findall(r"^(?:\$ )?elasticluster ([a-z-]+)", block.text, flags=re.MULTILINE)
    assert commands
    assert [command for command in commands if f'"{command}"' not in source] == []
