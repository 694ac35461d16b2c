"""Secrets of a cluster, and the authority that vouches for its nodes."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.engine.ports import SetupJob
from elasticluster.model import NodeRecord
from elasticluster.setup.authority import host_certificates, new_key, public_part
from elasticluster.setup.inventory import inventory, particulars
from elasticluster.setup.secrets import ALWAYS, AUTHORITY_KEY, for_nodes, make
from elasticluster.setup.settings import Settings

AUTHORITY = new_key()
ED25519 = public_part(new_key())


def keygen(*arguments: str, text: str = "") -> str:
    """Return what OpenSSH itself says."""
    done = subprocess.run(
        ["ssh-keygen", *arguments], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def host_key(folder: Path, kind: str) -> str:
    keygen("-q", "-t", kind, "-N", "", "-f", str(folder / kind))
    return " ".join((folder / f"{kind}.pub").read_text().split()[:2])


def signed(job: SetupJob, *keys: str, private_ip: str | None = "10.0.0.7") -> list[str]:
    node: NodeRecord = replace(job.cluster.nodes[1], host_keys=keys, private_ip=private_ip)
    return host_certificates(AUTHORITY, [node])["compute001"]


def trusting(job: SetupJob) -> SetupJob:
    """Return the work on a cluster that has all secrets and pinned keys."""
    nodes = tuple(replace(node, host_keys=(public_part(new_key()),)) for node in job.cluster.nodes)
    secrets = {**job.cluster.secrets, **make(ALWAYS)}
    return replace(job, cluster=replace(job.cluster, nodes=nodes, secrets=secrets))


def test_secrets_differ_each_time() -> None:
    first, second = make(["munge_key", *ALWAYS]), make(["munge_key", *ALWAYS])
    assert not {*first.values()} & {*second.values()}


def test_secret_of_a_service_is_of_hexadecimal_digits() -> None:
    made = make(["munge_key"])["munge_key"]
    assert (len(made), {*made} - {*"0123456789abcdef"}) == (128, set())


def test_keys_are_such_as_openssh_reads(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(make(ALWAYS)[AUTHORITY_KEY])
    key.chmod(0o600)
    assert keygen("-y", "-f", str(key)).strip() == public_part(key.read_text())
    assert keygen("-l", "-f", str(key)).endswith("(ED25519)\n")


def test_nodes_may_not_know_the_key_that_signs() -> None:
    made = make(["munge_key", *ALWAYS])
    assert made.keys() - for_nodes(made).keys() == {AUTHORITY_KEY}


def test_certificate_is_for_the_name_and_the_address_of_a_node_and_for_ever(job: SetupJob) -> None:
    (line,) = signed(job, ED25519)
    said = keygen("-L", "-f", "-", text=line)
    assert "Type: ssh-ed25519-cert-v01@openssh.com host certificate" in said
    assert 'Key ID: "compute001"' in said
    assert "Valid: forever" in said
    principals = said.partition("Principals:")[2].partition("Critical")[0]
    assert principals.split() == ["compute001", "10.0.0.7"]
    authority = keygen("-l", "-f", "-", text=public_part(AUTHORITY)).split()[1]
    assert f"Signing CA: ED25519 {authority}" in said


def test_node_without_an_address_inside_is_certified_by_its_name(job: SetupJob) -> None:
    (line,) = signed(job, ED25519, private_ip=None)
    said = keygen("-L", "-f", "-", text=line)
    assert said.partition("Principals:")[2].partition("Critical")[0].split() == ["compute001"]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_every_kind_of_host_key_is_signed(job: SetupJob, tmp_path: Path, kind: str) -> None:
    key = host_key(tmp_path, kind)
    (line,) = signed(job, key)
    fingerprint = keygen("-l", "-f", "-", text=key).split()[1]
    assert f"-CERT {fingerprint}\n" in keygen("-L", "-f", "-", text=line)


def test_keys_that_cannot_be_signed_are_left_out(job: SetupJob) -> None:
    unknown = "ssh-future " + base64.b64encode(b"?").decode()
    assert len(signed(job, unknown, ED25519, "nonsense")) == 1


def test_run_knows_certificates_of_those_who_are_to_be_set_up(job: SetupJob) -> None:
    everybody = particulars(trusting(job))["all"]["hosts"]
    assert list(everybody) == ["frontend001", "compute001", "compute002"]
    joining = particulars(replace(trusting(job), joining=("compute002",)))["all"]["hosts"]
    assert list(joining) == ["compute002"]


def test_key_that_signs_is_in_no_inventory(job: SetupJob, settings: Settings) -> None:
    job = trusting(job)
    key = job.cluster.secrets[AUTHORITY_KEY]
    for content in (inventory(job, settings), particulars(job)):
        assert json.dumps(key)[1:-1] not in json.dumps(content)


def test_kept_inventory_has_no_secret(job: SetupJob, settings: Settings) -> None:
    job = trusting(job)
    text = json.dumps(inventory(job, settings))
    assert [name for name, value in job.cluster.secrets.items() if json.dumps(value)[1:-1] in text] == []


def test_cluster_that_has_no_keys_yet_can_be_asked_who_is_at_work(job: SetupJob) -> None:
    assert particulars(job)["all"]["hosts"] == {}


@pytest.mark.parametrize(
    ("told", "expected"),
    [(["provider"] * 3, "provider"), (["provider", "frontend", "provider"], "frontend"), ([], "frontend")],
)
def test_names_are_told_by_whom_the_provider_says(
    job: SetupJob, settings: Settings, told: list[str], expected: str
) -> None:
    node_vars = {n.name: {"resolver": who} for n, who in zip(job.cluster.nodes, told, strict=False)}
    told_roles = inventory(replace(job, node_vars=node_vars), settings)["all"]["vars"]["elasticluster"]
    assert told_roles["resolver"] == expected
