"""Read a ZIP archive that anybody may have written: nothing is unpacked, and what looks unsafe is refused.

Contents go into memory and nowhere else, so no name in the archive ever becomes a path. It is refused all the
same if it has names, kinds or sizes that no honest archive has: somebody has tampered with it.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from elasticluster.engine.files import file_errors
from elasticluster.exceptions import StateError
from elasticluster.naming import printable

MOST_BYTES = 64 << 20
"""What an archive may hold unpacked; a cluster of 10,000 nodes takes a fifth of it."""

MOST_MEMBERS = 1000

_MOST_PACKED = 16 << 20
_DEVICE_RE = re.compile(r"(?:aux|con|nul|prn|com\d|lpt\d|conin\$|conout\$)", re.IGNORECASE)
_DRIVE_RE = re.compile(r"[A-Za-z]:")
_PICKLES = (".pickle", ".pkl")
_READABLE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_USUAL = frozenset({0, stat.S_IFREG, stat.S_IFDIR})
_ENCRYPTED = 0x2041  # plainly, strongly, or with its directory hidden

_Test: TypeAlias = Callable[[zipfile.ZipInfo], bool]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its contents, and what is written beside its name."""

    data: bytes = field(repr=False)
    comment: str = ""


def refused(path: Path, problem: str) -> StateError:
    """Return the error for an archive that is not used."""
    return StateError(
        f"{path} cannot be imported: {problem}.",
        hint="Nothing was imported. Use a file as `elasticluster export` writes it.",
    )


def read_members(path: Path) -> Mapping[str, Member]:
    """Return the files in a ZIP archive by their names in it.

    Raises:
        StateError: it cannot be read, is not a ZIP archive, or is not safe; names it, and the member.
    """
    data = _read(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check(path, infos)
            return {info.filename: _member(archive, info) for info in infos if not info.is_dir()}
    except StateError:
        raise
    except Exception as exc:  # a damaged archive may end in any error whatever
        reason = printable(str(exc)) or type(exc).__name__
        raise refused(path, f"it is not a ZIP archive, or a damaged one ({reason})") from exc


def _read(path: Path) -> bytes:
    with file_errors("read", path):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise refused(path, "it is not a file")
        if status.st_size > _MOST_PACKED:
            raise refused(path, f"it has {status.st_size} bytes, more than {_MOST_PACKED}")
        return path.read_bytes()


def _check(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse an archive as a whole before anything in it is unpacked."""
    if len(infos) > MOST_MEMBERS:
        raise refused(path, f"it holds {len(infos)} files, more than {MOST_MEMBERS}")
    for info in infos:
        for unsafe, problem in _UNSAFE:
            if unsafe(info):
                raise refused(path, f"the member '{printable(info.orig_filename)}' {problem}")
    names = Counter(info.filename.casefold().rstrip("/") for info in infos)
    for name, count in names.items():
        if count > 1:
            raise refused(path, f"the member '{printable(name)}' is in it {count} times")
    size = sum(info.file_size for info in infos)
    if size > MOST_BYTES:
        raise refused(path, f"unpacked it would have {size} bytes, more than {MOST_BYTES}")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    with archive.open(info) as file:
        # No more than that is unpacked, whatever there is; what lies beyond it makes the checksum wrong.
        return Member(file.read(info.file_size + 1), info.comment.decode("utf-8", "replace"))


def _steps(info: zipfile.ZipInfo) -> list[str]:
    return info.orig_filename.removesuffix("/").split("/")


_UNSAFE: Sequence[tuple[_Test, str]] = (
    (lambda info: not info.orig_filename.isprintable(), "has unprintable characters in its name"),
    (lambda info: not {"", ".", ".."}.isdisjoint(_steps(info)), "has a path that leads out of the archive"),
    (
        lambda info: "\\" in info.orig_filename or bool(_DRIVE_RE.match(info.orig_filename)),
        "has a path that leads out of the archive",
    ),
    (
        lambda info: any(_DEVICE_RE.fullmatch(step.split(".")[0].rstrip()) for step in _steps(info)),
        "has the name of a device",
    ),
    (lambda info: stat.S_IFMT(info.external_attr >> 16) not in _USUAL, "is a link or a device"),
    (lambda info: bool(info.flag_bits & _ENCRYPTED), "is encrypted"),
    (lambda info: info.compress_type not in _READABLE, "is packed in a way that is not in use here"),
    (
        lambda info: info.filename.lower().endswith(_PICKLES),
        "is a pickle, which may run programs when it is read",
    ),
)
