"""Whose account is used: STS tells it on AWS, and where the SDK is told of one."""

from dataclasses import replace

import pytest

from elasticluster.engine.account import ACCOUNT, check_account, with_account
from elasticluster.exceptions import CredentialsError

MOTOS = "123456789012 (us-east-1)"


def refusal(record, provider):
    with pytest.raises(CredentialsError) as caught:
        check_account(record, provider)
    return caught.value.message


def test_account_is_the_one_that_sts_tells(new, ec2, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", ec2.url)
    cluster = new()
    record = with_account(cluster.record, cluster.provider)
    assert record.extra[ACCOUNT] == MOTOS
    check_account(record, cluster.another())
    other = replace(record, extra={ACCOUNT: "111122223333 (us-east-1)"})
    assert refusal(other, cluster.provider) == (
        "Cluster 'contract' is in account 111122223333 (us-east-1), "
        f"and these credentials are of account {MOTOS}."
    )


def test_profile_with_another_region_is_refused(new, ec2, monkeypatch, tmp_path):
    key = f"aws_access_key_id = {ec2.access_key}\naws_secret_access_key = {ec2.secret_key}\n"
    (tmp_path / "aws-credentials").write_text(f"[here]\n{key}[there]\n{key}")
    (tmp_path / "aws-config").write_text(
        "[profile here]\nregion = us-east-1\n[profile there]\nregion = eu-west-1\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", ec2.url)
    monkeypatch.setenv("AWS_PROFILE", "here")
    cluster = new(config={"ec2_region": "", "ec2_access_key": "", "ec2_secret_key": ""})
    record = with_account(cluster.record, cluster.provider)
    monkeypatch.setenv("AWS_PROFILE", "there")
    assert refusal(record, cluster.another()) == (
        f"Cluster 'contract' is in account {MOTOS}, "
        "and these credentials are of account 123456789012 (eu-west-1)."
    )


def test_account_is_unknown_where_another_cloud_has_no_sts(new, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS", raising=False)
    assert new().provider.account() == ""


def test_account_is_unknown_where_sts_does_not_answer(new, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    assert new().provider.account() == ""
