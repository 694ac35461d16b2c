"""The policy that the manual shows for EC2 allows what the program does there, and nothing else."""

from __future__ import annotations

import json
import re

from tests.docs.blocks import ROOT, blocks_of

SERVICES = {"ec2": "ec2", "iam": "iam", "quotas": "servicequotas"}
"""What a client is called in the source, and the service in a policy."""
BY_OTHERS = {"ec2:CreateTags", "iam:PassRole"}
"""What AWS asks for besides the calls: for tags that come with them, and for an instance profile."""
NO_CALLS = {"get_paginator", "check"}


def called() -> set[str]:
    """Return the actions of all calls in the source of the provider."""
    folder = ROOT / "src/elasticluster/providers/ec2_boto"
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    clients = "|".join(SERVICES)
    found = re.findall(rf"\b({clients})\.([a-z_]+)\(", source)
    found += re.findall(rf'\b({clients})\.get_paginator\(\s*"([a-z_]+)"', source)
    return {
        f"{SERVICES[client]}:{name.title().replace('_', '')}"
        for client, name in found
        if name not in NO_CALLS
    }


def test_policy_in_the_manual_allows_what_is_called() -> None:
    (policy,) = (json.loads(one.text) for one in blocks_of(ROOT / "docs/ec2.md") if one.language == "json")
    allowed = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert len(allowed) == len({*allowed})
    assert {*allowed} == called() | BY_OTHERS
