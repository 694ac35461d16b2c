"""Which values are shown to nobody."""

import pytest

from elasticluster.config.keys import Key
from elasticluster.config.masking import MASK, as_written, is_secret, presentable, public, secret_texts


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
        "af_storage_account_key",
        "rootpass",
        "dbpassword",
        "adminpwd",
        "ssh_passphrase",
        "apikey",
        "accesskey",
        "license_key",
        "ssl_key",
        "x_bearer",
        "cookie",
        "key",
        "ONE_AUTH",
    ],
)
def test_names_of_secrets_are_known(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "user_key_name",
        "user_key_private",
        "public_key",
        "bypass_proxy",
        "compass",
        "monkey",
        "image_id",
        "passive",
        "auth_url",
        "munge_key_file",
    ],
)
def test_other_names_are_none(name):
    assert not is_secret(name)


def test_table_says_what_is_secret_and_a_path_never_is():
    assert is_secret("ticket", Key("ticket", "str", secret=True))
    assert is_secret("api_token", Key("api_token", "str"))
    assert not is_secret("token", Key("token", "path"))
    assert not is_secret("tokens", Key("tokens", "int"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-e db_password=hunter2 -e size=1", f"-e db_password={MASK} -e size=1"),
        ("""-e '{"token": "a b", "size": 1}'""", f"""-e '{{"token": {MASK}, "size": 1}}'"""),
        ("http://me:hunter2@proxy:3128/", f"http://me:{MASK}@proxy:3128/"),
        ("http://proxy:3128/", "http://proxy:3128/"),
        ("postgresql://me:hun/ter2@db/x", f"postgresql://me:{MASK}@db/x"),
        ("http://me:hun/ter@proxy:3128/", f"http://me:{MASK}@proxy:3128/"),
        ("http://me:hun@ter@proxy:3128/", f"http://me:{MASK}@proxy:3128/"),
        ("https://h/x?sv=1&sig=hunter2&y=2", f"https://h/x?sv=1&sig={MASK}&y=2"),
        ("--become-password hunter2 -v", f"--become-password {MASK} -v"),
        ("--ask-become-pass -v", "--ask-become-pass -v"),
        ("--ask-vault-pass site.yml", "--ask-vault-pass site.yml"),
        ('-e "db_password: hunter 2" -v', f'-e "db_password: {MASK}" -v'),
        ("-e 'db_password=hun ter2' -v", f"-e 'db_password={MASK}' -v"),
        ('"tokens": ["one", "two"], "size": 1', f'"tokens": {MASK}, "size": 1'),
        ("[{name: bob, password: hunter, 2}]", f"[{{name: bob, password: {MASK}}}]"),
        ("curl -u me:hunter2 https://x", f"curl -u me:{MASK} https://x"),
        ("mysql -uroot -phunter2", f"mysql -uroot -p{MASK}"),
        ("sshpass -p hunter2 ssh -p 22 gate", f"sshpass -p {MASK} ssh -p 22 gate"),
        ("env SSHPASS=hunter2 ssh gate", f"env SSHPASS={MASK} ssh gate"),
        ("Authorization: Bearer hunter2", f"Authorization: {MASK}"),
        ("Server=x;Pwd=hunter2;", f"Server=x;Pwd={MASK}"),
        ("ssh -p 2222 -o PasswordAuthentication=no gate", "ssh -p 2222 -o PasswordAuthentication=no gate"),
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


@pytest.mark.parametrize(
    "part", ["a", "a-", "a:", "://x:", "password=", '"a', "--password ", "password:'", "password=[ ", "-u "]
)
def test_long_values_are_searched_in_one_go(part):
    text = f"token {part * (500_000 // len(part))}"  # if the time grew with the square, this would not end
    assert presentable("blob", text)


def test_secret_texts_of_tables_are_found_by_name_at_any_depth():
    table = {
        "region": "north",
        "vars": {"db_password": "one", "size": 1},
        "tokens": ["two"],
        "ticket": "three",
    }
    assert secret_texts(table, {"secrets": {"any": "four"}}, names={"ticket"}) == {
        "one",
        "two",
        "three",
        "four",
    }


def test_public_table_is_without_secrets_at_any_depth():
    assert public({"password": "x", "vars": {"token": "y", "size": 1}}) == {"vars": {"size": 1}}


def test_of_a_script_only_the_length_is_told():
    assert presentable("image_userdata", "\n#!/bin/sh\necho secret") == "(script of 2 lines)"
    assert presentable("image_userdata", "reboot") == "(script of 1 line)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (False, "no"), (600.0, "600"), (0.5, "0.5"), (3, "3"), (["a", "b"], "a, b"), ("x", "x")],
)
def test_values_are_written_as_in_a_file(value, text):
    assert as_written(value) == text
