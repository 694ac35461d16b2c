"""What the services of the test cloud are told: ports, passwords and configuration files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PASSWORD = "secret"  # noqa: S105 - of a cloud on loopback that lives as long as a test run
REGION = "RegionOne"
HOST = "127.0.0.1"
CATALOG = {
    "keystone": ("identity", "/v3"),
    "placement": ("placement", ""),
    "glance": ("image", ""),
    "neutron": ("network", ""),
    "cinder": ("block-storage", "/v3"),
    "nova": ("compute", "/v2.1"),
}
"""Each service's type and the path of its endpoint, in the order in which they are started."""

FOLDERS = ("lock", "images", "staging", "nova", "cinder", "log", "fernet", "cred")


def url(ports: dict[str, int], service: str) -> str:
    """Return the address of a service's endpoint."""
    return f"http://{HOST}:{ports[service]}{CATALOG[service][1]}"


def write(state: Path, ports: dict[str, int]) -> None:
    """Write the configuration of every service; paths and ports are nowhere else but in databases."""
    for folder in FOLDERS:
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "ports.json").write_text(json.dumps(ports))
    for service, text in _files(state, ports).items():
        (state / f"{service}.conf").write_text(_common(state, service) + text)
    link = state / "glance-api.conf"  # Glance insists on this name
    link.unlink(missing_ok=True)
    link.symlink_to("glance.conf")


def database(state: Path, name: str) -> str:
    """Return the URL of a database; its time-out is in seconds."""
    return f"sqlite:///{state}/{name}.sqlite?timeout=60"


def paste(service: str, name: str = "api-paste.ini") -> Path:
    """Return the file of a service's WSGI pipeline, where pip has put it."""
    return Path(sys.prefix, "etc", service, name)


def _common(state: Path, service: str) -> str:
    """Return what all services are told; further lines of [DEFAULT] may follow.

    ``fake://`` is oslo.messaging's transport in memory: it joins threads of one process only. No service is
    given up for not having said for a while that it is alive: the machine may be busy.
    """
    return f"""\
[database]
connection = {database(state, service)}
[oslo_concurrency]
lock_path = {state}/lock
[oslo_policy]
enforce_scope = True
[DEFAULT]
use_stderr = True
log_options = False
host = host1
transport_url = fake://
rpc_response_timeout = 60
service_down_time = 86400
state_path = {state}
"""


def _login(ports: dict[str, int], user: str) -> str:
    """Return how a service proves to another who it is; between them they use their internal endpoints."""
    return f"""
www_authenticate_uri = {url(ports, "keystone")}
auth_url = {url(ports, "keystone")}
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = {user}
password = {PASSWORD}
region_name = {REGION}
"""


def _files(state: Path, ports: dict[str, int]) -> dict[str, str]:
    """Return what each service alone is told."""
    return {
        "keystone": _keystone(state),
        "placement": _placement(state) + _tokens(ports, "placement"),
        "glance": _glance(state) + _tokens(ports, "glance"),
        "neutron": _neutron(ports) + _tokens(ports, "neutron"),
        "cinder": _cinder(ports, state) + _tokens(ports, "cinder"),
        "nova": _nova(ports, state) + _tokens(ports, "nova"),
    }


def _tokens(ports: dict[str, int], service: str) -> str:
    return f"[keystone_authtoken]\ntoken_cache_time = 3600\n{_login(ports, service)}"


def _keystone(state: Path) -> str:
    return f"""
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = {state}/fernet
[credential]
key_repository = {state}/cred
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
password_hash_rounds = 4
"""


def _placement(state: Path) -> str:
    return f"[placement_database]\nconnection = {database(state, 'placement')}\n"


def _glance(state: Path) -> str:
    return f"""
enabled_backends = fs:file
enabled_import_methods = []
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {state}/images
[os_glance_staging_store]
filesystem_store_datadir = {state}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {state}/staging
[paste_deploy]
flavor = keystone
config_file = {paste("glance", "glance-api-paste.ini")}
[wsgi]
task_pool_threads = 2
"""


def _neutron(ports: dict[str, int]) -> str:
    """Without the notices to Nova, floating IPs would not show among a server's addresses."""
    return f"""
core_plugin = ml2
service_plugins = router
auth_strategy = keystone
api_paste_config = {paste("neutron")}
notify_nova_on_port_status_changes = True
notify_nova_on_port_data_changes = True
send_events_interval = 1
dhcp_agent_notification = False
rpc_workers = 0
rpc_state_report_workers = 0
[ml2]
type_drivers = local,flat
tenant_network_types = local
mechanism_drivers = instant
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
[quotas]
quota_port = 5000
quota_floatingip = 600
[nova]
{_login(ports, "nova")}
"""


def _cinder(ports: dict[str, int], state: Path) -> str:
    """The volume driver is a stand-in, too: see volumes.py."""
    return f"""
auth_strategy = keystone
api_paste_config = {paste("cinder")}
resource_query_filters_file = {paste("cinder", "resource_filters.json")}
enabled_backends = logging
glance_api_servers = {url(ports, "glance")}
image_conversion_dir = {state}/cinder
volumes_dir = {state}/cinder
[coordination]
backend_url = file://{state}/cinder
[logging]
volume_driver = volumes.InstantVolumes
volume_backend_name = logging
[nova]
{_login(ports, "nova")}
[service_user]
send_service_user_token = True
{_login(ports, "cinder")}
"""


def _nova(ports: dict[str, int], state: Path) -> str:
    """The driver is Nova's own stand-in for a hypervisor: everything is real but the machine."""
    login = _login(ports, "nova")
    return f"""
compute_driver = fake.FakeDriver
instances_path = {state}/nova
api_paste_config = {paste("nova")}
vif_plugging_is_fatal = False
vif_plugging_timeout = 0
max_concurrent_builds = 10
sync_power_state_interval = -1
heal_instance_info_cache_interval = -1
[api_database]
connection = {database(state, "nova_api")}
[api]
auth_strategy = keystone
[service_user]
send_service_user_token = True
{login}
[placement]
{login}
[neutron]
{login}
service_metadata_proxy = False
[glance]
endpoint_override = {url(ports, "glance")}
[cinder]
os_region_name = {REGION}
catalog_info = block-storage:cinder:internalURL
{login}
[vnc]
enabled = False
[compute]
resource_provider_association_refresh = 0
[scheduler]
query_placement_for_image_type_support = False
[filter_scheduler]
track_instance_changes = False
[quota]
instances = 20
cores = 5000
ram = -1
[conductor]
workers = 1
"""
