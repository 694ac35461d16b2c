from __future__ import annotations

import gc
from pathlib import Path

from elasticluster.state.memory import MemoryStore


def test_files_lie_in_a_private_directory_until_closed() -> None:
    store = MemoryStore()
    home = Path(store.known_hosts_path("slurm")).parent
    assert [path.stat().st_mode & 0o777 for path in (home, home.parent)] == [0o700, 0o700]
    store.close()
    assert not home.parent.exists()
    store.close()


def test_files_go_with_the_store() -> None:
    store = MemoryStore()
    home = Path(store.known_hosts_path("slurm")).parent
    del store
    gc.collect()
    assert not home.parent.exists()


def test_files_can_be_had_again_after_closing() -> None:
    store = MemoryStore()
    first = store.known_hosts_path("slurm")
    store.close()
    assert store.known_hosts_path("slurm") != first
    store.close()
