"""Two people who know nothing of each other, on one engine, with clusters of the same name."""

import pytest
from tests.e2e.images import slurm_image
from tests.e2e.slurm_template import configure

pytestmark = pytest.mark.e2e


SETUP = "global_var_slurm_accounting=no\nglobal_var_slurm_mpi=no"


@pytest.fixture(scope="module")
def two_users(new_user, engine):
    users = [new_user("alice"), new_user("bob")]
    for user in users:
        configure(user, slurm_image(engine.api), setup=SETUP, cluster="compute_nodes=2\nssh_to=frontend")
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
