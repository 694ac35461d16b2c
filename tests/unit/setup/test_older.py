"""Variables of older releases: each is there, is called otherwise now, or does nothing, which is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from elasticluster.engine.ports import SetupJob
from elasticluster.exceptions import ConfigurationError
from elasticluster.model import ClusterRecord, Json
from elasticluster.setup.check import check, without_effect
from elasticluster.setup.inventory import inventory
from elasticluster.setup.older import CHANGED, OLD
from elasticluster.setup.settings import Settings
from elasticluster.setup.variables import known_variables

DOCUMENT = Path(__file__).parents[3] / "docs/playbooks.md"
COMMON = """
    upgrade_packages allow_reboot disable_selinux insecure_https_downloads multiuser_cluster proxy_url
    ssh_password_auth autofs_home_server
    default_input_policy default_forward_policy trusted_hosts ntp_server ntp_peers
    NIS_DOMAIN NIS_MASTER NIS_SLAVES NIS_CLIENTS NFS_EXPORTS NFS_MOUNTS nfs_clients
"""
SLURM = """
    slurm_version slurm_conf_file slurm_selecttype slurm_selecttypeparameters slurm_taskplugin
    slurm_proctracktype slurm_jobacctgathertype slurm_jobacctgatherfrequency slurm_fastschedule
    slurm_returntoservice slurm_maxarraysize slurm_maxjobcount slurm_allowedramspace slurm_allowedswapspace
    slurm_constrainramspace slurm_constrainswapspace slurm_defmempercpu
    SLURM_ACCOUNTING_DB_NAME SLURM_ACCOUNTING_DB_USER SLURM_ACCOUNTING_DB_PASS
"""


def with_variables(settings: Settings, **variables: Json) -> Settings:
    return replace(settings, kind_vars={"frontend": variables, "compute": variables})


@pytest.mark.parametrize("name", [*COMMON.split(), *SLURM.split()])
def test_variable_of_the_manuals_is_accounted_for_once(name: str) -> None:
    assert [name in known_variables(), name in OLD, name in CHANGED].count(True) == 1


def test_present_names_are_options_of_roles() -> None:
    assert [name for name in OLD.values() if name not in known_variables()] == []


def rows(heading: str) -> Iterator[list[str]]:
    """Return the cells of the table under a heading row, line by line."""
    _, table = DOCUMENT.read_text(encoding="utf-8").split(f"{heading}\n|---|---|\n")
    for line in table.split("\n\n", 1)[0].splitlines():
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_documented_names_are_those_that_are_understood() -> None:
    assert {old.strip("`"): new.strip("`") for old, new in rows("| Older name | Present name |")} == OLD


def test_documented_reasons_are_those_that_are_told() -> None:
    told = {name: why for names, why in rows("| Variable | Why |") for name in re.findall(r"`(\w+)`", names)}
    assert told == CHANGED


def test_older_name_is_set_beside_the_present_one(job: SetupJob, settings: Settings) -> None:
    settings = with_variables(settings, upgrade_packages="yes", ssh_password_auth="no")  # noqa: S106 - none
    host = inventory(job, settings)["all"]["hosts"]["compute001"]
    assert [host["upgrade_packages"], host["common_upgrade_packages"]] == [True, True]
    assert [host["ssh_password_auth"], host["common_ssh_password_auth"]] == [False, False]


def test_present_name_wins_over_the_older_one(job: SetupJob, settings: Settings) -> None:
    settings = with_variables(settings, common_reboot="no", allow_reboot="yes")
    host = inventory(job, settings)["all"]["hosts"]["compute001"]
    assert [host["common_reboot"], host["allow_reboot"]] == [False, True]


def test_value_of_an_older_name_is_checked(settings: Settings, cluster: ClusterRecord) -> None:
    with pytest.raises(ConfigurationError, match=r"'upgrade_packages' .*: expected yes or no, not 'maybe'"):
        check(with_variables(settings, upgrade_packages="maybe"), cluster)


@pytest.mark.parametrize(
    "url", ["proxy:3128", "http://me:secret@proxy:3128", 'http://proxy"; x', "ftp://proxy"]
)
def test_url_that_nodes_could_not_use_or_must_not_show_is_refused(
    settings: Settings, cluster: ClusterRecord, url: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(with_variables(settings, proxy_url=url), cluster)
    assert caught.value.message == (
        "[setup/slurm]: variable 'proxy_url' (kind frontend, compute): "
        "expected http://HOST:PORT or the like, without user and password."
    )


@pytest.mark.parametrize(
    "url", ["", "http://proxy:3128", "https://[2001:db8::1]:80/", "http://a.b/debian-x/~y"]
)
def test_url_that_nodes_can_use_is_accepted(settings: Settings, cluster: ClusterRecord, url: str) -> None:
    check(with_variables(settings, proxy_url=url), cluster)


def test_variable_without_effect_is_accepted_and_told_once(
    settings: Settings, cluster: ClusterRecord
) -> None:
    settings = with_variables(settings, slurm_version="18.08", upgrade_packages="no", slurm_maxjobcount="7")
    check(settings, cluster)
    (told,) = without_effect(settings)
    why = "Slurm comes from the distribution, in the version that it has."
    assert told == f"The variable 'slurm_version' has no effect: {why}"


def test_variable_that_only_an_own_playbook_can_know_is_not_told(settings: Settings) -> None:
    settings = with_variables(replace(settings, playbook="mine.yml"), slurm_version="18.08")
    assert list(without_effect(settings)) == []


def test_older_name_may_mean_something_else_to_a_playbook_that_runs_instead(
    job: SetupJob, settings: Settings, cluster: ClusterRecord, tmp_path: Path
) -> None:
    playbook = tmp_path / "mine.yml"
    playbook.write_text("- hosts: all\n")
    given: dict[str, Json] = {"proxy_url": "squid:3128", "allow_reboot": "3", "proxy_urls": "[a]"}
    settings = with_variables(replace(settings, playbook=str(playbook)), **given)
    check(settings, cluster)
    host = inventory(job, settings)["all"]["hosts"]["compute001"]
    assert {name: host[name] for name in given} == {
        "proxy_url": "squid:3128",
        "allow_reboot": 3,
        "proxy_urls": ["a"],
    }
    assert not {"common_proxy_url", "common_reboot"} & host.keys()


def test_older_name_is_understood_by_our_roles_in_a_playbook_that_runs_instead(
    job: SetupJob, settings: Settings
) -> None:
    settings = with_variables(replace(settings, playbook="mine.yml"), proxy_url="http://squid:3128")
    host = inventory(job, settings)["all"]["hosts"]["compute001"]
    assert host["common_proxy_url"] == host["proxy_url"] == "http://squid:3128"


def test_misspelt_older_name_is_refused_with_the_nearest(settings: Settings, cluster: ClusterRecord) -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'upgrade_packages'\?"):
        check(with_variables(settings, upgrade_package="yes"), cluster)
