"""What GC3Pie is told: from what real schedulers print to sections that its own reader understands."""

from __future__ import annotations

import argparse
import configparser
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from elasticluster.cli.gc3pie import append
from elasticluster.cli.gc3pie_facts import ASK, Access, Facts, Worker, ini, read_facts, sections
from elasticluster.exceptions import UsageError
from elasticluster.subcommands import AbstractCommand, GC3PieConfig

SLURM = """\
machine x86_64
slurm compute001 2 3900 infinite
slurm compute002 2 3900 1:30:00
slurm compute002 2 3900 7-12:00:00
slurm broken n/a 0 infinite
a line of the login banner
"""
SGE = """\
machine x86_64
sge compute001 lx-amd64 4 1 4 4 0.01 7.7G 300.5M 0.0 0.0
sge compute002 lx-amd64 2 1 2 2 0.01 1900.0M 100.5M 0.0 0.0
sge down001 - - - - - - - - - -
pe make
pe mpi
"""
OLD_SGE = "sge compute001 lx24-amd64 4 0.02 7.7G 300.5M 0.0 0.0\n"
ACCESS = Access(user="debian", host="192.0.2.1", port=2222, key_path="/home/me/a 100% key")


def test_workers_of_slurm_are_read_each_with_its_longest_limit() -> None:
    assert read_facts(SLURM) == Facts(
        scheduler="slurm",
        architecture="x86_64",
        workers={
            "compute001": Worker(cores=2, memory=3900, hours=672),
            "compute002": Worker(cores=2, memory=3900, hours=180),
        },
    )


def test_workers_of_grid_engine_are_read_and_its_parallel_environment() -> None:
    assert read_facts(SGE) == Facts(
        scheduler="sge",
        architecture="x86_64",
        workers={
            "compute001": Worker(cores=4, memory=7884, hours=672),
            "compute002": Worker(cores=2, memory=1900, hours=672),
        },
        parallel_environment="make",
    )
    assert read_facts(OLD_SGE).workers == {"compute001": Worker(cores=4, memory=7884, hours=672)}


@pytest.mark.parametrize(
    ("limit", "hours"),
    [
        ("infinite", 672),
        ("n/a", 672),
        ("10:00", 1),
        ("30", 672),
        ("90:00", 1),
        ("600:00", 10),
        ("2:00:00", 2),
        ("1-00:00:00", 24),
    ],
)
def test_limit_of_slurm_is_told_in_hours(limit: str, hours: int) -> None:
    (worker,) = read_facts(f"slurm c 1 100 {limit}\n").workers.values()
    assert worker.hours == hours


@pytest.mark.parametrize("output", ["", "machine\n", "slurm\n", "sge a b c d e\n", "hello world\n"])
def test_output_without_workers_has_none(output: str) -> None:
    assert read_facts(output).workers == {}


def test_sections_are_what_gc3pie_documents() -> None:
    text = ini(sections("my-slurm.2", read_facts(SLURM), ACCESS))
    parsed = configparser.ConfigParser()
    parsed.read_string(text)
    assert {name: dict(parsed[name]) for name in parsed.sections()} == {
        "auth/elasticluster_my_slurm_2_4b65": {
            "type": "ssh",
            "username": "debian",
            "port": "2222",
            "keyfile": "/home/me/a 100% key",
        },
        "resource/elasticluster_my_slurm_2_4b65": {
            "enabled": "yes",
            "type": "slurm",
            "auth": "elasticluster_my_slurm_2_4b65",
            "transport": "ssh",
            "frontend": "192.0.2.1",
            "architecture": "x86_64",
            "max_cores": "4",
            "max_cores_per_job": "2",
            "max_memory_per_core": "1950MiB",
            "max_walltime": "672 hours",
        },
    }


def test_sections_for_grid_engine_name_its_parallel_environment_and_an_agent_needs_no_key() -> None:
    access = Access(user="debian", host="192.0.2.1", port=22, key_path="")
    auth, resource = sections("c", read_facts(SGE), access).values()
    assert "keyfile" not in auth
    assert (resource["type"], resource["default_pe"], resource["max_cores_per_job"]) == ("sge", "make", "4")


def test_question_to_the_frontend_is_a_shell_script_that_ends_well_without_a_scheduler() -> None:
    done = subprocess.run(["sh", "-eu", "-c", ASK], capture_output=True, text=True, check=True)
    assert read_facts(done.stdout).architecture


def test_sections_are_appended_once(tmp_path: Path) -> None:
    path = tmp_path / "gc3pie.conf"
    append(path, "[auth/a]\ntype = ssh\n")
    append(path, "[auth/b]\ntype = ssh\n")
    before = path.read_text()
    assert before == "[auth/a]\ntype = ssh\n\n[auth/b]\ntype = ssh\n"
    with pytest.raises(UsageError) as caught:
        append(path, "[auth/a]\ntype = ssh\n")
    assert caught.value.message == f"{path} has a section [auth/a] already."
    assert path.read_text() == before
    with pytest.raises(UsageError) as caught:
        append(tmp_path, "[auth/a]\n")
    assert caught.value.message == f"Cannot write {tmp_path}: Is a directory."


@pytest.mark.parametrize("before", ["[auth/a] ; old\n", "[resource/a]\n"])
def test_section_that_would_be_there_twice_is_not_appended(tmp_path: Path, before: str) -> None:
    path = tmp_path / "gc3pie.conf"
    path.write_text(before)
    with pytest.raises(UsageError, match=r"has a section \[(auth|resource)/a\] already"):
        append(path, "[auth/a]\ntype = ssh\n\n[resource/a]\ntype = slurm\n")
    assert path.read_text() == before


def test_folder_of_the_file_is_made(tmp_path: Path) -> None:
    append(tmp_path / ".gc3" / "gc3pie.conf", "[auth/a]\n")
    assert (tmp_path / ".gc3" / "gc3pie.conf").read_text() == "[auth/a]\n"


def test_clusters_whose_names_differ_have_sections_that_differ() -> None:
    access = Access(user="debian", host="192.0.2.1", port=22, key_path="")
    found = [set(sections(name, read_facts(SGE), access)) for name in ("my-slurm", "my.slurm", "my_slurm")]
    assert len(set.union(*found)) == 6


def test_documented_module_has_it_too() -> None:
    assert callable(import_module("elasticluster.gc3_config").create_gc3pie_config_snippet)
    assert isinstance(GC3PieConfig(argparse.Namespace()), AbstractCommand)
