"""What users install: the source distribution and the wheel, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
GENERATED = {"__pycache__", ".ansible"}


def run(*command: str | Path, cwd: Path, home: Path | None = None) -> str:
    """Run a program that has to succeed; return its standard output."""
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    if home:
        env["HOME"] = str(home)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist, and the wheel that was built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment, outside the checkout, with the wheel in it."""
    env = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", env, cwd=env)
    (wheel,) = built.glob("*.whl")
    run(env / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=env)
    return env / "bin"


def package_files() -> set[str]:
    """Every file of the package that belongs to the project."""
    source = ROOT / "src"
    paths = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not GENERATED & set(path.parts)}


def test_wheel_holds_every_file_of_the_package(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == package_files()


def test_sdist_holds_what_a_contributor_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {Path(*Path(name).parts[1:]).as_posix() for name in archive.getnames()}
    folders = (".ci", "benchmarks", "docs", "scripts", "src", "tests")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    needed = {path.relative_to(ROOT).as_posix() for path in paths if not GENERATED & set(path.parts)}
    files = {
        ".ansible-lint",
        "CHANGELOG.md",
        "HACKING.md",
        "LICENSE",
        "README.md",
        "noxfile.py",
        "pyproject.toml",
    }
    assert (needed | files) - held == set()


def test_first_command_finds_its_template(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "elasticluster", "list-templates", cwd=tmp_path, home=tmp_path)
    assert "\nname:     slurm\ncloud:     local\nfrontend nodes: 1\ncompute nodes: 2\n" in listed
    assert (tmp_path / ".elasticluster" / "config").is_file()


def test_installed_playbooks_are_found_and_parse(installed: Path, tmp_path: Path) -> None:
    find = "import elasticluster; from pathlib import Path; print(Path(elasticluster.__file__).parent)"
    package = Path(run(installed / "python", "-c", find, cwd=tmp_path, home=tmp_path).strip())
    assert not package.is_relative_to(ROOT)
    playbooks = sorted((package / "playbooks").glob("*.yml"))
    assert len(playbooks) > 0
    check = (installed / "ansible-playbook", "--syntax-check", "--inventory", "localhost,")
    for playbook in playbooks:
        run(*check, playbook, cwd=tmp_path, home=tmp_path)
