"""Two people who know nothing of each other, on one engine, with clusters of the same name."""

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def two_users(new_user):
    users = [new_user("alice"), new_user("bob")]
    yield users
    for user in users:
        user.run("stop", "--yes", "--force", "slurm")


def test_both_start_at_the_same_time_and_each_stops_only_its_own(two_users, residue):
    alice, bob = two_users
    starting = [user.begin("start", "slurm") for user in two_users]
    assert [process.wait(500) for process in starting] == [0, 0]
    (hers,), (his,) = alice.uuids(), bob.uuids()
    assert len(residue(hers)) == len(residue(his)) == 5
    alice.ok("stop", "--yes", "slurm")
    assert residue(hers) == []
    assert len(residue(his)) == 5
    assert sorted(bob.ssh("srun -N2 hostname").split()) == ["compute001", "compute002"]
    bob.ok("stop", "--yes", "slurm")
    assert residue(his) == []
