"""Who asks which cloud: the section wins, variables fill in, what belongs together is not mixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from elasticluster.config.environment import supplied
from elasticluster.exceptions import CredentialsError
from elasticluster.providers.openstack import CLOUD_KEYS
from elasticluster.providers.openstack.credentials import (
    APPLICATION_CREDENTIAL,
    PASSWORD,
    TOKEN,
    Access,
    access,
)

URL = "https://cloud.example:5000/v3"
SECTION = {"auth_url": URL, "username": "ada", "password": "pw", "project_name": "p"}
DEFAULT = {"user_domain_id": "default", "project_domain_id": "default"}
HORIZON = {
    "OS_AUTH_URL": URL,
    "OS_PROJECT_ID": "1a2b",
    "OS_PROJECT_NAME": "theirs",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_ID": "default",
    "OS_USERNAME": "bob",
    "OS_PASSWORD": "theirs",
    "OS_REGION_NAME": "R1",
    "OS_INTERFACE": "public",
}


Find = Callable[[Mapping[str, str], Mapping[str, str]], Access]


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> Find:
    """Return what to ask a cloud with, for a section and environment variables."""
    for key in CLOUD_KEYS:
        for variable in key.environment:
            monkeypatch.delenv(variable, raising=False)

    def find_with(section: Mapping[str, str], environ: Mapping[str, str]) -> Access:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return access(section, supplied(CLOUD_KEYS, section))

    return find_with


@pytest.mark.parametrize(
    ("section", "environ", "kind", "auth"),
    [
        pytest.param(SECTION, {}, PASSWORD, {**SECTION, **DEFAULT}, id="section"),
        pytest.param(SECTION, HORIZON, PASSWORD, {**SECTION, "user_domain_name": "Default",
                     "project_domain_id": "default"}, id="section before variables"),
        pytest.param(
            {},
            HORIZON,
            PASSWORD,
            {
                "auth_url": URL,
                "username": "bob",
                "password": "theirs",
                "project_id": "1a2b",
                "user_domain_name": "Default",
                "project_domain_id": "default",
            },
            id="variables as Horizon writes them",
        ),
        pytest.param(
            {**SECTION, "user_domain_name": "default", "project_domain_name": "lab"},
            {},
            PASSWORD,
            {**SECTION, "user_domain_id": "default", "project_domain_name": "lab"},
            id="default is an id",
        ),
        pytest.param(
            {**SECTION, "auth_url": "https://cloud.example:5000/v2.0/"},
            {},
            PASSWORD,
            {**SECTION, **DEFAULT, "auth_url": "https://cloud.example:5000"},
            id="old version",
        ),
        pytest.param(
            {"auth_url": URL, "application_credential_id": "id", "application_credential_secret": "s"},
            HORIZON,
            APPLICATION_CREDENTIAL,
            {"auth_url": URL, "application_credential_id": "id", "application_credential_secret": "s"},
            id="application credential is for its project",
        ),
        pytest.param(
            {"auth_url": URL, "application_credential_name": "n", "application_credential_secret": "s",
             "username": "ada"},
            {},
            APPLICATION_CREDENTIAL,
            {"auth_url": URL, "application_credential_name": "n", "application_credential_secret": "s",
             "username": "ada", "user_domain_id": "default"},
            id="application credential by name",
        ),
        pytest.param(
            {"auth_url": URL, "token": "t", "project_id": "1"},
            {},
            TOKEN,
            {"auth_url": URL, "token": "t", "project_id": "1", "project_domain_id": "default"},
            id="token",
        ),
    ],
)  # fmt: skip
def test_credentials_are_of_one_kind_and_from_one_place(
    find: Find, section: Mapping[str, str], environ: Mapping[str, str], kind: str, auth: Mapping[str, str]
) -> None:
    found = find(section, environ)
    assert (found.cloud, found.kind, found.auth) == ("", kind, auth)


def test_project_of_the_section_is_not_looked_for_by_the_id_of_a_variable(find: Find) -> None:
    assert "project_id" not in find(SECTION, HORIZON).auth


def test_region_and_endpoints_come_from_the_variables_where_the_section_is_silent(find: Find) -> None:
    assert find(SECTION, HORIZON).options == {"region_name": "R1", "interface": "public"}
    assert find({**SECTION, "region_name": "R2"}, HORIZON).options["region_name"] == "R2"


@pytest.mark.parametrize(
    ("section", "environ", "cloud"),
    [
        ({"os_cloud": "x"}, {"OS_CLOUD": "y"}, "x"),
        ({}, {"OS_CLOUD": "y"}, "y"),
        (SECTION, {"OS_CLOUD": "y"}, ""),
    ],
)
def test_entry_of_clouds_yaml_is_asked_for_where_the_section_names_no_cloud(
    find: Find, section: Mapping[str, str], environ: Mapping[str, str], cloud: str
) -> None:
    found = find(section, {**environ, "OS_USERNAME": "bob", "OS_PASSWORD": "theirs"})
    assert found.cloud == cloud
    assert not cloud or not found.auth


def test_missing_credentials_are_named_with_their_variables(find: Find) -> None:
    with pytest.raises(CredentialsError) as raised:
        find({"auth_url": URL, "username": "ada"}, {})
    assert raised.value.message == (
        "OpenStack's credentials are not complete: `password` ($OS_PASSWORD), `project_name` "
        "($OS_PROJECT_NAME) missing."
    )


def test_secrets_are_not_shown() -> None:
    assert "pw" not in repr(access(SECTION, {}))
