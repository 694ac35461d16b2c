"""What OpenStack says, in our words."""

from __future__ import annotations

import pytest
from keystoneauth1.exceptions import ConnectFailure, DiscoveryFailure, SSLError, Unauthorized
from openstack.exceptions import HttpException

from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    CredentialsError,
    FlavorError,
    ImageError,
    InstanceError,
    KeypairError,
    QuotaError,
    SecurityGroupError,
    SubnetError,
    ThrottledError,
)
from elasticluster.providers.openstack.errors import NoAnswerError, NoReplyError, translate

URL = "https://cloud.example:5000/v3"


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (401, "The request you have made requires authentication.", CredentialsError),
        (404, "Failed to validate token", CredentialsError),
        (403, "Quota exceeded for cores: Requested 4, but already used 8 of 10 cores", QuotaError),
        (403, "Policy doesn't allow os_compute_api:servers:create to be performed.", CredentialsError),
        (409, "Quota exceeded for resources: ['floatingip'].", QuotaError),
        (413, "This request was rate-limited.", ThrottledError),
        (429, "Too Many Requests", ThrottledError),
        (400, "Can not find requested image", ImageError),
        (400, "Flavor's disk is too small for requested image.", FlavorError),
        (400, "Invalid key_name provided.", KeypairError),
        (400, "Security group x not found for project y.", SecurityGroupError),
        (400, "The requested availability zone is not available", CapacityError),
        (400, "Network 1a2b could not be found.", SubnetError),
        (409, "No more IP addresses available on network 1a2b.", CapacityError),
        (500, "No valid host was found.", NoAnswerError),
        (503, "Service Unavailable", NoAnswerError),
        (504, "Gateway Time-out", NoReplyError),
        (409, "Cannot 'os-start' instance while it is in vm_state active", InstanceError),
    ],
)
def test_answers_become_errors_of_ours(status: int, said: str, error: type[CloudProviderError]) -> None:
    found = translate(HttpException(said, http_status=status, details=said), URL, "do it", InstanceError)
    assert type(found) is error
    assert said.rstrip(".") in found.message
    assert found.message.endswith(f"(HTTP {status})")
    assert found.message.startswith("Cannot do it: ")


def test_request_id_is_left_out() -> None:
    error = Unauthorized("It requires authentication. (HTTP 401) (Request-ID: req-1a2b)")
    found = translate(error, URL, "log in", CloudProviderError)
    assert found.message == "Cannot log in: It requires authentication (HTTP 401)"


def test_page_of_a_proxy_is_told_without_its_markup() -> None:
    page = "<html><head><style>p {color: red}</style></head><body><h1>502 Bad Gateway</h1><p>nginx</p></html>"
    found = translate(HttpException(page, http_status=502, details=page), URL, "look", InstanceError)
    assert found.message == "Cannot look: the cloud has a fault: 502 Bad Gateway nginx (HTTP 502)"
    long = translate(HttpException("x" * 9999, http_status=500), URL, "look", InstanceError)
    assert len(long.message) < 1000


def failing(error: Exception, cause: BaseException) -> Exception:
    error.__context__ = cause
    return error


def test_lost_connection_says_where_and_why() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    error = failing(
        ConnectFailure("Unable to establish connection to http://nova.example/v2: long words"), refused
    )
    found = translate(error, URL, "list servers", InstanceError)
    assert type(found) is NoReplyError
    assert found.message == (
        "Cannot list servers: the cloud does not answer at http://nova.example/v2: Connection refused."
    )
    late = translate(failing(ConnectFailure("Request timed out"), TimeoutError()), URL, "look", InstanceError)
    assert late.message == f"Cannot look: the cloud does not answer at {URL}: no answer in time."
    lost = translate(ConnectFailure("closed"), URL, "look", InstanceError)
    assert lost.message == f"Cannot look: the cloud does not answer at {URL}: the connection was lost."


def test_address_without_an_identity_service_is_told() -> None:
    found = translate(DiscoveryFailure("what?"), URL, "log in", InstanceError)
    assert found.message == f"Cannot log in: there is no identity service of OpenStack at {URL}."


def test_certificate_that_nobody_trusts_is_told() -> None:
    found = translate(SSLError("self-signed certificate"), URL, "log in", InstanceError)
    assert type(found) is CredentialsError
    assert "cacert" in found.hint
