"""The configuration file that a new user gets."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from elasticluster.config.problems import Position, Problem, failure
from elasticluster.config.reader import config_files

DEFAULT_PATH = "~/.elasticluster/config"

_TEMPLATE = Path(__file__).with_name("default.conf")


def deploy_default(path: str | Path = DEFAULT_PATH) -> bool:
    """Write the commented default configuration, unless there is a configuration already.

    The file appears as a whole or not at all, readable by its owner only, and never takes the place of
    another. Its folder is made if need be, open to its owner only.

    Args:
        path: the file; ``~`` is the home directory.

    Returns:
        whether it was written.

    Raises:
        ConfigurationError: the folder or the file cannot be written.
    """
    file = config_files(path)[0]
    if os.path.exists(file):  # noqa: PTH110 - Path.exists() raises where it may not look
        return False
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _write_new(file, _TEMPLATE.read_bytes())
    except OSError as exc:
        where = f": '{exc.filename}'" if exc.filename else ""
        message = f"the default configuration cannot be written: {exc.strerror}{where}"
        hint = "Make the folder writable, or name another file with -c."
        raise failure([Problem(Position(str(file)), message)], hint=hint) from exc


def _write_new(file: Path, content: bytes) -> bool:
    """Write a file at once; False if somebody else was quicker."""
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(handle)
        with contextlib.suppress(FileExistsError):
            os.link(name, file)  # unlike a rename, it fails if there is a file
            return True
        return False
    finally:
        os.unlink(name)  # noqa: PTH108 - it has no other name yet, or one that stays
