"""Clusters handed over at the keyboard, and by commands that are killed on the way."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_archives import CLUSTER, Place

from elasticluster.archives import export_cluster, import_cluster
from elasticluster.repository import JsonRepository
from elasticluster.state.archive import read


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return started(Place(tmp_path / "here"))


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return Place(tmp_path / "there")


def started(place: Place) -> Place:
    """Have the cluster in a place, with a key pair of its own."""
    key = place.write_key("key")
    place.store.save(CLUSTER)
    for end in ("", ".pub"):
        shutil.move(f"{key}{end}", f"{place.storage}/slurm.key{end}")
    return place


def run(place: Place, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a place: with its configuration, storage and home, in its folder."""
    command = [sys.executable, "-m", "elasticluster", *args]
    places = ["-c", str(place.path / "config"), "-s", str(place.storage)]
    environment = os.environ | {"HOME": str(place.path)}
    return subprocess.run(
        [*command, *places],
        env=environment,
        cwd=place.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **({"stdin": subprocess.DEVNULL} | options),
    )


# -- commands --------------------------------------------------------------------------------------


def test_cluster_is_exported_and_imported_without_its_configuration(here: Place, there: Place) -> None:
    exported = run(here, "export", "slurm", "--save-keys", "--yes")
    assert (exported.returncode, exported.stderr) == (0, "")
    assert exported.stdout == f"Cluster `slurm` was exported to {here.path}/slurm.zip\n"
    imported = run(there, "import", f"{here.path}/slurm.zip")
    assert (imported.returncode, imported.stderr) == (0, "")
    assert imported.stdout.endswith("Cluster `slurm` was imported.\n")
    assert "Frontend node: compute001\n- compute nodes: 1\n" in imported.stdout
    assert "  name:           slurm\n" in run(there, "list").stdout
    nodes = json.loads(run(there, "list-nodes", "--json", "slurm").stdout)["nodes"]
    assert [node["name"] for node in nodes] == ["compute001"]
    assert there.store.load("slurm") == CLUSTER


def test_what_is_left_out_is_said_at_both_ends(here: Place, there: Place) -> None:
    exported = run(here, "export", "slurm", "-o", "moved")
    assert (exported.returncode, exported.stdout) == (
        0,
        f"Cluster `slurm` was exported to {here.path}/moved.zip\n",
    )
    assert exported.stderr == (
        "Not in the file: key, secrets.munge_key, secrets.ssh_ca_key.\n"
        "Elsewhere the cluster can be listed; to log in to it, give its private key to `import`.\n"
        "New secrets are made by the first `setup` there; run that before you resize it.\n"
    )
    imported = run(there, "import", f"{here.path}/moved.zip", "--rename", "mine")
    assert imported.returncode == 0
    again = f"elasticluster -c {there.path}/config -s {there.storage} setup mine"
    assert imported.stderr == (
        "WARNING: The private key that opens the nodes is not here: the cluster can be listed and stopped, "
        f"but not logged in to or set up. Put it into place: {there.storage}/mine.key\n"
        "WARNING: Not in the file: secrets.munge_key, secrets.ssh_ca_key.\n"
        f"WARNING: Before you resize the cluster, make new secrets: {again}\n"
    )
    assert run(there, "ssh", "mine").returncode == 69


def test_keys_are_exported_only_after_a_yes(here: Place) -> None:
    refused = run(here, "export", "slurm", "--save-keys")
    assert refused.returncode == os.EX_TEMPFAIL
    assert "Add `--yes` if you are sure." in refused.stderr
    assert not (here.path / "slurm.zip").exists()
    for answer, status in ((b"n\n", os.EX_TEMPFAIL), (b"y\n", 0)):
        ours, theirs = pty.openpty()
        os.write(ours, answer)
        done = run(here, "export", "slurm", "--save-keys", stdin=theirs)
        os.close(theirs)
        os.close(ours)
        assert done.returncode == status, done.stderr
        assert "Do you want to write keys and passwords into it? [y/N]" in done.stderr
        assert (here.path / "slurm.zip").exists() == (status == 0)


