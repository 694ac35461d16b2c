"""Standard streams that are closed, full, narrow or read by nobody: one line and the right exit code."""

import os
import subprocess
import sys

import pytest

from elasticluster.exceptions import ElastiClusterError

pytestmark = pytest.mark.usefixtures("source_tree")

COMMANDS = ["list", "--help", "--version", "list --help"]


@pytest.fixture
def shell(home):
    """Return a function that runs a line in which `program` is the program."""
    home.mkdir()
    (home / ".elasticluster").mkdir()
    (home / ".elasticluster" / "config").touch()

    def run(line, **env):
        line = line.replace("program", f"{sys.executable} -m elasticluster")
        return subprocess.run(
            ["bash", "-c", line],
            env=os.environ | {"HOME": str(home)} | env,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_results_that_cannot_be_written_are_a_failure_of_one_line(shell, command, unbuffered):
    done = shell(f"program {command} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (
        ElastiClusterError.exit_code,
        "Error: The results cannot be written: No space left on device.\n",
    )


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_mistake_in_the_program(shell, closed):
    done = shell(f"program list {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_reader_who_has_enough_is_no_error_to_be_told(shell):
    done = shell("program --help | true")
    assert done.stderr == ""


def test_character_that_an_encoding_lacks_is_replaced(shell):
    code = "from elasticluster.cli import streams; streams.prepare(); print('wide\\u2026')"
    done = shell(f'{sys.executable} -c "{code}"', PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout) == (0, "wide?\n")
