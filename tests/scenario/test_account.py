"""Credentials of another account than the one that a cluster is in: nothing that they see is believed."""

from dataclasses import replace

import pytest

from elasticluster.archives import export_cluster, import_cluster
from elasticluster.conf import make_creator
from elasticluster.engine import execute, resize
from elasticluster.engine import stop as ending
from elasticluster.engine.account import ACCOUNT
from elasticluster.engine.fakes import FakeCloud
from elasticluster.engine.status import look
from elasticluster.exceptions import CredentialsError, QuotaError, ThrottledError
from elasticluster.model import ComponentRef

WRONG = "Cluster 'slurm' is in account 1234, and these credentials are of account 5678."


@pytest.fixture
def started(world, cluster):
    """Return a cluster of account 1234, which the world now uses as account 5678, where there is nothing."""
    world.cloud.owner = "1234"
    record = world.start(cluster).cluster
    world.elsewhere = world.cloud
    world.cloud = FakeCloud(clock=world.cloud.clock, owner="5678")
    return record


COMMANDS = {
    "start": lambda world, cluster: world.start(cluster),
    "setup": lambda world, cluster: world.configure(cluster),
    "stop": lambda world, cluster: world.stop(cluster),
    "stop --dry-run": lambda world, cluster: ending.plan_to_stop(cluster, world.tools),
    "pause": lambda world, cluster: world.pause(cluster),
    "resize": lambda world, cluster: world.grow(cluster, ["compute002"]),
    "remove": lambda world, cluster: world.shrink(cluster, ["compute002"]),
    "remove --force": lambda world, cluster: world.shrink(
        cluster, ["compute002"], force=True, configure=False
    ),
    "where": lambda world, cluster: resize.where(cluster, world.tools),
    "destroy": lambda world, cluster: ending.destroy(cluster, world.tools, ["compute002"]),
    "launch": lambda world, cluster: execute.launch(cluster, world.tools, ["compute002"]),
    "update": lambda world, cluster: execute.refresh(cluster, world.tools),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_another_account_is_refused_before_anything_is_asked_or_made_there(world, started, command):
    with pytest.raises(CredentialsError) as caught:
        COMMANDS[command](world, started)
    assert caught.value.message == WRONG
    assert not world.cloud.calls
    kept = world.store.load("slurm")
    assert [node.instance_id for node in kept.nodes] == [node.instance_id for node in started.nodes]
    assert len(world.elsewhere.machines) == 3


def test_the_error_says_which_credentials_are_wanted(world, started):
    with pytest.raises(CredentialsError) as caught:
        world.stop(replace(started, cloud=ComponentRef(type="fake", section="lab")))
    assert caught.value.exit_code == 77
    assert caught.value.hint == (
        "Give credentials of that account: those of [cloud/lab], or the profile or the variables "
        "(AWS_PROFILE, OS_CLOUD …) with which it was started. On OpenStack, an account is a project."
    )


def test_stop_by_force_destroys_nothing_in_another_account_and_says_what_is_left(world, started):
    report = world.stop(started, force=True)
    assert report.failures == {"machines": WRONG}
    assert not world.cloud.calls
    assert world.store.names() == []


def test_stop_by_force_names_each_machine_where_the_cloud_does_not_answer(world, started):
    class Mute(FakeCloud):
        def account(self):
            raise ThrottledError("No answer.")

        def list_instances(self, cluster=None):
            raise ThrottledError("No answer.")

        def stop_instances(self, ids):
            return {one: ThrottledError("No answer.") for one in ids}

    world.cloud = Mute(clock=world.cloud.clock)
    with pytest.raises(ThrottledError):
        world.stop(started)
    left = world.stop(started, force=True).failures
    assert left.keys() >= {"frontend001", "compute001", "compute002"}
    assert world.store.names() == []


def test_status_says_that_another_account_knows_nothing_of_the_cluster(world, started):
    status = look(started, world.tools)
    assert status.silent is not None
    assert (status.silent.message, status.silent.exit_code) == (WRONG, 77)
    assert not world.cloud.calls


def test_the_account_is_on_disk_before_anything_is_made(world, cluster):
    world.cloud.owner = "1234"

    class Narrow(FakeCloud):
        def prepare(self, cluster, key):
            assert world.store.load("slurm").extra[ACCOUNT] == "1234"
            raise QuotaError("no more networks")

    world.cloud = Narrow(clock=world.cloud.clock, owner="1234")
    with pytest.raises(QuotaError):
        world.start(cluster)


def test_a_record_without_an_account_gets_it_only_where_its_machines_are_seen(world, cluster):
    old = world.start(cluster).cluster
    assert ACCOUNT not in old.extra
    world.cloud.owner = "1234"
    assert world.start(old).cluster.extra[ACCOUNT] == "1234"
    world.cloud = FakeCloud(clock=world.cloud.clock, owner="5678")
    assert ACCOUNT not in world.start(old).cluster.extra


def test_a_cloud_that_does_not_tell_is_used_as_ever(world, started):
    world.cloud = world.elsewhere
    world.cloud.owner = ""
    assert world.stop(started).failures == {}
    assert world.cloud.machines == {}


def test_account_is_exported_and_imported_and_is_none_of_what_the_user_gave(started, tmp_path):
    (tmp_path / "config").touch()
    creator = make_creator(str(tmp_path / "config"), str(tmp_path / "storage"))
    repository = creator.create_repository()
    repository.store.save(replace(started, nodes=()))
    (path, _) = export_cluster(creator, "slurm", str(tmp_path / "archive"))
    repository.store.delete("slurm")
    cluster = import_cluster(creator, str(path)).cluster
    assert cluster.record.extra[ACCOUNT] == "1234"
    assert ACCOUNT not in cluster.extra
    assert ACCOUNT not in str(cluster.to_dict())


def test_provider_that_has_an_account_of_its_own_making_is_used_as_ever(world, cluster):
    world.cloud.account = "something else"
    assert ACCOUNT not in world.start(cluster).cluster.extra
