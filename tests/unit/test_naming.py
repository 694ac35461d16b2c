"""Names of clusters, kinds, nodes and cloud objects."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticluster.exceptions import ConfigurationError
from elasticluster.naming import NodeNamingPolicy, check_cluster_name, check_kind, new_uuid, object_name

UUID = "1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809"
cluster_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", fullmatch=True)


@pytest.mark.parametrize("name", ["slurm", "slurm+pvfs2", "slurm13.04", "slurm_xl", "13.04", "My-Cluster"])
def test_cluster_names_in_use_are_legal(name):
    assert check_cluster_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", "-a", "ä", "a\n", "x" * 101])
def test_cluster_names_that_no_file_takes_are_refused(name):
    with pytest.raises(ConfigurationError, match="cannot be the name of a cluster"):
        check_cluster_name(name)


@pytest.mark.parametrize("kind", ["compute", "hadoop-data", "X", "2fast", "pvfs2-nodes"])
def test_kinds_in_use_are_legal(kind):
    assert check_kind(kind) == kind


@pytest.mark.parametrize("kind", ["", "pvfs2", "-a", "a_b", "a.b", "a b", "7"])
def test_kinds_that_no_host_name_takes_are_refused(kind):
    with pytest.raises(ValueError, match="cannot be a kind of node"):
        check_kind(kind)


@given(cluster_names, st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True))
def test_object_name_is_legal_on_every_cloud(name, suffix):
    made = object_name(name, UUID, suffix)
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", made)
    assert "1a2b3c4d" in made


def test_object_names_of_equal_clusters_of_two_users_differ():
    assert object_name("slurm", new_uuid()) != object_name("slurm", new_uuid())


@given(st.lists(st.one_of(st.just("new"), st.integers(0, 30)), max_size=60))
def test_naming_policy_never_gives_a_name_twice(steps):
    policy, used = NodeNamingPolicy(), []
    for step in steps:
        if step == "new":
            name = policy.new("c")
            assert name not in used
            used.append(name)
        elif step < len(used):
            policy.free("c", used.pop(step))
    assert policy.new("c") not in used


def test_naming_policy_does_not_repeat_after_the_highest_was_freed():
    policy = NodeNamingPolicy()
    policy.free("c", policy.new("c"))
    assert [policy.new("c"), policy.new("c")] == ["c001", "c002"]


def test_naming_policy_names_what_it_cannot_parse():
    with pytest.raises(ValueError, match="cannot find the number in node name 'frontend'"):
        NodeNamingPolicy().use("frontend", "frontend")
