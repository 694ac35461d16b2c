"""What EC2 says, in our words: by its codes (EC2 API reference, "Error codes for the Amazon EC2 API")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from elasticluster.exceptions import (
    CapacityError,
    CloudProviderError,
    CredentialsError,
    FlavorError,
    ImageError,
    InstanceError,
    InstanceNotFoundError,
    KeypairError,
    QuotaError,
    SecurityGroupError,
    SubnetError,
    ThrottledError,
    UnsupportedError,
    VpcError,
)
from elasticluster.providers.common.errors import Translation, translated

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

DEPENDENCY = "DependencyViolation"
DUPLICATE_GROUP = "InvalidGroup.Duplicate"
DUPLICATE_KEY = "InvalidKeyPair.Duplicate"
DUPLICATE_RULE = "InvalidPermission.Duplicate"
NO_ADDRESS = frozenset({"InvalidAllocationID.NotFound", "InvalidAssociationID.NotFound"})
NO_GROUP = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidSecurityGroupID.NotFound"})
NO_KEY = "InvalidKeyPair.NotFound"
IN_TRANSITION = frozenset({"IncorrectInstanceState", "IncorrectState", "InvalidInstanceID"})

_KEYS = "Check ec2_access_key and ec2_secret_key (or EC2_ACCESS_KEY and EC2_SECRET_KEY), else the SDK's own."
_SERVER_FAULT = 500
_ENCODED_RE = re.compile(r"\s*Encoded authorization failure message: \S+")

TABLE = (
    Translation(
        r"^(RequestExpired|ExpiredToken|ExpiredTokenException|TokenRefreshRequired):",
        CredentialsError,
        "Renew the credentials, and look whether this computer's clock is right.",
    ),
    Translation(
        r"^(AuthFailure|InvalidClientTokenId|InvalidAccessKeyId|InvalidSecurity|MissingAuthenticationToken"
        r"|SignatureDoesNotMatch|UnrecognizedClientException):",
        CredentialsError,
        _KEYS,
    ),
    Translation(
        r"^(UnauthorizedOperation|AccessDenied|AccessDeniedException):",
        CredentialsError,
        "Whoever manages the account can allow it; the manual lists the actions that are needed.",
    ),
    Translation(r"^(Blocked|OptInRequired|PendingVerification):", CredentialsError),
    Translation(
        r"^(RequestLimitExceeded|Throttling|ThrottlingException|EC2ThrottledException|RequestThrottled):",
        ThrottledError,
        "Others use the same account: run the same command again later.",
    ),
    Translation(
        r"^(AddressLimitExceeded|InstanceLimitExceeded|KeyPairLimitExceeded|Max\w+(Exceeded|Limit)"
        r"|ResourceLimitExceeded|\w*SecurityGroup\w*LimitExceeded|VcpuLimitExceeded|VolumeLimitExceeded):",
        QuotaError,
        'Ask for more on the page "Service Quotas" of AWS\'s console, or take fewer or smaller machines.',
    ),
    Translation(
        r"^InsufficientFreeAddressesInSubnet:", CapacityError, "Name more subnets in network_ids, or others."
    ),
    Translation(r"^SpotMaxPriceTooLow:", CapacityError, "Raise `price`, or wait longer with `timeout`."),
    Translation(
        r"^(Insufficient\w*Capacity|Unavailable.*capacity)",
        CapacityError,
        "Choose another availability_zone or flavor, or several network_ids in other zones.",
    ),
    Translation(r"^(InvalidAMIID\b|InvalidAMI|ImageNot)", ImageError),
    Translation(
        r"^InvalidInstanceType\b|^InvalidParameterValue:.*([Ii]nstance type|InstanceType)", FlavorError
    ),
    Translation(r"^Unsupported:.*(instance type|Availability Zone)", FlavorError),
    Translation(r"^Invalid(KeyPair|Key)\b", KeypairError),
    Translation(r"^Invalid(Group\b|GroupId\b|SecurityGroup|Permission\b)", SecurityGroupError),
    Translation(r"^InvalidSubnet|^InvalidNetworkInterface", SubnetError),
    Translation(
        r"^(VPCIdNotSpecified|DefaultVpcDoesNotExist|MissingInput|InvalidInput):.*([Dd]efault|subnet)",
        VpcError,
        "Name subnets in `network_ids`: the account has no default network there.",
    ),
    Translation(r"^InvalidVpc|^VPCIdNotSpecified|^DefaultVpc", VpcError),
    Translation(r"^InvalidInstanceID\.", InstanceNotFoundError),
    Translation(r"^(IncorrectInstanceState|IncorrectState|InvalidInstanceID):", InstanceError),
    Translation(r"^(UnsupportedOperation|Unsupported|UnsupportedHibernation\w*):", UnsupportedError),
)
"""What EC2 says as ``CODE: MESSAGE`` (a regular expression), our class, and what to do; the first counts."""


def translate(
    exc: BotoCoreError | ClientError,
    doing: str,
    default: type[CloudProviderError] = CloudProviderError,
) -> CloudProviderError:
    """Return our error for one of the SDK's, to be raised ``from`` it.

    Args:
        exc: the SDK's.
        doing: what could not be done, to follow "Cannot".
        default: class of an error that says nothing more precise.
    """
    from botocore.exceptions import ClientError

    if isinstance(exc, ClientError):
        said = exc.response.get("Error", {})
        message = _ENCODED_RE.sub("", said.get("Message", "")).strip()
        return translated(TABLE, f"{said.get('Code', '')}: {message}", doing, default)
    if _is_of_credentials(exc):
        return CredentialsError(f"Cannot {doing}: {exc}", hint=_KEYS)
    return default(f"Cannot {doing}: {exc}")


def code_of(error: CloudProviderError) -> str:
    """Return EC2's code for what an error was translated from; empty if it was something else."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""


def passes(error: CloudProviderError) -> bool:
    """Return whether a call may be answered otherwise soon: it was throttled, or the service has failed."""
    if isinstance(error, (CapacityError, CredentialsError, QuotaError)):
        return False
    return isinstance(error, ThrottledError) or is_silence(error)


def is_silence(error: CloudProviderError) -> bool:
    """Return whether there was no answer, or one that says that the service itself has failed."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - the SDK's name

    cause = error.__cause__
    if isinstance(cause, ClientError):
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= _SERVER_FAULT and not isinstance(error, CapacityError)
    return isinstance(cause, (ConnectionError, HTTPClientError))


def _is_of_credentials(exc: Exception) -> bool:
    from botocore import exceptions as sdk

    kinds = (
        sdk.NoCredentialsError,
        sdk.PartialCredentialsError,
        sdk.CredentialRetrievalError,
        sdk.ProfileNotFound,
        sdk.SSOError,
        sdk.TokenRetrievalError,
        sdk.NoAuthTokenError,
    )
    return isinstance(exc, kinds)
