"""The folder in which clusters are remembered is full, cannot be written to, or is somebody else's."""

import os
import shutil
import subprocess

import pytest
from tests.e2e.own_playbook import UNTIL_ALLOWED, ids, nodes, wait_for, write

pytestmark = pytest.mark.e2e

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


class Disk:
    """A small file system of a user's own."""

    def __init__(self, path):
        self._path = path
        path.mkdir(mode=0o700, parents=True)
        self._mount("size=256k,mode=0700", "-t", "tmpfs", "tmpfs")

    def _mount(self, options, *more):
        owner = f"uid={os.getuid()},gid={os.getgid()}"
        subprocess.run([*AS_ROOT, "mount", "-o", f"{options},{owner}", *more, str(self._path)], check=True)

    def fill(self):
        left = shutil.disk_usage(self._path).free
        with (self._path / "ballast").open("wb", buffering=0) as file:
            file.write(bytes(left))
        assert shutil.disk_usage(self._path).free == 0

    def free(self):
        (self._path / "ballast").unlink()

    def read_only(self, yes):
        self._mount("remount,ro" if yes else "remount,rw")

    def close(self):
        subprocess.run([*AS_ROOT, "umount", str(self._path)], check=True)


@pytest.fixture
def user(new_user):
    made = new_user()
    write(made)
    yield made
    made.run("stop", "--yes", "--force", "slurm")


@pytest.fixture
def disk(user):
    made = Disk(user.home / ".elasticluster/storage")
    yield made
    made.read_only(yes=False)
    (user.home / ".elasticluster/storage/ballast").unlink(missing_ok=True)
    user.run("stop", "--yes", "--force", "slurm")
    made.close()


def refused(user, reason, *words):
    """Check that a command is refused with one clear message that names the folder."""
    result = user.run(*words)
    assert result.returncode == os.EX_DATAERR, f"{words}: {result.returncode} {result.stderr}"
    assert "Traceback" not in result.stderr
    assert "unexpected" not in result.stderr
    assert str(user.home / ".elasticluster/storage") in result.stderr
    assert reason in result.stderr
    return result.stderr


def test_full_disk_before_a_start_is_said_and_nothing_is_made(user, disk, engine):
    disk.fill()
    message = refused(user, "No space left on device", "start", "slurm")
    assert message.endswith("Free some space on that disk, then run the command again.\n")
    assert engine.containers.list(all=True, filters={"label": owner(user)}) == []
    assert user.ok("list") == "No clusters found.\n"
    disk.free()
    user.ok("start", "slurm")


def owner(user):
    from elasticluster.repository import JsonRepository

    return f"elasticluster.owner={JsonRepository(str(user.home / '.elasticluster/storage')).owner}"


def test_disk_that_fills_up_on_the_way_loses_nothing(user, disk, engine):
    starting = user.begin("start", "slurm", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: engine.containers.list(filters={"label": owner(user)}))
    disk.fill()
    output, errors = starting.communicate(timeout=200)
    assert starting.returncode == os.EX_DATAERR, output + errors
    assert "No space left on device" in errors
    assert "Traceback" not in errors
    assert "  name:           slurm\n" in user.ok("list")
    assert sorted(nodes(user)) == ["compute001", "frontend001"]
    (uuid,) = user.uuids()
    made = {one.id[:12] for one in engine.containers.list(all=True, filters={"label": owner(user)})}
    disk.free()
    user.ok("start", "slurm")
    assert user.uuids() == [uuid]
    assert made <= set(ids(user).values())


def test_full_disk_during_setup_is_said_and_does_not_keep_from_stopping(user, disk, engine, residue):
    write(user, UNTIL_ALLOWED)
    user.ok("start", "slurm", "--no-setup")
    configuring = user.begin("setup", "slurm", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    both = engine.containers.list(filters={"label": owner(user)})
    for container in both:
        wait_for(lambda node=container: "told" in str(node.top()["Processes"]))
    disk.fill()
    for container in both:
        container.exec_run("touch /var/tmp/told")
    output, errors = configuring.communicate(timeout=100)
    assert configuring.returncode == os.EX_DATAERR, output + errors
    assert "No space left on device" in errors
    refused(user, "No space left on device", "setup", "slurm")
    (uuid,) = user.uuids()
    assert user.ok("ssh", "slurm", "--", "hostname").strip() == "frontend001"
    assert user.ok("stop", "--yes", "slurm") == "Cluster `slurm` was stopped.\n"
    assert residue(uuid) == []
    assert user.ok("list") == "No clusters found.\n"


def test_read_only_disk_lets_users_look_and_log_in_and_nothing_else(user, disk):
    user.ok("start", "slurm")
    before = ids(user)
    disk.read_only(yes=True)
    for words in (
        ["start", "slurm"],
        ["setup", "slurm"],
        ["stop", "--yes", "slurm"],
        ["start", "slurm", "-n", "b"],
    ):
        message = refused(user, "Read-only file system", *words)
        assert message.endswith("with `--storage`.\n")
    assert ids(user) == before
    assert user.ok("ssh", "slurm", "--", "hostname").strip() == "frontend001"
    disk.read_only(yes=False)
    user.ok("start", "slurm")
    assert ids(user) == before
    user.ok("stop", "--yes", "slurm")


def test_storage_of_another_system_user_is_refused_by_name(user):
    user.ok("start", "slurm")
    storage = user.home / ".elasticluster/storage"
    paths = [storage, *storage.iterdir()]
    try:
        subprocess.run([*AS_ROOT, "chown", "nobody", *map(str, paths)], check=True)
        for words in (["list-nodes", "slurm"], ["start", "slurm"], ["stop", "--yes", "slurm"]):
            message = refused(user, "belongs to user nobody", *words)
            assert "\n" in message.strip()  # and what to do
    finally:
        subprocess.run([*AS_ROOT, "chown", str(os.getuid()), *map(str, paths)], check=True)
    user.ok("stop", "--yes", "slurm")


def test_storage_copied_from_another_machine_works_since_the_record_says_whose_it_is(user, new_user, residue):
    user.ok("start", "slurm")
    (uuid,) = user.uuids()
    third, other = new_user("third"), new_user("other")
    shutil.copytree(user.home / ".elasticluster", other.home / ".elasticluster", dirs_exist_ok=True)
    write(third)
    listed = third.ok("gc", "--dry-run", "--json")
    assert uuid in listed
    third.run("gc", "--yes")
    assert len(residue(uuid)) == 4
    assert "no" in other.ok("gc", "--yes").lower()
    assert other.ok("ssh", "slurm", "--", "hostname").strip() == "frontend001"
    other.ok("list-nodes", "--update", "slurm")
    other.ok("setup", "slurm")
    other.ok("stop", "--yes", "slurm")
    assert residue(uuid) == []
    assert user.ok("stop", "--yes", "slurm") == "Cluster `slurm` was stopped.\n"
