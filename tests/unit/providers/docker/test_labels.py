"""Containers, as the engine describes them, become instances."""

from __future__ import annotations

from typing import Any

from elasticluster.model import InstanceState, Tags
from elasticluster.providers.common.tags import to_strings, to_tags
from elasticluster.providers.docker.labels import cluster_filter, init_failed, to_instance

TAGS = Tags(uuid="u-1", name="slurm+x", template="slurm", owner="me@here", created="2026", node="compute001")


def summary(**changes: Any) -> dict[str, Any]:
    """Return an element of the engine's list of containers."""
    return {
        "Id": "abc",
        "State": "running",
        "Status": "Up 2 seconds",
        "Labels": to_strings(TAGS),
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 22, "PublicPort": 49153, "Type": "tcp"}],
        "NetworkSettings": {"Networks": {"net": {"IPAddress": "172.18.0.2"}}},
        **changes,
    }


def test_instance_id_is_the_one_that_docker_ps_prints() -> None:
    assert to_instance(summary(Id="0123456789ab" + "c" * 52)).id == "0123456789ab"


def test_tags_come_back_from_labels() -> None:
    assert to_tags(to_strings(TAGS)) == TAGS


def test_labels_of_empty_tags_are_left_out() -> None:
    assert "elasticluster.batch" not in to_strings(TAGS)


def test_filter_is_for_one_cluster_or_for_all() -> None:
    assert cluster_filter("u-1") == {"label": ["elasticluster.uuid=u-1"]}
    assert cluster_filter(None) == {"label": ["elasticluster.uuid"]}


def test_running_container_has_its_published_port_and_its_own_address() -> None:
    instance = to_instance(summary())
    assert instance.state is InstanceState.RUNNING
    assert (instance.public_ip, instance.ssh_port, instance.private_ip) == ("127.0.0.1", 49153, "172.18.0.2")


def test_stopped_container_has_no_address() -> None:
    exited = summary(
        State="exited", Status="Exited (0) 1 second ago", Ports=[], NetworkSettings={"Networks": {}}
    )
    instance = to_instance(exited)
    assert (instance.state, instance.public_ip, instance.private_ip) == (InstanceState.STOPPED, None, None)


def test_container_that_went_down_with_its_engine_has_no_address_though_its_last_one_is_listed() -> None:
    instance = to_instance(summary(State="exited", Status="Exited (255) 1 second ago"))
    assert (instance.public_ip, instance.private_ip, instance.ssh_port) == (None, None, 22)


def test_failed_init_is_told_from_other_ends() -> None:
    ends = {
        "Exited (255) 1 second ago": True,
        "Exited (1) 1 second ago": False,
        "Exited (0) 2 days ago": False,
    }
    assert {status: init_failed(summary(State="exited", Status=status)) for status in ends} == ends
    assert not init_failed(summary())


def test_container_whose_init_failed_at_boot_names_inotify() -> None:
    instance = to_instance(summary(State="exited", Status="Exited (255) 3 minutes ago"))
    assert instance.state is InstanceState.ERROR
    assert instance.reason == (
        "the container's init ended with status 255; if at boot, this machine has most likely run out of "
        "inotify instances (fs.inotify.max_user_instances)"
    )


def test_container_that_failed_otherwise_tells_its_status() -> None:
    instance = to_instance(summary(State="exited", Status="Exited (1) 3 minutes ago"))
    assert (instance.state, instance.reason) == (
        InstanceState.ERROR,
        "the container's init ended with status 1",
    )


def test_container_that_was_never_started_is_broken_at_once_so_that_the_next_start_replaces_it() -> None:
    made = to_instance(summary(State="created", Status="Created"))
    assert (made.state, made.reason) == (InstanceState.ERROR, "the container was made but never started")


def test_container_that_is_being_removed_is_gone() -> None:
    assert to_instance(summary(State="removing")).state is InstanceState.TERMINATED
