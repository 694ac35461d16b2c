"""What a server adds to the contract of stores: several computers, connections that break."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.test_cluster_store import CLUSTER, running

from elasticluster import SqlRepository
from elasticluster.exceptions import KeypairError, StateError
from elasticluster.state.sql import SqlStore

pytestmark = pytest.mark.full


def statement(folder: Path, url: str, text: str) -> str:
    """Run a statement as the server's owner."""
    name = url.rpartition("@/")[2].partition("?")[0]
    command = ["psql", f"host={folder} user=tests dbname={name}", "-tAc", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_command_that_has_lost_its_connection_writes_nothing_more(
    new_database: Callable[[], str], postgres: Path, tmp_path: Path
) -> None:
    url = new_database()
    store, other = SqlStore(url, str(tmp_path / "a")), SqlStore(url, str(tmp_path / "b"))
    store.save(CLUSTER)
    changed = CLUSTER.with_nodes(running("compute001"))
    with store.lock("slurm"):
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'"
        assert statement(postgres, url, ended) == "1"
        for write in (lambda: store.save(changed), lambda: store.journal(changed, ["compute001"])):
            with pytest.raises(StateError, match="Cannot write the database postgresql://tests@"):
                write()
        assert store.load("slurm") == CLUSTER
    other.save(changed)
    assert store.load("slurm") == changed


def test_forked_child_leaves_the_lock_to_its_parent(
    new_database: Callable[[], str], postgres: Path, tmp_path: Path
) -> None:
    url = new_database()
    store = SqlStore(url, str(tmp_path))
    with store.lock("slurm"):
        child = os.fork()
        if not child:
            os._exit(0 if _is_locked(url, tmp_path) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store.save(CLUSTER)
        assert statement(postgres, url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "1"
    assert statement(postgres, url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"


def _is_locked(url: str, folder: Path) -> bool:
    try:
        SqlStore(url, str(folder), patience=0).save(CLUSTER)
    except StateError:
        return True
    return False


def test_generated_key_stays_on_the_computer_that_made_it(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    url = new_database()
    here, elsewhere = (SqlRepository(url, str(tmp_path / name)) for name in "ab")
    here.store.save(CLUSTER.with_nodes(running("compute001")))
    here.store.key_pair(CLUSTER)
    found = elsewhere.get("slurm")
    assert found.record == here.get("slurm").record
    with pytest.raises(KeypairError, match="The private key of cluster `slurm` is gone"):
        elsewhere.store.key_pair(found.record)
    elsewhere.delete(found)
    assert here.names() == []


def test_two_programs_may_make_the_tables_at_once(new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()
    program = "import sys; from elasticluster.state.sql import SqlStore; SqlStore(*sys.argv[1:]).names()"
    command = [sys.executable, "-c", program, url, str(tmp_path)]
    programs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [(one.communicate()[1], one.returncode) for one in programs] == [(b"", 0)] * 4
