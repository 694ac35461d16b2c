"""What the manual says about a cluster, typed by somebody who has one: a single real one for all pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.blocks import MANUAL, ROOT, Block, claiming
from tests.docs.reader import Reader

TOUR = ROOT / "docs" / "tour.md"
OTHERS = [page for page in MANUAL if page != TOUR and claiming("tour", pages=[page])]
PROGRAMS = [page for page in MANUAL if claiming("python with a cluster", pages=[page])]
SPARING = "[setup/slurm]\nglobal_var_slurm_mpi=no\n"  # takes long, and no page is about it
NOTHING = "- hosts: all\n  gather_facts: false\n  tasks: []\n"


def commands_of_the_tour() -> list[str]:
    """Return all lines that a follower of the tour types."""
    blocks = claiming("tour", "end of the tour", pages=[TOUR])
    return [line for block in blocks for command, _ in block.commands() for line in command.splitlines()]


def stop_all(reader: Reader) -> list[str]:
    """Stop what clusters there are; return their names."""
    storage = reader.home / ".elasticluster" / "storage"
    left = [record.stem for kind in ("json", "yaml", "pickle") for record in storage.glob(f"*.{kind}")]
    for name in left:
        reader.run("elasticluster", "stop", "--yes", "--force", name)
    return left


@pytest.fixture(scope="module")
def traveller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader.new(tmp_path_factory.mktemp("traveller"))
    yield reader
    stop_all(reader)


@pytest.fixture(scope="module")
def arrived(traveller: Reader) -> Reader:
    """Return one who has followed the tour but for its end."""
    first, *others = claiming("tour", "file", pages=[TOUR])
    traveller.follow(first)  # writes the configuration
    traveller.configure("sparing", SPARING)
    for block in others:
        traveller.follow(block)
    return traveller


@pytest.mark.parametrize("block", claiming("as in the tour"), ids=str)
def test_short_form_says_the_same_as_the_tour(block: Block) -> None:
    typed = commands_of_the_tour()
    for line in block.text.splitlines():
        command = line.partition("#")[0].strip()
        assert any(one.startswith(command) for one in typed), command


@pytest.mark.e2e
def test_tour_can_be_followed(arrived: Reader) -> None:
    assert (arrived.home / "result.txt").read_text(encoding="utf-8").startswith("Hello from compute")


@pytest.mark.e2e
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_commands_of_other_pages_run(arrived: Reader, page: Path) -> None:
    for block in claiming("tour", "file", pages=[page]):
        arrived.follow(block)


@pytest.mark.e2e
def test_end_of_the_tour(arrived: Reader) -> None:
    for block in claiming("end of the tour"):
        arrived.follow(block)
    assert stop_all(arrived) == []


@pytest.mark.e2e
@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.name)
def test_programs_run_on_nodes(page: Path, tmp_path: Path) -> None:
    """Nothing is installed on the nodes, which is what takes time; the tour installs all."""
    reader = Reader.new(tmp_path)
    playbook = tmp_path / "nothing.yml"
    playbook.write_text(NOTHING, encoding="utf-8")
    groups = '"compute": ["slurm_worker"]}'
    replaced = [(groups, f"{groups}, playbook_path={str(playbook)!r}")]
    try:
        printed = reader.execute(claiming("python with a cluster", pages=[page]), replaced)
    finally:
        left = stop_all(reader)
    assert "127.0.0.1" in printed
    assert left == []
