"""Pickles are read without running what is in them: classes of registered providers are stood in for."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from elasticluster.state.unpickle import loads

MODULE = """
import pathlib

pathlib.Path({marker!r}).touch()

class Attic:
    pass

class Cellar:
    pass
"""


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the module of a third party makes when it is run; ``Attic`` is offered as a provider."""
    marker = tmp_path / "was run"
    (tmp_path / "third_party_attic.py").write_text(MODULE.format(marker=str(marker)))
    info = tmp_path / "attic-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: attic\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[elasticluster.cloud_providers]\nattic = third_party_attic:Attic\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return marker


def pickled(name: str, marker: Path) -> bytes:
    """Return a cluster of which an object of a third party's class is a part, as that program wrote it."""
    import third_party_attic  # type: ignore[import-not-found]

    part = getattr(third_party_attic, name)()
    part.url = "http://attic"
    data = pickle.dumps({"name": "slurm", "cloud_provider": part})
    marker.unlink()
    del sys.modules["third_party_attic"]
    return data


def test_class_of_a_registered_provider_is_admitted_and_not_run(marker: Path) -> None:
    data = pickled("Attic", marker)
    assert loads(data) == {"name": "slurm", "cloud_provider": {"url": "http://attic"}}
    assert not marker.exists()


def test_class_of_the_same_module_that_is_no_provider_is_refused(marker: Path) -> None:
    data = pickled("Cellar", marker)
    with pytest.raises(PermissionError, match=r"^third_party_attic\.Cellar$"):
        loads(data)
    assert not marker.exists()
