"""A folder in which programs stand in for those of a node, before the real ones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def install(node: Path, name: str, script: str) -> None:
    (node / name).write_text(f"#!/bin/sh\n{script}\n")
    (node / name).chmod(0o755)


def on(node: Path, *command: str, home: str = "/root") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{node}:{os.environ['PATH']}", "HOME": home}
    return subprocess.run(command, cwd=node, env=environment, capture_output=True, text=True, check=False)


def told(node: Path) -> list[str]:
    """Return what the stand-ins were told to do."""
    return (node / "done").read_text().splitlines() if (node / "done").exists() else []
