"""A cloud provider with the documented arguments of ``BotoCloudProvider``, whose machines are containers.

The programs of the documents' samples import it by its path; so does the one that loads a cluster again.
"""

from __future__ import annotations

from pathlib import Path

from elasticluster.model import ClusterRecord, KeyPair
from elasticluster.providers.docker import DockerProvider


class BotoCloudProvider(DockerProvider):
    """Takes what a cloud would need, and writes down for which clusters it has made something."""

    def __init__(
        self,
        ec2_url: str,
        ec2_region: str,
        ec2_access_key: str,
        ec2_secret_key: str,
        storage_path: str | None = None,
        request_floating_ip: bool = False,  # noqa: FBT001, FBT002 - documented
    ) -> None:
        super().__init__()

    def prepare(self, cluster: ClusterRecord, key: KeyPair) -> None:
        """Note the cluster, so that the test finds what is left of it."""
        with Path("~/clusters").expanduser().open("a", encoding="ascii") as notes:
            notes.write(f"{cluster.uuid}\n")
        super().prepare(cluster, key)
