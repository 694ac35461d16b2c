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
    places = _places(cloud)
    found = {name: cloud.args.get(name, default) for name, default in places.items()}
    return {"type": cloud.type, **(found if places else {"section": cloud.section})}


def secret_names(cloud: ComponentRef) -> set[str]:
    """Return the names of the keys of a cloud whose values are shown to nobody."""
    from elasticluster.providers.registry import cloud_keys

    return {key.name for keys in cloud_keys(cloud.type) for key in keys if key.secret}


def account_of(cloud: ComponentRef) -> dict[str, object]:
    """Return what tells a cloud, and who we are there, from others: where both agree, one look is enough."""
    told = _login_names(cloud) if _places(cloud) else cloud.args.keys()
    return {**place_of(cloud), "login": {n: value for n, value in cloud.args.items() if n in told}}


def stored_form(cloud: ComponentRef) -> ComponentRef:
    """Return a cloud as it is remembered: None in place of each secret that is to be had again.

    That is where it came from a section: the section, or the environment, has it. What was given to a
    constructor in Python is nowhere else.
    """
    secrets = secret_names(cloud) if cloud.section else set()
    args = {name: None if name in secrets and value else value for name, value in cloud.args.items()}
    return replace(cloud, args=args)


def with_secrets(cloud: ComponentRef, configuration: Configuration) -> ComponentRef:
    """Return a cloud with the secrets that it lacks, as the section that it came from says them now.

    A record may come from anybody, and secrets are sent to where it says that the cloud is. So nothing is
    taken unless the section is for the very same place, and only what the provider's table calls secret, with
    the names that belong to it: who has a new password may have a new user, too.

    Args:
        cloud: as it is stored.
        configuration: read only if `cloud` came from a section.
    """
    here = _section_of(cloud, configuration)
    if here is None or place_of(cloud) != place_of(here):
        return cloud
    login = _login_names(cloud)
    known = {name: value for name, value in here.args.items() if name in login}
    if not _lacks_secrets(cloud, here) or not (
        known.keys() & secret_names(cloud) or known.keys() - cloud.args
    ):
        return cloud
    return replace(cloud, args={**{n: v for n, v in cloud.args.items() if n not in login}, **known})


def with_place(cloud: ComponentRef, configuration: Configuration, left_out: Collection[str]) -> ComponentRef:
    """Return the cloud of an archive with what that did not hold, as far as it is to be stored.

    The section that it came from may say it, if it is for the same place as far as the archive tells. Secrets
    are marked as to be had from there.

    Args:
        cloud: as the archive has it.
        configuration: read only if `cloud` came from a section.
        left_out: names of arguments that the archive did not hold.
    """
    here = _section_of(cloud, configuration)
    secrets = secret_names(cloud)
    args = {**cloud.args, **{name: None for name in left_out if name in secrets}}
    if here is not None:
        places = set(left_out) & _places(cloud).keys() & here.args.keys()
        whole = replace(cloud, args={**args, **{name: here.args[name] for name in places}})
        if place_of(whole) == place_of(here):
            return whole
    return replace(cloud, args=args)


def _section_of(cloud: ComponentRef, configuration: Configuration) -> ComponentRef | None:
    """Return what the section that a cloud came from says now; None if it is gone or of another sort."""
    if cloud.section:
        with contextlib.suppress(ConfigurationError):
            here = configuration.cloud(cloud.section)
            return here if here.type == cloud.type else None
    return None


def _lacks_secrets(cloud: ComponentRef, here: ComponentRef) -> bool:
    """Return whether secrets were left out of a cloud, or are nowhere but here."""
    left_out = [name for name in secret_names(cloud) if not cloud.args.get(name)]
    return any(here.args.get(name) or name in cloud.args for name in left_out)


def _places(cloud: ComponentRef) -> dict[str, object]:
    """Return the defaults of the keys that say where a cloud is."""
    from elasticluster.providers.registry import cloud_keys

    return {key.name: key.default for key in cloud_keys(cloud.type)[0] if key.place}


def _login_names(cloud: ComponentRef) -> set[str]:
    """Return the names of the keys that say who we are there."""
    from elasticluster.providers.registry import cloud_keys

    return {key.name for key in cloud_keys(cloud.type)[0] if key.identifies}
