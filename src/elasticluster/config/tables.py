"""The keys that are the same for every provider, and the names that keys once had."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from elasticluster.config.keys import Key

ProviderTables: TypeAlias = Mapping[str, tuple[Collection[Key], Collection[Key]] | None]
"""Cloud providers by name: their keys in ``[cloud/NAME]``, and their own keys in ``[cluster/NAME]``.

None where a provider has no tables: its keys are handed on as text, unchecked.
"""

SetupTables: TypeAlias = Mapping[str, Collection[Key] | None]
"""Setup providers by name: their keys in ``[setup/NAME]``, besides groups, variables and ``ansible_…``.

None where a provider has no table: its keys are handed on as text, unchecked.
"""

PROVIDER = Key("provider", "str", required=True, help="which cloud provider to use")
SETUP_PROVIDER = Key("provider", "str", default="ansible", help="which setup provider to use")

LOGIN_KEYS = (
    Key("image_user", "str", required=True, help="user to log in as"),
    Key("image_sudo", "bool", default=True, help="whether that user becomes another by sudo"),
    Key("image_user_sudo", "str", default="root", help="the user to become"),
    Key("image_userdata", "str", default="", help="shell script run once, as root, after boot"),
    Key("user_key_name", "str", default="elasticluster-key", help="name of the key pair on the cloud"),
    Key("user_key_private", "path", default="", help="private key; none: an SSH agent holds it"),
    Key("user_key_public", "path", default="", help="public key; none: a pair is made for each cluster"),
)

CLUSTER_KEYS = (
    Key("cloud", "str", required=True, help="name of a [cloud/…] section"),
    Key("login", "str", required=True, help="name of a [login/…] section"),
    Key("setup", "str", required=True, help="name of a [setup/…] section"),
    Key("ssh_to", "str", default="", help="kind or name of the node that `ssh` and `sftp` go to"),
    Key("ssh_probe_timeout", "float", default=5.0, help="seconds that one SSH attempt may take"),
    Key("ssh_proxy_command", "str", default="", help="ProxyCommand of ssh, with %h, %p, %r and %n"),
    Key("start_timeout", "float", default=600.0, help="seconds to run, and again to answer SSH"),
    Key(
        "start_failure",
        "str",
        default="keep",
        choices=("keep", "stop"),
        help="what becomes of machines made by a start that fails",
    ),
    Key("thread_pool_max_size", "int", help="accepted for old files; without effect"),
)

NODE_KEYS = (
    Key("image_id", "str", required=True, help="image to boot"),
    Key("flavor", "str", required=True, help="size of a node"),
    Key("security_group", "str", default="default", help="firewall rules"),
    Key("image_user", "str", help="user to log in as, if not the one of [login/…]"),
    Key("image_userdata", "str", help="shell script run once, as root, after boot"),
)

STORAGE_KEYS = (
    Key("storage_path", "str", default="", help="folder where clusters are remembered"),
    Key("storage_type", "str", default="", choices=("json", "yaml", "pickle"), help="how they are written"),
)

RENAMED: Mapping[str, Mapping[str, str]] = {
    "cloud": {"tenant_name": "project_name"},
    "setup": {"ssh_pipelining": "ansible_ssh_pipelining"},
    "cluster": {"setup_provider": "setup", "image": "image_id", "frontend_class": "ssh_to"},
}
"""By type of section: old name of a key -> present name."""

RENAMED_SUFFIX: Mapping[str, Mapping[str, str]] = {"cluster": {"_min_nodes": "_nodes_min"}}
"""By type of section: old ending of a key -> present ending."""

RENAMED_PROVIDER: Mapping[str, str] = {"boto": "ec2_boto"}

DOCUMENTED_PROVIDERS = ("azure", "ec2_boto", "google", "libcloud", "opennebula", "openstack")
"""Providers whose sections load, keys unchecked, also where this version does not have them."""
