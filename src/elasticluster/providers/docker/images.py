"""Node images: a base system with what a node needs, built once and found again by content."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from elasticluster.engine.children import child
from elasticluster.engine.events import Listener, Notice, ignore
from elasticluster.engine.ports import Clock
from elasticluster.engine.wait import SystemClock, wait_until
from elasticluster.exceptions import CloudProviderError, ImageError
from elasticluster.providers.common.tags import PREFIX
from elasticluster.providers.docker.client import NOT_FOUND, Engine

RELEASES: Mapping[str, str] = {"debian-13": "trixie", "debian-12": "bookworm"}
"""Image names of our own, each with the code name of its Debian release."""

NODE_REPOSITORY = "elasticluster/node"
BASE_REPOSITORY = "elasticluster/base"

_PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,sudo,python3,python3-apt,iproute2"
_SCRIPTS = ("first-boot.sh", "prepare-image.sh")
_DOCKERFILE = """\
FROM {base}
USER root
COPY {scripts} /usr/lib/elasticluster/
RUN ["/bin/sh", "/usr/lib/elasticluster/prepare-image.sh"]
"""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_LAST_LINES = 15
_TMP = "/var/tmp"  # noqa: S108 - /tmp is often a small file system in memory, mounted without devices
_PREFIX = "elasticluster-image-"
_BUILD_TIMEOUT = 20 * 60  # seconds; a build from a slow mirror takes a few minutes


def ensure(engine: Engine, image_id: str, tell: Listener = ignore) -> str:
    """Return the node image of a base system, built first if it is not there.

    Args:
        engine: where to build.
        image_id: ``debian-13``, ``debian-12`` or any reference to an image.
        tell: hears of a build, which takes a while.

    Returns:
        reference of the node image; its tag changes with everything that went into it.

    Raises:
        ImageError: there is no such base system, or the build failed.
    """
    tag = node_reference(engine, image_id)
    if not tag:
        _pulled(engine, image_id, tell)
        tag = node_reference(engine, image_id)
    if _inspect(engine, tag):
        return tag
    with _one_at_a_time(tell):
        if not _inspect(engine, tag):
            source = _release_base(engine, image_id, tell) if image_id in RELEASES else image_id
            _build(engine, source, tag, image_id, tell)
    return tag


def node_reference(engine: Engine, image_id: str) -> str:
    """Return what the node image of a base system is called; empty if the base is not on this computer."""
    if image_id in RELEASES:
        return _tag(image_id, _PACKAGES)
    base = _inspect(engine, image_id)
    return _tag(image_id, base["Id"]) if base else ""


@contextlib.contextmanager
def _one_at_a_time(tell: Listener, clock: Clock | None = None) -> Iterator[None]:
    """Keep other processes from building at the same time: the second one finds what the first has built.

    Raises:
        ImageError: the other process does not come to an end.
    """
    folder = os.open(_TMP, os.O_RDONLY)
    try:
        if not _locked(folder):
            tell(Notice("Waiting for another command that is building a node image."))
            clock = clock or SystemClock()
            if not wait_until(lambda: _locked(folder), timeout=_BUILD_TIMEOUT, interval=0.5, clock=clock):
                raise ImageError(
                    f"Another command has been building a node image for {_BUILD_TIMEOUT // 60} minutes.",
                    hint=f"`fuser -v {_TMP}` names the processes that may hold the lock on that folder; end "
                    "the one that hangs, then try again.",
                )
        yield
    finally:
        os.close(folder)  # ends the lock, too


def _locked(descriptor: int) -> bool:
    """Try to take a lock; return whether it is ours."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_remains(parent: Path) -> None:
    """Remove what builds that were killed have left; nobody else builds while we hold the lock."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode) and not _mounted_in(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _mounted_in(folder: Path) -> bool:
    """Return whether anything is mounted below a folder: what is in there would be somebody else's."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    return any(Path(line.split()[1]).is_relative_to(folder) for line in mounts)


def _tag(image_id: str, *content: str) -> str:
    version = digest(*content, _DOCKERFILE, *map(_script, _SCRIPTS))
    label = re.sub(r"[^a-z0-9]+", "-", image_id.lower()).strip("-")
    return f"{NODE_REPOSITORY}:{label[:60]}-{version}"


def digest(*content: str) -> str:
    """Return a short text that changes with any of some texts."""
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:12]