def test_archive_that_may_run_programs_is_imported_only_after_a_yes(here: Place, there: Place) -> None:
    setup = replace(CLUSTER.setup, args={"groups": {}, "ansible_command": "run \x1b[31mme"})
    here.store.save(replace(CLUSTER, setup=setup))
    export_cluster(here.creator, "slurm", str(here.path / "out"))
    command = ("import", f"{here.path}/out.zip")
    refused = run(there, *command)
    assert refused.returncode == os.EX_TEMPFAIL
    assert refused.stderr == (
        "By these settings of the file, programs of this computer may be run, or files of it used:\n"
        "  setup.args.ansible_command=run ?[31mme\n"
        "Error: This needs a confirmation, but there is no terminal to ask on.\n"
        "Add `--yes` if you are sure.\n"
    )
    assert there.files() == []
    assert run(there, *command, "--yes").returncode == 0
    assert there.store.names() == ["slurm"]


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["export", "none"], os.EX_NOINPUT, "There is no cluster 'none'."),
        (["export", "slurm", "-o", "config"], 0, ""),
        (["export", "slurm", "-o", "full"], 2, "full.zip exists already.\n`--overwrite` replaces a file."),
        (["export", "slurm", "-o", "full", "--overwrite"], 0, ""),
        (["import", "none.zip"], os.EX_DATAERR, "Cannot read none.zip: No such file or directory."),
        (["import", "full.zip"], os.EX_DATAERR, "full.zip cannot be imported: it is not a ZIP archive"),
        (["import"], 2, "the following arguments are required: file"),
        (["gc3pie-config", "none"], os.EX_NOINPUT, "There is no cluster 'none'."),
    ],
)
def test_command_ends_with_its_code_and_says_why(
    here: Place, args: list[str], status: int, message: str
) -> None:
    (here.path / "full.zip").write_text("full")
    done = run(here, *args)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_frontend_that_does_not_answer_is_named_by_gc3pie_config(here: Place) -> None:
    node = here.store.load("slurm").nodes[0]
    here.store.journal(CLUSTER.with_nodes(replace(node, public_ip="127.0.0.1", ssh_port=1)), ["compute001"])
    done = run(here, "gc3pie-config", "slurm")
    assert (done.returncode, done.stdout) == (4, "")
    assert (
        "Cannot log in to compute001 of cluster `slurm`.\n`elasticluster ssh slurm` says why." in done.stderr
    )


# -- the end of the process ------------------------------------------------------------------------


def killed(action: Callable[[], object], folder: Path, moment: int) -> bool:
    """Run something in a child that dies at its n-th use of a file in a folder; tell whether it died."""
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in ("open", "os.rename", "os.remove") and str(folder) in str(arguments[0]):
            seen += 1
            if seen == moment:
                os._exit(9)

    pid = os.fork()
    if not pid:
        try:
            sys.addaudithook(watch)
            action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def test_import_killed_anywhere_leaves_a_whole_cluster_or_none_and_can_be_repeated(
    here: Place, there: Place
) -> None:
    file, _ = export_cluster(here.creator, "slurm", str(here.path / "out"), keys=True)
    died = moment = 0
    while killed(lambda: import_cluster(there.creator, str(file)), there.storage, moment := moment + 1):
        died += 1
        repository = JsonRepository(str(there.storage))
        if not repository.names():
            import_cluster(there.creator, str(file))
        assert there.store.load("slurm") == CLUSTER
        assert there.store.key_pair(CLUSTER).private_path == str(there.storage / "slurm.key")
        there.store.delete("slurm")
        assert there.files() == []
    assert died > 10


def test_key_of_a_killed_import_is_no_key_of_a_new_cluster(here: Place, there: Place) -> None:
    file, archive = export_cluster(here.creator, "slurm", str(here.path / "out"), keys=True)
    new = replace(CLUSTER, uuid="99999999-2222-4333-8444-555555555555", nodes=())
    moment = left = 0
    while killed(lambda: import_cluster(there.creator, str(file)), there.storage, moment := moment + 1):
        if not there.store.names():
            left += (there.storage / "slurm.key").exists()
            made = Path(there.store.key_pair(new).private_path)
            assert made.read_bytes() != archive.private_key
        shutil.rmtree(there.storage)
    assert left


def test_export_killed_anywhere_leaves_the_old_file_or_the_new_one(here: Place) -> None:
    out = here.path / "out.zip"
    moment, found = 0, set()
    out.write_bytes(b"old")
    while killed(
        lambda: export_cluster(here.creator, "slurm", str(out), overwrite=True),
        here.path,
        moment := moment + 1,
    ):
        found.add(out.read_bytes() == b"old" or read(out).cluster.name == "slurm")
    assert found == {True}
    assert sorted(path.name for path in here.path.iterdir()) == ["config", "out.zip", "storage"]
