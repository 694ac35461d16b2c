"""Every error that ElastiCluster raises on purpose.

The tree::

    ElastiClusterError                    1
    ├── ConfigurationError               78  a file, section, key or value is wrong
    │   └── TemplateNotFound             66
    ├── UsageError                        2  a command line or an argument is wrong
    ├── ConfirmationRefused              75  the user said no, or nobody could be asked
    ├── StateError                       65  a stored cluster cannot be used
    │   └── ClusterLocked                75  another command works on the same cluster
    ├── ClusterError                      1
    │   ├── ClusterNotFound              66
    │   ├── NodeNotFound                 66
    │   ├── ClusterConflict              73  a cluster of that name exists and is another one
    │   └── ClusterSizeError              4  too few nodes to go on
    ├── CloudProviderError               69  the cloud or the container engine said no
    │   ├── CredentialsError             77
    │   ├── QuotaError, CapacityError, ThrottledError
    │   ├── InstanceError ── InstanceNotFoundError
    │   ├── ImageError, FlavorError, KeypairError, SecurityGroupError, SubnetError, VpcError
    │   └── UnsupportedError
    ├── ReadinessError                    4  a node is not usable
    │   └── TimeoutError                  4
    └── SetupProviderError                4  configuring the nodes failed
        └── AnsibleError                  4  playbook missing or unreadable

The number is the exit status of the command line. Names that the original's
users import (``ClusterNotFound``, ``NodeNotFound``, ``AnsibleError`` …) are kept.
"""

from __future__ import annotations

import os


class ElastiClusterError(Exception):
    """Base class: a message that names the thing, and what to do next.

    Args:
        message: one sentence or more: what went wrong, with names and values.
        hint: the next command or edit; empty if there is none.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigurationError(ElastiClusterError):
    """A configuration file, section, key or value is wrong."""

    exit_code = os.EX_CONFIG


class TemplateNotFound(ConfigurationError):  # noqa: N818 - named like its documented siblings
    """No ``[cluster/NAME]`` section of that name."""

    exit_code = os.EX_NOINPUT


class UsageError(ElastiClusterError):
    """A command line or an argument of the Python API cannot be understood."""

    exit_code = 2


class ConfirmationRefused(ElastiClusterError):  # noqa: N818 - not a failure of the program
    """The user declined, or there was no terminal to ask on."""

    exit_code = os.EX_TEMPFAIL


class StateError(ElastiClusterError):
    """A stored cluster is corrupt, unreadable, or written by a newer version."""

    exit_code = os.EX_DATAERR


class ClusterLocked(StateError):  # noqa: N818 - named like its documented siblings
    """Another command is working on the same cluster."""

    exit_code = os.EX_TEMPFAIL


class ClusterError(ElastiClusterError):
    """Something about a cluster as a whole is wrong."""


class ClusterNotFound(ClusterError):  # noqa: N818 - documented name
    """No stored cluster of that name."""

    exit_code = os.EX_NOINPUT


class NodeNotFound(ClusterError):  # noqa: N818 - documented name
    """No node of that name or kind in the cluster."""

    exit_code = os.EX_NOINPUT


class ClusterConflict(ClusterError):  # noqa: N818 - named like its documented siblings
    """A cluster of that name exists and is not the one that was asked for."""

    exit_code = os.EX_CANTCREAT


class ClusterSizeError(ClusterError):
    """Fewer nodes than the cluster needs."""

    exit_code = 4


class CloudProviderError(ElastiClusterError):
    """A call to a cloud or to the container engine failed."""

    exit_code = os.EX_UNAVAILABLE


class CredentialsError(CloudProviderError):
    """Credentials are missing, wrong, expired or not sufficient."""

    exit_code = os.EX_NOPERM


class QuotaError(CloudProviderError):
    """A quota or limit of the account, or of this machine, would be exceeded."""


class CapacityError(CloudProviderError):
    """The cloud, or this machine, has not enough resources of the kind asked for."""


class ThrottledError(CloudProviderError):
    """The cloud asked to slow down and did not relent in time."""


class UnsupportedError(CloudProviderError):
    """The provider, image or system cannot do what was asked."""


class InstanceError(CloudProviderError):
    """An instance could not be made, found, stopped or read."""


class InstanceNotFoundError(InstanceError):
    """The instance does not exist (any more)."""


class ImageError(CloudProviderError):
    """The image does not exist or cannot be built."""


class FlavorError(CloudProviderError):
    """The flavor does not exist or does not fit."""


class KeypairError(CloudProviderError):
    """The SSH key pair is missing, malformed or not the one on the cloud."""


class SecurityGroupError(CloudProviderError):
    """The security group is missing or lets nobody in."""


class SubnetError(CloudProviderError):
    """The network or subnet is missing or ambiguous."""


class VpcError(CloudProviderError):
    """The virtual private cloud is missing or ambiguous."""


class ReadinessError(ElastiClusterError):
    """A node, or the service on it, is not usable."""

    exit_code = 4


class TimeoutError(ReadinessError):  # noqa: A001 - documented name
    """Something did not happen in the time allowed."""


class SetupProviderError(ElastiClusterError):
    """Configuring the nodes failed."""

    exit_code = 4


class AnsibleError(SetupProviderError):
    """A playbook is missing or cannot be read by Ansible."""
