"""Clouds of stored clusters, compared with what the configuration says of them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from elasticluster.exceptions import ConfigurationError

if TYPE_CHECKING:
    from elasticluster.config.templates import Configuration
    from elasticluster.model import ComponentRef


def place_of(cloud: ComponentRef) -> dict[str, object]:
    """Return what tells a cloud from others; the name of its section only where no key says where it is."""
    from elasticluster.providers.registry import cloud_keys

    places = {key.name: key.default for key in cloud_keys(cloud.type)[0] if key.place}
    found = {name: cloud.args.get(name, default) for name, default in places.items()}
    return {"type": cloud.type, **(found if places else {"section": cloud.section})}


def secret_names(cloud: ComponentRef) -> set[str]:
    """Return the names of the keys of a cloud whose values are shown to nobody."""
    from elasticluster.providers.registry import cloud_keys

    return {key.name for keys in cloud_keys(cloud.type) for key in keys if key.secret}


def with_secrets(
    cloud: ComponentRef, configuration: Configuration, left_out: Collection[str] = ()
) -> ComponentRef:
    """Return a cloud with the secrets that it lacks, as the section that it came from says them now.

    A record may come from anybody, and secrets are sent to where it says that the cloud is. So nothing is
    taken unless the section is for the very same place, and only what the provider's table calls secret.

    Args:
        cloud: as it is stored.
        configuration: read only if `cloud` came from a section.
        left_out: names of arguments that an archive did not hold; those of them that say where the cloud is
            are taken, too.
    """
    from elasticluster.providers.registry import cloud_keys

    with contextlib.suppress(ConfigurationError):
        here = configuration.cloud(cloud.section)
        if here.type == cloud.type:
            keys = cloud_keys(cloud.type)[0]
            names = {key.name for key in keys if key.secret or (key.place and key.name in left_out)}
            taken = {name: here.args[name] for name in names & here.args.keys() if not cloud.args.get(name)}
            whole = replace(cloud, args={**cloud.args, **taken})
            if place_of(whole) == place_of(here):
                return whole
    return cloud
