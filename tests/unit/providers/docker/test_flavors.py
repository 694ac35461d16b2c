"""Flavors of containers."""

from __future__ import annotations

import pytest

from elasticluster.exceptions import ConfigurationError, FlavorError
from elasticluster.providers.docker import DockerProvider
from elasticluster.providers.docker.checks import check_flavor
from elasticluster.providers.docker.flavors import custom_flavors, parse_flavor

GIB = 2**30
GRAMMAR = "a flavor is '2cpu-4ram' (processors and GiB of memory, fractions as in '0.5cpu-0.75ram')"


@pytest.mark.parametrize(
    ("name", "cpus", "memory"),
    [("2cpu-4ram", 2, 4 * GIB), ("1cpu-0.5ram", 1, GIB // 2), ("0.5cpu-16ram", 0.5, 16 * GIB)],
)
def test_flavor_is_parsed(name: str, cpus: float, memory: int) -> None:
    flavor = parse_flavor(name, {})
    assert (flavor.cpus, flavor.memory) == (cpus, memory)


@pytest.mark.parametrize("name", ["m1.small", "2cpu", "cpu-4ram", "2cpu-4gb", "-2cpu-4ram", "2cpu-4ram ", ""])
def test_flavor_of_unknown_form_is_refused(name: str) -> None:
    with pytest.raises(FlavorError) as caught:
        parse_flavor(name, {"big": "4cpu-16ram", "all": "8cpu-64ram"})
    assert caught.value.message == f"There is no flavor '{name}'."
    assert caught.value.hint == f"For containers {GRAMMAR}; of your own: all, big."


def test_flavor_too_small_for_systemd_is_refused() -> None:
    with pytest.raises(FlavorError) as caught:
        parse_flavor("1cpu-0.01ram", {})
    assert caught.value.message == "Flavor '1cpu-0.01ram' is too small for a node: 1 processors and 10 MiB."
    assert caught.value.hint == "A node needs at least 0.01 processors and 64 MiB."


def test_custom_flavor_is_found_by_its_name() -> None:
    provider = DockerProvider(flavors=["small=0.5cpu-0.5ram", " big = 4cpu-16ram "])
    shared = {"shared_home": "volume", "resolver": "provider"}
    assert provider.node_vars("small") == {"cpus": 1, "memory_mb": 512, **shared}
    assert provider.node_vars("big") == {"cpus": 4, "memory_mb": 16384, **shared}


@pytest.mark.parametrize("entry", ["small", "small=", "=1cpu-1ram", "small=tiny"])
def test_custom_flavor_that_is_malformed_is_refused(entry: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        custom_flavors(["ok=1cpu-1ram", entry])
    assert caught.value.message == f"flavors: '{entry}' is not NAME=FLAVOR."


def test_flavor_with_more_processors_than_the_machine_is_refused() -> None:
    with pytest.raises(FlavorError) as caught:
        check_flavor(parse_flavor("4cpu-1ram", {}), 2, 8 * GIB)
    assert str(caught.value) == (
        "Flavor '4cpu-1ram' wants 4 processors; this machine has 2.\nChoose a smaller flavor."
    )


def test_flavor_with_more_memory_than_the_machine_is_refused() -> None:
    with pytest.raises(FlavorError) as caught:
        check_flavor(parse_flavor("1cpu-16ram", {}), 2, int(7.64 * GIB))
    assert str(caught.value) == (
        "Flavor '1cpu-16ram' wants 16 GiB of memory; this machine has 7.6 GiB.\nChoose a smaller flavor."
    )
