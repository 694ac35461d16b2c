"""Whose account a cluster's machines are in.

Credentials of another account list none of them. Who takes that for an answer forgets machines that run, or
makes them a second time.
"""

from __future__ import annotations

from dataclasses import replace

from elasticluster.engine.plan import StartPlan
from elasticluster.engine.ports import CloudProvider
from elasticluster.engine.run import Run
from elasticluster.exceptions import CredentialsError
from elasticluster.model import ClusterRecord, Instance
from elasticluster.naming import printable

ACCOUNT = "cloud_account"
"""Names the account, as the cloud says it, in what is further known of a cluster."""


def listed(cluster: ClusterRecord, provider: CloudProvider) -> list[Instance]:
    """Return the machines of a cluster as its cloud lists them.

    Raises:
        CredentialsError: see :func:`check_account`.
        CloudProviderError: the cloud cannot be asked.
    """
    check_account(cluster, provider)
    return provider.list_instances(cluster.uuid)


def check_account(cluster: ClusterRecord, provider: CloudProvider) -> None:
    """Make sure that a cloud is asked as whom its machines belong to, as far as that is known.

    Raises:
        CredentialsError: the credentials are of another account.
        CloudProviderError: the cloud cannot be asked.
    """
    recorded = cluster.extra.get(ACCOUNT)
    here = _account_of(provider) if recorded else ""
    if here and here != recorded:
        section = f"those of [cloud/{cluster.cloud.section}], or " if cluster.cloud.section else ""
        raise CredentialsError(
            f"Cluster '{cluster.name}' is in account {printable(str(recorded))}, "
            f"and these credentials are of account {here}.",
            hint=f"Give credentials of that account: {section}the profile or the variables (AWS_PROFILE, "
            "OS_CLOUD …) with which it was started. On OpenStack, an account is a project.",
        )


def with_account(cluster: ClusterRecord, provider: CloudProvider) -> ClusterRecord:
    """Return a cluster with the account that its cloud is used as, if that tells."""
    here = _account_of(provider)
    return replace(cluster, extra={**cluster.extra, ACCOUNT: here}) if here else cluster


def without_account(cluster: ClusterRecord) -> ClusterRecord:
    """Return a cluster of which nothing is left in any account."""
    return replace(cluster, extra={name: value for name, value in cluster.extra.items() if name != ACCOUNT})


def _account_of(provider: CloudProvider) -> str:
    ask: object = provider.account
    return str(ask()) if callable(ask) else ""  # third parties may have called something of theirs so


def remember_account(run: Run, plan: StartPlan) -> None:
    """Store the account before anything is made in it.

    A record of an earlier version may be of machines in another one: it is only believed to be this one if
    some of them are seen.

    Args:
        run: the work at hand.
        plan: what the cloud lists.
    """
    begun = any(node.batch or node.instance_id for node in run.cluster.nodes)
    if run.cluster.extra.get(ACCOUNT) or (begun and not (plan.present or plan.discard)):
        return
    cluster = with_account(run.cluster, run.tools.provider)
    if cluster != run.cluster:
        run.cluster = cluster
        run.save()
