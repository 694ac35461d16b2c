"""Twenty Slurm nodes on this computer, of which one never comes up: nineteen work, and that one is named."""

import re
import sys
import time

import pytest
from tests.e2e.frozen import Frozen
from tests.e2e.own_playbook import nodes

pytestmark = [pytest.mark.e2e, pytest.mark.full]

WORKERS = 19
BROKEN = "compute010"
PATIENCE = 60  # seconds: all twenty boot at once on whatever this computer has


@pytest.fixture(scope="module")
def user(new_user):
    made = new_user("twenty")
    made.ok("list-templates")
    configure(made, f"compute_nodes_min={WORKERS - 1}")
    yield made
    made.run("stop", "--yes", "--force", "slurm")


def configure(user, minimum):
    path = user.home / ".elasticluster/config"
    text = re.sub(r"^(#?compute_nodes_min|start_timeout)=.*\n", "", path.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^flavor=.*", "flavor=1cpu-0.5ram", text, count=1, flags=re.MULTILINE)
    lines = f"compute_nodes={WORKERS}\nstart_timeout={PATIENCE}\n{minimum}\n"
    path.write_text(re.sub(r"^compute_nodes=.*\n", lines, text, count=1, flags=re.MULTILINE))


def test_nineteen_of_twenty_are_ready_and_one_is_named_with_its_layer(user, engine, capsys):
    began = time.monotonic()
    with Frozen(engine, user, BROKEN):
        result = user.run("start", "slurm", timeout=1500)
    with capsys.disabled():
        sys.stdout.write(f"\ntwenty nodes, one of them broken: {time.monotonic() - began:.0f} s\n")
    assert result.returncode == 3, result.stdout[-3000:] + result.stderr[-3000:]
    assert "Your cluster `slurm` is ready, without:\n" in result.stdout
    lost = re.findall(r"^  (\w+): (connection refused|timed out|boot): .*$", result.stdout, re.MULTILINE)
    assert [name for name, _ in lost] == [BROKEN]
    states = [node["state"] for node in nodes(user).values()]
    assert states.count("ready") == WORKERS  # the frontend and all workers but one
    hosts = user.ssh(f"srun --nodes={WORKERS - 1} hostname").split()
    assert len(set(hosts)) == WORKERS - 1
    assert BROKEN not in hosts


def test_one_of_twenty_is_one_too_few_where_no_minimum_is_given(user, engine):
    before = set(nodes(user))
    user.ok("stop", "--yes", "slurm", timeout=300)
    configure(user, "")
    with Frozen(engine, user, BROKEN):
        result = user.run("start", "slurm", "--no-setup", timeout=600)
    assert result.returncode == 4, result.stdout[-3000:] + result.stderr[-3000:]
    assert (
        f"  {WORKERS - 1} of {WORKERS} compute nodes are usable, at least {WORKERS} are needed\n"
        in result.stdout
    )
    assert re.findall(r"^  (compute\d+): ", result.stdout, re.MULTILINE) == [BROKEN]
    assert set(nodes(user)) == before
