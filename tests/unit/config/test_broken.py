"""Configurations that are wrong on purpose, and every word that `elasticluster start slurm` says of each.

``broken/NAME.conf`` is a mistake that people make, ``broken/NAME.txt`` what is printed; ``{folder}`` stands
for the folder that the command is run in.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from elasticluster.cli.app import main

BROKEN = Path(__file__).with_name("broken")
NAMES = sorted(path.stem for path in BROKEN.glob("*.conf"))


@pytest.mark.parametrize("name", NAMES)
def test_start_says_everything_that_is_wrong_and_makes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(BROKEN / f"{name}.conf", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    status = main(["-c", f"{name}.conf", "-s", "storage", "start", "slurm"])
    output = capsys.readouterr()
    expected = (BROKEN / f"{name}.txt").read_text()
    assert output.err.replace(str(tmp_path), "{folder}") == expected
    assert (status, output.out) == (66 if name == "unknown-section" else 78, "")
    assert not list(tmp_path.glob("storage/*"))


def test_every_broken_file_has_its_words() -> None:
    assert len(NAMES) >= 12
    assert sorted(path.stem for path in BROKEN.glob("*.txt")) == NAMES
