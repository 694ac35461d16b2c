"""The keys of the clouds that the documents name and this version does not have yet.

A module that brings such a provider has its tables beside its class (``CLOUD_KEYS`` and ``NODE_KEYS``); they
come before those here, which then go. Nothing is required that the environment or the provider's own files
can supply.
"""

from __future__ import annotations

from elasticluster.config.keys import Key
from elasticluster.config.tables import ProviderTables

_NETWORKS = "networks or subnets that the machines are connected to"
_DISK = "size of the boot disk, in GB"


_GOOGLE = (
    (
        Key(
            "gce_project_id",
            "str",
            help="id of the project",
            place=True,
            environment=("GOOGLE_CLOUD_PROJECT",),
        ),
        Key("gce_client_id", "str", help="OAuth client; none: application default credentials"),
        Key("gce_client_secret", "str", help="its secret", secret=True),
        Key("noauth_local_webserver", "bool", default=False, help="print the address instead of a browser"),
        Key("network", "str", default="default", help="network of the machines"),
        Key("zone", "str", default="us-central1-a", help="zone of the machines", place=True),
    ),
    (
        Key("boot_disk_size", "int", default=10, minimum=1, help=_DISK),
        Key("boot_disk_type", "str", default="pd-standard", help="type of the boot disk"),
        Key("accelerator_count", "int", default=0, minimum=0, help="number of GPUs"),
        Key("accelerator_type", "str", help="type of the GPUs"),
        Key("allow_project_ssh_keys", "bool", default=True, help="whether the project's keys log in too"),
        Key("local_ssd_count", "int", default=0, minimum=0, help="number of local disks"),
        Key("local_ssd_interface", "str", default="SCSI", choices=("SCSI", "NVME"), help="how they attach"),
        Key("min_cpu_platform", "str", help="oldest processor that will do"),
        Key("scheduling", "str", choices=("preemptible",), help="whether machines may be taken away"),
        Key("tags", "list", help="network tags of the machines"),
    ),
)

_AZURE = (
    (
        Key(
            "subscription_id",
            "str",
            help="id of the subscription",
            place=True,
            environment=("AZURE_SUBSCRIPTION_ID",),
        ),
        Key("tenant_id", "str", help="id of the tenant", environment=("AZURE_TENANT_ID",)),
        Key("client_id", "str", help="id of the service principal", environment=("AZURE_CLIENT_ID",)),
        Key("secret", "str", help="its secret", secret=True, environment=("AZURE_CLIENT_SECRET",)),
        Key("location", "str", default="westus", help="location of the machines", place=True),
        Key("vm_deployment_template", "path", help="Resource Manager template of a machine"),
        Key("net_deployment_template", "path", help="Resource Manager template of the network"),
    ),
    (
        Key("boot_disk_size", "int", default=30, minimum=1, help=_DISK),
        Key(
            "storage_account_type",
            "str",
            default="Standard_LRS",
            choices=("Standard_LRS", "Premium_LRS", "StandardSSD_LRS", "UltraSSD_LRS"),
            help="type of the boot disk",
        ),
    ),
)

_OPENNEBULA = (
    (
        Key("endpoint", "url", help="address of the service", place=True, environment=("ONE_URL",)),
        Key("username", "str", help="user", environment=("ONE_USERNAME", "ONE_AUTH")),
        Key("password", "str", help="password", secret=True, environment=("ONE_PASSWORD", "ONE_AUTH")),
    ),
    (Key("network_ids", "list", help=_NETWORKS),),
)

_LIBCLOUD = (
    (Key("driver_name", "str", required=True, help="driver of Apache Libcloud, like exoscale", place=True),),
    (
        Key("network_ids", "list", help=_NETWORKS),
        Key("image_user_password", "str", help="password of the user to log in as", secret=True),
    ),
)

DOCUMENTED: ProviderTables = {
    "azure": _AZURE,
    "google": _GOOGLE,
    "libcloud": _LIBCLOUD,
    "opennebula": _OPENNEBULA,
}
"""Providers whose sections load, and are checked, also where this version cannot start clusters there."""

OPEN: frozenset[str] = frozenset({"libcloud"})
"""Those that hand on any other key of ``[cloud/NAME]``."""
