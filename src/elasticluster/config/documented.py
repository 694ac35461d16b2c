"""The keys of the clouds that the documents name and this version does not have yet.

A module that brings such a provider has its tables beside its class (``CLOUD_KEYS`` and ``NODE_KEYS``); they
come before those here, which then go. Nothing is required that the environment or the provider's own files
can supply.
"""

from __future__ import annotations

from elasticluster.config.keys import Key
from elasticluster.config.tables import ProviderTables

_FLOATING_IP = "whether to ask for a public address where machines get none by themselves"
_NETWORKS = "networks or subnets that the machines are connected to"
_DISK = "size of the boot disk, in GB"


def _os(*names: str) -> tuple[str, ...]:
    """Return variables of OpenStack's own command line."""
    return tuple(f"OS_{name}" for name in names)


_EC2 = (
    (
        Key("ec2_url", "url", help="address of the service", place=True, environment=("EC2_URL",)),
        Key("ec2_region", "str", help="region", place=True, environment=("AWS_DEFAULT_REGION",)),
        Key(
            "ec2_access_key",
            "str",
            help="id of the access key",
            environment=("EC2_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ),
        Key(
            "ec2_secret_key",
            "str",
            help="the access key itself",
            secret=True,
            environment=("EC2_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"),
        ),
        Key("request_floating_ip", "bool", default=False, help=_FLOATING_IP),
        Key("vpc", "str", help="name or id of the virtual network; all kinds then need network_ids"),
        Key("instance_profile", "str", help="IAM profile of the machines"),
        Key("price", "float", minimum=0, help="most that a spot machine may cost an hour, in US dollars"),
        Key("timeout", "int", minimum=0, help="seconds to wait for spot machines; 0: for ever"),
    ),
    (
        Key("network_ids", "list", help=_NETWORKS),
        Key("availability_zone", "str", help="zone of the region"),
        Key("boot_disk_size", "int", minimum=1, help=_DISK),
        Key("boot_disk_type", "str", help="type of the boot disk, like gp3"),
        Key("boot_disk_device", "str", help="device of the boot disk, like /dev/sda1"),
        Key("boot_disk_iops", "int", minimum=1, help="operations a second of an io1 or io2 disk"),
        Key("placement_group", "str", help="placement group of the machines"),
        Key("price", "float", minimum=0, help="as in [cloud/NAME], which it wins over"),
        Key("timeout", "int", minimum=0, help="as in [cloud/NAME], which it wins over"),
        Key("request_floating_ip", "bool", help="as in [cloud/NAME], which it wins over"),
    ),
)

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

_OPENSTACK = (
    (
        Key(
            "auth_url",
            "url",
            help="address of the identity service",
            place=True,
            environment=_os("AUTH_URL"),
        ),
        Key("username", "str", help="user", environment=_os("USERNAME")),
        Key("password", "str", help="password", secret=True, environment=_os("PASSWORD")),
        Key(
            "project_name",
            "str",
            help="project, once called tenant",
            place=True,
            environment=_os("PROJECT_NAME", "TENANT_NAME"),
        ),
        Key("user_domain_name", "str", help="domain of the user", environment=_os("USER_DOMAIN_NAME")),
        Key(
            "project_domain_name",
            "str",
            help="domain of the project",
            environment=_os("PROJECT_DOMAIN_NAME"),
        ),
        Key("region_name", "str", help="region", place=True, environment=_os("REGION_NAME")),
        Key("cacert", "path", help="certificates to trust", environment=_os("CACERT")),
        Key("availability_zone", "str", help="zone of the machines"),
        Key("request_floating_ip", "bool", default=False, help=_FLOATING_IP),
        Key("use_anti_affinity_groups", "bool", default=False, help="whether to spread machines over hosts"),
        Key("build_timeout", "int", default=30, minimum=0, help="seconds that making a machine may take"),
        Key("compute_api_version", "str", choices=("1.1", "2"), help="version of Nova's API"),
        Key("image_api_version", "str", choices=("1", "2"), help="version of Glance's API"),
        Key("network_api_version", "str", choices=("2.0",), help="version of Neutron's API"),
        Key("volume_api_version", "str", choices=("1", "2", "3"), help="version of Cinder's API"),
        Key(
            "identity_api_version",
            "str",
            choices=("2", "3"),
            help="version of Keystone's API",
            environment=_os("IDENTITY_API_VERSION"),
        ),
    ),
    (
        Key("network_ids", "list", help=_NETWORKS),
        Key("request_floating_ip", "bool", help="as in [cloud/NAME], which it wins over"),
        Key("floating_network_id", "str", help="network that public addresses come from"),
        Key("availability_zone", "str", help="as in [cloud/NAME], which it wins over"),
        Key("boot_disk_size", "int", minimum=1, help=f"{_DISK}; makes a volume"),
        Key("boot_disk_type", "str", help="type of that volume"),
        Key("max_wait", "int", default=300, minimum=0, help="seconds that making it may take"),
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
    "ec2_boto": _EC2,
    "google": _GOOGLE,
    "libcloud": _LIBCLOUD,
    "opennebula": _OPENNEBULA,
    "openstack": _OPENSTACK,
}
"""Providers whose sections load, and are checked, also where this version cannot start clusters there."""

OPEN: frozenset[str] = frozenset({"libcloud"})
"""Those that hand on any other key of ``[cloud/NAME]``."""
