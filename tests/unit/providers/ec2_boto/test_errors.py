"""EC2's codes in our words."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from elasticluster import exceptions
from elasticluster.exceptions import CloudProviderError
from elasticluster.providers.ec2_boto import errors


def refused(code: str, message: str = "No.", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "RunInstances")  # type: ignore[arg-type]


def translated(code: str, message: str = "No.", status: int = 400) -> CloudProviderError:
    cause = refused(code, message, status)
    error = errors.translate(cause, "make 3 machines")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AuthFailure", "CredentialsError"),
        ("SignatureDoesNotMatch", "CredentialsError"),
        ("RequestExpired", "CredentialsError"),
        ("UnauthorizedOperation", "CredentialsError"),
        ("OptInRequired", "CredentialsError"),
        ("RequestLimitExceeded", "ThrottledError"),
        ("VcpuLimitExceeded", "QuotaError"),
        ("InstanceLimitExceeded", "QuotaError"),
        ("AddressLimitExceeded", "QuotaError"),
        ("SecurityGroupLimitExceeded", "QuotaError"),
        ("RulesPerSecurityGroupLimitExceeded", "QuotaError"),
        ("MaxSpotInstanceCountExceeded", "QuotaError"),
        ("InsufficientInstanceCapacity", "CapacityError"),
        ("InsufficientFreeAddressesInSubnet", "CapacityError"),
        ("SpotMaxPriceTooLow", "CapacityError"),
        ("InvalidAMIID.NotFound", "ImageError"),
        ("InvalidInstanceType", "FlavorError"),
        ("InvalidKeyPair.NotFound", "KeypairError"),
        ("InvalidKey.Format", "KeypairError"),
        ("InvalidGroup.NotFound", "SecurityGroupError"),
        ("InvalidGroupId.Malformed", "SecurityGroupError"),
        ("InvalidSubnetID.NotFound", "SubnetError"),
        ("InvalidVpcID.NotFound", "VpcError"),
        ("InvalidInstanceID.NotFound", "InstanceNotFoundError"),
        ("IncorrectInstanceState", "InstanceError"),
        ("UnsupportedOperation", "UnsupportedError"),
        ("SomethingNew", "CloudProviderError"),
    ],
)
def test_each_code_has_its_class_and_is_told(code: str, kind: str) -> None:
    error = translated(code)
    assert type(error) is getattr(exceptions, kind)
    assert error.message == f"Cannot make 3 machines: {code}: No."


def test_encoded_message_that_nobody_can_read_is_left_out() -> None:
    said = "You are not authorized. Encoded authorization failure message: " + "x" * 2000
    assert translated("UnauthorizedOperation", said).message == (
        "Cannot make 3 machines: UnauthorizedOperation: You are not authorized."
    )


def test_flavor_that_a_zone_has_not_is_an_error_of_the_flavor() -> None:
    said = "Your requested instance type (t3.small) is not supported in your requested Availability Zone"
    assert type(translated("Unsupported", said)) is exceptions.FlavorError


def test_flavor_that_there_is_not_is_an_error_of_the_flavor() -> None:
    said = "Invalid value 't3.smal' for InstanceType."
    assert type(translated("InvalidParameterValue", said)) is exceptions.FlavorError


@pytest.mark.parametrize(
    ("code", "status", "passes"),
    [
        ("RequestLimitExceeded", 503, True),
        ("InternalError", 500, True),
        ("Unavailable", 503, True),
        ("InsufficientInstanceCapacity", 500, False),
        ("VcpuLimitExceeded", 400, False),
        ("AuthFailure", 401, False),
        ("InvalidAMIID.NotFound", 400, False),
    ],
)
def test_only_what_may_pass_soon_is_tried_again(code: str, status: int, *, passes: bool) -> None:
    assert errors.passes(translated(code, status=status)) is passes


def test_silence_may_pass() -> None:
    cause = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    error = CloudProviderError("http://127.0.0.1:1 does not answer; cannot list machines.")
    error.__cause__ = cause
    assert errors.passes(error)
    assert not errors.code_of(error)


def test_missing_credentials_are_an_error_of_these() -> None:
    error = errors.translate(NoCredentialsError(), "list machines")
    assert type(error) is exceptions.CredentialsError
    assert error.message == "Cannot list machines: Unable to locate credentials"
