"""Whom firewall rules let in."""

from __future__ import annotations

import pytest

from elasticluster.providers.common.rules import Rule, sources

EVERYWHERE = "0.0.0.0/0"


@pytest.mark.parametrize(
    "rule",
    [
        Rule(protocol="tcp", first=22, last=22, source=EVERYWHERE),
        Rule(protocol="TCP", first=1, last=1024, source=EVERYWHERE),
        Rule(protocol="6", source=EVERYWHERE),
        Rule(protocol="tcp", first=-1, last=-1, source=EVERYWHERE),
        Rule(protocol="-1", source=EVERYWHERE),
        Rule(protocol="any", first=80, last=80, source=EVERYWHERE),
        Rule(source="203.0.113.0/24"),
        Rule(source="203.0.113.9/32"),
    ],
    ids=str,
)
def test_rule_for_ssh_lets_its_network_in(rule: Rule) -> None:
    assert sources([rule]) == (rule.source,)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(protocol="udp", source=EVERYWHERE),
        Rule(protocol="icmp", first=-1, last=-1, source=EVERYWHERE),
        Rule(protocol="tcp", first=80, last=443, source=EVERYWHERE),
        Rule(protocol="tcp", first=23, source=EVERYWHERE),
        Rule(protocol="tcp", last=21, source=EVERYWHERE),
        Rule(),
    ],
    ids=str,
)
def test_rule_for_something_else_lets_nobody_in(rule: Rule) -> None:
    assert not sources([rule])


def test_networks_are_named_once_and_for_the_port_asked_for() -> None:
    web = Rule(protocol="tcp", first=80, last=443, source=EVERYWHERE)
    ssh = Rule(protocol="tcp", first=22, last=22, source="10.0.0.0/8")
    assert sources([web, ssh, ssh]) == ("10.0.0.0/8",)
    assert sources([web, ssh], port=443) == (EVERYWHERE,)