def _script(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _inspect(engine: Engine, reference: str) -> dict[str, Any] | None:
    from docker.errors import APIError

    with engine.use(f"look at the image '{reference}'", ImageError) as api:
        try:
            found: dict[str, Any] = api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except APIError as exc:
            if exc.status_code == NOT_FOUND:
                return None
            raise
        return found


def _pulled(engine: Engine, reference: str, tell: Listener) -> dict[str, Any]:
    """Fetch an image from its registry."""
    tell(Notice(f"Fetching the image '{reference}'."))
    name, tag = _split(reference)
    try:
        with engine.use(f"fetch the image '{reference}'", ImageError) as api:
            api.pull(name, tag=tag)
    except CloudProviderError as exc:
        raise ImageError(
            f"There is no image '{reference}' on this machine, and it cannot be fetched: {exc.message}",
            hint=f"image_id is one of {', '.join(sorted(RELEASES))}, or an image that `docker pull` can get.",
        ) from exc
    found = _inspect(engine, reference)
    if not found:
        raise ImageError(f"The image '{reference}' was fetched, yet the engine does not have it.")
    return found


def _split(reference: str) -> tuple[str, str | None]:
    """Return name and tag (or digest) of an image reference; without a tag it is ``latest``."""
    from docker.utils import parse_repository_tag

    name, tag = parse_repository_tag(reference)
    return str(name), tag or "latest"


def _release_base(engine: Engine, image_id: str, tell: Listener) -> str:
    """Return a base image of a Debian release: there already, else fetched, else made here."""
    release = RELEASES[image_id]
    made, public = f"{BASE_REPOSITORY}:{image_id}-{digest(_PACKAGES)}", f"debian:{release}"
    for reference in (made, public):
        if _inspect(engine, reference):
            return reference
    try:
        _pulled(engine, public, tell)
    except ImageError as exc:
        if not shutil.which("mmdebstrap"):
            raise ImageError(
                f"Cannot build the image '{image_id}': {exc.message}",
                hint="Give the engine access to its registry, or install mmdebstrap "
                "(Debian, Ubuntu: `sudo apt install mmdebstrap`) to build it without one.",
            ) from exc
        _bootstrap(engine, release, made, tell)
        return made
    return public


def _bootstrap(engine: Engine, release: str, reference: str, tell: Listener) -> None:
    """Make a base image of a Debian release from its mirror."""
    tell(
        Notice(f"No registry answers: making Debian '{release}' from its mirror, once; about half a minute.")
    )
    _remove_remains(Path(_TMP))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_TMP) as folder:
        # mmdebstrap steps down to another user for parts of its work.
        Path(folder).chmod(0o755)
        archive = Path(folder, "base.tar")
        _run_mmdebstrap(release, archive)
        with engine.use(f"import the image '{reference}'", ImageError) as api:
            name, tag = _split(reference)
            api.import_image_from_file(str(archive), repository=name, tag=tag)


def _run_mmdebstrap(release: str, archive: Path) -> None:
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--dpkgopt=force-unsafe-io",
        f"--include={_PACKAGES}",
        release,
        str(archive),
    ]
    env = {**os.environ, "TMPDIR": str(archive.parent)}
    with child(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        output, _ = run.communicate()
    if run.returncode:
        raise ImageError(
            f"Building Debian '{release}' failed: mmdebstrap ended with status {run.returncode}.\n"
            + _last_lines(output.decode(errors="replace").splitlines()),
            hint="Look whether the Debian mirror can be reached (and, behind a proxy, http_proxy is set).",
        )


def _build(engine: Engine, base: str, tag: str, image_id: str, tell: Listener) -> None:
    """Build a node image from a base image."""
    tell(Notice(f"Building the node image of '{image_id}', once."))
    lines: list[str] = []
    error = ""
    proxies = {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}
    with engine.use(f"build the node image of '{image_id}'", ImageError) as api:
        events = api.build(
            fileobj=_context(base),
            custom_context=True,
            tag=tag,
            rm=True,
            forcerm=True,
            decode=True,
            labels={f"{PREFIX}image": image_id},
            buildargs=proxies,
        )
        for event in events:
            lines.extend(_told(event))
            error = event.get("error", error)
    if error:
        raise ImageError(
            f"Building the node image of '{image_id}' failed: {error}\n{_last_lines(lines)}",
            hint="A base image needs systemd and an SSH server, or apt or dnf to install them.",
        )


def _told(event: Mapping[str, Any]) -> list[str]:
    """Return the lines of a build event that say what was done, without the engine's own affairs."""
    lines = str(event.get("stream", "")).splitlines()
    return [line for line in lines if not line.startswith((" --->", "Removing intermediate"))]


def _context(base: str) -> io.BytesIO:
    """Return what the engine builds from, as a tar archive."""
    context = {name: _script(name) for name in _SCRIPTS}
    context["Dockerfile"] = _DOCKERFILE.format(base=base, scripts=" ".join(_SCRIPTS))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in context.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    buffer.seek(0)
    return buffer


def _last_lines(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines[-_LAST_LINES:] if line.strip())
