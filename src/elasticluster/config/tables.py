"""The keys that are the same for every provider, and the names that keys once had."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from elasticluster.config.keys import Key
from elasticluster.model import Json

ProviderTables: TypeAlias = Mapping[str, tuple[Collection[Key], Collection[Key]] | None]
"""Cloud providers by name: their keys in ``[cloud/NAME]``, and their own keys in ``[cluster/NAME]``.

None where a provider has no tables: its keys are handed on as text, unchecked.
"""


class Vocabulary(Protocol):
    """Which groups and variables mean something to a setup provider, as configured in one section.

    Each method returns an empty text if there is nothing to say.
    """

    def key_problem(self, key: str, value: Json) -> str:
        """Return what is wrong with the value of one of the provider's keys."""

    def key_warning(self, key: str) -> str:
        """Return why a key ``ansible_…`` is likely not what is meant."""

    def group_problem(self, group: str) -> str:
        """Return why there is no such group."""

    def group_warning(self, group: str) -> str:
        """Return why nodes cannot be set up as this group, though it is no mistake to name it."""

    def variable_problem(self, name: str, value: str) -> str:
        """Return what is wrong with the name or the value of a variable."""

    def variable_warning(self, name: str) -> str:
        """Return why a variable does nothing, though it is no mistake to set it."""


class SetupTable(NamedTuple):
    """What ``[setup/NAME]`` of one provider may say.

    Attributes:
        keys: its keys, besides groups, variables and ``ansible_…``.
        vocabulary: makes, of the values of these keys, what knows groups and variables; None: any are fine.
    """

    keys: Collection[Key]
    vocabulary: Callable[[Mapping[str, Any]], Vocabulary] | None = None


SetupTables: TypeAlias = Mapping[str, SetupTable | None]
"""Setup providers by name. None where a provider has no table: its keys are handed on as text, unchecked."""

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

ANSIBLE_KEYS = (
    Key("ansible_ssh_pipelining", "bool", help="whether tasks need one connection each instead of many"),
    Key("ansible_forks", "int", minimum=1, help="nodes that are worked on at a time"),
    Key("ansible_timeout", "int", minimum=1, help="seconds that a connection may take"),
)
"""Those keys ``ansible_…`` of ``[setup/NAME]`` whose values are checked; all are handed on as text."""

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
    Key("security_group", "str", default="", help="firewall rules; none: the cluster's own"),
    Key("image_user", "str", help="user to log in as, if not the one of [login/…]"),
    Key("image_userdata", "str", help="shell script run once, as root, after boot"),
)

STORAGE_KEYS = (
    Key(
        "storage_path",
        "folder",
        default="",
        help="folder, or URL of a database, where clusters are remembered",
    ),
    Key("storage_type", "str", default="", choices=("json", "yaml", "pickle"), help="how they are written"),
)

RENAMED: Mapping[str, Mapping[str, str]] = {
    "cloud": {"tenant_name": "project_name", "nova_api_version": "compute_api_version"},
    "setup": {"ssh_pipelining": "ansible_ssh_pipelining", "ansible_library": "ansible_module_dir"},
    "cluster": {"setup_provider": "setup", "image": "image_id", "frontend_class": "ssh_to"},
}
"""By type of section: old name of a key -> present name."""

RENAMED_SUFFIX: Mapping[str, Mapping[str, str]] = {"cluster": {"_min_nodes": "_nodes_min"}}
"""By type of section: old ending of a key -> present ending."""

INVERTED: Mapping[str, Mapping[str, str]] = {"cloud": {"auto_ip_assignment": "request_floating_ip"}}
"""By type of section: old name of a truth value -> present name of its opposite."""

_SAFE = "nothing is made quicker at the price of safety"

WITHOUT_EFFECT: Mapping[str, Mapping[str, str]] = {
    "azure": {
        "certificate": "a service principal logs in with `secret`",
        "wait_timeout": "`start_timeout` of the template says how long machines may take",
    },
    "setup": {"slow_but_safer": _SAFE, "safe_but_slower": _SAFE},
    "cluster": {"node_name": "nodes are named by their kind and a number"},
}
"""By type of section, or cloud provider: key of an older release that is accepted, though it does nothing
-> why."""

RENAMED_PROVIDER: Mapping[str, str] = {"boto": "ec2_boto"}
