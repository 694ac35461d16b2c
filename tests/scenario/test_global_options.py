"""Options that go with every command, and what is handed on after `--`."""

import argparse
import os
import shlex

import pytest

from elasticluster.cli.app import build_parser
from elasticluster.cli.start import _options
from elasticluster.cluster import Cluster

CONFIG = """
[cloud/local]
provider=docker
[login/local]
image_user=debian
[setup/none]
provider=ansible
[cluster/of-this-file]
cloud=local
login=local
setup=none
image_id=debian-13
flavor=1cpu-1ram
frontend_nodes=1
"""


def parsed(line):
    """Return what a command line is understood as."""
    params = argparse.Namespace()
    parser, _ = build_parser(params, ["list"])
    parser.parse_args(shlex.split(line), namespace=params)
    return params


@pytest.mark.parametrize("line", ["-c {0} list-templates", "list-templates --config {0}"])
def test_configuration_file_can_be_named_before_and_after_the_command(run, home, line):
    (home / "my-config").write_text(CONFIG)
    result = run(*line.format(os.path.relpath(home / "my-config")).split())
    assert (result.returncode, result.stderr) == (0, "")
    assert "name:     of-this-file\n" in result.stdout


@pytest.mark.parametrize("line", ["-s {0} list", "list --storage={0}"])
def test_storage_folder_can_be_named_before_and_after_the_command(run, stored, home, line):
    stored("mine")
    (home / ".elasticluster/storage").rename(home / "elsewhere")
    result = run(*line.format(home / "elsewhere").split())
    assert "  name:           mine\n" in result.stdout
    assert run("list").stdout == "No clusters found.\n"


@pytest.mark.parametrize("line", ["-vv list", "list -vv", "-v list -v", "--verbose --verbose list"])
def test_verbosity_adds_up_before_and_after_the_command(line):
    params = parsed(line)
    assert params.verbose + params.verbose_after == 2


def test_v_shows_messages_of_the_program_and_vvv_where_an_error_came_from(run):
    quiet, loud = run("stop", "--yes", "x"), run("stop", "--yes", "x", "-vvv")
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    assert quiet.returncode == loud.returncode == os.EX_NOINPUT


@pytest.mark.parametrize(("verbose", "parallel"), [(0, 0), (3, 0), (4, 1), (5, 1)])
def test_four_times_v_starts_one_machine_after_another(verbose, parallel):
    params = argparse.Namespace(verbose=verbose, rest=[], max_concurrent_requests=0)
    assert _options(params, Cluster("c")).max_parallel == parallel


@pytest.mark.parametrize("line", ["-v", "stat slurm", "--no-such-option list"])
def test_command_line_that_is_none_is_refused_with_the_usage(run, line):
    result = run(*line.split())
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("usage: elasticluster ")


@pytest.mark.parametrize("program", ["ssh", "sftp"])
@pytest.mark.parametrize("line", ["-n compute001 slurm", "slurm -n compute001", "slurm --node=compute001"])
def test_node_can_be_named_before_and_after_the_cluster(program, line):
    params = parsed(f"{program} {line}")
    assert (params.cluster, params.node) == ("slurm", "compute001")


@pytest.mark.parametrize("program", ["ssh", "sftp"])
def test_node_that_is_not_there_is_an_error(run, stored, program):
    stored()
    result = run(program, "slurm", "-n", "compute009", "--", "hostname")
    assert result.returncode == os.EX_NOINPUT
    assert result.stderr.endswith(
        "Error: Cluster 'slurm' has no node 'compute009'.\nIts nodes: frontend001, compute001, compute002.\n"
    )
