"""The virtual environment of the OpenStack services: made on first use, and kept in the checkout.

``python tests/clouds/openstack/environment.py`` makes it ahead of time, which ``scripts/test`` does.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
CACHE = HERE.parents[2] / ".cache" / "openstack"
PATIENCE = 900  # seconds, over a slow line


def ready() -> Path:
    """Return the Python of an environment that has what the requirements say; make it if need be.

    Raises:
        subprocess.CalledProcessError: pip cannot install it; it has said why.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / "venv"
    stamp = folder / "stamp"
    wanted = checksum()
    with (CACHE / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of one test run may come here at once
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
            stamp.write_text(wanted)
    return folder / "bin" / "python"


def checksum() -> str:
    """Return what changes with the requirements, the interpreter and the place of the checkout."""
    parts = (REQUIREMENTS.read_text(), sys.version, str(CACHE))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _make(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    # All is pinned, so nothing is to be resolved; and most of what is installed is never imported.
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--no-deps", "--no-compile", "--requirement", str(REQUIREMENTS)]
    subprocess.run(install, check=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    ready()
