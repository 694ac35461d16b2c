"""Where the service is and who asks, before any call."""

from __future__ import annotations

from pathlib import Path

import pytest

from elasticluster.exceptions import CloudProviderError, CredentialsError
from elasticluster.providers.ec2_boto import BotoCloudProvider


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the user's who runs the tests is found by the SDK."""
    for name in (
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "PROFILE",
        "DEFAULT_REGION",
        "REGION",
    ):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("ACCESS_KEY", "SECRET_KEY", "URL"):
        monkeypatch.delenv(f"EC2_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def failure(provider: BotoCloudProvider) -> CloudProviderError:
    with pytest.raises(CloudProviderError) as caught:
        provider.list_instances()
    return caught.value


def test_region_that_aws_has_not_is_told_with_the_nearest() -> None:
    error = failure(BotoCloudProvider("", "eu-west-11", "key", "secret"))
    assert error.message == "AWS has no region 'eu-west-11' (`ec2_region`)."
    assert error.hint.startswith("Did you mean 'eu-west-1'? These regions exist: ")


def test_region_is_that_of_the_address() -> None:
    url = "https://ec2.us-east-1.amazonaws.com"
    error = failure(BotoCloudProvider(url, "eu-west-1", "key", "secret"))
    assert error.message == "`ec2_url` is in the region 'us-east-1', and `ec2_region` is 'eu-west-1'."


def test_missing_region_is_told() -> None:
    error = failure(BotoCloudProvider("", "", "key", "secret"))
    assert error.message == "The region is not known."
    assert error.hint == "Set `ec2_region` in the section of the cloud."


def test_half_an_access_key_is_told() -> None:
    error = failure(BotoCloudProvider("", "us-east-1", "key", None))
    assert isinstance(error, CredentialsError)
    assert error.message == (
        "There is only half an access key: ec2_secret_key (or EC2_SECRET_KEY) is missing."
    )


def test_missing_credentials_are_told() -> None:
    error = failure(BotoCloudProvider("http://127.0.0.1:1", "us-east-1"))
    assert isinstance(error, CredentialsError)
    assert error.message == "Cannot list machines: Unable to locate credentials"


def test_unknown_profile_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile research]\nregion=us-east-1\n")
    error = failure(BotoCloudProvider("", "us-east-1", ec2_profile="reserch"))
    assert isinstance(error, CredentialsError)
    assert error.message == ("There is no profile 'reserch' (`ec2_profile`) in the AWS command line's files.")
    assert error.hint == "Did you mean 'research'? These profiles exist: research."


@pytest.mark.parametrize("key", ["", "key"])
def test_unknown_profile_of_the_environment_is_told(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[profile research]\nregion=us-east-1\n")
    monkeypatch.setenv("AWS_PROFILE", "reserch")
    error = failure(BotoCloudProvider("", "us-east-1", key, key and "secret"))
    assert isinstance(error, CredentialsError)
    assert error.message == "There is no profile 'reserch' ($AWS_PROFILE) in the AWS command line's files."
    assert error.hint == "Did you mean 'research'? These profiles exist: research."


def test_address_of_no_computer_is_told_at_once() -> None:
    error = failure(BotoCloudProvider("http://cloud.invalid:8773/services/Cloud", "nova", "key", "secret"))
    assert error.message.startswith("There is no computer called 'cloud.invalid': ")


def test_secrets_are_in_no_message_or_representation() -> None:
    provider = BotoCloudProvider("http://cloud.invalid", "nova", "key", "s3cret")
    assert "s3cret" not in f"{failure(provider)} {provider!r} {provider._cloud._access!r}"


def test_arguments_are_taken_by_position_as_documented() -> None:
    provider = BotoCloudProvider("http://127.0.0.1:1", "nova", "key", "secret", "storage", True)  # noqa: FBT003
    assert provider.init_arguments == {
        "ec2_url": "http://127.0.0.1:1",
        "ec2_region": "nova",
        "ec2_access_key": "key",
        "ec2_secret_key": "secret",
        "storage_path": "storage",
        "request_floating_ip": True,
    }
