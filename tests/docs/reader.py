"""Somebody who types what the manual says, with a home directory of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import ROOT, Block, assert_printed

SHELL = ("bash", "-euo", "pipefail", "-c")


@dataclass(frozen=True)
class Reader:
    """A reader of the manual."""

    home: Path

    @classmethod
    def new(cls, home: Path) -> Reader:
        """Return one who works in an empty home, with the examples of the checkout at hand."""
        (home / "tmp").mkdir()
        (home / "examples").symlink_to(ROOT / "examples")
        return cls(home)

    def configure(self, name: str, text: str) -> None:
        """Add a file to the configuration."""
        folder = self.home / ".elasticluster" / "config.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.conf").write_text(text, encoding="utf-8")

    def run(self, *command: str, timeout: int = 600) -> subprocess.CompletedProcess[str]:
        """Run a program; what it prints and its messages come together, as on a terminal."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {**os.environ, "HOME": str(self.home), "TMPDIR": str(self.home / "tmp"), "PATH": path}
        return subprocess.run(
            command,
            env=env | {"COLUMNS": "100"},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def follow(self, block: Block) -> None:
        """Do what a block says, and compare the outcome with what it says of it."""
        if block.claim == "file":
            path = Path(block.argument.replace("~", str(self.home), 1))
            path = self.home / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            return
        for command, expected in block.commands():
            done = self.run(*SHELL, command)
            assert done.returncode == int(block.argument or 0), f"{block}: {command}\n{done.stdout}"
            if expected is not None:
                assert_printed(expected, done.stdout, self.home)

    def execute(self, blocks: Iterable[Block], replaced: Iterable[tuple[str, str]] = ()) -> str:
        """Run the blocks of a page as one Python program; return what it printed.

        Args:
            blocks: its parts.
            replaced: what stands for what on this computer; each has to occur.
        """
        program = "\n".join(block.text for block in blocks)
        for written, here in replaced:
            assert written in program, written
            program = program.replace(written, here)
        done = self.run(sys.executable, "-c", program)
        assert done.returncode == 0, done.stdout
        return done.stdout
