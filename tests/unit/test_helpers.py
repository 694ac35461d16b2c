"""The helpers that programs import."""

import pytest

from elasticluster.helpers import Singleton


class Registry:
    """Something of which there shall be one."""


def test_singleton_has_one_object_which_is_of_its_class():
    only = Singleton(Registry)
    assert only.Instance() is only.Instance()
    assert isinstance(only.Instance(), only)
    assert not isinstance(object(), only)


def test_singleton_cannot_be_called():
    with pytest.raises(TypeError, match=r"^Singletons must be accessed through `Instance\(\)`\.$"):
        Singleton(Registry)()
