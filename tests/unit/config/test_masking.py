"""Which values are shown to nobody."""

import pytest

from elasticluster.config.keys import Key
from elasticluster.config.masking import MASK, as_written, is_secret, presentable


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "os_password",
        "ec2_secret_key",
        "ec2_access_key",
        "gce_client_secret",
        "api_token",
        "slurm_storage_pass",
        "ansible_become_password",
        "registry_credentials",
        "munge_key",
        "global_var_db_passwd",
        "API-KEY",
    ],
)
def test_names_of_secrets_are_known(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["user_key_name", "user_key_private", "bypass_proxy", "compass", "monkey", "image_id", "key", "passive"],
)
def test_other_names_are_none(name):
    assert not is_secret(name)


def test_table_says_what_is_secret_and_a_path_never_is():
    assert is_secret("ticket", Key("ticket", "str", secret=True))
    assert is_secret("api_token", Key("api_token", "str"))
    assert not is_secret("token_file", Key("token_file", "path"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-e db_password=hunter2 -e size=1", f"-e db_password={MASK} -e size=1"),
        ("""-e '{"token": "a b", "size": 1}'""", f"""-e '{{"token": {MASK}, "size": 1}}'"""),
        ("http://me:hunter2@proxy:3128/", f"http://me:{MASK}@proxy:3128/"),
        ("http://proxy:3128/", "http://proxy:3128/"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", MASK),
        ("debian-13", "debian-13"),
    ],
)
def test_secrets_within_other_values_are_masked(text, shown):
    assert presentable("ansible_extra_args", text) == shown


def test_known_secrets_are_masked_wherever_they_are():
    assert presentable("banner", "welcome hunter22", {"hunter22", ""}) == f"welcome {MASK}"


def test_too_short_a_secret_is_not_looked_for_in_other_values():
    assert presentable("image_id", "debian-13", {"13"}) == "debian-13"


def test_of_a_script_only_the_length_is_told():
    assert presentable("image_userdata", "\n#!/bin/sh\necho secret") == "(script of 2 lines)"
    assert presentable("image_userdata", "reboot") == "(script of 1 line)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (False, "no"), (600.0, "600"), (0.5, "0.5"), (3, "3"), (["a", "b"], "a, b"), ("x", "x")],
)
def test_values_are_written_as_in_a_file(value, text):
    assert as_written(value) == text
