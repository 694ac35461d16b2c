"""Logging in to what is no identity service, or to none that answers as it should."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest
from tests.unit.providers.openstack.answering import answering

from elasticluster.exceptions import CloudProviderError, CredentialsError
from elasticluster.providers.openstack import OpenStackCloudProvider
from elasticluster.providers.openstack.errors import NoAnswerError

USER = {"username": "ada", "password": "pw", "project_name": "p"}
TOKEN = {"token": "t", "project_name": "p"}


class Impatient(OpenStackCloudProvider):
    """The provider, which gives up at once."""

    patience = 0


def refusal(**section: str) -> CloudProviderError:
    """Return why nobody can log in; that may take 30 s, and not for ever."""
    told: queue.Queue[CloudProviderError] = queue.Queue()

    def ask() -> None:
        with pytest.raises(CloudProviderError) as raised:
            Impatient(**section).list_instances()
        told.put(raised.value)

    threading.Thread(target=ask, daemon=True).start()
    return told.get(timeout=30)


@pytest.mark.parametrize("login", [USER, TOKEN])
def test_address_that_wants_another_login_first_is_told(login: dict[str, str]) -> None:
    with answering(401) as (url, calls):
        error = refusal(auth_url=url, **login)
        assert (
            error.message
            == f"Cannot log in to the cloud: there is no identity service of OpenStack at {url}."
        )
        assert calls == ["GET"]
        error = refusal(auth_url=f"{url}v3", **login)
    assert type(error) is CredentialsError
    assert error.message.endswith("(HTTP 401)")
    assert calls == ["GET", "GET", "POST"]


def test_identity_service_with_a_fault_is_not_taken_for_a_wrong_address() -> None:
    with answering(500) as (url, _):
        error = refusal(auth_url=url, **USER)
    assert type(error) is NoAnswerError
    assert error.message == (
        f"Cannot log in to the cloud: the identity service at {url} has a fault: it does not tell its "
        "versions."
    )


def test_address_that_is_no_url_is_told() -> None:
    error = refusal(auth_url="127.0.0.1:5000/v3", **USER)
    assert error.message == "The address of the identity service is no URL: '127.0.0.1:5000/v3'."


def test_certificates_that_are_none_are_told(tmp_path: Path) -> None:
    url = "https://127.0.0.1:1/v3"
    missing, other = tmp_path / "none.pem", tmp_path / "other.pem"
    other.write_text("hello")
    assert refusal(auth_url=url, cacert=str(missing), **USER).message == (
        f"`cacert`: '{missing}' cannot be used: No such file or directory."
    )
    assert refusal(auth_url=url, cacert=str(other), **USER).message == (
        f"`cacert`: '{other}' cannot be used: it has no certificates."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clouds: [\n  a: b\n: :", "{} cannot be read. It is no YAML from line 3 on."),
        ("clouds:\n  ours:\n", "The cloud 'ours' in {} says nothing."),
        ("clouds:\n  ours: hello\n", "The cloud 'ours' in {} says nothing."),
        ("", "There is no cloud 'ours' in {}."),
        (
            "clouds:\n  ours: {auth_type: none, endpoint: 'http://127.0.0.1:1/'}\n",
            "Cannot log in to the cloud: there is no identity service of OpenStack at any address.",
        ),
    ],
)
def test_clouds_yaml_that_says_nothing_useful_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(text)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    error = refusal(os_cloud="ours")
    assert type(error) is CredentialsError
    assert error.message == message.format(path)
